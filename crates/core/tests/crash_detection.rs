//! A master whose process is gone, told by its host: `sentinel crash-detection`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::input::{Input, LinkError};
use bartizan_core::output::LinkKind;
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{Bench, MASTER, P1, R1, R2, boot_of, events, field, master_state, name};

const DOWN: &str = "+sdown master mymaster 127.0.0.1 6379";
const UP: &str = "-sdown master mymaster 127.0.0.1 6379";

/// A Sentinel whose down-after is 30 s and whose crash detection takes 200 ms.
fn watchful(replicas: &[u16], peers: usize, quorum: u32) -> Bench {
    let mut state = master_state(replicas, peers, quorum);
    state.options.down_after = Span::secs(30);
    state.options.crash_detection = Span::ms(200);
    let mut bench = Bench::boot(boot_of(vec![state]));
    bench.advance(3000);
    bench
}

#[test]
fn a_master_that_refuses_every_connection_is_down_after_the_time_set() {
    let mut bench = watchful(&[], 1, 2);
    bench.kill(MASTER);
    assert_eq!(events(&bench.advance(195)), [""; 0]);
    assert_eq!(events(&bench.advance(70)), [DOWN]);
}

#[test]
fn without_the_directive_only_silence_counts() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.kill(MASTER);
    assert_eq!(events(&bench.advance(4700)), [""; 0]);
}

#[test]
fn a_process_that_comes_back_within_the_time_is_not_down() {
    let mut bench = watchful(&[R1], 1, 2);
    bench.kill(MASTER);
    bench.advance(150);
    bench.revive(MASTER);
    assert_eq!(events(&bench.advance(10_000)), [""; 0]);
}

#[test]
fn each_crash_is_timed_for_itself() {
    let mut bench = watchful(&[R1], 1, 2);
    for _ in 0..3 {
        bench.kill(MASTER);
        assert_eq!(events(&bench.advance(150)), [""; 0]);
        bench.revive(MASTER);
        assert_eq!(events(&bench.advance(3000)), [""; 0]);
    }
}

#[test]
fn a_crashed_master_that_listens_again_is_up_at_once() {
    let mut bench = watchful(&[], 1, 2);
    bench.kill(MASTER);
    bench.until(DOWN, 1000);
    bench.revive(MASTER);
    bench.until(UP, 1200);
}

#[test]
fn a_hang_is_a_matter_of_silence() {
    let mut bench = watchful(&[], 1, 2);
    bench.hang(MASTER);
    assert_eq!(events(&bench.advance(29_000)), [""; 0]);
    bench.until(DOWN, 5000);
}

#[test]
fn a_network_that_fails_is_no_crash() {
    let mut bench = watchful(&[], 1, 2);
    bench.host(MASTER).reach = bench::Reach::Deaf;
    let link = bench.link(MASTER, LinkKind::Command).expect("a link");
    let why = LinkError::Failed(Arc::from("No route to host"));
    bench.give(Input::LinkDown { link, why });
    bench.host(MASTER).reach = bench::Reach::Refused;
    assert_eq!(events(&bench.advance(20_000)), [""; 0]);
}

#[test]
fn a_master_that_was_never_connected_is_a_matter_of_silence() {
    let mut state = master_state(&[], 1, 2);
    state.options.down_after = Span::secs(30);
    state.options.crash_detection = Span::ms(200);
    let mut bench = Bench::boot(boot_of(vec![state]));
    bench.host(MASTER).reach = bench::Reach::Refused;
    assert_eq!(events(&bench.advance(20_000)), [""; 0]);
}

#[test]
fn a_replica_that_crashes_is_a_matter_of_silence() {
    let mut bench = watchful(&[R1], 1, 2);
    bench.kill(R1);
    assert_eq!(events(&bench.advance(20_000)), [""; 0]);
}

#[test]
fn a_quorum_has_to_see_the_crash_before_anybody_acts() {
    let mut bench = watchful(&[R1, R2], 1, 2);
    bench.kill(MASTER);
    bench.until(DOWN, 1000);
    assert_eq!(events(&bench.advance(5000)), [""; 0]);
    bench.host(P1).says_down = true;
    bench.until("+promoted-slave", 4000);
}

#[test]
fn crash_detection_is_set_shown_and_switched_off_at_run_time() {
    let mut bench = Bench::calm(&[], 1, 2);
    let shown = |bench: &Bench| {
        let reply = bench.query(&Query::Master(name()));
        format!("{reply:?}").contains("crash-detection")
    };
    assert!(!shown(&bench), "redis-sentinel has no such field");
    bench.set(&["crash-detection", "200"]);
    assert_eq!(
        field(&bench.query(&Query::Master(name())), "crash-detection"),
        "200"
    );
    bench.set(&["crash-detection", "0"]);
    assert!(!shown(&bench));
    bench.kill(MASTER);
    assert_eq!(events(&bench.advance(4000)), [""; 0]);
}
