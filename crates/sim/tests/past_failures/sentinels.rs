//! What Sentinels held, promised and told.

use super::holds;

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

/// S16 fell here: a switchover stood still in TILT, and the check took its pause, which the master
/// had ended by itself, to be forgotten.
#[test]
fn what_becomes_of_a_pause_is_decided_when_tilt_ends() {
    holds(
        "
    seed 376588375929390339
    param replicas 1
    param clients 0
    param delay_high_us 60000
    param sync_high_us 50000
    param faults_ms 76398
    fault 88637 failover 0 0 s1 s0 r0
    fault 88900 hang 2527 0 s0
        ",
    );
}

/// quiet fell here: every 50th message takes three seconds, so that the master counted its replica
/// as late, as others of the Sentinels were for one of them.
#[test]
fn a_master_that_is_about_to_refuse_writes_on_a_network_of_late_messages_is_held_back() {
    holds(
        "
    seed 930012512
    param sentinels 9
    param quorum 5
    param replicas 1
    param clients 0
    param write_every_ms 501
    param down_after_ms 10818
    param crash_detection_ms 200
    param failover_timeout_ms 34970
    param parallel_syncs 3
    param delay_low_us 20000
    param delay_high_us 600000
    param outlier_of 50
    param patience_ms 10000
    param sync_low_us 500
    param min_replicas 1
    param fencing_lag 1
    param full_sync_ms 495
    param faults_ms 216531
        ",
    );
}

/// S13 fell here: seven hundred questions had waited for one write, and were answered at once.
#[test]
fn all_who_wait_for_a_slow_write_are_answered_when_it_is_done() {
    holds(
        "
    seed 950001966
    param sentinels 4
    param upstream 2
    param clients 0
    param faults_ms 93540
    fault 22000 failover 0 0 s2 s0 r1
    fault 80000 hang 54362 0 s1
    fault 108000 remonitor 0 0 s1 s3 r2
        ",
    );
}

/// wire fell here: a server was still loading when SUBSCRIBE came on a trial connection, and no more
/// when HELLO came, which the model had not seen done.
#[test]
fn a_server_that_refuses_to_subscribe_may_do_what_follows() {
    holds(
        "
    seed 950005445
    param sentinels 7
    param replicas 1
    param clients 0
    param faults_ms 160284
    param bytes 1
    fault 43000 drain 0 0 s1 s6 r0
    fault 94000 crash 0 1 r0
    fault 154000 trickle 27753 12 s4
    fault 174801 crash 16 1 r0
        ",
    );
}

/// S16 fell here: the check took the end of a switchover's pause for that of the fence of another
/// server, which had been asked for in between.
#[test]
fn the_pause_of_a_switchover_is_not_that_of_a_former_master() {
    holds(
        "
    seed 17316144305144043
    param clients 0
    param delay_low_us 1000
    param delay_high_us 20000
    param sync_high_us 50000
    param faults_ms 20594
    fault 15000 noauth 22411 0 r0
    fault 26471 failover 0 0 s2 s1 r2
    fault 26569 reset 0 0 r0
        ",
    );
}

/// X1 fell here: an operator asked for 1.5 s of patience where an answer takes up to 1.2 s.
#[test]
fn a_hasty_operator_may_see_a_master_that_is_well_as_down() {
    holds(
        "
    seed 17316144305145086
    param sentinels 4
    param quorum 1
    param replicas 0
    param clients 0
    param delay_high_us 600000
    param patience_ms 10000
    param faults_ms 167644
    fault 127000 set 0 0 s3 s2 r0
        ",
    );
}

/// L1 fell here: while the others believed a lie, an operator told a Sentinel to watch the address in
/// it, where nobody is. It knew nobody else, and the others, made to forget too, did not know it.
#[test]
fn a_sentinel_that_was_told_to_watch_nobody_and_is_known_to_nobody_is_told_again() {
    holds(
        "
    seed 5000002883
    param upstream 1
    param upstream_first 2
    param clients 0
    param faults_ms 57595
    fault 48000 hang 28368 0 r0
    fault 60834 remonitor 7848 0 s1 s0 r2
    fault 68935 remonitor 2754 0 s2 s1 r1
    fault 71000 lie 0 4 s1 s1 r0
    fault 72000 remonitor 0 0 s0 s1 r2
        ",
    );
}
