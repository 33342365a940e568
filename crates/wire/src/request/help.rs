//! `… HELP`: what the subcommands of a container are.

use bartizan_core::provide::reply::Reply;

use super::Request;
use crate::resp::{Argv, Frame};

/// The lines between the first, which names the container, and the last two, which are HELP's.
type Lines = &'static [&'static str];

pub(super) fn acl(_: &Argv) -> Result<Request, Reply> {
    help("ACL", ACL)
}

pub(super) fn client(_: &Argv) -> Result<Request, Reply> {
    help("CLIENT", CLIENT)
}

pub(super) fn command(_: &Argv) -> Result<Request, Reply> {
    help("COMMAND", COMMAND)
}

pub(super) fn sentinel(_: &Argv) -> Result<Request, Reply> {
    help("SENTINEL", SENTINEL)
}

fn help(container: &str, lines: Lines) -> Result<Request, Reply> {
    let first = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let last = ["HELP", "    Show this text."];
    let lines = lines.iter().chain(&last).map(|line| Frame::simple(line));
    let lines = core::iter::once(Frame::simple(&first)).chain(lines);
    Ok(Request::Answered(Frame::Array(lines.collect())))
}

const ACL: Lines = &[
    "CAT [<category>]",
    "    List the categories, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Delete users and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether the user may give the command, without giving it.",
    "GETUSER <username>",
    "    Show the rules of a user.",
    "GENPASS [<bits>]",
    "    Make a random password, of 256 bits unless told otherwise.",
    "LIST",
    "    Show all users as lines of a configuration file.",
    "LOAD",
    "    Read the ACL file again.",
    "LOG [<count> | RESET]",
    "    Show what was refused, or forget it.",
    "SAVE",
    "    Write the users to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Make or change a user.",
    "USERS",
    "    List the names of all users.",
    "WHOAMI",
    "    Tell who this connection is.",
];

const CLIENT: Lines = &[
    "CACHING (YES|NO)",
    "    Accepted for clients that track keys; a Sentinel has none.",
    "GETREDIR",
    "    Tell where invalidation messages go: nowhere.",
    "GETNAME",
    "    Tell the name of this connection.",
    "ID",
    "    Tell the number of this connection.",
    "INFO",
    "    Describe this connection.",
    "KILL <ip:port>",
    "    Close the connection from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that fit. Options are:",
    "    * ADDR <ip:port>",
    "    * LADDR <ip:port>",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "    * USER <username>",
    "    * ID <client-id>",
    "    * SKIPME (YES|NO): spare this connection (default: yes).",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> ...]",
    "    Describe connections.",
    "NO-EVICT (ON|OFF)",
    "    Spare this connection from eviction.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Hold commands back for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Turn the replies to this connection on or off.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell which library this client uses.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKING (ON|OFF) [...]",
    "    Accepted; a Sentinel has no keys to track.",
    "TRACKINGINFO",
    "    Show the state of tracking.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Wake a blocked client; none ever is.",
    "UNPAUSE",
    "    End a pause.",
];

const COMMAND: Lines = &[
    "(no subcommand)",
    "    Describe all commands.",
    "COUNT",
    "    Count the commands.",
    "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    List the names of commands.",
    "INFO [<command-name> ...]",
    "    Describe some commands, or all.",
    "DOCS [<command-name> ...]",
    "    Document some commands, or all.",
    "GETKEYS <full-command>",
    "    Find the keys in a command; none here has any.",
    "GETKEYSANDFLAGS <full-command>",
    "    Find the keys and how they are used.",
];

const SENTINEL: Lines = &[
    "CKQUORUM <master-name>",
    "    Check that enough Sentinels can be reached now: for the quorum, which",
    "    agrees that a master is down, and for the majority, which authorizes",
    "    the failover.",
    "CONFIG SET <param> <value> [<param> <value> ...]",
    "    Change process-wide options.",
    "CONFIG GET <param> [<param> ...]",
    "    Show process-wide options; patterns are allowed.",
    "DEBUG [<param> <value> ...]",
    "    Show the periods and timeouts, in milliseconds,",
    "    or change some of them.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Tell the ip and port of the master of that name.",
    "FAILOVER <master-name>",
    "    Fail a master over now, without asking the other",
    "    Sentinels.",
    "FLUSHCONFIG",
    "    Write the configuration file, with the current",
    "    state.",
    "INFO-CACHE <master-name> [<master-name> ...]",
    "    Show the last INFO of masters and their replicas.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Tell whether this Sentinel holds the master at ip:port to be down,",
    "    and vote if asked to.",
    "MASTER <master-name>",
    "    Show the state of a master.",
    "MASTERS",
    "    Show the state of all masters.",
    "MONITOR <name> <ip> <port> <quorum>",
    "    Watch another master.",
    "MYID",
    "    Tell the id of this Sentinel.",
    "PENDING-SCRIPTS",
    "    Show the scripts that wait or run.",
    "REMOVE <master-name>",
    "    Stop watching a master.",
    "REPLICAS <master-name>",
    "    Show the replicas of a master.",
    "RESET <pattern>",
    "    Forget what was learnt of the masters whose names match.",
    "SENTINELS <master-name>",
    "    Show the other Sentinels of a master.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Change options of a master.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    Crash at a chosen moment, for tests.",
];
