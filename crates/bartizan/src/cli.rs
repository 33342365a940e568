//! The command line: `bartizan FILE [--directive value …]`, as redis-sentinel takes it (spec §1.1).

use std::path::PathBuf;

use bartizan_core::permission::{Permission, Permissions};
use bartizan_wire::call::SENT_TO_PEERS;
use bartizan_wire::hello;

/// What the words on the command line ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Be a Sentinel.
    Run(Sources),
    /// Read the configuration, say whether it is good, and end.
    Check(Sources),
    /// Print the users that servers and Sentinels need.
    Acl,
    /// Look at the files of rescues: the words behind `rescue`.
    Rescue(Vec<String>),
    /// Make a server safe to stop: the words behind `drain`.
    Drain(Vec<String>),
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// The file, which is also where state is saved. Without one a Sentinel does not start.
    pub(crate) file: Option<PathBuf>,
    /// More text is read from standard input (`-`).
    pub(crate) stdin: bool,
    /// The `--directive value …` words as lines, which count as the end of the file.
    pub(crate) overrides: Vec<u8>,
}

/// Reads the words after the program's own name.
pub(crate) fn parse(args: &[String]) -> Invocation {
    match args.first().map(String::as_str) {
        Some("-v" | "--version") => Invocation::Version,
        Some("-h" | "--help") => Invocation::Help,
        Some("acl") if is_about_users(args) => Invocation::Acl,
        Some("rescue") if is_about_rescues(args) => {
            Invocation::Rescue(args.get(1..).unwrap_or_default().to_vec())
        }
        Some("drain") if is_about_drains(args) => {
            Invocation::Drain(args.get(1..).unwrap_or_default().to_vec())
        }
        Some("--check-config") => Invocation::Check(sources(args.get(1..).unwrap_or_default())),
        _ => Invocation::Run(sources(args)),
    }
}

/// Whether `acl` is a command here and not the name of a configuration file. What it prints
/// explains itself, so it is also what a call for help gets.
fn is_about_users(args: &[String]) -> bool {
    args.get(1)
        .is_none_or(|word| word == "--help" || word == "-h")
}

/// Whether `rescue` is a command here and not the name of a configuration file.
fn is_about_rescues(args: &[String]) -> bool {
    let verbs = ["list", "show", "replay", "help", "-h", "--help"];
    args.get(1)
        .is_none_or(|verb| verbs.contains(&verb.as_str()))
}

/// Whether `drain` is a command here and not the name of a configuration file: the name of a master
/// follows, or a call for help.
fn is_about_drains(args: &[String]) -> bool {
    args.get(1)
        .is_none_or(|word| word == "--help" || word == "-h" || !word.starts_with('-'))
}

/// The version line of `--version`.
pub(crate) fn version() -> String {
    format!(
        "Bartizan v={} (speaks Redis Sentinel {}) bits={}",
        env!("CARGO_PKG_VERSION"),
        crate::server::info::REDIS_VERSION,
        usize::BITS
    )
}

/// What `bartizan acl` prints: the smallest users with which everything works.
pub(crate) fn acl_users() -> String {
    let rules =
        |words: &[&str]| -> String { words.iter().map(|name| format!(" +{name}")).collect() };
    let channel = hello::CHANNEL;
    format!(
        "\
# On every Redis server, for Bartizan (sentinel auth-user, sentinel auth-pass):
ACL SETUSER bartizan on >PASSWORD resetchannels &{channel} -@all {}

# On every Bartizan, for the others (sentinel sentinel-user, sentinel sentinel-pass):
ACL SETUSER peer on >PASSWORD resetchannels &{channel} -@all{}

# On every Bartizan, for clients that ask for the master and listen to events:
ACL SETUSER client on >PASSWORD allchannels -@all{}

# On the servers +config|get and +config|set are for `sentinel fencing` alone, and +client|pause,
# +psync and +replconf for switchovers without loss and for rescues.
#
# In a file, write `user` in place of `ACL SETUSER`. Put a password of your own in place of
# PASSWORD; ACL GENPASS makes one.
",
        Permissions::of(Permission::ALL),
        rules(SENT_TO_PEERS),
        rules(CLIENTS_NEED),
    )
}

/// What client libraries send to a Sentinel, beside AUTH and HELLO. All of it is known to
/// redis-sentinel 7.0 too.
const CLIENTS_NEED: &[&str] = &[
    "ping",
    "info",
    "role",
    "client|setname",
    "client|id",
    "subscribe",
    "psubscribe",
    "unsubscribe",
    "punsubscribe",
    "sentinel|get-master-addr-by-name",
    "sentinel|masters",
    "sentinel|master",
    "sentinel|replicas",
    "sentinel|slaves",
    "sentinel|sentinels",
    "sentinel|ckquorum",
    "sentinel|myid",
];

