//! TILT: when the process did not run for too long, it watches but does not act (spec §8).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{Bench, MASTER, P1, P2, R1, addr, events, hello, name, only, text};

const TILT: &str = "+tilt #tilt mode entered";
const END: &str = "-tilt #tilt mode exited";

/// The process is stopped for this long, then runs on.
fn freeze(bench: &mut Bench, ms: u64) -> Vec<String> {
    bench.now += Span::ms(ms);
    bench.timeout()
}

#[test]
fn a_process_that_was_stopped_enters_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    assert_eq!(events(&freeze(&mut bench, 5000)), [TILT]);
    let info = text(&bench.query(&Query::InfoSection));
    assert!(info.contains("sentinel_tilt:1\r\nsentinel_tilt_since_seconds:0\r\n"));
}

#[test]
fn a_short_pause_is_no_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    assert_eq!(events(&freeze(&mut bench, 2000)), [""; 0]);
    let info = text(&bench.query(&Query::InfoSection));
    assert!(info.contains("sentinel_tilt:0\r\nsentinel_tilt_since_seconds:-1\r\n"));
}

#[test]
fn tilt_ends_after_its_period() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    freeze(&mut bench, 5000);
    assert_eq!(events(&bench.advance(29_999)), [""; 0]);
    assert_eq!(events(&bench.advance(1)), [END]);
}

#[test]
fn another_stop_starts_it_afresh() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    freeze(&mut bench, 5000);
    bench.advance(20_000);
    assert_eq!(events(&freeze(&mut bench, 5000)), [TILT]);
    assert_eq!(events(&bench.advance(29_999)), [""; 0]);
    assert_eq!(events(&bench.advance(1)), [END]);
}

#[test]
fn nobody_goes_down_in_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 1);
    freeze(&mut bench, 5000);
    bench.hang(MASTER);
    bench.hang(P1);
    bench.hang(R1);
    assert_eq!(events(&bench.advance(29_000)), [""; 0]);
    let said = bench.advance(2000);
    assert_eq!(events(&said)[0], END);
    assert!(events(&said).contains(&"+sdown master mymaster 127.0.0.1 6379"));
}

#[test]
fn peers_that_ask_are_told_that_the_master_is_not_down() {
    let mut bench = Bench::calm(&[R1], 2, 3);
    bench.hang(MASTER);
    bench.until("+sdown master", 6000);
    let ask = |bench: &mut Bench| {
        bench.ask(Command::Ask(Ask {
            addr: Some(addr(MASTER)),
            epoch: Some(bartizan_core::ids::Epoch::ZERO),
            candidate: None,
        }))
    };
    assert_eq!(only(&ask(&mut bench), "reply"), ["reply 1 [:1 * :0]"]);
    freeze(&mut bench, 5000);
    assert_eq!(only(&ask(&mut bench), "reply"), ["reply 2 [:0 * :0]"]);
}

#[test]
fn votes_are_cast_in_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    freeze(&mut bench, 5000);
    bench.vote_request(1, 1);
    assert_eq!(only(&bench.settle(), "reply"), ["reply 1 [:0 p1 :1]"]);
}

#[test]
fn newer_configurations_are_adopted_in_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    freeze(&mut bench, 5000);
    bench.hear(hello(1, 3, 3, R1));
    let said = bench.settle();
    let switch = "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380";
    assert_eq!(only(&said, "+switch-master"), [switch]);
}

#[test]
fn an_election_rests_in_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
        bench.host(port).vote = bench::Vote::Withholds;
    }
    bench.hang(MASTER);
    bench.until("+try-failover", 6000);
    freeze(&mut bench, 5000);
    for port in [P1, P2] {
        bench.host(port).vote = bench::Vote::Grants;
    }
    assert_eq!(events(&bench.advance(29_999)), [""; 0]);
    bench.until("+elected-leader", 10_000);
}

#[test]
fn replicas_are_discovered_but_not_put_right_in_tilt() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    freeze(&mut bench, 5000);
    bench.host(R1).lead();
    bench.host(MASTER).info.replicas.push(addr(6385));
    let said = bench.advance(29_000);
    assert_eq!(
        events(&said),
        [
            "+slave slave 127.0.0.1:6385 127.0.0.1 6385 @ mymaster 127.0.0.1 6379",
            "-role-change slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379 \
             new reported role is master"
        ]
    );
    assert_eq!(only(&said, "6380 SLAVEOF"), [""; 0]);
    let said = bench.advance(2000);
    assert_eq!(only(&said, "6380 SLAVEOF"), ["6380 SLAVEOF 127.0.0.1 6379"]);
}

#[test]
fn everybody_is_pinged_and_greeted_in_tilt() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    freeze(&mut bench, 5000);
    let said = bench.advance(20_000);
    for port in [MASTER, R1, P1] {
        assert!(only(&said, &format!("{port} PING")).len() >= 20, "{port}");
        assert!(only(&said, &format!("{port} HELLO")).len() >= 9, "{port}");
    }
}

#[test]
fn an_operator_can_change_trigger_and_period() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.ask(Command::Debug {
        words: ["tilt-trigger", "500", "tilt-period", "1000"]
            .map(Into::into)
            .to_vec(),
    });
    assert_eq!(events(&freeze(&mut bench, 1500)), [TILT]);
    assert_eq!(events(&bench.advance(1000)), [END]);
    let flags = bench::field(&bench.query(&Query::Master(name())), "flags");
    assert_eq!(flags, "master");
}
