//! `sentinel fencing`: a master that no replica hears refuses writes, and has its own values back
//! when it is to.

use crate::harness::{Flavor, Fleet, NAME, Plan, eventually, holds_for};
use std::time::Duration;

/// What a server has set as `min-replicas-to-write` and `min-replicas-max-lag`.
fn values(fleet: &Fleet, server: usize) -> (String, String) {
    let value = |option: &str| {
        let reply = fleet.servers[server].ask(&["CONFIG", "GET", option]);
        let pairs = reply.map(|reply| reply.pairs()).unwrap_or_default();
        pairs
            .first()
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    (
        value("min-replicas-to-write"),
        value("min-replicas-max-lag"),
    )
}

fn has(fleet: &Fleet, server: usize, to_write: &str, max_lag: &str) -> bool {
    values(fleet, server) == (to_write.to_owned(), max_lag.to_owned())
}

fn set_fencing(fleet: &Fleet, words: &[&str]) {
    for sentinel in &fleet.sentinels {
        let set = [&["SENTINEL", "SET", NAME, "fencing"], words].concat();
        assert!(sentinel.call(&set).is_ok());
    }
}

fn takes_writes(fleet: &Fleet, server: usize) -> bool {
    let reply = fleet.servers[server].ask(&["SET", "probe", "1"]);
    reply.is_some_and(|reply| reply.is_ok())
}

#[test]
fn a_master_that_no_replica_hears_refuses_writes_until_it_is_known_to_be_alone() {
    if Flavor::UnderTest.is_upstream() {
        return; // an extension
    }
    let plan = Plan {
        down_after_ms: 30_000,
        ..Plan::default()
    };
    let fleet = Fleet::start_with(plan, |_| vec!["min-replicas-max-lag 7".to_owned()]);
    set_fencing(&fleet, &["min-replicas", "1"]);
    eventually("the master is tightened", || has(&fleet, 0, "1", "1"));
    let healthy = || has(&fleet, 0, "1", "1") && takes_writes(&fleet, 0);
    holds_for(
        Duration::from_secs(5),
        "a healthy master takes writes",
        healthy,
    );
    assert!(has(&fleet, 1, "0", "7"), "a replica has its own values");

    // Nobody can be promoted, and a majority of the Sentinels sees it.
    fleet.servers[1].freeze();
    fleet.servers[2].freeze();
    eventually("it refuses writes", || !takes_writes(&fleet, 0));
    eventually("it has its own values back", || has(&fleet, 0, "0", "7"));
    assert!(takes_writes(&fleet, 0));
    fleet.servers[1].thaw();
    fleet.servers[2].thaw();
    eventually("it is tightened again", || has(&fleet, 0, "1", "1"));

    for sentinel in &fleet.sentinels {
        let port = fleet.servers[0].port;
        let line = format!("#bartizan sentinel known-min-replicas {NAME} 127.0.0.1 {port}");
        eventually("the master's own values are in the file", || {
            sentinel.conf_value(&line).as_deref() == Some("0 7")
        });
    }
    set_fencing(&fleet, &["off"]);
    eventually("it has its own values back", || has(&fleet, 0, "0", "7"));
    for sentinel in &fleet.sentinels {
        eventually("nothing is left in the file", || {
            !sentinel.conf_text().contains("min-replicas")
        });
    }
}

#[test]
fn a_fenced_master_passes_the_setting_on_and_gets_its_own_values_back() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let plan = Plan {
        sentinel_lines: format!("sentinel fencing {NAME} min-replicas 1\n"),
        ..Plan::default()
    };
    let mut fleet = Fleet::start(plan);
    eventually("the master is tightened", || has(&fleet, 0, "1", "1"));
    // What it found is in the files of those who start again, and of nobody else's business.
    fleet.sentinels[1].crash();
    fleet.sentinels[1].restart();
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    fleet.servers[0].restart();
    fleet.await_replica_of(0, new);
    eventually("the new master is tightened", || has(&fleet, new, "1", "1"));
    eventually("the old one has its own values", || {
        has(&fleet, 0, "0", "10")
    });
}

#[test]
fn a_redis_sentinel_starts_from_the_file_of_a_bartizan_that_fences() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let plan = Plan {
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        ..Plan::default()
    };
    let mut fleet = Fleet::start(plan);
    for words in [
        &["fencing", "min-replicas", "2"][..],
        &["crash-detection", "500"],
        &["rescue", "snapshot"],
    ] {
        let set = [&["SENTINEL", "SET", NAME], words].concat();
        assert!(fleet.sentinels[0].call(&set).is_ok());
    }
    eventually("the master is tightened", || has(&fleet, 0, "1", "2"));
    fleet.sentinels[0].terminate();
    fleet.sentinels[0].flavor = Flavor::RedisSentinel;
    fleet.sentinels[0].restart();
    fleet.sentinels[0].terminate();
    // What it did not understand it has kept.
    fleet.sentinels[0].flavor = Flavor::UnderTest;
    fleet.sentinels[0].restart();
    let master = fleet.sentinels[0].master();
    assert_eq!(master.field("fencing").as_deref(), Some("min-replicas 2"));
    assert_eq!(master.field("crash-detection").as_deref(), Some("500"));
}

#[test]
fn a_server_that_does_not_permit_it_is_told_once_and_the_rest_goes_on() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let plan = Plan {
        sentinel_lines: format!("sentinel fencing {NAME} min-replicas 1\n"),
        ..Plan::default()
    };
    let lines = |_| vec!["user default on nopass ~* &* +@all -config|get -config|set".to_owned()];
    let fleet = Fleet::start_with(plan, lines);
    eventually("it is told", || {
        !fleet.sentinels[0]
            .logged("-min-replicas-refused")
            .is_empty()
    });
    fleet.servers[0].freeze();
    let new = fleet.await_new_master(0);
    fleet.servers[0].thaw();
    fleet.await_replica_of(0, new);
    let told = fleet.sentinels[0].logged("-min-replicas-refused");
    let about = |line: &&String| line.contains(" master mymaster");
    assert!(told.iter().filter(about).count() <= 2, "{told:#?}");
}
