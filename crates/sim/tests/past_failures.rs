//! Plans in which an invariant fell once, as `shrink` prints them. None falls any more.
#![allow(
    clippy::unwrap_used,
    reason = "a test helper that fails fails its test"
)]

use bartizan_sim::plan::Plan;
use bartizan_sim::run::play;

/// Plays a plan, which has to come to a good end.
fn holds(text: &str) {
    let outcome = play(&Plan::parse(text).unwrap(), false);
    assert!(outcome.violation.is_none(), "{}", outcome.report());
}

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

/// S10 fell here: an answer that had waited for the disk was told in TILT, and said that the
/// master is down.
#[test]
fn an_answer_that_waited_for_the_disk_says_nothing_of_the_master_in_tilt() {
    holds(
        "
    seed 667774956784845488
    param sentinels 2
    param quorum 1
    param masters 3
    param write_every_ms 852
    param down_after_ms 6243
    param crash_detection_ms 200
    param failover_timeout_ms 24184
    param patience_ms 120000
    param sync_low_us 500
    param full_sync_ms 98
    param faults_ms 80516
    fault 24456 misconf 18151 0 r3
    fault 24602 slow-disk 49719 510 s1
    fault 32628 split 44995 0 s1 r0 r2 r3 r4 r6 r8
    fault 32893 hang 16431 0 s1
    fault 33890 deaf 49269 0 s0 s1 c0
        ",
    );
}

/// S10 fell here with the deliberate bug `act-in-tilt`.
#[test]
fn a_frozen_sentinel_holds_nobody_to_be_down_in_tilt() {
    holds(
        "
    seed 1
    param replicas 0
    param clients 0
    param delay_high_us 600000
    param faults_ms 55536
    fault 54000 freeze 4056 0 s2
        ",
    );
}

/// L1 fell here with the deliberate bug `no-retry`.
#[test]
fn sentinels_that_were_all_alone_when_the_master_was_lost_stand_again() {
    holds(
        "
    param quorum 1
    param faults_ms 90000
    param right_by_ms 75000
    fault 16000 unplug 90000 0 r0
    fault 16000 split 20000 0 s0 r1
    fault 16000 split 20000 0 s1 r2
        ",
    );
}

