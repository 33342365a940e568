//! L5: masters that are lost together are all replaced, as quickly as `docs/elections.md` says.

use bartizan_sim::election::Case;

const QUICK: Case = Case {
    masters: 100,
    lost_within_ms: 200,
    delay_ms: (1, 20),
    sentinels: 3,
    upstream: 0,
    failover_timeout_ms: 30_000,
};

#[test]
fn a_hundred_masters_are_replaced_within_two_seconds_on_quick_links() {
    let waits = QUICK.measure(1);
    assert!(waits.slowest_ms().is_some_and(|ms| ms <= 2000), "{waits}");
}

#[test]
fn a_hundred_masters_are_replaced_within_six_seconds_on_slow_links() {
    let slow = Case {
        delay_ms: (20, 600),
        ..QUICK
    };
    let waits = slow.measure(1);
    assert!(waits.slowest_ms().is_some_and(|ms| ms <= 6000), "{waits}");
}

#[test]
fn a_fleet_with_one_redis_sentinel_replaces_a_hundred_masters_too() {
    let mixed = Case {
        upstream: 1,
        ..QUICK
    };
    let waits = mixed.measure(1);
    assert!(waits.slowest_ms().is_some_and(|ms| ms <= 6000), "{waits}");
}
