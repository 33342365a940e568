//! Questions: fields, their order and their values (spec §3.2, §3.3, §3.4).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::MasterName;
use bartizan_core::input::Input;
use bartizan_core::output::Output;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::Span;
use bench::{
    Bench, LOCAL, MASTER, P1, P2, R1, R2, Trace, Vote, addr, boot_of, field, hello, id,
    master_state, name, run_id, text,
};

fn fields(reply: &Reply) -> String {
    let Reply::Map(fields) = reply else {
        panic!("not a map: {reply:?}");
    };
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_ref()).collect();
    names.join(" ")
}

fn first(reply: Reply) -> Reply {
    let Reply::Array(items) = reply else {
        panic!("not an array: {reply:?}");
    };
    items.into_iter().next().expect("an element")
}

fn patterns(words: &[&str]) -> Query {
    Query::ConfigGet(words.iter().map(|word| Arc::from(*word)).collect())
}

#[test]
fn a_master_has_twenty_fields_in_order() {
    let bench = Bench::calm(&[R1], 1, 2);
    assert_eq!(
        fields(&bench.query(&Query::Master(name()))),
        "name ip port runid flags link-pending-commands link-refcount last-ping-sent \
         last-ok-ping-reply last-ping-reply down-after-milliseconds info-refresh role-reported \
         role-reported-time config-epoch num-slaves num-other-sentinels quorum failover-timeout \
         parallel-syncs"
    );
}

#[test]
fn a_master_in_trouble_has_more() {
    let mut bench = Bench::calm_with(&[R1], 1, 1, |boot| {
        let options = &mut boot.durable.masters[0].options;
        options.notification_script = Some(Arc::from("/bin/notify"));
        options.client_reconfig_script = Some(Arc::from("/bin/reconfig"));
    });
    bench.disk = bench::Disk::Slow;
    bench.hang(MASTER);
    bench.until("persist", 6000);
    assert_eq!(
        fields(&bench.query(&Query::Master(name()))),
        "name ip port runid flags link-pending-commands link-refcount failover-state \
         last-ping-sent last-ok-ping-reply last-ping-reply s-down-time o-down-time \
         down-after-milliseconds info-refresh role-reported role-reported-time config-epoch \
         num-slaves num-other-sentinels quorum failover-timeout parallel-syncs \
         notification-script client-reconfig-script"
    );
}

#[test]
fn a_replica_has_twenty_one_fields_in_order() {
    let bench = Bench::calm(&[R1], 1, 2);
    assert_eq!(
        fields(&first(bench.query(&Query::Replicas(name())))),
        "name ip port runid flags link-pending-commands link-refcount last-ping-sent \
         last-ok-ping-reply last-ping-reply down-after-milliseconds info-refresh role-reported \
         role-reported-time master-link-down-time master-link-status master-host master-port \
         slave-priority slave-repl-offset replica-announced"
    );
}

#[test]
fn a_sentinel_has_fourteen_fields_in_order() {
    let bench = Bench::calm(&[R1], 1, 2);
    assert_eq!(
        fields(&first(bench.query(&Query::Sentinels(name())))),
        "name ip port runid flags link-pending-commands link-refcount last-ping-sent \
         last-ok-ping-reply last-ping-reply down-after-milliseconds last-hello-message \
         voted-leader voted-leader-epoch"
    );
}

