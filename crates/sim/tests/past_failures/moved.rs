//! Servers that move to another address and back.

use super::holds;

/// X5 fell here: a server that followed another one, which moved home, was left under an address that
/// nobody knew.
#[test]
fn whoever_follows_no_master_goes_home_too() {
    holds(
        "
    seed 930003376
    param sentinels 4
    param upstream 3
    param upstream_first 2
    param replicas 1
    param clients 0
    param down_after_ms 1731
    param failover_timeout_ms 57415
    param faults_ms 69859
    fault 24000 follow 0 0 r0 r1
    fault 27000 moved 14667 1 r0
    fault 38000 freeze 48935 0 s1
    fault 41000 follow 0 0 r1 r0
    fault 71000 moved 0 2 r1
    fault 83000 stranger 3006 0 r0
        ",
    );
}

/// X5 fell here: a master that was promoted under its new address went home, and a redis-sentinel that
/// led its failover waited for it for ever.
#[test]
fn a_master_stays_where_it_was_promoted() {
    holds(
        "
    seed 940000034
    param sentinels 2
    param upstream 1
    param replicas 3
    param clients 0
    param sync_high_us 1000000
    param faults_ms 232395
    fault 85000 drain 0 0 s0 s0 r0
    fault 158000 moved 0 1 r0
    fault 246000 failover 0 0 s1 s0 r3
        ",
    );
}

/// X5 fell here: the master moved when all its replicas had just been forgotten.
#[test]
fn a_master_that_moved_when_nobody_else_was_known_comes_back_to_where_it_is_looked_for() {
    holds(
        "
    seed 950000130
    param sentinels 1
    param quorum 1
    param replicas 3
    param clients 0
    param faults_ms 190321
    fault 75000 moved 0 1 r1
    fault 120000 drain 0 0 s0 s0 r2
    fault 130000 moved 0 0 r0
    fault 205000 reset-master 0 0 s0 s0 r3
    fault 205000 moved 0 2 r1
        ",
    );
}

/// S16 fell here: the check looked for a pause under the address that the master has now, and the
/// Sentinel had asked for it under the one before, over a connection that was still open.
#[test]
fn a_master_that_has_moved_was_asked_to_pause_where_it_was() {
    holds(
        "
    seed 5000007441
    param sentinels 7
    param replicas 3
    param clients 0
    param down_after_ms 6820
    param fencing_lag 1
    param faults_ms 15222
    fault 26000 split 3433 0 s0 s1 s2 s4 s5
    fault 27000 moved 0 1 r3
    fault 27000 slow 1557 1208 r0
    fault 29000 moved 0 2 r0
        ",
    );
}
