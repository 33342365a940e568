//! Failovers that an operator asks for.

use crate::harness::{Fleet, NAME, Plan, eventually};

#[test]
fn manual_failover_moves_a_healthy_master_and_a_second_one_is_refused() {
    let fleet = Fleet::start(Plan::default());
    let mut client = fleet.sentinels[0].client();

    client.send(&["SENTINEL", "FAILOVER", NAME]).unwrap();
    client.send(&["SENTINEL", "FAILOVER", NAME]).unwrap();
    assert!(client.read().unwrap().is_ok());
    let second = client.read().unwrap();
    assert!(
        second.is_error("INPROG Failover already in progress"),
        "{second:?}"
    );

    let new = fleet.await_new_master(0);
    fleet.await_replica_of(0, new);
    let told = fleet.events.of_kind("+switch-master");
    assert!(
        told.iter()
            .any(|event| event.port == fleet.sentinels[0].port)
    );
}

#[test]
fn manual_failover_without_a_suitable_replica_is_refused() {
    let lines = |_| vec!["replica-priority 0".to_owned()];
    let fleet = Fleet::start_with(
        Plan {
            replicas: 1,
            ..Plan::default()
        },
        lines,
    );
    let reply = fleet.sentinels[0].call(&["SENTINEL", "FAILOVER", NAME]);
    assert!(
        reply.is_error("NOGOODSLAVE No suitable replica to promote"),
        "{reply:?}"
    );
    assert_eq!(fleet.servers[0].role(), "master");
}

#[test]
fn manual_failover_of_an_unknown_master_is_refused() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let reply = fleet.sentinels[0].call(&["SENTINEL", "FAILOVER", "nobody"]);
    assert!(
        reply.is_error("ERR No such master with that name"),
        "{reply:?}"
    );
}

#[test]
fn a_failover_can_be_followed_by_another_one_back() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    assert!(
        fleet.sentinels[0]
            .call(&["SENTINEL", "FAILOVER", NAME])
            .is_ok()
    );
    assert_eq!(fleet.await_new_master(0), 1);
    fleet.await_replica_of(0, 1);

    eventually("the way back is free", || {
        let reply = fleet.sentinels[1].call(&["SENTINEL", "FAILOVER", NAME]);
        assert!(reply.is_ok() || reply.is_error("NOGOODSLAVE") || reply.is_error("INPROG"));
        reply.is_ok()
    });
    assert_eq!(fleet.await_new_master(1), 0);
    fleet.await_replica_of(1, 0);
}
