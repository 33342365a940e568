//! The master is lost, or seems to be.

use crate::harness::resp::Value;
use crate::harness::{Flavor, Fleet, NAME, Plan, Server, eventually, holds_for};
use std::time::Duration;

#[test]
fn killed_master_is_replaced_by_a_replica_and_everybody_is_told() {
    let mut fleet = Fleet::start(Plan::default());
    let old = fleet.servers[0].port;

    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);

    let other = if new == 1 { 2 } else { 1 };
    fleet.await_replica_of(other, new);
    let written = fleet.servers[new].ask(&["SET", "after", "the failover"]);
    assert!(
        written.is_some_and(|reply| reply.is_ok()),
        "the new master takes writes"
    );
    fleet.await_event_everywhere("+switch-master");
    let told = format!(
        "{NAME} 127.0.0.1 {old} 127.0.0.1 {}",
        fleet.servers[new].port
    );
    for event in fleet.events.of_kind("+switch-master") {
        assert_eq!(event.payload, told, "clients parse this line");
    }
    fleet.assert_one_vote_per_epoch();
}

#[test]
fn the_leader_publishes_the_steps_of_a_failover_in_their_order() {
    let mut fleet = Fleet::start(Plan::default());

    fleet.servers[0].crash();
    fleet.await_event_everywhere("+switch-master");
    fleet.await_event_anywhere("+failover-end");

    let leader = fleet.await_event_anywhere("+elected-leader");
    let port = fleet.sentinels[leader].port;
    let heard: Vec<String> = fleet
        .events
        .all()
        .into_iter()
        .filter(|event| event.port == port)
        .map(|event| event.kind)
        .collect();
    let until_promotion = [
        "+sdown",
        "+odown",
        "+new-epoch",
        "+try-failover",
        "+vote-for-leader",
        "+elected-leader",
        "+failover-state-select-slave",
        "+selected-slave",
        "+failover-state-send-slaveof-noone",
        "+failover-state-wait-promotion",
        "+promoted-slave",
        "+failover-state-reconf-slaves",
    ];
    assert_in_order(&heard, &until_promotion);
    let until_the_end = [
        "+promoted-slave",
        "+slave-reconf-sent",
        "+slave-reconf-inprog",
        "+slave-reconf-done",
        "+failover-end",
    ];
    assert_in_order(&heard, &until_the_end);
    // redis-sentinel's leader tells its clients when all is done, Bartizan as soon as it is true.
    let upstream = Flavor::UnderTest.is_upstream();
    let told_after = if upstream {
        "+failover-end"
    } else {
        "+promoted-slave"
    };
    assert_in_order(&heard, &[told_after, "+switch-master"]);
}

fn assert_in_order(heard: &[String], steps: &[&str]) {
    let mut rest = heard.iter();
    for step in steps {
        let found = rest.any(|kind| kind == step);
        assert!(found, "{step} is missing or early in {heard:?}");
    }
}

#[test]
fn frozen_master_is_replaced_and_becomes_a_replica_when_it_thaws() {
    let fleet = Fleet::start(Plan::default());

    fleet.servers[0].freeze();
    let new = fleet.await_new_master(0);
    fleet.servers[0].thaw();

    fleet.await_replica_of(0, new);
}

#[test]
fn master_restarted_within_down_after_is_not_failed_over() {
    let mut fleet = Fleet::start(Plan {
        down_after_ms: 8_000,
        ..Plan::default()
    });
    let before = fleet.servers[0].info_field("run_id");

    fleet.servers[0].shut_down();
    fleet.servers[0].restart();

    // The sentinels notice the new run id with the INFO that follows; from then on they have
    // seen both the old and the new process, and there is nothing left to decide.
    fleet.await_event_everywhere("+reboot");
    assert_ne!(fleet.servers[0].info_field("run_id"), before);
    for kind in ["+sdown", "+odown", "+try-failover", "+switch-master"] {
        let master = format!("master {NAME}");
        let heard = fleet.events.of_kind(kind);
        assert!(
            !heard.iter().any(|event| event.payload.starts_with(&master)),
            "{heard:?}"
        );
    }
    for sentinel in &fleet.sentinels {
        assert_eq!(sentinel.master_port(), Some(fleet.servers[0].port));
        assert_eq!(
            sentinel.master().field("config-epoch").as_deref(),
            Some("0")
        );
    }
    fleet.await_replica_of(1, 0);
}

#[test]
fn old_master_comes_back_as_a_replica_of_the_new_one() {
    let mut fleet = Fleet::start(Plan::default());
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);

    fleet.servers[0].restart();

    fleet.await_replica_of(0, new);
    let name = format!("127.0.0.1:{}", fleet.servers[0].port);
    eventually("every sentinel lists it as a healthy replica", || {
        fleet.sentinels.iter().all(|sentinel| {
            sentinel.replicas().iter().any(|row| {
                row.field("name").as_ref() == Some(&name)
                    && row.field("flags").as_deref() == Some("slave")
                    && row.field("master-link-status").as_deref() == Some("ok")
            })
        })
    });
    let converted = fleet.events.of_kind("+convert-to-slave");
    assert!(
        converted.iter().any(|event| event.payload.contains(&name)),
        "and it was told"
    );
}