fn sources(args: &[String]) -> Sources {
    let mut found = Sources::default();
    let mut rest = args;
    match rest.split_first() {
        Some((first, tail)) if first == "-" => {
            found.stdin = true;
            rest = tail;
        }
        // Only the first word can be the file: everything later is a directive or its value.
        Some((first, tail)) if !first.starts_with("--") => {
            found.file = Some(PathBuf::from(first));
            rest = tail;
        }
        _ => {}
    }
    if let Some((last, head)) = rest.split_last()
        && last == "-"
    {
        found.stdin = true;
        rest = head;
    }
    found.overrides = bartizan_conf::lines_from_args(rest);
    found
}

/// The help of `--help`.
pub(crate) const HELP: &str = "\
Bartizan watches Redis and Valkey masters, replaces one that fails by one of its replicas,
and tells clients where the master is. It is a drop-in replacement of redis-sentinel.

Usage:
  bartizan FILE [--directive value ...]   run with this sentinel.conf
  bartizan FILE -                         the same, with more configuration from standard input
  bartizan --check-config FILE            read the configuration and say whether it is good
  bartizan acl                            print the ACL users that servers and Bartizans need
  bartizan rescue list|show|replay        look at the writes saved from returned masters, and
                                          play them (bartizan rescue --help)
  bartizan drain NAME                     move the master away from this host, so that its server
                                          can be stopped (bartizan drain --help)
  bartizan --version
  bartizan --help

FILE is both read and written: what is learnt (replicas, other sentinels, epochs) is saved
in it, so it and its directory must be writable. Files of redis-sentinel and valkey-sentinel
work as they are. A directive on the command line counts as a line at the end of FILE.

A first configuration, the same on three machines:
  port 26379
  sentinel monitor mymaster 192.0.2.10 6379 2
  sentinel down-after-milliseconds mymaster 5000
  sentinel failover-timeout mymaster 60000

where 2 is the quorum: how many sentinels have to agree that the master is down.

Then ask it:
  redis-cli -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME mymaster
  redis-cli -p 26379 SENTINEL CKQUORUM mymaster
  redis-cli -p 26379 PSUBSCRIBE '*'

Exit codes: 0 after an orderly stop, 1 when it could not start.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Invocation {
        parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>())
    }

    fn run(file: Option<&str>, stdin: bool, overrides: &[&str]) -> Invocation {
        Invocation::Run(Sources {
            file: file.map(PathBuf::from),
            stdin,
            overrides: bartizan_conf::lines_from_args(overrides),
        })
    }

    #[test]
    fn the_first_word_is_the_file_and_the_rest_are_directives() {
        assert_eq!(
            read(&[
                "s.conf",
                "--port",
                "1",
                "--sentinel",
                "monitor",
                "m",
                "::1",
                "1",
                "1"
            ]),
            run(
                Some("s.conf"),
                false,
                &["--port", "1", "--sentinel", "monitor", "m", "::1", "1", "1"]
            )
        );
    }

    #[test]
    fn the_sentinel_switch_is_an_empty_directive() {
        assert_eq!(
            read(&["s.conf", "--sentinel"]),
            run(Some("s.conf"), false, &["--sentinel"])
        );
    }

    #[test]
    fn directives_alone_are_no_file() {
        assert_eq!(read(&["--port", "1"]), run(None, false, &["--port", "1"]));
        assert_eq!(read(&[]), run(None, false, &[]));
    }

    #[test]
    fn a_dash_at_either_end_reads_standard_input() {
        assert_eq!(
            read(&["-", "--port", "1"]),
            run(None, true, &["--port", "1"])
        );
        assert_eq!(
            read(&["f", "--port", "1", "-"]),
            run(Some("f"), true, &["--port", "1"])
        );
        assert_eq!(read(&["f", "-"]), run(Some("f"), true, &[]));
    }

    #[test]
    fn a_file_may_be_called_drain() {
        let drain = Invocation::Drain(vec!["mymaster".to_owned()]);
        assert_eq!(read(&["drain", "mymaster"]), drain);
        assert_eq!(
            read(&["drain", "--port", "1"]),
            run(Some("drain"), false, &["--port", "1"])
        );
        assert_eq!(read(&["drain", "-"]), run(Some("drain"), true, &[]));
    }

    #[test]
    fn a_file_may_be_called_rescue() {
        let list = Invocation::Rescue(vec!["list".to_owned()]);
        assert_eq!(read(&["rescue", "list"]), list);
        assert_eq!(
            read(&["rescue", "--port", "1"]),
            run(Some("rescue"), false, &["--port", "1"])
        );
    }

    #[test]
    fn users_are_printed_for_a_lone_word_of_that_name() {
        assert_eq!(read(&["acl"]), Invocation::Acl);
        assert_eq!(read(&["acl", "--help"]), Invocation::Acl);
        assert_eq!(read(&["./acl"]), run(Some("./acl"), false, &[]));
    }

    #[test]
    fn version_help_and_check_are_told_by_the_first_word() {
        assert_eq!(read(&["-v"]), Invocation::Version);
        assert_eq!(read(&["--help"]), Invocation::Help);
        let wanted = Sources {
            file: Some(PathBuf::from("f")),
            ..Sources::default()
        };
        assert_eq!(read(&["--check-config", "f"]), Invocation::Check(wanted));
    }
}
