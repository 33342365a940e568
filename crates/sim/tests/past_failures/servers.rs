//! What was done to servers, and whose writes were kept.

use bartizan_sim::plan::Plan;
use bartizan_sim::run::play;

use super::holds;

/// S9 fell here over the fleet: while the leader waited for the first replica to synchronise, the
/// others re-pointed the rest, all at once.
#[test]
fn the_others_leave_the_pace_of_replicas_to_a_leader_that_waits_for_one() {
    let plan = "
    seed 13
    param replicas 4
    param failover_timeout_ms 100000
    fault 19000 no-replication 60000 0 r1
    fault 20000 crash 70000 0 r0
        ";
    let outcome = play(&Plan::parse(plan).unwrap(), true);
    assert!(outcome.violation.is_none(), "{}", outcome.report());
    assert!(outcome.tail.contains("+slave-reconf-sent"));
    assert!(!outcome.tail.contains("+fix-slave-config"));
}

/// S7 fell here once, since the check did not see that a reset forgets who was down.
#[test]
fn a_replica_that_was_found_again_after_a_reset_may_be_promoted() {
    holds(
        "
    seed 1882606629027958
    param replicas 1
    param clients 0
    param patience_ms 10000
    param faults_ms 78472
    fault 47000 unplug 33446 2 r1
    fault 72000 reset-master 0 0 s0 s2 r0
    fault 90000 hang 3584 0 r0
        ",
    );
}

/// L4 fell here once: the operator named the address at which the first master had been set up,
/// not the one that the Sentinel had said before it was made to forget.
#[test]
fn a_lone_sentinel_is_told_to_monitor_the_master_that_it_knew() {
    holds(
        "
    seed 316606384906
    param sentinels 1
    param quorum 1
    param min_replicas 1
    param faults_ms 120045
    fault 31000 moved 0 0 r0
    fault 116000 unplug 8790 1 r2
    fault 125000 remonitor 0 0 s0 s0 r0
        ",
    );
}

/// S15 fell here once: a promoted replica died before anybody read where its history had left that
/// of the former master, which had been promoted itself, and was demoted as if it had nothing of
/// its own.
#[test]
fn a_former_master_whose_fork_nobody_read_is_not_demoted_without_a_word() {
    holds(
        "
    seed 9100835
    param sentinels 4
    param sync_high_us 1000000
    param faults_ms 74327
    fault 80808 switchover 0 0 s3 s2 r2
    fault 87000 aim-promoted 0 1 r0
    fault 88000 switchover 0 2 s3 s2 r2
        ",
    );
}

/// S15 fell here once: a Sentinel that was cut off heard of two switches at once, and took the
/// master of the first, who hung meanwhile, for the replica that it had been before.
#[test]
fn a_former_master_is_not_judged_by_what_it_said_before_it_was_one() {
    holds(
        "
    seed 50001595
    param sentinels 9
    param quorum 3
    param masters 3
    param replicas 3
    param clients 2
    param write_every_ms 137
    param down_after_ms 2046
    param crash_detection_ms 200
    param failover_timeout_ms 33577
    param parallel_syncs 2
    param outlier_of 1000
    param patience_ms 120000
    param sync_low_us 500
    param sync_high_us 50000
    param full_sync_ms 219
    param faults_ms 90000
    fault 19975 split 11710 0 s1 s4 s6 s8 r2 r4 r5 r8 r10 c1
    fault 29960 split 22043 0 s6 r11
    fault 50373 hang 51327 0 r7
        ",
    );
}

/// S15 fell here once, by the check: that the writes of a former master cannot be saved was told
/// before it held any back, since it was still loading.
#[test]
fn a_loss_that_was_told_of_a_server_that_is_still_loading_has_been_told() {
    holds(
        "
    seed 811000003956
    param sentinels 9
    param quorum 5
    param replicas 3
    param clients 2
    param write_every_ms 438
    param down_after_ms 2537
    param crash_detection_ms 1000
    param failover_timeout_ms 49142
    param outlier_of 50
    param patience_ms 10000
    param sync_low_us 500
    param drift_ppm 10000
    param full_sync_ms 135
    param faults_ms 227258
    fault 199671 promote 0 0 r3
    fault 200541 loading 9521 0 r0
    fault 203440 deaf 5322 0 s0 s1 s3 s8 r0 r1 r2
        ",
    );
}

/// S9 fell here: the check learnt of a new bound from the file, which was still being written.
#[test]
fn a_raised_parallel_syncs_counts_at_once() {
    holds(
        "
    seed 950000000892
    param replicas 3
    param clients 0
    param faults_ms 12725
    fault 27000 failover 0 0 s2 s2 r0
    fault 27724 set 0 2 s2 s0 r1
        ",
    );
}

