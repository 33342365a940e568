//! Looking commands up, what those for the core mean, and the errors they get, in the words that
//! a redis-sentinel 7.0.15 uses (spec §3).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::provide::command::{Ask, Command, Wish};
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bartizan_wire::request::{Request, find};

use support::{argv, parse, parse_words};

fn refused(line: &str, error: &str) {
    assert_eq!(parse(line), Err(format!("-{error}\r\n")), "{line}");
}

fn words(words: &[&str]) -> Vec<std::sync::Arc<str>> {
    words.iter().map(|word| (*word).into()).collect()
}

#[test]
fn unknown_commands_are_repeated_back() {
    refused(
        "GET x",
        "ERR unknown command 'GET', with args beginning with: 'x' ",
    );
    refused(
        "get x y",
        "ERR unknown command 'get', with args beginning with: 'x' 'y' ",
    );
    for line in [
        "CONFIG GET x",
        "MULTI",
        "SELECT 0",
        "MONITOR",
        "sentinel|masters",
    ] {
        assert!(
            parse(line).unwrap_err().starts_with("-ERR unknown command"),
            "{line}"
        );
    }
    let x = "x".repeat(300);
    let cut = "x".repeat(128);
    refused(
        &format!("GET {x} {x}"),
        &format!("ERR unknown command 'GET', with args beginning with: '{cut}' "),
    );
    refused(
        &x,
        &format!("ERR unknown command '{cut}', with args beginning with: "),
    );
    let odd = vec![b"GET".to_vec(), b"x'y\r\ny\x00z".to_vec(), b"b".to_vec()];
    let error = "-ERR unknown command 'GET', with args beginning with: 'x'y  y' 'b' \r\n";
    assert_eq!(parse_words(&odd), Err(error.to_owned()));
}

#[test]
fn unknown_subcommands_point_to_help() {
    refused(
        "sentinel nope",
        "ERR unknown subcommand 'nope'. Try SENTINEL HELP.",
    );
    refused(
        "client no-touch on",
        "ERR unknown subcommand 'no-touch'. Try CLIENT HELP.",
    );
    refused("acl nope", "ERR unknown subcommand 'nope'. Try ACL HELP.");
    refused(
        "command nope",
        "ERR unknown subcommand 'nope'. Try COMMAND HELP.",
    );
    let x = "x".repeat(300);
    let cut = "x".repeat(128);
    refused(
        &format!("sentinel {x}"),
        &format!("ERR unknown subcommand '{cut}'. Try SENTINEL HELP."),
    );
}

#[test]
fn the_number_of_words_is_checked() {
    for (line, name) in [
        ("ping a b", "ping"),
        ("sentinel", "sentinel"),
        ("client", "client"),
        ("SENTINEL masters x", "sentinel|masters"),
        ("sentinel MASTER", "sentinel|master"),
        ("sentinel set a b", "sentinel|set"),
        ("sentinel config", "sentinel|config"),
        ("client setname", "client|setname"),
        ("client no-evict", "client|no-evict"),
        ("command count x", "command|count"),
        ("command getkeys ping", "command|getkeys"),
        ("role x", "role"),
        ("auth", "auth"),
        ("psubscribe", "psubscribe"),
        ("acl setuser", "acl|setuser"),
    ] {
        refused(
            line,
            &format!("ERR wrong number of arguments for '{name}' command"),
        );
    }
}

#[test]
fn a_ping_of_too_many_words_is_found_first_so_that_noauth_can_come_before_it() {
    assert!(find(&argv("ping a b")).is_ok());
}

fn query(line: &str, query: Query) {
    assert_eq!(parse(line), Ok(Request::Query(query)), "{line}");
}

fn command(line: &str, command: Command) {
    assert_eq!(parse(line), Ok(Request::Command(command)), "{line}");
}

#[test]
fn questions_reach_the_core_under_each_of_their_names() {
    let name = || MasterName::new("m1");
    query("sentinel masters", Query::Masters);
    query("SENTINEL PRIMARIES", Query::Masters);
    query("sentinel master m1", Query::Master(name()));
    query("sentinel primary m1", Query::Master(name()));
    query("sentinel replicas m1", Query::Replicas(name()));
    query("sentinel slaves m1", Query::Replicas(name()));
    query("sentinel sentinels m1", Query::Sentinels(name()));
    query(
        "sentinel get-master-addr-by-name m1",
        Query::MasterAddr(name()),
    );
    query(
        "sentinel get-primary-addr-by-name m1",
        Query::MasterAddr(name()),
    );
    query("sentinel ckquorum m1", Query::CkQuorum(name()));
    query("sentinel myid", Query::MyId);
    query("role", Query::Role);
    query(
        "sentinel config get a* b",
        Query::ConfigGet(words(&["a*", "b"])),
    );
    query("sentinel debug", Query::DebugGet);
    query(
        "sentinel info-cache m1 m2",
        Query::InfoCache(vec![name(), MasterName::new("m2")]),
    );
    query("sentinel pending-scripts", Query::PendingScripts);
}

