//! A former master comes back and goes on taking writes: what it alone has is saved.

use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, Fleet, Plan, eventually};
use std::path::PathBuf;

/// The files that the fleet's Sentinels saved, with this ending.
fn saved(fleet: &Fleet, ending: &str) -> Vec<PathBuf> {
    let dirs = fleet.sentinels.iter().map(|s| s.dir().join("rescue"));
    let files = dirs.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

/// A frozen master with twenty writes in its socket is replaced, and thaws.
fn thaw_after_a_failover(fleet: &Fleet) -> (usize, Client) {
    let mut client = Client::connect(fleet.servers[0].port).expect("the master answers");
    fleet.servers[0].freeze();
    for n in 0..20 {
        client
            .send(&["SET", &format!("late:{n}"), "only here"])
            .expect("the socket takes it");
    }
    let new = fleet.await_new_master(0);
    fleet.await_event_everywhere("+switch-master");
    fleet.servers[0].thaw();
    fleet.await_replica_of(0, new);
    (new, client)
}

#[test]
fn a_thawed_master_takes_no_write_that_would_be_lost_and_resyncs_in_part() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel lets it take writes for ten seconds, and they are lost
    }
    let fleet = Fleet::start(Plan::default());
    let (new, mut client) = thaw_after_a_failover(&fleet);
    fleet.await_event_anywhere("+fenced");
    let acknowledged = (0..20)
        .map_while(|_| client.read().ok())
        .filter(|reply| reply.is_ok())
        .count();
    let kept = fleet.servers[new].ask(&["EXISTS", "late:0"]);
    assert_eq!(kept, Some(Value::Int(0)));
    // What was executed before the fence came is in a file; mostly that is nothing.
    let rescued = saved(&fleet, ".resp").len();
    assert!(
        acknowledged == 0 || rescued > 0,
        "{acknowledged} acknowledged"
    );
}

#[test]
fn writes_of_a_returned_master_that_cannot_be_fenced_are_in_a_file_before_it_is_demoted() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let lines = |_| vec!["user default on nopass ~* &* +@all -client|pause".to_owned()];
    let fleet = Fleet::start_with(Plan::default(), lines);
    let (new, mut client) = thaw_after_a_failover(&fleet);
    let acknowledged = (0..20)
        .map_while(|_| client.read().ok())
        .filter(|reply| reply.is_ok())
        .count();
    assert_eq!(acknowledged, 20, "nothing held them back");
    fleet.await_event_anywhere("+rescued-writes");
    eventually("the writes are saved", || {
        let files = saved(&fleet, ".resp");
        let texts = files
            .iter()
            .filter_map(|file| std::fs::read_to_string(file).ok());
        texts
            .into_iter()
            .any(|text| (0..20).all(|n| text.contains(&format!("late:{n}\r\n"))))
    });
    assert!(
        !saved(&fleet, ".json").is_empty(),
        "what it is stands beside it"
    );
    let kept = fleet.servers[new].ask(&["EXISTS", "late:1"]);
    assert_eq!(kept, Some(Value::Int(0)), "it diverged");
}

/// Nobody's word made it a master that these Sentinels heard. What it took since stands in a
/// history of its own, which the present master never left.
#[test]
fn writes_of_a_replica_that_a_person_promoted_are_in_a_file_before_it_is_demoted() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let fleet = Fleet::start(Plan::default());
    let promoted = &fleet.servers[1];
    // One that was sent nothing since it synchronised cannot be told from one that restarted.
    fleet.servers[0].ask(&["SET", "early", "everywhere"]);
    eventually("the replica has it", || {
        promoted.ask(&["EXISTS", "early"]) == Some(Value::Int(1))
    });
    promoted.ask(&["REPLICAOF", "NO", "ONE"]);
    for n in 0..20 {
        let key = format!("late:{n}");
        let reply = promoted.ask(&["SET", &key, "only here"]);
        assert!(reply.is_some_and(|reply| reply.is_ok()), "{key}");
    }
    fleet.await_event_anywhere("+rescued-writes");
    fleet.await_replica_of(1, 0);
    let files = saved(&fleet, ".resp");
    let texts: Vec<String> = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    for n in 0..20 {
        let line = format!("late:{n}\r\n");
        assert!(texts.iter().any(|text| text.contains(&line)), "{texts:?}");
    }
}

#[test]
fn a_redis_sentinel_in_the_fleet_demotes_no_master_before_its_writes_are_saved() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let plan = Plan {
        sentinels: vec![Flavor::UnderTest, Flavor::UnderTest, Flavor::RedisSentinel],
        ..Plan::default()
    };
    // Without a fence all that waited is executed: the file has to have every one of them.
    let lines = |_| vec!["user default on nopass ~* &* +@all -client|pause".to_owned()];
    let fleet = Fleet::start_with(plan, lines);
    let (new, mut client) = thaw_after_a_failover(&fleet);
    let acknowledged: Vec<usize> = (0..20)
        .take_while(|_| client.read().is_ok_and(|reply| reply.is_ok()))
        .collect();
    assert!(!acknowledged.is_empty(), "nothing was put at risk");
    // It is a replica by now, so the file has to be there: no waiting for it.
    let texts: Vec<String> = saved(&fleet, ".resp")
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    for n in acknowledged {
        let key = format!("late:{n}");
        let kept = fleet.servers[new].ask(&["EXISTS", &key]) == Some(Value::Int(1));
        let rescued = texts
            .iter()
            .any(|text| text.contains(&format!("{key}\r\n")));
        assert!(kept || rescued, "{key} is nowhere");
    }
}