#[test]
fn replica_that_was_down_during_the_failover_is_repaired_when_it_returns() {
    // A stray replica is left alone for failover-timeout, hence a short one.
    let mut fleet = Fleet::start(Plan {
        failover_timeout_ms: 3_000,
        ..Plan::default()
    });
    fleet.servers[2].crash();
    fleet.await_event_everywhere("+sdown");
    fleet.servers[0].crash();
    assert_eq!(fleet.await_new_master(0), 1, "the only replica that is up");

    fleet.servers[2].restart();

    assert_eq!(
        fleet.servers[2].info_field("master_port"),
        Some(fleet.servers[0].port.to_string()),
        "its own file still names the old master"
    );
    fleet.await_settled();
}

#[test]
fn replica_with_priority_0_is_never_promoted() {
    let lines = |index| {
        if index == 1 {
            vec!["replica-priority 0".into()]
        } else {
            vec![]
        }
    };
    let mut fleet = Fleet::start_with(Plan::default(), lines);
    fleet.servers[0].crash();
    assert_eq!(fleet.await_new_master(0), 2, "server 1 has priority 0");
    fleet.await_replica_of(1, 2);

    // Now only the one with priority 0 is left: nobody is promoted.
    fleet.servers[2].crash();
    fleet.await_event_anywhere("-failover-abort-no-good-slave");
    assert_eq!(fleet.servers[1].role(), "slave");
    holds_for(Duration::from_secs(2), "it stays a replica", || {
        fleet.servers[1].role() == "slave"
            && fleet
                .sentinels
                .iter()
                .all(|s| s.master_port() == Some(fleet.servers[2].port))
    });
}

#[test]
fn replica_with_the_lowest_priority_number_is_preferred() {
    let lines = |index| match index {
        2 => vec!["replica-priority 10".into()],
        _ => vec!["replica-priority 100".into()],
    };
    let mut fleet = Fleet::start_with(
        Plan {
            replicas: 3,
            ..Plan::default()
        },
        lines,
    );
    fleet.servers[0].crash();
    assert_eq!(fleet.await_new_master(0), 2);
}

#[test]
fn parallel_syncs_limits_how_many_replicas_are_moved_at_once() {
    let plan = Plan {
        replicas: 4,
        failover_timeout_ms: 20_000,
        ..Plan::default()
    };
    let mut fleet = Fleet::start(plan);

    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    for replica in (1..5).filter(|replica| *replica != new) {
        fleet.await_replica_of(replica, new);
    }
    fleet.await_event_anywhere("+failover-end");

    let mut moving = 0_i32;
    let mut moved = 0_i32;
    for event in fleet.events.all() {
        match event.kind.as_str() {
            "+slave-reconf-sent" => moving += 1,
            "+slave-reconf-done" => {
                moving -= 1;
                moved += 1;
            }
            _ => {}
        }
        assert!(moving <= 1, "one at a time: {:?}", fleet.events.all());
    }
    assert_eq!(moved, 3, "all of them in the end");
}

#[test]
fn one_bartizan_alone_with_quorum_1_fails_over() {
    let sentinels = vec![Flavor::UnderTest];
    let mut fleet = Fleet::start(Plan {
        sentinels,
        quorum: 1,
        ..Plan::default()
    });
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    assert_eq!(Server::role(&fleet.servers[new]), "master");
}

#[test]
fn crashed_master_is_replaced_without_waiting_for_down_after_where_that_is_asked_for() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel has no crash detection
    }
    let plan = Plan {
        down_after_ms: 600_000,
        ..Plan::default()
    };
    let mut fleet = Fleet::start(plan);
    for sentinel in fleet.running_sentinels() {
        let reply = sentinel.call(&["SENTINEL", "SET", NAME, "crash-detection", "200"]);
        assert!(reply.is_ok(), "{reply:?}");
    }

    fleet.servers[0].crash();
    fleet.await_new_master(0);
    fleet.await_event_everywhere("+switch-master");
}

#[test]
fn the_last_orders_of_a_failover_that_ran_out_of_time_reach_the_replicas() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel closes the link that it has just written them to");
        return;
    }
    let mut fleet = Fleet::start(Plan {
        replicas: 3,
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        failover_timeout_ms: 4_000,
        ..Plan::default()
    });
    // One is to be promoted; of the others, the first in line takes no orders and holds the only
    // slot, so that the last is not told before the time is over.
    let (stubborn, last) = if fleet.servers[2].port < fleet.servers[3].port {
        (2, 3)
    } else {
        (3, 2)
    };
    let ok = |reply: Option<Value>| assert!(reply.is_some_and(|reply| reply.is_ok()));
    ok(fleet.servers[1].ask(&["CONFIG", "SET", "replica-priority", "1"]));
    ok(fleet.servers[stubborn].ask(&["ACL", "SETUSER", "default", "-slaveof", "-replicaof"]));
    eventually("the sentinel knows whom to prefer", || {
        let rows = fleet.sentinels[0].replicas();
        rows.iter()
            .any(|row| row.field("slave-priority").as_deref() == Some("1"))
    });

    fleet.servers[0].crash();
    fleet.await_event_everywhere("+slave-reconf-sent-be");

    let told = fleet.events.of_kind("+slave-reconf-sent-be");
    let port = fleet.servers[last].port.to_string();
    assert!(
        told.iter().any(|event| event.payload.contains(&port)),
        "{told:?}"
    );
    fleet.await_replica_of(last, 1);
    let mended = fleet.events.of_kind("+fix-slave-config");
    assert!(
        !mended
            .iter()
            .any(|event| event.payload.contains(&format!(":{port} "))),
        "it was the failover that moved it: {mended:?}"
    );
}