#[test]
fn switchovers_reach_the_core_with_all_that_is_wished() {
    let name = || MasterName::new("m1");
    command(
        "sentinel failover m1 coordinated",
        Command::Switchover {
            name: name(),
            wish: Wish::default(),
        },
    );
    command(
        "SENTINEL FAILOVER m1 COORDINATED TIMEOUT 300 DRYRUN TO 10.0.0.2 6380",
        Command::Switchover {
            name: name(),
            wish: Wish {
                to: Host::parse("10.0.0.2").map(|host| Addr::new(host, 6380)),
                timeout: Some(Span::ms(300)),
                dry_run: true,
            },
        },
    );
    command(
        "sentinel drain m1",
        Command::Drain {
            name: name(),
            server: None,
        },
    );
    let arity = "ERR wrong number of arguments for 'sentinel|failover' command";
    refused("sentinel failover m1 now", arity);
    refused(
        "sentinel failover m1 coordinated to 10.0.0.2",
        "ERR syntax error",
    );
    refused("sentinel drain m1 10.0.0.2", "ERR syntax error");
}

#[test]
fn commands_reach_the_core() {
    let name = || MasterName::new("m1");
    command("sentinel failover m1", Command::Failover { name: name() });
    command("sentinel remove m1", Command::Remove { name: name() });
    command(
        "sentinel reset m*",
        Command::Reset {
            pattern: "m*".into(),
        },
    );
    command("sentinel flushconfig", Command::FlushConfig);
    command(
        "sentinel set m1 quorum 2 x",
        Command::Set {
            name: name(),
            words: words(&["quorum", "2", "x"]),
            not_executable: Vec::new(),
        },
    );
    command(
        "sentinel config set announce-port 1",
        Command::ConfigSet {
            words: words(&["announce-port", "1"]),
        },
    );
    command(
        "sentinel config set announce-port",
        Command::ConfigSet {
            words: words(&["announce-port"]),
        },
    );
    command(
        "sentinel debug ping-period 5",
        Command::Debug {
            words: words(&["ping-period", "5"]),
        },
    );
    command(
        "sentinel simulate-failure help",
        Command::SimulateFailure {
            words: words(&["help"]),
        },
    );
    let lossy = vec![b"sentinel".to_vec(), b"reset".to_vec(), b"a\xff".to_vec()];
    let reset = Command::Reset {
        pattern: "a\u{fffd}".into(),
    };
    assert_eq!(parse_words(&lossy), Ok(Request::Command(reset)));
    refused(
        "sentinel config foo bar",
        "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] \
        / SET <param> <value> [<param> <value> ...] are supported.",
    );
}

#[test]
fn monitor_checks_the_quorum_before_the_port() {
    for line in ["m h c d", "m h 1 d", "m h 1 1.5"] {
        refused(&format!("sentinel monitor {line}"), "ERR Invalid quorum");
    }
    for line in ["m h c 1", "m h 99999999999999999999 1", "m h +1 1"] {
        refused(&format!("sentinel monitor {line}"), "ERR Invalid port");
    }
    let monitor = |host, port, quorum| Command::Monitor {
        name: MasterName::new("m"),
        host,
        port,
        quorum,
    };
    command(
        "sentinel monitor m db 6379 2",
        monitor(Host::parse("db"), 6379, 2),
    );
    command("sentinel monitor m a,b -5 0", monitor(None, -5, 0));
}

#[test]
fn questions_about_a_master_being_down_are_read_strictly() {
    for line in [
        "a b c *",
        "a 1 c *",
        "a 1 +1 *",
        "a 1 99999999999999999999 *",
        "a 1 1.0 *",
    ] {
        refused(
            &format!("sentinel is-master-down-by-addr {line}"),
            "ERR value is not an integer or out of range",
        );
    }
    let id = "27bc0000000000000000000000000000000000ff";
    let ask = |addr: Option<(&str, u16)>, epoch: Option<u64>, candidate: &str| {
        Command::Ask(Ask {
            addr: addr.map(|(host, port)| Addr::new(Host::parse(host).unwrap(), port)),
            epoch: epoch.map(Epoch::new),
            candidate: RunId::parse(candidate.as_bytes()),
        })
    };
    let down = "sentinel is-master-down-by-addr";
    command(
        &format!("{down} a 1 2 {id}"),
        ask(Some(("a", 1)), Some(2), id),
    );
    command(
        "sentinel is-primary-down-by-addr ::1 1 0 *",
        ask(Some(("::1", 1)), Some(0), ""),
    );
    command(&format!("{down} a 99999 1 x"), ask(None, Some(1), ""));
    command(&format!("{down} a -5 1 *"), ask(None, Some(1), ""));
    command(&format!("{down} , 1 1 *"), ask(None, Some(1), ""));
    command(
        &format!("{down} a 1 -1 {id}"),
        ask(Some(("a", 1)), None, id),
    );
}

#[test]
fn only_hellos_can_be_published() {
    refused(
        "publish x y",
        "ERR Only HELLO messages are accepted by Sentinel instances.",
    );
    command(
        "publish __sentinel__:hello y",
        Command::Publish { hello: None },
    );
    let text = "127.0.0.1,20011,27bc0000000000000000000000000000000000ff,0,m,127.0.0.1,20000,0";
    let hello = bartizan_wire::hello::parse(text.as_bytes());
    assert!(hello.is_some());
    command(
        &format!("publish __sentinel__:hello {text}"),
        Command::Publish { hello },
    );
}
