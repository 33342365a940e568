//! Standing for election: when, for whom, and how it ends (spec §9.3, §9.4).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::input::Answer;
use bartizan_core::output::Call;
use bartizan_core::provide::query::Query;
use bartizan_core::report::{Ballot, Opinion};
use bench::{
    Bench, Disk, MASTER, P1, P2, R1, Vote, events, field, group, id, name, only, standing,
};

const TRY: &str = "+try-failover master mymaster 127.0.0.1 6379";
const ELECTED: &str = "+elected-leader master mymaster 127.0.0.1 6379";
const LOST: &str = "-failover-abort-not-elected master mymaster 127.0.0.1 6379";
const AGAIN: &str = "log Next failover delay: I will not start a failover of mymaster for";

fn is_vote_request(call: &Call) -> bool {
    matches!(
        call,
        Call::Ask {
            candidate: Some(_),
            ..
        }
    )
}

fn ballot(epoch: u64, n: usize) -> Answer {
    let (epoch, leader) = (bartizan_core::ids::Epoch::new(epoch), id(n));
    let vote = Some(Ballot { epoch, leader });
    Answer::Opinion(Opinion { down: true, vote })
}

#[test]
fn the_first_in_line_stands_as_soon_as_the_quorum_is_there() {
    let mut bench = group(2, 2, Vote::Withholds);
    let said = bench.until("+try-failover", 6000);
    let started = bench.now;
    assert_eq!(
        events(&said)[..5],
        [
            "+sdown master mymaster 127.0.0.1 6379",
            "+odown master mymaster 127.0.0.1 6379 #quorum 2/2",
            "+new-epoch 1",
            TRY,
            "+vote-for-leader me 1"
        ]
    );
    let down = bench
        .history
        .iter()
        .find(|(_, line)| line.starts_with("+sdown"));
    assert_eq!(down.unwrap().0, started, "no time was lost");
}

#[test]
fn who_is_not_the_first_in_line_waits_for_those_before() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        // We change places with the first peer.
        boot.durable.my_id = id(1);
        boot.durable.masters[0].sentinels[0].0 = id(0);
    });
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.hang(MASTER);
    bench.until("+odown", 6000);
    let odown = bench.now;
    bench.until("+try-failover", 1000);
    let waited = bench.now.since(odown).as_ms();
    assert!((20..=40).contains(&waited), "{waited} ms");
}

#[test]
fn who_comes_before_us_in_line_but_is_down_is_not_waited_for() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        boot.durable.my_id = id(1);
        boot.durable.masters[0].sentinels[0].0 = id(0);
    });
    bench.host(P2).says_down = true;
    bench.hang(P1);
    bench.until("+sdown sentinel", 6000);
    bench.hang(MASTER);
    let said = bench.until("+odown", 6000);
    assert!(said.contains(&TRY.to_owned()), "at once");
}

#[test]
fn votes_are_asked_for_once_our_own_is_on_disk() {
    let mut bench = standing(2, 2, Vote::Grants);
    let said = bench.advance(200);
    assert!(!said.iter().any(|line| line.contains("vote for me")));
    let said = bench.disk_done();
    assert_eq!(
        events(&said),
        ["+new-epoch 1", TRY, "+vote-for-leader me 1"]
    );
    assert_eq!(
        said[3..5],
        [
            "5002 ASK 127.0.0.1:6379 e1 vote for me",
            "5001 ASK 127.0.0.1:6379 e1 vote for me"
        ]
    );
}

#[test]
fn candidacy_is_dropped_when_the_vote_could_not_be_written() {
    let mut bench = standing(2, 2, Vote::Grants);
    let said = bench.disk_failed();
    assert_eq!(events(&said), [TRY, LOST], "neither epoch nor vote is told");
    assert!(!said.iter().any(|line| line.contains("vote for me")));
    assert_eq!(only(&said, AGAIN).len(), 1, "it is tried again later");
}

#[test]
fn a_majority_elects() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    let said = bench.reply(P1, is_vote_request, ballot(1, 0));
    assert_eq!(said[0], "log p1 voted for me 1");
    assert_eq!(only(&said, "+elected-leader"), [ELECTED]);
}

#[test]
fn a_sentinel_alone_elects_itself() {
    let mut bench = group(0, 1, Vote::Withholds);
    let said = bench.until("+elected-leader", 6000);
    assert_eq!(only(&said, "+elected-leader"), [ELECTED]);
}

#[test]
fn the_quorum_for_odown_is_not_enough_without_a_majority() {
    let mut bench = group(4, 1, Vote::Withholds);
    bench.host(P1).vote = Vote::Grants;
    let said = bench.advance(6000);
    assert_eq!(only(&said, "+elected-leader"), [""; 0], "two votes of five");
    assert!(said.contains(&LOST.to_owned()));
}

#[test]
fn a_majority_below_the_quorum_is_not_enough() {
    let mut bench = group(4, 4, Vote::Withholds);
    bench.host(P1).vote = Vote::Grants;
    bench.host(P2).vote = Vote::Grants;
    let said = bench.advance(6000);
    assert_eq!(
        only(&said, "+elected-leader"),
        [""; 0],
        "three votes of four"
    );
    bench.host(bench::peer_port(3)).vote = Vote::Grants;
    bench.until("+elected-leader", 30_000);
}

