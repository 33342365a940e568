//! Putting stray servers right: returned masters and replicas of the wrong master (spec §6, §10.7).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::input::Answer;
use bartizan_core::output::Call;
use bartizan_core::provide::command::Command;
use bartizan_core::time::Span;
use bench::{Bench, MASTER, P1, P2, R1, R2, R3, addr, events, name, only};

const CONVERT: &str = "+convert-to-slave slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster \
                       127.0.0.1 6379";
const FIX: &str = "+fix-slave-config slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster \
                   127.0.0.1 6379";

/// `R1` was promoted after the master died.
fn switched() -> Bench {
    switched_with(&[R1, R2])
}

fn switched_with(replicas: &[u16]) -> Bench {
    let mut bench = Bench::calm(replicas, 2, 2);
    bench.host(R1).info.priority = Some(1);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.advance(11_000);
    bench.kill(MASTER);
    bench.until("+failover-end", 8000);
    bench
}

#[test]
fn a_replica_that_calls_itself_master_is_demoted_after_eight_seconds() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(R1).lead();
    bench.until("-role-change", 11_000);
    let began = bench.now;
    let said = bench.until("+convert-to-slave", 10_000);
    assert_eq!(bench.now.since(began).as_ms(), 8001);
    assert_eq!(only(&said, "+convert-to-slave"), [CONVERT]);
    assert_eq!(only(&said, "6380 SLAVEOF"), ["6380 SLAVEOF 127.0.0.1 6379"]);
}

#[test]
fn a_server_that_does_not_obey_is_told_again() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(R1).lead();
    bench.host(R1).obeys = false;
    bench.until("+convert-to-slave", 20_000);
    let said = bench.advance(10_000);
    assert_eq!(only(&said, "+convert-to-slave").len(), 5);
}

#[test]
fn the_former_master_that_returns_is_demoted_at_once() {
    let mut bench = switched();
    bench.revive(MASTER);
    bench.host(MASTER).lead();
    let said = bench.until("+convert-to-slave", 2000);
    let mut told = events(&said);
    told.retain(|line| !line.starts_with("+fenced"));
    assert_eq!(
        told[..2],
        [
            "-sdown slave 127.0.0.1:6379 127.0.0.1 6379 @ mymaster 127.0.0.1 6380",
            "+convert-to-slave slave 127.0.0.1:6379 127.0.0.1 6379 @ mymaster 127.0.0.1 6380"
        ]
    );
    assert!(said.contains(&"6379 SLAVEOF 127.0.0.1 6380".to_owned()));
}

#[test]
fn the_former_master_of_a_planned_failover_is_demoted_at_once_too() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.ask(Command::Failover { name: name() });
    let said = bench.advance(1000);
    assert_eq!(only(&said, "6379 SLAVEOF"), ["6379 SLAVEOF 127.0.0.1 6380"]);
}

#[test]
fn nobody_is_demoted_while_the_master_is_not_known_to_be_well() {
    let mut bench = switched();
    bench.hang(R1);
    for port in [P1, P2] {
        bench.host(port).says_down = false;
    }
    bench.until("+sdown master mymaster 127.0.0.1 6380", 8000);
    bench.revive(MASTER);
    bench.host(MASTER).lead();
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "6379 SLAVEOF"), [""; 0]);
}

#[test]
fn nobody_is_demoted_on_the_word_of_a_master_that_calls_itself_a_replica() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(MASTER).follow(addr(R1));
    bench.host(R1).lead();
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "6380 SLAVEOF"), [""; 0]);
}

#[test]
fn a_replica_of_somebody_else_is_re_pointed_after_the_failover_timeout() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(R1).follow(addr(9999));
    bench.host(R1).obeys = false;
    // It is seen at the next INFO, and the minute counts from there.
    let said = bench.until("+fix-slave-config", 71_000);
    assert!(bench.now.since(bench::START).as_ms() > 63_000);
    assert_eq!(events(&said), [FIX]);
    assert_eq!(only(&said, "6380 SLAVEOF"), ["6380 SLAVEOF 127.0.0.1 6379"]);
    bench.host(R1).obeys = true;
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "+fix-slave-config").len(), 1, "until it obeys");
}

#[test]
fn a_replica_that_still_follows_the_former_master_is_re_pointed_sooner() {
    let mut bench = switched();
    bench.host(R2).follow(addr(MASTER));
    let said = bench.until("+fix-slave-config", 20_000);
    assert!(said.contains(&"6381 SLAVEOF 127.0.0.1 6380".to_owned()));
}

#[test]
fn no_replica_is_re_pointed_sooner_while_another_one_synchronises() {
    let mut bench = switched_with(&[R1, R2, R3]);
    bench.host(R2).info.master_link_up = false;
    bench.host(R3).follow(addr(MASTER));
    let said = bench.advance(40_000);
    assert_eq!(only(&said, "6381 SLAVEOF"), [""; 0]);
    assert_eq!(only(&said, "6382 SLAVEOF"), [""; 0]);
    bench.host(R2).info.master_link_up = true;
    let said = bench.until("+fix-slave-config", 10_000);
    assert!(said.contains(&"6382 SLAVEOF 127.0.0.1 6380".to_owned()));
}

#[test]
fn a_replica_that_was_down_a_moment_ago_is_left_alone_for_a_while() {
    let mut bench = Bench::calm_with(&[R1], 1, 2, |boot| {
        boot.durable.masters[0].options.failover_timeout = Span::secs(20);
    });
    bench.host(R1).follow(addr(9999));
    bench.advance(12_000);
    bench.hang(R1);
    bench.until("+sdown slave", 8000);
    let down = bench.now;
    bench.revive(R1);
    bench.until("+fix-slave-config", 40_000);
    assert_eq!(bench.now.since(down).as_ms(), 20_000);
}

#[test]
fn a_replica_of_the_right_master_is_left_alone() {
    let mut bench = Bench::calm(&[R1, R2], 1, 2);
    let said = bench.advance(200_000);
    assert!(!said.iter().any(|line| line.contains("SLAVEOF")));
}

#[test]
fn a_replica_that_restarts_is_only_news() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(R1).info.run_id = Some(bench::run_id(R1, 1));
    let said = bench.advance(11_000);
    assert_eq!(
        events(&said),
        ["+reboot slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379"]
    );
}

#[test]
fn replicas_that_the_master_lists_are_found_once() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.host(MASTER).info.replicas = vec![addr(R1), addr(R2), addr(R1), addr(MASTER)];
    let said = bench.advance(25_000);
    assert_eq!(
        events(&said),
        [
            "+slave slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379",
            "+slave slave 127.0.0.1:6381 127.0.0.1 6381 @ mymaster 127.0.0.1 6379"
        ]
    );
    assert_eq!(bench.on_disk().replicas, [addr(R1), addr(R2)]);
}

#[test]
fn replicas_of_replicas_are_not_taken_for_ours() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(R1).info.replicas = vec![addr(6390)];
    assert_eq!(events(&bench.advance(25_000)), [""; 0]);
}

#[test]
fn replicas_are_bounded() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.hang(MASTER);
    bench.advance(10_000);
    let mut info = bench.host(MASTER).info.clone();
    info.replicas = (10_000..12_000).map(addr).collect();
    let answer = Answer::Info(Box::new(info));
    let said = bench.reply(MASTER, |call| *call == Call::Info, answer);
    assert_eq!(only(&said, "+slave ").len(), 1000);
}
