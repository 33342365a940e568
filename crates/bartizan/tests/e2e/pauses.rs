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
