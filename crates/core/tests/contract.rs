//! The five rules of the core: time, draining, no spin, promises, bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::input::{Answer, Input};
use bartizan_core::model::durable::MasterState;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{
    Bench, Disk, MASTER, P1, P2, R1, R2, START, Vote, addr, boot_of, events, field, hello,
    master_state, name, only,
};

/// Wake-ups in a minute of a world to which `arrange` was done.
fn wakes(arrange: impl FnOnce(&mut Bench)) -> u64 {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    arrange(&mut bench);
    bench.advance(10_000);
    let before = bench.wakes;
    bench.advance(60_000);
    bench.wakes - before
}

fn big_group() -> MasterState {
    let mut state = master_state(&[], 0, 1);
    state.replicas = (20_000..21_000).map(addr).collect();
    state.sentinels = (0..250_u16)
        .map(|n| {
            let id = format!("{n:040}");
            let id = bartizan_core::ids::RunId::parse(id.as_bytes()).unwrap();
            (id, addr(30_000 + n))
        })
        .collect();
    state
}

#[test]
fn a_clock_that_goes_back_is_taken_to_stand_still() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.hang(MASTER);
    bench.until("+sdown", 6000);
    let latest = bench.now;
    bench.now = START;
    assert_eq!(
        events(&bench.give(Input::Persisted {
            seq: bartizan_core::ids::PersistSeq::new(99),
        })),
        [""; 0]
    );
    bench.sentinel.handle_timeout(START);
    assert_eq!(bench.sentinel.poll_output().map(|_| ()), None);
    assert!(bench.sentinel.next_deadline().unwrap() > latest);
    let master = bench.query(&Query::Master(name()));
    assert_eq!(field(&master, "s-down-time"), "0", "no age is negative");
}

#[test]
fn a_timeout_that_comes_early_does_nothing() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    for _ in 0..1000 {
        let due = bench.sentinel.next_deadline().unwrap();
        if bench.now + Span::TICK < due {
            bench.now += Span::TICK;
            assert_eq!(bench.timeout(), [""; 0]);
            assert_eq!(bench.sentinel.next_deadline(), Some(due));
        } else {
            bench.advance(1);
        }
    }
}

#[test]
fn a_second_timeout_at_the_same_moment_does_nothing() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.kill(MASTER);
    for _ in 0..200 {
        bench.now = bench.sentinel.next_deadline().unwrap();
        bench.timeout();
        assert_eq!(bench.timeout(), [""; 0]);
        bench.settle();
    }
}

#[test]
fn every_deadline_lies_ahead_after_every_input() {
    let mut bench = Bench::calm(&[R1, R2], 2, 1);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.kill(MASTER);
    for _ in 0..2000 {
        bench.advance(5);
        assert!(bench.sentinel.next_deadline().unwrap() > bench.now);
    }
}

#[test]
fn nothing_wakes_it_more_often_than_its_periods_ask_for() {
    type Trouble = (&'static str, fn(&mut Bench));
    let table: [Trouble; 9] = [
        ("none", |_| {}),
        ("a hung master", |bench| bench.hang(MASTER)),
        ("a dead master", |bench| bench.kill(MASTER)),
        ("dead peers", |bench| {
            bench.kill(P1);
            bench.kill(P2);
        }),
        ("nobody left", |bench| {
            for port in [MASTER, R1, R2, P1, P2] {
                bench.kill(port);
            }
        }),
        ("a full disk", |bench| {
            bench.disk = Disk::Fails;
            bench.set(&["quorum", "2"]);
        }),
        ("no votes", |bench| {
            for port in [P1, P2] {
                bench.host(port).says_down = true;
                bench.host(port).vote = Vote::Withholds;
            }
            bench.hang(MASTER);
        }),
        ("nobody to promote", |bench| {
            for port in [P1, P2] {
                bench.host(port).says_down = true;
            }
            for port in [MASTER, R1, R2] {
                bench.kill(port);
            }
        }),
        ("replicas that do not obey", |bench| {
            for port in [R1, R2] {
                bench.host(port).obeys = false;
                bench.host(port).lead();
            }
        }),
    ];
    for (trouble, arrange) in table {
        let wakes = wakes(arrange);
        assert!(wakes < 6000, "{trouble}: {wakes} in a minute");
    }
}

#[test]
fn a_sentinel_without_masters_sleeps() {
    let bench = Bench::boot(boot_of(Vec::new()));
    assert_eq!(bench.sentinel.next_deadline(), None);
}

#[test]
fn what_could_not_be_written_is_told_to_nobody() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.disk = Disk::Slow;
    bench.vote_request(1, 3);
    let said = bench.disk_failed();
    assert_eq!(said, ["reply 1 [:0 * :0]"], "neither vote nor epoch");
    let said = bench.advance(500);
    assert!(!said.iter().any(|line| line.contains("me,3,")), "no hello");
}

#[test]
fn one_write_is_under_way_at_a_time() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.disk = Disk::Slow;
    let mut writes = 0;
    for epoch in 1..50 {
        writes += only(&bench.vote_request(1, epoch), "persist").len();
        writes += only(&bench.hear(hello(2, epoch + 100, 0, MASTER)), "persist").len();
        writes += only(&bench.advance(100), "persist").len();
    }
    assert_eq!(writes, 1);
}

#[test]
fn the_same_inputs_have_the_same_outputs() {
    let run = |seed| {
        let mut bench = Bench::calm_with(&[R1, R2], 2, 2, |boot| boot.seed = seed);
        for port in [P1, P2] {
            bench.host(port).says_down = true;
            bench.host(port).vote = Vote::Withholds;
        }
        bench.kill(MASTER);
        bench.advance(30_000);
        bench.history
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2), "pauses are drawn from the seed");
}

#[test]
fn the_largest_group_is_reset_within_bounds() {
    let mut bench = Bench::boot(boot_of(vec![big_group()]));
    let said = bench.ask(Command::Reset {
        pattern: "*".into(),
    });
    // Two links a server, one a peer, the master's made again, and a line or two about it.
    assert!(said.len() <= 2 * 1001 + 250 + 10, "{}", said.len());
    assert_eq!(only(&said, "connect").len(), 2);
}

#[test]
fn a_very_long_name_makes_no_endless_event() {
    let mut state = master_state(&[], 0, 1);
    state.name = bartizan_core::ids::MasterName::new(&"é".repeat(5000));
    let bench = Bench::boot(boot_of(vec![state]));
    let longest = bench.history.iter().map(|(_, line)| line.len()).max();
    assert!(longest.unwrap() < 1100);
}

#[test]
fn inputs_about_what_does_not_exist_do_nothing() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let link = bartizan_core::ids::LinkId::new(9999);
    let call = bartizan_core::ids::CallId::new(9999);
    let inputs = [
        Input::LinkUp {
            link,
            local: bench::LOCAL,
        },
        Input::LinkDown {
            link,
            why: bartizan_core::input::LinkError::Refused,
        },
        Input::Answer {
            link,
            call,
            answer: Answer::Pong,
        },
        Input::PersistFailed {
            seq: bartizan_core::ids::PersistSeq::new(9999),
            why: "gone".into(),
        },
    ];
    for input in inputs {
        assert_eq!(bench.give(input), [""; 0]);
    }
}
