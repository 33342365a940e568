//! When a quorum holds a master to be down (spec §8, §9.1).

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
use bartizan_core::report::Opinion;
use bench::{Bench, MASTER, P1, P2, R1, Vote, events, field, name, only};

const SDOWN: &str = "+sdown master mymaster 127.0.0.1 6379";

fn opinion(down: bool) -> Answer {
    Answer::Opinion(Opinion { down, vote: None })
}

fn is_ask(call: &Call) -> bool {
    matches!(call, Call::Ask { .. })
}

/// A master that hangs while both peers, asked, have not answered yet.
fn asked() -> Bench {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.host(P1).vote = Vote::Withholds;
    bench.host(P2).vote = Vote::Withholds;
    bench.hang(MASTER);
    while !bench.history.iter().any(|(_, line)| line == SDOWN) {
        bench.now = bench.sentinel.next_deadline().unwrap();
        let said = bench.timeout();
        if !said.contains(&SDOWN.to_owned()) {
            bench.settle();
        }
    }
    bench
}

#[test]
fn peers_are_asked_the_moment_the_master_is_down() {
    let bench = asked();
    let said: Vec<_> = bench
        .history
        .iter()
        .map(|(_, line)| line.as_str())
        .collect();
    let at = said.iter().position(|line| *line == SDOWN).unwrap();
    assert_eq!(
        said[at..],
        [
            SDOWN,
            "5002 ASK 127.0.0.1:6379 e0",
            "5001 ASK 127.0.0.1:6379 e0"
        ]
    );
}

#[test]
fn nobody_is_asked_about_a_master_that_is_up() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    let said = bench.advance(60_000);
    assert!(!said.iter().any(|line| line.contains("ASK")));
}

#[test]
fn a_quorum_of_one_needs_nobody_else() {
    let mut bench = Bench::calm(&[], 2, 1);
    bench.hang(MASTER);
    let said = bench.until("+odown", 6000);
    let odown = "+odown master mymaster 127.0.0.1 6379 #quorum 1/1";
    assert_eq!(events(&said)[..2], [SDOWN, odown]);
}

#[test]
fn the_answer_that_makes_the_quorum_makes_it_at_once() {
    let mut bench = asked();
    let said = bench.reply(P1, is_ask, opinion(true));
    assert_eq!(
        events(&said)[0],
        "+odown master mymaster 127.0.0.1 6379 #quorum 2/2"
    );
}

#[test]
fn a_peer_that_sees_the_master_does_not_count() {
    let mut bench = asked();
    assert_eq!(events(&bench.reply(P1, is_ask, opinion(false))), [""; 0]);
    assert_eq!(events(&bench.advance(30_000)), [""; 0]);
}

#[test]
fn an_answer_of_another_shape_is_no_opinion() {
    let mut bench = asked();
    for answer in [Answer::Done, Answer::Unexpected, Answer::Busy] {
        assert_eq!(events(&bench.reply(P1, is_ask, answer)), [""; 0]);
        bench.hang(P1);
        bench.hang(P2);
        bench.advance(1000);
    }
}

#[test]
fn peers_are_asked_again_every_second() {
    let mut bench = asked();
    let said = bench.advance(10_000);
    assert_eq!(only(&said, "5001 ASK 127.0.0.1:6379 e0").len(), 10);
}

#[test]
fn an_opinion_is_forgotten_when_it_is_not_renewed() {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.host(P1).says_down = true;
    bench.host(P1).vote = Vote::Withholds;
    bench.host(P2).vote = Vote::Withholds;
    bench.hang(MASTER);
    bench.until("+odown", 6000);
    bench.hang(P1);
    let said = bench.until("-odown", 7000);
    assert_eq!(
        only(&said, "-odown"),
        ["-odown master mymaster 127.0.0.1 6379"]
    );
    let peers = bench.query(&Query::Sentinels(name()));
    assert!(!bench::text(&peers).contains("master_down"));
}

#[test]
fn a_peer_that_changes_its_mind_ends_it() {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.host(P1).says_down = true;
    bench.host(P1).vote = Vote::Withholds;
    bench.host(P2).vote = Vote::Withholds;
    bench.hang(MASTER);
    bench.until("+odown", 6000);
    bench.host(P1).says_down = false;
    let said = bench.advance(2000);
    assert_eq!(
        only(&said, "-odown"),
        ["-odown master mymaster 127.0.0.1 6379"]
    );
}

#[test]
fn the_master_coming_back_ends_both() {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.host(P1).says_down = true;
    bench.host(P1).vote = Vote::Withholds;
    bench.host(P2).vote = Vote::Withholds;
    bench.hang(MASTER);
    bench.until("+odown", 6000);
    let said = bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
    assert_eq!(
        events(&said)[..2],
        [
            "-sdown master mymaster 127.0.0.1 6379",
            "-odown master mymaster 127.0.0.1 6379"
        ]
    );
}

#[test]
fn the_flags_tell_both_and_the_peers_opinion() {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.host(P1).says_down = true;
    bench.host(P1).vote = Vote::Withholds;
    bench.host(P2).vote = Vote::Withholds;
    bench.hang(MASTER);
    bench.until("+odown", 6000);
    let flags = field(&bench.query(&Query::Master(name())), "flags");
    assert!(flags.starts_with("s_down,o_down,master"), "{flags}");
    let peers = bench::text(&bench.query(&Query::Sentinels(name())));
    assert!(peers.contains("flags=sentinel,master_down"), "{peers}");
}

#[test]
fn a_quorum_that_is_out_of_reach_is_never_reached() {
    let mut bench = Bench::calm(&[R1], 2, 4);
    bench.host(P1).says_down = true;
    bench.host(P2).says_down = true;
    bench.hang(MASTER);
    let said = bench.advance(60_000);
    assert_eq!(events(&said), [SDOWN]);
}

#[test]
fn a_replica_is_never_objectively_down() {
    let mut bench = Bench::calm(&[R1], 2, 1);
    bench.host(P1).says_down = true;
    bench.hang(R1);
    let said = bench.advance(30_000);
    assert_eq!(
        events(&said),
        ["+sdown slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379"]
    );
}
