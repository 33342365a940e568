//! Bartizans that die at the wrong moment, and come back.

use crate::harness::{Fleet, NAME, Plan, eventually};

#[test]
fn bartizan_killed_in_the_middle_of_its_failover_restarts_and_one_master_remains() {
    for moment in ["+try-failover", "+elected-leader", "+promoted-slave"] {
        let plan = Plan {
            failover_timeout_ms: 3_000,
            ..Plan::default()
        };
        let mut fleet = Fleet::start(plan);
        fleet.servers[0].crash();
        let leader = fleet.await_event_anywhere(moment);
        fleet.sentinels[leader].crash();
        let promised = epochs(&fleet, leader);

        fleet.sentinels[leader].restart();

        let recovered = epochs(&fleet, leader);
        assert!(
            recovered >= promised,
            "epochs never go back: {promised:?} {recovered:?}"
        );
        fleet.await_new_master(0);
        fleet.await_settled();
        fleet.servers[0].restart();
        fleet.await_settled();
        fleet.assert_one_vote_per_epoch();
    }
}

#[test]
fn bartizan_that_slept_through_a_failover_learns_of_it_at_its_start() {
    let mut fleet = Fleet::start(Plan::default());
    fleet.sentinels[2].crash();
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);

    fleet.sentinels[2].restart();

    assert_eq!(fleet.await_new_master(0), new);
    eventually("it follows the others' newer configuration", || {
        fleet.sentinels[2].logged("+config-update-from").len() == 1
    });
}

#[test]
fn bartizan_knows_from_its_file_alone_where_everything_has_moved() {
    let mut fleet = Fleet::start(Plan::default());
    let id = fleet.sentinels[0].id();
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    fleet.await_event_everywhere("+switch-master");
    let before = epochs(&fleet, 0);

    // Nobody is left to learn from.
    for server in &mut fleet.servers {
        server.crash();
    }
    for sentinel in &mut fleet.sentinels {
        sentinel.crash();
    }
    fleet.sentinels[0].restart();

    let sentinel = &fleet.sentinels[0];
    assert_eq!(sentinel.master_port(), Some(fleet.servers[new].port));
    assert_eq!(sentinel.id(), id);
    assert_eq!(epochs(&fleet, 0), before);
    assert_eq!(sentinel.master().field("num-slaves").as_deref(), Some("2"));
    assert_eq!(
        sentinel.master().field("num-other-sentinels").as_deref(),
        Some("2")
    );
    let quorum = sentinel.master().field("quorum");
    assert_eq!(quorum.as_deref(), Some("2"));
}

/// Current epoch, config epoch and leader epoch in a sentinel's file.
fn epochs(fleet: &Fleet, sentinel: usize) -> [u64; 3] {
    let number = |prefix: String| {
        let value = fleet.sentinels[sentinel].conf_value(&prefix);
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    [
        number("sentinel current-epoch ".into()),
        number(format!("sentinel config-epoch {NAME} ")),
        number(format!("sentinel leader-epoch {NAME} ")),
    ]
}
