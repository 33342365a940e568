//! Replicas and peers are found while everything runs.

use crate::harness::resp;
use crate::harness::{Flavor, Fleet, NAME, Plan, Server, eventually};

#[test]
fn peers_that_start_later_are_found_without_a_restart() {
    let sentinels = vec![Flavor::UnderTest; 2];
    let mut fleet = Fleet::start(Plan {
        sentinels,
        ..Plan::default()
    });

    let third = fleet.add_sentinel(Flavor::UnderTest);

    fleet.await_discovery();
    let id = fleet.sentinels[third].id();
    let port = fleet.sentinels[third].port.to_string();
    for sentinel in &fleet.sentinels[..2] {
        eventually("the newcomer has a row, connected", || {
            let peers = sentinel.call(&["SENTINEL", "SENTINELS", NAME]);
            peers.items().unwrap_or_default().iter().any(|row| {
                row.field("name").as_ref() == Some(&id)
                    && row.field("runid").as_ref() == Some(&id)
                    && row.field("port").as_ref() == Some(&port)
                    && row.field("flags").as_deref() == Some("sentinel")
            })
        });
        eventually("the newcomer is in the file", || {
            let line = format!("sentinel known-sentinel {NAME} 127.0.0.1 {port} {id}");
            sentinel.conf_text().contains(&line)
        });
    }
}

#[test]
fn replicas_that_join_later_are_found_and_kept_in_the_file() {
    let mut fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });

    let joined = fleet.add_server(&[]);

    fleet.await_discovery();
    fleet.await_event_everywhere("+slave");
    let line = format!(
        "sentinel known-replica {NAME} 127.0.0.1 {}",
        fleet.servers[joined].port
    );
    for sentinel in &fleet.sentinels {
        eventually("the newcomer is in the file", || {
            sentinel.conf_text().contains(&line)
        });
    }
}

/// How many PUBLISH a server has carried out, those from its master too.
fn publishes(server: &Server) -> u64 {
    let stats = resp::info(server.port, "commandstats");
    let calls = stats.iter().find(|(name, _)| name == "cmdstat_publish");
    let calls = calls.and_then(|(_, values)| values.strip_prefix("calls=")?.split(',').next());
    calls.and_then(|calls| calls.parse().ok()).unwrap_or(0)
}

#[test]
fn a_replica_is_told_no_hello_that_it_has_from_its_master() {
    if Flavor::UnderTest.is_upstream() {
        return; // it publishes on every server
    }
    let fleet = Fleet::start(Plan::default());
    for sentinel in &fleet.sentinels {
        assert!(
            sentinel
                .call(&["SENTINEL", "DEBUG", "PUBLISH-PERIOD", "300"])
                .is_ok()
        );
    }
    let both = || [&fleet.servers[0], &fleet.servers[1]].map(publishes);
    eventually("the replica carries out what the master does", || {
        let before = both();
        eventually("thirty hellos more", || both()[0] >= before[0] + 30);
        let after = both();
        after[1] - before[1] <= after[0] - before[0] + 3
    });
}