#[test]
fn a_masters_fields_tell_what_is_known() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.hang(MASTER);
    bench.advance(1300);
    let process = run_id(MASTER, 0);
    let master = bench.query(&Query::Master(name()));
    let expected = [
        ("name", "mymaster"),
        ("ip", "127.0.0.1"),
        ("port", "6379"),
        ("runid", process.as_str()),
        ("flags", "master"),
        ("link-refcount", "1"),
        ("down-after-milliseconds", "5000"),
        ("info-refresh", "4300"),
        ("role-reported", "master"),
        ("role-reported-time", "4300"),
        ("config-epoch", "0"),
        ("num-slaves", "2"),
        ("num-other-sentinels", "2"),
        ("quorum", "2"),
        ("failover-timeout", "60000"),
        ("parallel-syncs", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(field(&master, name), value, "{name}");
    }
    // A PING goes out half a second after the last sign of life, or a little earlier.
    let ago = |name: &str| field(&master, name).parse::<u64>().unwrap();
    let unanswered = ago("last-ping-sent");
    assert!((800..=850).contains(&unanswered), "{unanswered}");
    let answered = ago("last-ok-ping-reply");
    assert!((1300..1400).contains(&answered), "{answered}");
    assert_eq!(ago("last-ping-reply"), answered);
}

#[test]
fn a_server_that_never_spoke_has_no_run_id_and_no_info() {
    let bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1)]));
    let master = bench.query(&Query::Master(name()));
    assert_eq!(field(&master, "runid"), "");
    assert_eq!(field(&master, "info-refresh"), "0");
}

#[test]
fn a_replicas_fields_tell_what_it_says() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    let info = &mut bench.host(R1).info;
    info.master_link_up = false;
    info.master_link_down_for = Span::secs(7);
    info.priority = Some(42);
    info.offset = Some(9_876);
    bench.advance(10_000);
    let replica = first(bench.query(&Query::Replicas(name())));
    let expected = [
        ("name", "127.0.0.1:6380"),
        ("flags", "slave"),
        ("role-reported", "slave"),
        ("master-link-down-time", "7000"),
        ("master-link-status", "err"),
        ("master-host", "127.0.0.1"),
        ("master-port", "6379"),
        ("slave-priority", "42"),
        ("slave-repl-offset", "9876"),
        ("replica-announced", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(field(&replica, name), value, "{name}");
    }
}

#[test]
fn an_unannounced_replica_is_hidden_but_counted() {
    let mut bench = Bench::calm(&[R1, R2], 1, 2);
    bench.host(R1).info.announced = Some(false);
    bench.advance(10_000);
    let Reply::Array(replicas) = bench.query(&Query::Replicas(name())) else {
        panic!();
    };
    assert_eq!(replicas.len(), 1);
    let master = bench.query(&Query::Master(name()));
    assert_eq!(field(&master, "num-slaves"), "2");
}

#[test]
fn a_sentinels_fields_tell_its_vote() {
    let mut bench = Bench::calm(&[], 2, 1);
    bench.host(P1).vote = Vote::Gave(1, id(2));
    bench.host(P2).vote = Vote::Withholds;
    let peer = |bench: &Bench| {
        let Reply::Array(peers) = bench.query(&Query::Sentinels(name())) else {
            panic!();
        };
        let ours = |peer: &&Reply| field(peer, "name") == "p1";
        peers.iter().find(ours).unwrap().clone()
    };
    assert_eq!(field(&peer(&bench), "voted-leader"), "?");
    bench.hang(MASTER);
    bench.until("log p1 voted", 6000);
    assert_eq!(field(&peer(&bench), "voted-leader"), "p2");
    assert_eq!(field(&peer(&bench), "voted-leader-epoch"), "1");
    assert_eq!(field(&peer(&bench), "runid"), "p1");
}

#[test]
fn names_are_looked_up_as_they_are_spelt() {
    let bench = Bench::calm(&[R1], 1, 2);
    let other = MasterName::new("MyMaster");
    let queries = [
        Query::Master(other.clone()),
        Query::Replicas(other.clone()),
        Query::Sentinels(other.clone()),
        Query::CkQuorum(other.clone()),
    ];
    for query in queries {
        let reply = bench.query(&query);
        assert_eq!(text(&reply), "-ERR No such master with that name");
    }
    assert_eq!(bench.query(&Query::MasterAddr(other)), Reply::NullArray);
}