#[test]
fn peers_that_are_out_of_reach_count_as_voters() {
    let mut bench = group(4, 2, Vote::Grants);
    for n in 2..=4 {
        bench.kill(bench::peer_port(n));
    }
    let said = bench.advance(20_000);
    assert_eq!(only(&said, "+elected-leader"), [""; 0], "two votes of five");
}

#[test]
fn votes_of_another_epoch_do_not_count() {
    for epoch in [0, 2] {
        let mut bench = standing(2, 2, Vote::Grants);
        bench.disk_done();
        let said = bench.reply(P1, is_vote_request, ballot(epoch, 0));
        assert_eq!(events(&said), [""; 0]);
    }
}

#[test]
fn votes_for_somebody_else_do_not_count() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    bench.reply(P1, is_vote_request, ballot(1, 2));
    let said = bench.reply(P2, is_vote_request, ballot(1, 2));
    assert_eq!(events(&said), [LOST]);
}

#[test]
fn a_round_that_cannot_be_won_any_more_ends_before_its_time() {
    let mut bench = standing(2, 2, Vote::Withholds);
    let began = bench.now;
    bench.disk_done();
    bench.disk = Disk::Works;
    bench.until(LOST, 1000);
    assert_eq!(bench.now, began);
}

#[test]
fn a_round_without_answers_ends_after_half_a_second() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    let began = bench.now;
    bench.hang(P1);
    bench.hang(P2);
    bench.until(LOST, 1000);
    assert_eq!(bench.now.since(began).as_ms(), 500);
}

#[test]
fn the_next_round_comes_after_a_short_pause_in_a_new_epoch() {
    let mut bench = group(2, 2, Vote::Withholds);
    bench.until(LOST, 6000);
    let lost = bench.now;
    let said = bench.until("+try-failover", 1000);
    assert_eq!(
        events(&said),
        ["+new-epoch 2", TRY, "+vote-for-leader me 2", LOST]
    );
    assert!(bench.now > lost);
}

#[test]
fn pauses_grow_but_never_beyond_half_a_minute_or_so() {
    let mut bench = group(2, 2, Vote::Withholds);
    bench.until("+try-failover", 6000);
    let mut longest = 0;
    for _ in 0..20 {
        let last = bench.now;
        bench.until("+try-failover", 40_000);
        longest = longest.max(bench.now.since(last).as_ms());
    }
    assert!((5_000..=38_000).contains(&longest), "{longest} ms");
}

#[test]
fn the_master_coming_back_ends_the_candidacy() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    let said = bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
    assert_eq!(
        events(&said),
        [
            "-sdown master mymaster 127.0.0.1 6379",
            "-odown master mymaster 127.0.0.1 6379",
            LOST
        ]
    );
    bench.revive(MASTER);
    bench.disk = Disk::Works;
    assert_eq!(events(&bench.advance(60_000)), [""; 0]);
}

#[test]
fn a_candidate_gives_way_to_a_higher_epoch() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    assert_eq!(events(&bench.vote_request(2, 2)), [LOST]);
    assert_eq!(
        events(&bench.disk_done()),
        ["+new-epoch 2", "+vote-for-leader p2 2"]
    );
}

#[test]
fn a_candidate_does_not_give_way_within_its_epoch() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    assert_eq!(bench.vote_request(2, 1), ["reply 1 [:1 me :1]"]);
}

#[test]
fn who_voted_leaves_the_leader_ten_seconds() {
    let mut bench = group(2, 2, Vote::Withholds);
    bench.vote_request(2, 1);
    let voted = bench.now;
    let said = bench.until("+try-failover", 12_000);
    assert!(events(&said).contains(&"+odown master mymaster 127.0.0.1 6379 #quorum 2/2"));
    let waited = bench.now.since(voted).as_ms();
    assert!((10_000..=10_100).contains(&waited), "{waited} ms");
}

#[test]
fn who_voted_does_not_wait_for_a_leader_that_is_down() {
    let mut bench = group(2, 2, Vote::Withholds);
    bench.until("+odown", 6000);
    bench.vote_request(2, 9);
    bench.hang(P2);
    let said = bench.until("+try-failover", 8000);
    let leader = "+sdown sentinel p2 127.0.0.1 5002 @ mymaster 127.0.0.1 6379";
    assert!(events(&said).contains(&leader), "{said:?}");
}

#[test]
fn masters_lost_together_are_stood_for_in_one_epoch() {
    let mut bench = Bench::calm_with(&[R1], 1, 1, |boot| {
        let mut other = bench::master_state(&[], 1, 1);
        other.name = bartizan_core::ids::MasterName::new("other");
        other.configuration.addr = bench::addr(7000);
        boot.durable.masters.push(other.into());
    });
    bench.host(P1).vote = Vote::Withholds;
    bench.hang(MASTER);
    bench.hang(7000);
    let said = bench.advance(6000);
    let votes = only(&said, "+vote-for-leader");
    assert_eq!(
        votes[..2],
        ["+vote-for-leader me 1", "+vote-for-leader me 1"]
    );
}

#[test]
fn the_state_is_told_while_it_lasts() {
    let bench = standing(2, 2, Vote::Grants);
    let reply = bench.query(&Query::Master(name()));
    assert_eq!(field(&reply, "failover-state"), "wait_start");
    assert_eq!(
        field(&reply, "flags"),
        "s_down,o_down,master,failover_in_progress"
    );
}