/// S16 fell here: the check counted a pause from the answer, the Sentinel from its own question.
#[test]
fn a_pause_that_is_over_when_the_promotion_is_written_needs_no_end() {
    holds(
        "
    seed 960000001135
    param masters 6
    param replicas 4
    param clients 0
    param down_after_ms 6477
    param delay_low_us 1000
    param delay_high_us 20000
    param sync_low_us 500
    param sync_high_us 1000000
    param drift_ppm 200
    param faults_ms 28127
    fault 38727 switchover 0 1 s2 s1 r29
    fault 40000 deaf 2754 0 s1 s2 r1 r8 r9 r11 r12 r13 r15 r17 r20 r21 r23 r25
        ",
    );
}

/// L2 fell here: a stranger moved away with the address that it had taken, and who came back was
/// under the old one in the simulator's books, where nobody listened.
#[test]
fn a_server_that_comes_back_after_a_stranger_has_the_address_that_the_stranger_left() {
    holds(
        "
    seed 800327
    param sentinels 1
    param quorum 1
    param replicas 1
    param clients 0
    param faults_ms 172890
    fault 172000 stranger 15542 3 r0
    fault 187000 moved 0 0 r0
        ",
    );
}

/// S7 fell here: the better replica was on a new connection that had not told who it is.
#[test]
fn who_is_not_known_on_a_new_connection_is_no_better_choice() {
    holds(
        "
    seed 910000203
    param upstream 2
    param upstream_first 2
    param clients 2
    param write_every_ms 804
    param down_after_ms 9119
    param crash_detection_ms 200
    param failover_timeout_ms 4905
    param parallel_syncs 3
    param delay_low_us 5000
    param delay_high_us 60000
    param outlier_of 1000
    param patience_ms 120000
    param sync_low_us 500
    param sync_high_us 1000000
    param drift_ppm 10000
    param fencing_lag 1
    param full_sync_ms 52
    param faults_ms 64318
    fault 19238 unplug 53226 2 r1
    fault 27011 aim-persist 11516 0 s1
    fault 34157 unplug 24 1 s2
    fault 39283 info-cut 20278 0 r0
    fault 42008 aim-persist 13052 0 s1
    fault 42603 half-open 0 0 s0
    fault 44309 full-disk 155 0 s0
    fault 46486 priority 0 0 r2
    fault 49606 split 45237 0 s0 s2 r1 c1
    fault 50541 split 13344 0 s0 s1 r0 r1
    fault 58385 aim-persist 15201 0 s0
    fault 65254 full-disk 44415 0 s0
    fault 65310 half-open 0 0 r0
    fault 68487 full-disk 3731 0 s2
    fault 74432 follow 0 0 r0 r2
    fault 77339 busy 26 0 r0
        ",
    );
}

/// X3 fell here: our master did not tell its history for longer than a replica of another cluster
/// was given to prove itself.
#[test]
fn a_linked_stranger_is_left_alone_while_our_master_tells_no_history() {
    holds(
        "
    seed 1023076188629763027
    param sentinels 5
    param quorum 3
    param write_every_ms 461
    param down_after_ms 7446
    param failover_timeout_ms 9672
    param delay_low_us 5000
    param delay_high_us 60000
    param patience_ms 10000
    param sync_low_us 500
    param sync_high_us 1000
    param drift_ppm 200
    param fencing_lag 1
    param full_sync_ms 107
    param faults_ms 139673
    param bytes 1
    fault 15594 blink 50 0 r1
    fault 16065 no-replication 98 0 r2
    fault 24261 no-replication 10090 0 r0
    fault 28555 info-cut 19877 0 r1
    fault 31891 promote 0 0 r2
    fault 35176 priority 0 1 r0
    fault 40844 promote 0 0 r1
    fault 46800 moved 36 2 r0
    fault 47052 full-disk 22784 0 s1
    fault 47086 info-cut 47 0 r2
    fault 55943 full-disk 35 0 s1
    fault 63735 moved 23578 0 r0
    fault 68778 info-cut 10875 0 r2
    fault 69775 moved 79 2 r1
    fault 73371 moved 16941 1 r0
    fault 73380 hang 20 0 s2
    fault 73565 misconf 11 0 r0
    fault 81013 no-replication 33715 0 r2
    fault 92261 flush 0 0 s3 s0 r0
    fault 95576 blink 2500 0 r1
    fault 97916 moved 4641 1 r0
    fault 99191 priority 0 1 r1
    fault 99544 no-replication 5320 0 r0
    fault 107014 info-cut 25248 0 r2
    fault 110593 blink 26 0 r0
    fault 120220 flush 0 0 s2 s2 r0
    fault 123527 stranger 47980 1 r1
    fault 123573 no-replication 47 0 r2
    fault 124074 priority 0 2 r0
    fault 127444 blink 2500 0 s4
    fault 128493 misconf 19 0 r0
    fault 149885 moved 28877 0 r0
    fault 150285 hang 4253 0 s0
    fault 151120 priority 0 2 r1
        ",
    );
}

