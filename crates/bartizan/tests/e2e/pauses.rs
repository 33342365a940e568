//! Servers that are alive and do not answer everything: paused, hung, short of rights.

use std::time::{Duration, Instant};

use crate::harness::resp::Client;
use crate::harness::{Flavor, Fleet, Plan, Server, eventually, holds_for};

/// Whether any Sentinel has published this.
fn published(fleet: &Fleet, kind: &str) -> bool {
    !fleet.events.of_kind(kind).is_empty()
}

#[test]
fn a_paused_server_is_not_held_to_be_down() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel's PING waits behind its PUBLISH, and it fails over
    }
    let fleet = Fleet::start(Plan::default());
    for server in &fleet.servers {
        let paused = server.ask(&["CLIENT", "PAUSE", "10000", "WRITE"]);
        assert!(paused.is_some_and(|reply| reply.is_ok()));
    }
    // Hellos are due every two seconds, and down-after is one.
    holds_for(Duration::from_secs(8), "nobody is held to be down", || {
        !published(&fleet, "+sdown")
    });
    let waits = fleet.servers[0].ask(&["CLIENT", "LIST"]);
    let waits = waits.and_then(|list| list.text().map(str::to_owned));
    let held = |line: &&str| line.contains("cmd=publish") && line.contains("-pubsub");
    assert!(
        waits.is_some_and(|list| list.lines().any(|line| held(&line))),
        "a hello waited for the end of the pause"
    );
    let told = fleet.events.of_kind("+server-state");
    assert!(
        told.iter().any(|event| event.payload.ends_with(" paused")),
        "{told:?}"
    );
}

#[test]
fn a_server_without_resp3_hears_hellos_over_the_command_link() {
    let lines = |_| vec!["rename-command HELLO \"\"".to_owned()];
    let mut fleet = Fleet::start_with(Plan::default(), lines);
    fleet.servers[0].crash();
    fleet.await_new_master(0);
}

#[test]
fn a_hung_master_is_sent_nothing_that_makes_it_diverge() {
    if Flavor::UnderTest.is_upstream() {
        return; // its hellos wait in the socket, are executed when it thaws, and cost a full resync
    }
    // One Sentinel, so that it is known when the next hello is due, and time for some of them.
    let plan = Plan {
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        down_after_ms: 5_000,
        ..Plan::default()
    };
    // What the servers themselves write into the stream would make it diverge too.
    let lines = |_| vec!["repl-ping-replica-period 3600".to_owned()];
    let fleet = Fleet::start_with(plan, lines);
    freeze_behind_a_hello(&fleet);
    let new = fleet.await_new_master(0);
    fleet.await_event_everywhere("+switch-master");
    fleet.servers[0].thaw();
    fleet.await_replica_of(0, new);
    let log = fleet.servers[0].log();
    let in_part = "Successful partial resynchronization";
    assert!(log.contains(in_part), "{log}");
}

/// Freezes the master when all of its stream is with the replicas and no hello is near.
fn freeze_behind_a_hello(fleet: &Fleet) {
    let mut listener = Client::connect(fleet.servers[0].port).expect("the master answers");
    let offset = |server: &Server| server.info_field("master_repl_offset");
    listener
        .send(&["SUBSCRIBE", "__sentinel__:hello"])
        .and_then(|()| listener.read())
        .expect("a subscription");
    loop {
        listener.read().expect("a hello");
        let heard = Instant::now();
        let [master, replicas @ ..] = fleet.servers.as_slice() else {
            panic!("no master")
        };
        eventually("the replicas have it", || {
            replicas.iter().all(|it| offset(it) == offset(master))
        });
        if heard.elapsed() < Duration::from_secs(1) {
            return master.freeze();
        }
    }
}

/// How its one Sentinel says that the master answers.
fn state(fleet: &Fleet) -> Option<String> {
    fleet.sentinels[0].master().field("server-state")
}

#[test]
fn a_server_with_a_long_script_or_a_full_disk_or_that_loads_says_so_and_is_not_replaced() {
    if Flavor::UnderTest.is_upstream() {
        return; // it shows none of it
    }
    let plan = Plan {
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        replicas: 1,
        down_after_ms: 30_000,
        ..Plan::default()
    };
    let words = ["busy-reply-threshold 100", "save 3600 1"];
    let mut fleet = Fleet::start_with(plan, |_| words.map(str::to_owned).to_vec());
    let shows = |fleet: &Fleet, word: Option<&str>| {
        eventually("its state is shown and told", || {
            let told = fleet.sentinels[0].logged("+server-state");
            let last = told.last().and_then(|line| line.split(' ').next_back());
            state(fleet).as_deref() == word && last == Some(word.unwrap_or("ok"))
        });
    };

    let mut busy = Client::connect(fleet.servers[0].port).expect("the master answers");
    busy.send(&["EVAL", "while true do end", "0"])
        .expect("it is taken");
    shows(&fleet, Some("busy"));
    fleet.servers[0].ask(&["SCRIPT", "KILL"]);
    shows(&fleet, None);

    // A dump cannot take the place of a directory.
    let dump = fleet.root().join("server-0").join("dump.rdb");
    std::fs::create_dir(&dump).expect("a directory");
    fleet.servers[0].ask(&["SET", "k", "v"]);
    fleet.servers[0].ask(&["BGSAVE"]);
    shows(&fleet, Some("misconf"));
    std::fs::remove_dir(&dump).expect("it is empty");
    eventually("it can save again", || {
        fleet.servers[0]
            .ask(&["SAVE"])
            .is_some_and(|reply| reply.is_ok())
    });
    shows(&fleet, None);

    // A millisecond for each of its keys: what it says while it loads is told after a second or
    // two, and has to be seen before it has loaded.
    let fill = "for n = 1, 8000 do redis.call('set', n, n) end";
    fleet.servers[0].ask(&["EVAL", fill, "0"]);
    for (option, value) in [
        ("key-load-delay", "1000"),
        ("loading-process-events-interval-bytes", "1024"),
    ] {
        fleet.servers[0].ask(&["CONFIG", "SET", option, value]);
    }
    fleet.servers[0].ask(&["CONFIG", "REWRITE"]);
    fleet.servers[0].ask(&["SAVE"]);
    fleet.servers[0].crash();
    fleet.servers[0].restart();
    shows(&fleet, Some("loading"));
    shows(&fleet, None);

    let words = ["busy", "ok", "misconf", "ok", "loading", "ok"];
    let told = fleet.sentinels[0].logged("+server-state");
    let told: Vec<_> = told
        .iter()
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    assert_eq!(told, words);
    assert!(!published(&fleet, "+sdown"));
}
