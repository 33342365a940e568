//! Commands that change something (spec §3.2, §10.8, §10.9, §11).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::addr::Host;
use bartizan_core::ids::MasterName;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bench::{
    Bench, Disk, LOCAL, MASTER, P1, P2, R1, R2, Vote, addr, events, field, hello, name, only, text,
};

fn words(words: &[&str]) -> Vec<Arc<str>> {
    words.iter().map(|word| Arc::from(*word)).collect()
}

fn monitor(bench: &mut Bench, host: Option<Host>, port: i64, quorum: i64) -> Vec<String> {
    let name = MasterName::new("other");
    bench.ask(Command::Monitor {
        name,
        host,
        port,
        quorum,
    })
}

fn reply(said: &[String]) -> String {
    let line = only(said, "reply ")[0];
    line.splitn(3, ' ').nth(2).unwrap().to_owned()
}

fn failover(bench: &mut Bench) -> Vec<String> {
    bench.ask(Command::Failover { name: name() })
}

#[test]
fn monitor_begins_to_watch_and_answers_when_it_is_saved() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    let said = monitor(&mut bench, Some(Host::Ip(LOCAL)), 7000, 2);
    assert_eq!(
        said,
        [
            "+monitor master other 127.0.0.1 7000 quorum 2",
            "connect 7000 cmd",
            "connect 7000 pubsub",
            "persist e0, mymaster at 6379 since e0, voted e0, other at 7000 since e0, voted e0"
        ]
    );
    assert_eq!(bench.disk_done(), ["reply 1 +OK"]);
}

#[test]
fn monitor_refuses_what_makes_no_sense() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let ip = Some(Host::Ip(LOCAL));
    let host = Host::parse("redis.example");
    let table = [
        (ip.clone(), 7000, 0, "-ERR Quorum must be 1 or greater."),
        (ip.clone(), 7000, -1, "-ERR Quorum must be 1 or greater."),
        (
            None,
            7000,
            1,
            "-ERR Invalid IP address or hostname specified",
        ),
        (
            host,
            7000,
            1,
            "-ERR Invalid IP address or hostname specified",
        ),
        (ip.clone(), 65_536, 1, "-ERR Invalid port number."),
        (ip, -1, 1, "-ERR Invalid port number."),
    ];
    for (host, port, quorum, expected) in table {
        let said = monitor(&mut bench, host, port, quorum);
        assert_eq!(reply(&said), expected);
        assert_eq!(said.len(), 1, "nothing else comes of it");
    }
}

#[test]
fn monitor_refuses_a_name_that_is_taken() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    monitor(&mut bench, Some(Host::Ip(LOCAL)), 7000, 2);
    bench.settle();
    let said = monitor(&mut bench, Some(Host::Ip(LOCAL)), 7001, 2);
    assert_eq!(reply(&said), "-ERR Duplicate master name.");
}

#[test]
fn remove_forgets_the_master_and_closes_its_links() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.ask(Command::Remove { name: name() });
    assert_eq!(events(&said), ["-monitor master mymaster 127.0.0.1 6379"]);
    assert_eq!(only(&said, "close").len(), 5, "{said:?}");
    assert_eq!(only(&said, "persist"), ["persist e0"]);
    assert_eq!(bench.settle(), ["reply 1 +OK"]);
    assert_eq!(bench.advance(60_000), [""; 0]);
    assert!(bench.links.is_empty());
}

#[test]
fn remove_keeps_a_peers_link_that_others_share() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    monitor(&mut bench, Some(Host::Ip(LOCAL)), 7000, 2);
    bench.settle();
    let mut other = hello(1, 0, 0, 7000);
    other.master = MasterName::new("other");
    bench.hear(other);
    bench.ask(Command::Remove { name: name() });
    bench.settle();
    assert_eq!(bench.links_of(P1).len(), 1);
    assert!(bench.links_of(MASTER).is_empty());
}

#[test]
fn an_unknown_name_is_an_error_everywhere() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let name = MasterName::new("MYMASTER");
    let commands = [
        Command::Remove { name: name.clone() },
        Command::Failover { name: name.clone() },
        Command::Set {
            name,
            words: words(&["quorum", "1"]),
            not_executable: Vec::new(),
        },
    ];
    for command in commands {
        let said = bench.ask(command);
        assert_eq!(reply(&said), "-ERR No such master with that name");
    }
}

#[test]
fn reset_forgets_servers_and_peers_but_neither_configuration_nor_vote() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.vote_request(1, 3);
    bench.settle();
    let pattern = Arc::from("my*");
    let said = bench.ask(Command::Reset { pattern });
    assert_eq!(
        events(&said),
        ["+reset-master master mymaster 127.0.0.1 6379"]
    );
    assert_eq!(
        only(&said, "persist"),
        ["persist e3, mymaster at 6379 since e0, voted e3"],
        "unlike redis-sentinel, which forgets to save it"
    );
    assert_eq!(reply(&bench.settle()), ":1");
    let saved = &bench.synced[1];
    assert!(saved.masters[0].replicas.is_empty());
    assert!(saved.masters[0].sentinels.is_empty());
    assert_eq!(bench.on_disk().replicas, [addr(R1)], "found again at once");
}

