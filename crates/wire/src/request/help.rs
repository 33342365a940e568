//! `… HELP`: what the subcommands of a container are. The lines that name them have the shape of
//! redis-sentinel's; what is said of them is said in our own words.

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
    let first = format!("{container} <subcommand> [<arg> [value] [opt] ...], which may be:");
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
    "    Read the file of users again.",
    "LOG [<count> | RESET]",
    "    Show what was refused, or forget it.",
    "SAVE",
    "    Write the users to their file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Make or change a user.",
    "USERS",
    "    Name all users.",
    "WHOAMI",
    "    Tell who this connection is.",
];

const CLIENT: Lines = &[
    "CACHING (YES|NO)",
    "    For clients that track keys; a Sentinel has none.",
    "GETREDIR",
    "    Tell who gets this connection's invalidations.",
    "GETNAME",
    "    Tell what this connection is called.",
    "ID",
    "    Tell the number of this connection.",
    "INFO",
    "    Describe this connection.",
    "KILL <ip:port>",
    "    Close the connection from there.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close all connections that every option fits:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Its other end",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Its end here",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Its kind",
    "    * USER <username>",
    "      Who it is",
    "    * ID <client-id>",
    "      Its number",
    "    * SKIPME (YES|NO)",
    "      Whether this connection is spared; it is unless told otherwise",
    "LIST [options ...]",
    "    Describe connections, one a line: all, or those of",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      a kind",
    "    * ID <client-id> [<client-id> ...]",
    "      these numbers",
    "UNPAUSE",
    "    End a pause now.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Hold commands back for so many milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Answer this connection, do not, or not the next time.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell which library this client uses.",
    "SETNAME <name>",
    "    Give this connection a name.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Wake a client that waits; here none ever does.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    For clients that cache keys; a Sentinel has none.",
    "TRACKINGINFO",
    "    Show what TRACKING was told.",
    "NO-EVICT (ON|OFF)",
    "    Ask to be spared where memory is short.",
];

const COMMAND: Lines = &[
    "(no subcommand)",
    "    Describe every command.",
    "COUNT",
    "    Count the commands.",
    "LIST",
    "    Name the commands.",
    "INFO [<command-name> ...]",
    "    Describe some commands, or all.",
    "DOCS [<command-name> ...]",
    "    Document some commands, or all.",
    "GETKEYS <full-command>",
    "    Find the keys in a command; none here has any.",
    "GETKEYSANDFLAGS <full-command>",
    "    Find them, and what is done with each.",
];

const SENTINEL: Lines = &[
    "CKQUORUM <master-name>",
    "    Check that enough Sentinels can be reached now: for the quorum, which",
    "    agrees that a master is down, and for the majority, which lets one of",
    "    them fail it over.",
    "CONFIG SET <param> <value> [<param> <value> ...]",
    "    Change options of the whole process.",
    "CONFIG GET <param> [<param> ...]",
    "    Show options of the whole process; patterns are allowed.",
    "DEBUG [<param> <value> ...]",
    "    Show the periods and time limits, in milliseconds, or change some.",
    "DRAIN <master-name> [<host> <port>]",
    "    Answer when that server, or the one on this host, is not the master",
    "    any more, so that it can be stopped without losing a write.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Tell where the master of that name is.",
    "FAILOVER <master-name>",
    "    Fail a master over now, though nobody holds it to be down.",
    "FAILOVER <master-name> COORDINATED [TO <host> <port>] [TIMEOUT <ms>] [DRYRUN]",
    "    Fail a master over without losing a write, or not at all; answer when",
    "    it is done. DRYRUN tells which replica would be taken, and why not the",
    "    others.",
    "FLUSHCONFIG",
    "    Write the configuration file, with all that was learnt.",
    "INFO-CACHE <master-name>",
    "    Show the last INFO of a master and of its replicas.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Tell whether this Sentinel holds the master at ip:port to be down, and",
    "    vote if asked to.",
    "MASTER <master-name>",
    "    Show how a master is.",
    "MASTERS",
    "    Show how all masters are.",
    "MONITOR <name> <ip> <port> <quorum>",
    "    Watch one more master.",
    "MYID",
    "    Tell the id of this Sentinel.",
    "PENDING-SCRIPTS",
    "    Show the scripts that wait or run.",
    "REMOVE <master-name>",
    "    Watch a master no longer.",
    "REPLICAS <master-name>",
    "    Show how a master's replicas are.",
    "RESET <pattern>",
    "    Forget what was learnt about the masters whose names match.",
    "SENTINELS <master-name>",
    "    Show the other Sentinels that watch a master.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Change options of one master.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    Die at that step of the next failover, for tests.",
];