/// L1 fell here with the deliberate bug `believe-any-epoch`.
#[test]
fn a_huge_epoch_that_somebody_tells_keeps_nobody_from_replacing_the_master() {
    holds(
        "
    param faults_ms 90000
    param right_by_ms 75000
    fault 16000 lie 0 1 s0 s1 r0
    fault 18000 unplug 90000 0 r0
        ",
    );
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

/// S14 fell here once: the disk was slow, and `+try-failover` came after `-monitor`.
#[test]
fn nothing_more_is_told_of_a_candidacy_for_a_master_that_was_removed() {
    holds(
        "
    seed 1882610294849848
    param replicas 1
    param clients 0
    param down_after_ms 7329
    param outlier_of 50
    param sync_low_us 500
    param sync_high_us 1000000
    param faults_ms 86675
    fault 19226 unplug 0 0 r0
    fault 20922 set 0 3 s1 s2 r0
    fault 21000 moved 0 2 r1
    fault 22227 moved 0 2 r0
    fault 44271 flush 0 0 s0 s1 r0
    fault 50929 slow 50732 292 s0
    fault 59186 flush 0 0 s0 s1 r0
    fault 84000 full-disk 14151 0 s0
    fault 101000 remonitor 0 0 s0 s0 r0
        ",
    );
}

/// X5 fell here once: an operator named a replica's address, which was the master's for nobody else.
#[test]
fn a_master_that_moved_is_monitored_again_under_the_address_that_the_others_say() {
    holds(
        "
    param quorum 3
    param replicas 1
    param clients 0
    param down_after_ms 10000
    param faults_ms 60000
    fault 16000 remonitor 10000 0 s0 s0 r0
    fault 20000 moved 1000 1 r0
        ",
    );
}

/// X5 fell here once: two Sentinels that knew no replica were elected again and again, and the
/// one that knew some voted for them.
#[test]
fn who_knows_a_replica_gets_its_turn_before_those_who_know_none() {
    holds(
        "
    seed 1882610668143416
    param clients 0
    param faults_ms 61915
    fault 29000 aim-stand 0 0 s2
    fault 32000 follow 0 0 r0 r2
    fault 32000 crash 21552 1 s1
    fault 64000 remonitor 113 0 s2 s2 r1
    fault 76000 remonitor 241 0 s0 s1 r0
        ",
    );
}

/// S4 fell here once, since the check did not see that a frozen Sentinel says hello once more
/// before it gets to the REMOVE that waited for it.
#[test]
fn a_frozen_sentinel_that_is_told_to_forget_a_master_may_begin_anew() {
    holds(
        "
    seed 1882613985837550
    param clients 0
    param delay_high_us 600000
    param faults_ms 185209
    fault 95000 unplug 5523 1 r0
    fault 162000 hang 51048 0 s1
    fault 200000 remonitor 3 0 s1 s0 r2
        ",
    );
}

/// X5 fell here once: the operators of a lone Sentinel set its master up as a replica before the
/// Sentinel had heard again who could be promoted.
#[test]
fn an_order_that_leaves_a_lone_sentinel_nobody_to_promote_is_taken_back() {
    holds(
        "
    seed 143284825073123410
    param sentinels 1
    param quorum 1
    param replicas 1
    param clients 0
    param delay_high_us 600000
    param faults_ms 136923
    fault 63000 unplug 0 0 r0
    fault 144000 remonitor 6129 0 s0 s0 r1
    fault 151000 follow 0 0 r1 r0
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

/// X5 fell here once: two servers that moved were made to follow each other, and the lone Sentinel
/// found both cut off from their master for too long.
#[test]
fn a_master_that_was_sent_after_another_server_is_set_up_again_when_nobody_can_be_promoted() {
    holds(
        "
    seed 1226
    param sentinels 1
    param quorum 1
    param replicas 1
    param clients 0
    param down_after_ms 1590
    param faults_ms 96769
    fault 89000 moved 0 0 r0
    fault 107000 moved 0 1 r1
    fault 109000 follow 0 0 r0 r1
    fault 111000 follow 0 0 r1 r0
        ",
    );
}

/// S5 fell here once: the disk was full when a switchover demoted the former master.
#[test]
fn a_switchover_that_cannot_be_written_down_demotes_nobody() {
    holds(
        "
    seed 1296
    param sentinels 1
    param quorum 1
    param clients 0
    param down_after_ms 6821
    param delay_low_us 1000
    param delay_high_us 20000
    param faults_ms 144244
    fault 100000 failover 0 0 s0 s0 r1
    fault 131000 unplug 9782 2 s0
    fault 138049 freeze 19346 1 s0
    fault 152034 unplug 115 0 s0
    fault 157823 failover 0 0 s0 s0 r0
    fault 159000 full-disk 386 0 s0
        ",
    );
}

/// S11 fell here once: a reset ended the wait for a majority, and the new address was answered
/// from then on without anybody being told of the switch.
#[test]
fn a_reset_of_a_leader_that_waits_for_a_majority_tells_of_the_switch() {
    holds(
        "
    seed 1882622354527751
    param masters 3
    param clients 0
    param down_after_ms 9535
    param delay_high_us 600000
    param sync_high_us 50000
    param faults_ms 60170
    fault 16863 misconf 11893 0 r6
    fault 28756 split 56464 0 s0 r0 r4 r7
    fault 75000 reset-master 0 0 s0 s1 r6
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

/// S14 fell here: the check forgot by a reset who had asked for the failover that it ended.
#[test]
fn an_operators_failover_that_a_reset_ends_is_told_when_the_disk_is_done() {
    holds(
        "
    seed 950000000986
    param replicas 1
    param clients 0
    param sync_low_us 500
    param sync_high_us 1000000
    param faults_ms 98715
    fault 113227 failover 0 0 s2 s2 r0
    fault 113697 reset-master 0 0 s2 s2 r0
        ",
    );
}

/// S6 fell here: the check dropped what peers had said of the new master with what they had said
/// of the former one.
#[test]
fn a_new_master_may_be_down_by_the_word_of_peers_when_the_news_of_it_comes_from_the_disk() {
    holds(
        "
    seed 960000000738
    param replicas 3
    param clients 0
    param down_after_ms 1458
    param delay_low_us 1000
    param delay_high_us 20000
    param sync_low_us 500
    param sync_high_us 1000000
    param fencing_lag 5
    param faults_ms 15470
    fault 26222 deaf 2875 0 s1 r0 r2 r3
    fault 27000 misconf 5512 0 r1
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

/// "quiet" fell here: a PING that two late messages kept for more than half of `down-after` had its
/// link made anew, and a third late message outlasted the rest.
#[test]
fn a_link_made_anew_on_a_slow_network_may_show_its_peer_as_down() {
    holds(
        "
    seed 900000080
    param sentinels 7
    param quorum 4
    param clients 0
    param down_after_ms 9170
    param failover_timeout_ms 4964
    param delay_low_us 20000
    param delay_high_us 600000
    param outlier_of 50
    param sync_low_us 500
    param sync_high_us 1000000
    param drift_ppm 200
    param fencing_lag 1
    param full_sync_ms 227
    param faults_ms 125083
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

/// S14 fell here: somebody else's switch ended an attempt, and that it failed was told behind a vote
/// that waited for the disk.
#[test]
fn an_attempt_that_a_switch_ends_is_told_when_the_disk_is_done() {
    holds(
        "
    seed 920003217
    param replicas 3
    param clients 0
    param delay_low_us 1000
    param delay_high_us 20000
    param sync_high_us 1000000
    param faults_ms 34138
    fault 34000 slow-disk 22123 1624 s0
    fault 48689 failover 0 0 s0 s2 r1
    fault 49000 failover 0 0 s1 s2 r3
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
