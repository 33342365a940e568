//! What a switch tells of who was down before it.

use super::holds;

/// S14 fell here once: a leader that could not tell anybody of its own switch heard of it from a
/// peer, and told it without saying that the new master had gone down meanwhile.
#[test]
fn a_new_master_that_is_down_is_told_to_be_when_a_peer_tells_of_the_switch() {
    holds(
        "
    seed 450903299794665723
    param upstream 1
    param upstream_first 2
    param clients 0
    param down_after_ms 5583
    param sync_low_us 500
    param sync_high_us 1000000
    param fencing_lag 1
    param full_sync_ms 368
    param faults_ms 164479
    fault 109913 lie 0 4 s1 s2 r0
    fault 111136 split 1428 0 s2 r1
    fault 118540 split 57750 0 s0
    fault 124000 unplug 7672 0 r1
    fault 152000 half-open 0 0 s0
    fault 174000 split 5761 0 r2
        ",
    );
}

/// S7 fell here once, by a mistake of its own: it took a replica for well because a switch named it
/// again.
#[test]
fn a_replica_that_was_down_before_a_switch_is_no_rival_after_it() {
    holds(
        "
    seed 450903299794667132
    param sentinels 1
    param quorum 1
    param masters 2
    param replicas 3
    param clients 0
    param fencing_lag 1
    param faults_ms 20767
    param bytes 1
    fault 21424 trickle 26059 171 s0
        ",
    );
}