#[test]
fn ckquorum_counts_who_is_not_down() {
    let check = |peers, quorum, lost: usize| {
        let mut bench = Bench::calm(&[R1], peers, quorum);
        for n in 1..=lost {
            bench.hang(bench::peer_port(n));
        }
        bench.advance(6000);
        text(&bench.query(&Query::CkQuorum(name())))
    };
    let ok = "Quorum and failover authorization can be reached";
    let no_quorum = "Not enough available Sentinels to reach the specified quorum for this master";
    let no_majority =
        "Not enough available Sentinels to reach the majority and authorize a failover";
    assert_eq!(check(2, 2, 0), format!("+OK 3 usable Sentinels. {ok}"));
    assert_eq!(check(2, 2, 1), format!("+OK 2 usable Sentinels. {ok}"));
    assert_eq!(
        check(2, 1, 2),
        format!("-NOQUORUM 1 usable Sentinels. {no_majority}")
    );
    assert_eq!(
        check(2, 4, 0),
        format!("-NOQUORUM 3 usable Sentinels. {no_quorum}")
    );
    assert_eq!(
        check(2, 2, 2),
        format!("-NOQUORUM 1 usable Sentinels. {no_quorum}. {no_majority}")
    );
}

#[test]
fn role_and_id_are_told() {
    let mut other = master_state(&[], 0, 1);
    other.name = MasterName::new("another");
    other.configuration.addr = addr(7000);
    let bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1), other]));
    assert_eq!(
        text(&bench.query(&Query::Role)),
        "[sentinel [another mymaster]]"
    );
    assert_eq!(text(&bench.query(&Query::MyId)), "me");
    let Reply::Array(masters) = bench.query(&Query::Masters) else {
        panic!();
    };
    assert_eq!(masters.len(), 2);
}

#[test]
fn the_info_section_tells_each_masters_state() {
    let mut bench = Bench::calm(&[R1], 2, 3);
    let master = |bench: &Bench| {
        let info = text(&bench.query(&Query::InfoSection));
        let line = info.lines().find(|line| line.starts_with("master0:"));
        line.unwrap().to_owned()
    };
    let line = |status: &str| {
        format!("master0:name=mymaster,status={status},address=127.0.0.1:6379,slaves=1,sentinels=3")
    };
    assert_eq!(master(&bench), line("ok"));
    bench.hang(MASTER);
    bench.until("+sdown", 6000);
    assert_eq!(master(&bench), line("sdown"));
    for port in [P1, P2] {
        bench.host(port).says_down = true;
        bench.host(port).vote = Vote::Withholds;
    }
    bench.until("+odown", 2000);
    assert_eq!(master(&bench), line("odown"));
}

#[test]
fn the_info_section_has_its_lines_in_order() {
    let bench = Bench::boot(boot_of(Vec::new()));
    assert_eq!(
        text(&bench.query(&Query::InfoSection)),
        "# Sentinel\r\nsentinel_masters:0\r\nsentinel_tilt:0\r\n\
         sentinel_tilt_since_seconds:-1\r\nsentinel_running_scripts:0\r\n\
         sentinel_scripts_queue_length:0\r\nsentinel_simulate_failure_flags:0\r\n"
    );
}

#[test]
fn config_get_answers_each_option_once_in_its_own_order() {
    let bench = Bench::calm(&[], 0, 1);
    let all = "{resolve-hostnames=no announce-hostnames=no announce-ip= announce-port=0 \
               sentinel-user= sentinel-pass= loglevel=notice}";
    assert_eq!(text(&bench.query(&patterns(&["*"]))), all);
    assert_eq!(
        text(&bench.query(&patterns(&["SENTINEL-*", "announce-p*", "*-pass", "nope"]))),
        "{sentinel-user= sentinel-pass= announce-port=0}"
    );
    assert_eq!(text(&bench.query(&patterns(&["nope"]))), "{}");
}

