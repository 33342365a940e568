//! What went wrong once, each as the test that showed it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::input::Input;
use bartizan_core::output::LinkKind;
use bartizan_core::provide::command::Command;
use bartizan_core::time::Span;
use bench::{Bench, Disk, MASTER, P1, P2, R1, Vote, addr, events, hello, name, only, standing};

#[test]
fn a_newer_epoch_for_the_same_address_does_not_end_all_attempts() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.disk_done();
    bench.hang(P1);
    bench.hang(P2);
    bench.hear(hello(1, 40, 40, MASTER));
    bench.disk_done();
    bench.disk = Disk::Works;
    bench.revive(P1);
    bench.revive(P2);
    bench.until("+try-failover", 40_000);
}

#[test]
fn one_epoch_is_not_voted_twice_because_the_master_was_removed_and_added_again() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.vote_request(1, 1);
    bench.settle();
    bench.ask(Command::Remove { name: name() });
    bench.settle();
    bench.ask(Command::Monitor {
        name: name(),
        host: Some(addr(MASTER).host),
        port: 6379,
        quorum: 2,
    });
    bench.settle();
    bench.vote_request(2, 1);
    let said = bench.settle();
    assert_eq!(only(&said, "+vote-for-leader"), [""; 0]);
}

#[test]
fn a_server_with_all_calls_unanswered_causes_no_spin() {
    let mut bench = Bench::calm_with(&[], 0, 1, |boot| {
        boot.durable.masters[0].options.down_after = Span::secs(3600);
    });
    bench.hang(MASTER);
    bench.advance(200_000);
    let before = bench.wakes;
    bench.advance(10_000);
    let wakes = bench.wakes - before;
    assert!(wakes < 200, "{wakes} in ten seconds");
}

#[test]
fn a_candidacy_that_waits_for_a_slow_disk_causes_no_spin() {
    let mut bench = standing(2, 2, Vote::Grants);
    let before = bench.wakes;
    bench.advance(10_000);
    let wakes = bench.wakes - before;
    assert!(wakes < 1000, "{wakes} in ten seconds");
}

#[test]
fn reset_while_a_promotion_is_being_written_does_not_take_the_epoch_back() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.host(R1).obeys = false;
    bench.kill(MASTER);
    bench.until("+failover-state-wait-promotion", 7000);
    bench.disk = Disk::Slow;
    bench.host(R1).obeys = true;
    bench.until("+promoted-slave", 3000);
    bench.ask(Command::Reset {
        pattern: "*".into(),
    });
    bench.disk_done();
    bench.disk = Disk::Works;
    bench.advance(5000);
    assert_eq!(bench.on_disk().configuration.epoch.get(), 1);
}

#[test]
fn a_leader_that_is_overruled_before_the_switch_has_run_no_script() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        boot.durable.masters[0].options.client_reconfig_script = Some("/bin/reconfig".into());
    });
    for port in [P1, P2] {
        bench.host(port).says_down = true;
        bench.host(port).listens = false;
    }
    bench.kill(MASTER);
    let said = bench.until("+failover-state-reconf-slaves", 7000);
    assert_eq!(only(&said, "run"), [""; 0]);
    let link = bench.link(R1, LinkKind::PubSub).unwrap();
    let hello = Some(hello(1, 5, 5, MASTER));
    bench.give(Input::Heard { link, hello });
    let said = bench.settle();
    assert_eq!(only(&said, "run"), [""; 0]);
    assert_eq!(only(&said, "+switch-master"), [""; 0]);
}

#[test]
fn nothing_told_before_the_switch_names_the_new_master() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
        bench.host(port).listens = false;
    }
    bench.kill(MASTER);
    let said = bench.until("+failover-state-reconf-slaves", 7000);
    let early: Vec<_> = events(&said)
        .into_iter()
        .filter(|l| l.ends_with("@ mymaster 127.0.0.1 6380"))
        .collect();
    assert_eq!(early, [""; 0]);
}

#[test]
fn hellos_during_a_slow_write_are_bounded() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    for n in 1..12_000 {
        bench.hear(hello(1, n, 0, MASTER));
    }
    bench.disk_done();
    bench.disk_done();
    let told = bench
        .history
        .iter()
        .filter(|(_, l)| l.starts_with("+new-epoch"))
        .count();
    assert!(told <= 10_000, "{told}");
}

#[test]
fn an_operators_failover_does_not_go_against_peers_that_refuse_their_vote() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    for port in [P1, P2] {
        bench.host(port).vote = Vote::Withholds;
    }
    bench.ask(Command::Failover { name: name() });
    let said = bench.until("-failover-abort-not-elected", 2000);
    assert_eq!(only(&said, "+elected-leader"), [""; 0]);
}

#[test]
fn a_candidacy_that_reset_ended_while_the_disk_worked_is_told_whole() {
    let mut bench = standing(2, 2, Vote::Grants);
    bench.ask(Command::Reset {
        pattern: "mymaster".into(),
    });
    let said = bench.disk_done();
    let told: Vec<_> = events(&said)
        .into_iter()
        .map(|event| event.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "-failover-abort-not-elected"
        ]
    );
}