/// S15 fell here: the fence was refused for a while, and what was written then came behind the rescue.
#[test]
fn what_a_former_master_took_while_it_refused_the_fence_is_saved_too() {
    holds(
        "
    seed 920003399
    param upstream 2
    param upstream_first 2
    param masters 2
    param replicas 3
    param clients 2
    param down_after_ms 14136
    param delay_low_us 20000
    param sync_low_us 500
    param faults_ms 97707
    fault 50000 hang 40 0 s0
    fault 84531 failover 0 0 s0 s0 r6
    fault 85386 noauth 27381 0 r4
        ",
    );
}

/// S15 fell here: a person promoted a server, redis-sentinels promoted it once more before it had
/// caught up, and then nothing told where it had left the first history.
#[test]
fn where_a_person_promoted_a_server_is_not_known_after_its_next_promotion() {
    holds(
        "
    seed 920004155
    param sentinels 7
    param upstream 6
    param full_sync_ms 4602
    param faults_ms 36662
    fault 43000 promote 0 0 r2
    fault 48000 failover 0 0 s3 s2 r0
    fault 50784 failover 0 0 s1 s4 r2
        ",
    );
}

/// X3 fell here: a Sentinel that had forgotten the histories met a promoted server without keys, which
/// proves nothing of who comes after it.
#[test]
fn a_server_without_keys_that_follows_nobody_makes_nobody_known() {
    holds(
        "
    seed 920004623
    param quorum 3
    param replicas 1
    param clients 0
    param faults_ms 66362
    fault 24000 aim-promote 1 0 s1
    fault 34000 hang 18529 0 s2
    fault 43000 moved 0 0 r0
    fault 48000 remonitor 0 0 s2 s2 r0
    fault 81000 stranger 124 0 r1
        ",
    );
}

/// S16 fell here: that a pause was over was told behind two writes on a slow disk.
#[test]
fn the_end_of_a_pause_may_be_told_late_by_a_slow_disk() {
    holds(
        "
    seed 920006412
    param masters 3
    param clients 0
    param down_after_ms 3998
    param faults_ms 159280
    fault 160000 slow-disk 14891 2647 s2
    fault 162000 split 8122 0 s1 r0 r1
    fault 166000 failover 0 0 s2 s2 r6
        ",
    );
}

/// X3 fell here: a master without keys is known by nothing, and so is nobody who comes after it.
#[test]
fn a_master_without_keys_makes_nobody_known() {
    holds(
        "
    seed 920004789
    param sentinels 1
    param quorum 1
    param replicas 1
    param clients 0
    param faults_ms 6394
    fault 15000 stranger 7521 0 r0
    fault 16000 split 4723 0 r0
    
        ",
    );
}

/// X3 fell here: a stranger that had become the group's own was still one for a Sentinel that started
/// again.
#[test]
fn a_stranger_that_was_saved_and_taken_in_has_nothing_to_lose_any_more() {
    holds(
        "
    seed 608771326893621636
    param sentinels 1
    param quorum 1
    param replicas 1
    param faults_ms 60462
    fault 37000 stranger 57407 2 r1
    fault 40000 aim-promote 2 0 s0
    fault 67000 switchover 0 1 s0 s0 r1
        ",
    );
}

/// X5 fell here: a Bartizan fenced two former masters for as long as the present one said that it was
/// a replica, and redis-sentinels, whose PING waited behind a hello, could promote neither.
#[test]
fn a_fence_ends_where_there_is_no_master_to_compare_with() {
    holds(
        "
    seed 950005514
    param upstream 2
    param masters 2
    param clients 0
    param failover_timeout_ms 4512
    param delay_low_us 20000
    param delay_high_us 600000
    param faults_ms 128610
    fault 109865 split 28236 0 s1 s2 r1 r2 r4
    fault 143000 failover 0 0 s2 s0 r3
        ",
    );
}

/// S7 fell here: a replica that a script had held for more than five seconds told its INFO, with most
/// of the data, before its PONG, and the leader chose another in between.
#[test]
fn a_replica_that_a_script_held_is_given_the_time_for_its_pong() {
    holds(
        "
    seed 5000003173
    param sentinels 6
    param clients 0
    param down_after_ms 5485
    param delay_high_us 20000
    param sync_low_us 500
    param sync_high_us 1000000
    param drift_ppm 10000
    param fencing_lag 1
    param faults_ms 11850
    fault 20000 busy 7252 0 r1
    fault 25833 failover 0 0 s3 s0 r0
        ",
    );
}
