//! Not enough sentinels agree, so nothing may happen.

use crate::harness::{Fleet, NAME, Plan, eventually, holds_for};
use std::time::Duration;

#[test]
fn quorum_that_cannot_be_reached_means_no_failover() {
    let mut fleet = Fleet::start(Plan {
        quorum: 4,
        ..Plan::default()
    });
    let verdict = fleet.sentinels[0].call(&["SENTINEL", "CKQUORUM", NAME]);
    assert!(
        verdict.is_error("NOQUORUM 3 usable Sentinels."),
        "{verdict:?}"
    );

    fleet.servers[0].crash();
    fleet.await_event_everywhere("+sdown");

    // Several rounds of asking each other: three say down, four would be needed.
    holds_for(
        Duration::from_secs(4),
        "nobody calls it objectively down",
        || {
            fleet.events.of_kind("+odown").is_empty()
                && fleet.events.of_kind("+try-failover").is_empty()
        },
    );
    for sentinel in &fleet.sentinels {
        assert_eq!(sentinel.master_port(), Some(fleet.servers[0].port));
        let flags = sentinel.master().field("flags").unwrap_or_default();
        assert!(!flags.contains("o_down"), "{flags}");
    }
}

#[test]
fn without_a_majority_nobody_is_elected_and_with_it_back_somebody_is() {
    let plan = Plan {
        quorum: 1,
        failover_timeout_ms: 3_000,
        ..Plan::default()
    };
    let mut fleet = Fleet::start(plan);
    fleet.sentinels[1].crash();
    fleet.sentinels[2].crash();

    fleet.servers[0].crash();
    fleet.await_event_everywhere("-failover-abort-not-elected");
    assert!(
        fleet
            .events
            .of_kind("+odown")
            .iter()
            .any(|e| e.payload.ends_with("#quorum 1/1"))
    );
    assert!(
        fleet.events.of_kind("+elected-leader").is_empty(),
        "one vote of three is not enough"
    );
    assert_eq!(fleet.servers[1].role(), "slave");
    // The peers' last answers may be a little younger than the master's.
    eventually("CKQUORUM counts one usable Sentinel", || {
        fleet.sentinels[0]
            .call(&["SENTINEL", "CKQUORUM", NAME])
            .is_error("NOQUORUM 1 usable Sentinels.")
    });

    fleet.sentinels[1].restart();
    fleet.await_new_master(0);
    fleet.assert_one_vote_per_epoch();
}

#[test]
fn ckquorum_says_how_many_can_be_counted_on() {
    let fleet = Fleet::start(Plan::default());
    let verdict = fleet.sentinels[1].call(&["SENTINEL", "CKQUORUM", NAME]);
    assert_eq!(
        verdict.text(),
        Some("OK 3 usable Sentinels. Quorum and failover authorization can be reached")
    );
}
