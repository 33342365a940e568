//! A server that answers, and not as it should: what is told and shown of it (`server-state`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::input::Answer;
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{Bench, MASTER, events, name, only, text};

#[test]
fn a_server_that_does_not_answer_as_it_should_has_a_state_that_is_told_and_shown() {
    let error = |text: &str| Answer::Error(Arc::from(text));
    for (answer, word) in [
        (Answer::Busy, "busy"),
        (Answer::Loading, "loading"),
        (Answer::MasterDown, "masterdown"),
        (error("MISCONF Redis is configured to save"), "misconf"),
        (error("NOPERM no"), "refusing"),
    ] {
        let mut bench = Bench::calm(&[], 0, 1);
        bench.host(MASTER).ping = answer;
        let told = |word: &str| {
            [format!(
                "+server-state master mymaster 127.0.0.1 6379 {word}"
            )]
        };
        let shown = |bench: &Bench| text(&bench.query(&Query::Master(name())));
        assert_eq!(events(&bench.advance(4000)), told(word));
        assert!(shown(&bench).contains(&format!("server-state={word}")));
        bench.host(MASTER).ping = Answer::Pong;
        assert_eq!(events(&bench.advance(2000)), told("ok"));
        assert!(!shown(&bench).contains("server-state"), "nothing to show");
    }
}

#[test]
fn a_paused_server_has_a_state_of_its_own() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.host(MASTER).pauses = true;
    let told = |word: &str| {
        [format!(
            "+server-state master mymaster 127.0.0.1 6379 {word}"
        )]
    };
    assert_eq!(events(&bench.advance(10_000)), told("paused"));
    bench.host(MASTER).pauses = false;
    assert_eq!(events(&bench.advance(2000)), told("ok"));
}

#[test]
fn behind_slow_connections_a_server_has_longer_to_answer_a_hello() {
    let held_for = |round_trip: u64| {
        let mut bench = Bench::calm(&[], 0, 1);
        let answers_late = |bench: &mut Bench| {
            bench.hang(MASTER);
            bench.advance(round_trip);
            bench.revive(MASTER);
            bench.settle();
        };
        for _ in 0..20_000 / round_trip {
            answers_late(&mut bench);
        }
        bench.host(MASTER).pauses = true;
        bench.history.clear();
        for _ in 0..10_000 / round_trip {
            answers_late(&mut bench);
        }
        let when = |words: &str| {
            let found = bench.history.iter().find(|(_, line)| line.contains(words));
            found.expect(words).0
        };
        when("+server-state").since(when("6379 HELLO"))
    };
    // It is seen with a PONG, which comes within the period of PING and a round trip.
    let quick = held_for(100);
    assert!(quick < Span::ms(1700), "{quick:?}");
    assert!(held_for(900) > Span::ms(2000));
}

#[test]
fn a_server_that_changes_its_mind_all_the_time_is_told_of_once_a_second() {
    let mut bench = Bench::calm_with(&[], 0, 1, |boot| {
        boot.durable.masters[0].options.down_after = Span::ms(500);
    });
    let mut told = 0;
    for n in 0..200 {
        bench.host(MASTER).ping = [Answer::Pong, Answer::Loading][n % 2].clone();
        told += only(&bench.advance(50), "+server-state").len();
    }
    assert!((5..=11).contains(&told), "{told}");
}
