//! Promotions that were undone by others, from the history that the first one had left.

use super::holds;

/// S15 fell here: the group went back to the first replica that was promoted, and the master was
/// compared with where the second had left it.
#[test]
fn of_two_who_left_a_history_the_one_counts_from_which_the_master_comes() {
    holds(
        "
    seed 930000518
    param sentinels 1
    param quorum 1
    param masters 2
    param faults_ms 60745
    fault 17000 split 32382 0 r0 r1 r3 c0
    fault 40000 split 37011 0 r0 r2 r5
    fault 53000 noauth 24692 0 r1
        ",
    );
}

/// S15 fell here: a Sentinel that was cut off heard of a promotion when its master had been replaced,
/// and took the place where another had left the history.
#[test]
fn whoever_did_not_read_where_the_master_began_leaves_the_rescue_to_others() {
    holds(
        "
    seed 930003298
    param sentinels 4
    param quorum 1
    param down_after_ms 9956
    param faults_ms 42401
    fault 22000 bounce 5 0 r0
    fault 43000 split 16428 0 s0 s1 r0 r2
    fault 53000 bounce 0 0 s2
        ",
    );
}

/// S15 fell here: what was saved counted as lost when the server was promoted once more.
#[test]
fn what_was_saved_of_a_server_stays_saved_when_it_is_promoted_again() {
    holds(
        "
    seed 930004283
    param sentinels 7
    param quorum 4
    param down_after_ms 7304
    param sync_high_us 1000
    param faults_ms 185263
    fault 148000 split 49337 0 s0 s3 s6 r0
    fault 173273 hang 25648 0 r1
    fault 193000 hang 9024 0 r2
        ",
    );
}

/// S15 fell here: a leader moved a server as a replica that others had promoted while it did not hear
/// them.
#[test]
fn a_leader_moves_no_server_that_says_that_it_is_a_master_before_it_is_rescued() {
    holds(
        "
    seed 930004283
    param sentinels 7
    param quorum 4
    param down_after_ms 7304
    param delay_low_us 1000
    param delay_high_us 20000
    param sync_high_us 1000
    param faults_ms 185263
    fault 148000 split 49337 0 s0 s3 s6 r0
    fault 173000 hang 25648 0 r1
    fault 193000 hang 9024 0 r2
        ",
    );
}

/// S15 fell here once, by a mistake of its own: it knew where promotions leave a history, and not
/// that a master leaves its own where it restarts with its data.
#[test]
fn a_history_that_a_restarted_master_left_is_saved_from_there() {
    holds(
        "
    seed 186519473734288831
    param sentinels 1
    param quorum 1
    param faults_ms 41796
    fault 15000 follow 0 0 r0 r2
    fault 44000 bounce 0 0 r1
    fault 56000 promote 0 0 r0
        ",
    );
}