#[test]
fn debug_tells_thirteen_periods_in_order() {
    let bench = Bench::calm(&[], 0, 1);
    assert_eq!(
        text(&bench.query(&Query::DebugGet)),
        "{INFO-PERIOD=10000 PING-PERIOD=1000 ASK-PERIOD=1000 PUBLISH-PERIOD=2000 \
         DEFAULT-DOWN-AFTER=30000 DEFAULT-FAILOVER-TIMEOUT=180000 TILT-TRIGGER=2000 \
         TILT-PERIOD=30000 SLAVE-RECONF-TIMEOUT=10000 MIN-LINK-RECONNECT-PERIOD=15000 \
         ELECTION-TIMEOUT=10000 SCRIPT-MAX-RUNTIME=60000 SCRIPT-RETRY-DELAY=30000}"
    );
}

#[test]
fn the_info_cache_has_the_master_first_and_skips_unknown_names() {
    let bench = Bench::calm(&[R1], 0, 1);
    let nope = MasterName::new("nope");
    let reply = bench.query(&Query::InfoCache(vec![nope.clone(), name()]));
    assert_eq!(
        text(&reply),
        "[mymaster [[:3000 # Server\r\ntcp_port:6379\r\n] [:3000 # Server\r\ntcp_port:6380\r\n]]]"
    );
    assert_eq!(text(&bench.query(&Query::InfoCache(vec![nope]))), "[]");
    let bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1)]));
    let reply = bench.query(&Query::InfoCache(vec![name()]));
    assert_eq!(text(&reply), "[mymaster [[:0 $-1]]]", "nothing heard yet");
}

#[test]
fn questions_change_nothing() {
    let mut asked = Bench::calm(&[R1], 1, 2);
    let mut left_alone = Bench::calm(&[R1], 1, 2);
    for bench in [&mut asked, &mut left_alone] {
        bench.hear(hello(1, 3, 3, R1));
    }
    for query in [Query::Masters, Query::Master(name()), Query::InfoSection] {
        asked.query(&query);
        asked.query(&query);
    }
    assert_eq!(asked.advance(30_000), left_alone.advance(30_000));
}

#[test]
fn where_a_master_is_is_told_when_that_changes_and_not_else() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.trace = Some(Vec::new());
    bench.advance(10_000);
    assert_eq!(told(&mut bench), [""; 0]);

    bench.kill(MASTER);
    bench.until("+switch-master", 30_000);
    bench.settle();
    assert_eq!(told(&mut bench), ["at mymaster 127.0.0.1:6380"]);

    bench.ask(Command::Remove { name: name() });
    assert_eq!(told(&mut bench), ["nowhere mymaster"]);
}

#[test]
fn a_name_is_told_as_an_address_or_as_a_name_as_operators_want_it() {
    let host = Host::parse("redis.example").unwrap();
    let mut boot = boot_of(vec![master_state(&[], 0, 1)]);
    boot.durable.options.resolve_hostnames = true;
    boot.durable.masters[0].configuration.addr = Addr::new(host.clone(), MASTER);
    let mut bench = Bench::boot(boot);
    bench.trace = Some(Vec::new());
    let ip = Some(LOCAL);
    bench.give(Input::Resolved { host, ip });
    assert_eq!(told(&mut bench), ["at mymaster 127.0.0.1:6379"]);

    bench.ask(Command::ConfigSet {
        words: vec![Arc::from("announce-hostnames"), Arc::from("yes")],
    });
    assert_eq!(told(&mut bench), ["at mymaster redis.example:6379"]);
}

/// What was told of whereabouts since the last call.
fn told(bench: &mut Bench) -> Vec<String> {
    let trace = bench.trace.replace(Vec::new()).unwrap_or_default();
    let told = trace.into_iter().filter_map(|step| match step {
        Trace::Said(Output::Whereabouts { name, addr }) => Some((name, addr)),
        _ => None,
    });
    told.map(|(name, addr)| match addr {
        Some(addr) => format!("at {name} {addr}"),
        None => format!("nowhere {name}"),
    })
    .collect()
}
