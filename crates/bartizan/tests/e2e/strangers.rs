//! Another cluster's server turns up at an address where the group had a replica.

use crate::harness::resp::{Value, ask, info};
use crate::harness::{Flavor, Fleet, Plan, Server, eventually, holds_for};
use std::time::Duration;

/// What another cluster's server has.
const KEYS: u32 = 1001;

/// Starts a server that has nothing to do with the fleet.
fn other_cluster(fleet: &Fleet, port: u16) -> Server {
    let dir = fleet.root().join("other-cluster");
    std::fs::create_dir(&dir).expect("a directory");
    let server = Server::start(port, dir, None, &[]);
    for n in 0..KEYS {
        let key = format!("theirs:{n}");
        let reply = server.ask(&["SET", &key, "of great value"]);
        assert!(reply.is_some_and(|reply| reply.is_ok()));
    }
    server
}

fn keys(port: u16) -> Option<i64> {
    match ask(port, &["DBSIZE"]) {
        Some(Value::Int(n)) => Some(n),
        _ => None,
    }
}

#[test]
fn another_clusters_server_at_the_address_of_a_replica_keeps_its_keys() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel makes it a replica after 20 s, and one key is left
    }
    let mut fleet = Fleet::start(Plan::default());
    let port = fleet.free_port();
    let stranger = other_cluster(&fleet, port);
    // Every Sentinel has read the replica when the other server has been running for a while.
    std::thread::sleep(Duration::from_secs(16));
    let place = fleet.servers[2].port;
    fleet.servers[2].crash();
    let moved = stranger.ask(&["CONFIG", "SET", "port", &place.to_string()]);
    assert!(moved.is_some_and(|reply| reply.is_ok()));

    fleet.await_event_everywhere("+stranger");
    holds_for(Duration::from_secs(30), "it is left alone", || {
        keys(place) == Some(i64::from(KEYS))
    });
    let role = info(place, "replication");
    assert!(role.contains(&("role".to_owned(), "master".to_owned())));
    for sentinel in &fleet.sentinels {
        assert_eq!(sentinel.logged("+convert-to-slave"), Vec::<String>::new());
        assert_eq!(sentinel.logged("+stranger").len(), 1);
    }
    // Nor is it promoted, and the fleet goes on without it.
    fleet.servers[0].crash();
    assert_eq!(fleet.await_new_master(0), 1);
    assert_eq!(keys(place), Some(i64::from(KEYS)));
}

#[test]
fn a_server_that_may_be_another_clusters_is_saved_before_it_becomes_a_replica() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let mut fleet = Fleet::start(Plan::default());
    let place = fleet.servers[2].port;
    fleet.servers[2].crash();
    let _stranger = other_cluster(&fleet, place);
    eventually("it is taken in", || {
        keys(place).is_some_and(|keys| keys < i64::from(KEYS))
    });
    let dirs = fleet.sentinels.iter().map(|s| s.dir().join("rescue"));
    let files = dirs.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
    let snapshots = files.filter_map(|file| Some(file.ok()?.path()));
    let snapshot = snapshots.filter(|path| path.extension().is_some_and(|it| it == "rdb"));
    let has_it = |path: &std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| bytes.windows(11).any(|it| it == b"theirs:1000"))
    };
    assert!(snapshot.into_iter().any(|path| has_it(&path)));
}