#[test]
fn reset_tells_how_many_matched_and_case_matters() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    for (pattern, count) in [
        ("*", ":1"),
        ("MY*", ":0"),
        ("m[a-z]master", ":1"),
        ("", ":0"),
    ] {
        let pattern = Arc::from(pattern);
        let mut said = bench.ask(Command::Reset { pattern });
        said.extend(bench.settle());
        assert_eq!(reply(&said), count);
    }
}

#[test]
fn reset_ends_a_failover() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.host(P1).vote = Vote::Withholds;
    bench.hang(MASTER);
    bench.until("+try-failover", 6000);
    bench.ask(Command::Reset {
        pattern: Arc::from("*"),
    });
    bench.settle();
    let flags = field(&bench.query(&Query::Master(name())), "flags");
    assert_eq!(flags, "master");
    assert_eq!(only(&bench.advance(4000), "+try-failover"), [""; 0]);
}

#[test]
fn flushconfig_writes() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.ask(Command::FlushConfig);
    assert_eq!(only(&said, "persist").len(), 1);
    assert_eq!(bench.settle(), ["reply 1 +OK"]);
}

#[test]
fn failover_of_a_healthy_master_asks_for_votes_and_succeeds() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    let said = failover(&mut bench);
    assert_eq!(
        said[..1],
        ["log Executing user requested FAILOVER of 'mymaster'"]
    );
    assert_eq!(reply(&said), "+OK");
    let flags = field(&bench.query(&Query::Master(name())), "flags");
    assert_eq!(flags, "master,failover_in_progress,force_failover");
    let said = bench.until("+switch-master", 3000);
    assert!(said.contains(&"5001 ASK 127.0.0.1:6379 e1 vote for me".to_owned()));
    assert_eq!(bench.on_disk().configuration.epoch.get(), 1);
}

#[test]
fn failover_is_refused_while_one_is_under_way() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    failover(&mut bench);
    let said = failover(&mut bench);
    assert_eq!(reply(&said), "-INPROG Failover already in progress");
}

#[test]
fn failover_is_refused_without_a_good_replica() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(R1).info.priority = Some(0);
    bench.advance(11_000);
    let said = failover(&mut bench);
    assert_eq!(reply(&said), "-NOGOODSLAVE No suitable replica to promote");
}

#[test]
fn failover_goes_on_by_the_operators_word_where_nobody_can_vote() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.kill(P1);
    bench.kill(P2);
    failover(&mut bench);
    let said = bench.until("+switch-master", 3000);
    assert_eq!(only(&said, "+elected-leader").len(), 1);
}

#[test]
fn failover_without_votes_takes_an_epoch_that_no_election_meets() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.kill(P1);
    bench.kill(P2);
    failover(&mut bench);
    bench.until("+switch-master", 3000);
    let epoch = bench.on_disk().configuration.epoch.get();
    assert!((1 << 16..1 << 25).contains(&epoch), "{epoch}");
}

#[test]
fn failover_does_not_go_against_votes_for_somebody_else() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    for port in [P1, P2] {
        bench.host(port).vote = Vote::Gave(1, bench::id(2));
    }
    failover(&mut bench);
    let said = bench.advance(20_000);
    assert_eq!(only(&said, "+elected-leader"), [""; 0]);
    assert_eq!(only(&said, "-failover-abort-not-elected").len(), 1);
}

#[test]
fn simulate_failure_sets_exactly_what_it_names() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let simulate = |bench: &mut Bench, flags: &[&str]| {
        let said = bench.ask(Command::SimulateFailure {
            words: words(flags),
        });
        let info = text(&bench.query(&Query::InfoSection));
        let (_, rest) = info.split_once("failure_flags:").unwrap();
        (reply(&said), rest.split_once("\r\n").unwrap().0.to_owned())
    };
    let both = ["Crash-After-Election", "crash-after-promotion"];
    let (ok, unknown) = ("+OK", "-ERR Unknown failure simulation specified");
    assert_eq!(simulate(&mut bench, &both), (ok.into(), "3".into()));
    assert_eq!(simulate(&mut bench, &both[1..]), (ok.into(), "2".into()));
    assert_eq!(simulate(&mut bench, &["x"]), (unknown.into(), "0".into()));
    let help = "[crash-after-election crash-after-promotion]";
    assert_eq!(simulate(&mut bench, &["HELP"]), (help.into(), "0".into()));
}

#[test]
fn the_crash_after_election_comes_right_after_it() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.ask(Command::SimulateFailure {
        words: words(&["crash-after-election"]),
    });
    failover(&mut bench);
    let said = bench.until("crash", 1000);
    let at = said.iter().position(|line| line == "crash 99").unwrap();
    assert_eq!(
        said[at - 1],
        "+elected-leader master mymaster 127.0.0.1 6379"
    );
}
