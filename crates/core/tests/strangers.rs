//! Another cluster's server at an address of the group is told from a server of the group that
//! restarted, wherever that can be done, and left alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::ids::ReplId;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::{Fork, History, Life, Role};
use bartizan_core::rescue::RescueMode;
use bartizan_core::time::Span;
use bench::{Bench, MASTER, R1, R2, START, addr, boot_of, field, master_state, name, run_id};

const STRANGER: &str = "+stranger slave 127.0.0.1:6380";
const INCOMPLETE: &str = "-rescue-incomplete slave 127.0.0.1:6380";
/// The hosts' clocks say this when the bench starts.
const EPOCH: Span = Span::secs(1_700_000_000);
/// All of ours have been up for this long by then.
const AGE: Span = Span::secs(100);

fn history(letter: u8) -> History {
    History {
        id: ReplId::parse(&[letter; 40]).unwrap(),
        offset: 1000,
        before: None,
        kept_from: Some(1),
    }
}

/// What the host at this port says of its process, which started so long ago.
fn lives(bench: &mut Bench, port: u16, up_for: Span) {
    let clock = EPOCH + bench.now.since(START);
    bench.host(port).info.life = Some(Life { clock, up_for });
}

fn group(rescue: RescueMode) -> Bench {
    let mut state = master_state(&[R1, R2], 0, 1);
    state.options.rescue = rescue;
    let mut bench = Bench::boot(boot_of(vec![state]));
    for port in [MASTER, R1, R2] {
        bench.host(port).info.history = Some(history(b'a'));
        bench.host(port).info.has_keys = Some(true);
        lives(&mut bench, port, AGE);
    }
    bench.advance(11_000);
    for port in [MASTER, R1, R2] {
        let up_for = AGE + bench.now.since(START);
        lives(&mut bench, port, up_for);
    }
    bench.advance(10_000);
    bench
}

/// Another process is at the port, a master with a history of its own.
fn replaced(bench: &mut Bench, port: u16, up_for: Span) {
    bench.kill(port);
    bench.advance(2000);
    lives(bench, port, up_for);
    bench.host(port).lead();
    let info = &mut bench.host(port).info;
    info.run_id = Some(run_id(port, 1));
    info.history = Some(history(b'c'));
    info.replicas.clear();
    bench.revive(port);
}

fn has(said: &[String], words: &str) -> bool {
    said.iter().any(|line| line.starts_with(words))
}

fn count(said: &[String], words: &str) -> usize {
    said.iter().filter(|line| line.starts_with(words)).count()
}

#[test]
fn a_process_that_is_older_than_the_last_word_of_the_one_before_is_a_stranger() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(3600));
    let said = bench.advance(120_000);
    assert_eq!(count(&said, STRANGER), 1, "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
    assert!(!has(&said, "6380 CLIENT PAUSE"));
    assert!(has(&said, "+sdown slave 127.0.0.1:6380"), "ours is away");
    let Reply::Array(replicas) = bench.query(&Query::Replicas(name())) else {
        panic!("no replicas");
    };
    let shown = field(&replicas[0], "stranger");
    assert_eq!(shown, "it ran elsewhere while our server was here");
}

#[test]
fn a_server_that_was_killed_and_comes_back_with_its_data_alone_is_taken_in() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(1));
    let said = bench.advance(40_000);
    let lost = said.iter().position(|line| line.starts_with(INCOMPLETE));
    let told = said
        .iter()
        .position(|line| line.starts_with("6380 SLAVEOF"));
    assert!(lost.is_some() && lost < told, "{said:#?}");
}

#[test]
fn what_nobody_knows_is_saved_whole_where_a_snapshot_is_allowed() {
    let mut bench = group(RescueMode::Snapshot);
    replaced(&mut bench, R1, Span::secs(1));
    let said = bench.advance(40_000);
    assert!(has(&said, "rescue 1 127.0.0.1:6380 0"), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"), "not while it is under way");
}

#[test]
fn no_snapshot_is_taken_of_a_server_that_came_back_empty() {
    let mut bench = group(RescueMode::Snapshot);
    replaced(&mut bench, R1, Span::secs(1));
    bench.host(R1).info.has_keys = Some(false);
    let said = bench.advance(40_000);
    assert!(!has(&said, "rescue "), "{said:#?}");
    assert!(has(&said, "6380 SLAVEOF"));
}

#[test]
fn a_server_without_data_has_nothing_to_lose() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(3600));
    bench.host(R1).info.has_keys = Some(false);
    let said = bench.advance(20_000);
    assert!(has(&said, "6380 SLAVEOF"), "{said:#?}");
    assert!(!has(&said, STRANGER));
}

#[test]
fn whoever_has_a_history_of_the_group_is_of_it() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(3600));
    let before = Some(Fork {
        id: history(b'a').id,
        offset: 900,
    });
    let grown = History {
        before,
        ..history(b'c')
    };
    bench.host(R1).info.history = Some(grown);
    let said = bench.advance(20_000);
    assert!(has(&said, "6380 SLAVEOF"), "{said:#?}");
    assert!(!has(&said, STRANGER));
}

#[test]
fn a_stranger_that_an_operator_makes_a_replica_is_one() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(3600));
    bench.advance(20_000);
    bench.host(R1).follow(addr(MASTER));
    let said = bench.advance(20_000);
    assert!(has(&said, "-sdown slave 127.0.0.1:6380"), "{said:#?}");
}

#[test]
fn a_replica_that_is_linked_to_a_master_elsewhere_is_a_stranger() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(1));
    bench.host(R1).follow(addr(7000));
    let said = bench.advance(200_000);
    assert_eq!(count(&said, STRANGER), 1, "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"));
    // Its master is gone for good, and nothing tells any more whose it is.
    bench.host(R1).info.master_link_up = false;
    assert!(has(&bench.advance(100_000), "6380 SLAVEOF"));
}

#[test]
fn one_that_was_read_before_our_master_is_judged_again() {
    let mut state = master_state(&[R1, R2], 0, 1);
    state.options.failover_timeout = Span::secs(3);
    let mut bench = Bench::boot(boot_of(vec![state]));
    for port in [MASTER, R1, R2] {
        bench.host(port).info.history = Some(history(b'a'));
        bench.host(port).info.has_keys = Some(true);
    }
    bench.host(R1).info.history = Some(history(b'c'));
    bench.host(R1).follow(addr(7000));
    bench.kill(MASTER);
    let said = bench.advance(500);
    assert!(!has(&said, STRANGER), "{said:#?}");
    bench.revive(MASTER);
    let said = bench.advance(60_000);
    assert!(has(&said, STRANGER), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
}

#[test]
fn our_own_replica_that_an_operator_sent_elsewhere_is_fetched_back() {
    let mut bench = group(RescueMode::Stream);
    bench.host(R1).follow(addr(7000));
    bench.host(R1).info.history = Some(history(b'c'));
    let said = bench.advance(100_000);
    assert!(has(&said, "6380 SLAVEOF"), "{said:#?}");
    assert!(!has(&said, STRANGER));
}

#[test]
fn a_stranger_is_never_promoted() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(3600));
    bench.host(R1).info.priority = Some(1);
    bench.advance(20_000);
    bench.hang(MASTER);
    let said = bench.until("+failover-end", 60_000);
    assert!(has(&said, "6381 SLAVEOF NO ONE"), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
}

#[test]
fn a_stranger_in_the_masters_place_is_not_our_master() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, MASTER, Span::secs(3600));
    let said = bench.until("+failover-end", 60_000);
    assert!(has(&said, "+stranger master mymaster"), "{said:#?}");
    assert!(has(&said, "+switch-master mymaster 127.0.0.1 6379"));
    let said = bench.advance(60_000);
    assert!(!has(&said, "6379 SLAVEOF"), "{said:#?}");
    assert!(!has(&said, "6379 CLIENT PAUSE"), "{said:#?}");
}

#[test]
fn one_that_has_given_the_replicas_its_history_is_the_master() {
    let mut bench = group(RescueMode::Stream);
    for port in [R1, R2] {
        bench.host(port).info.history = Some(history(b'c'));
    }
    bench.advance(11_000);
    replaced(&mut bench, MASTER, Span::secs(3600));
    let said = bench.advance(60_000);
    assert!(!has(&said, "+stranger"), "{said:#?}");
    assert!(!has(&said, "+switch-master"));
}

#[test]
fn a_clock_that_was_set_back_before_a_restart_proves_nothing() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(1));
    // By its own clock it started an hour before the one that it is a restart of was last heard.
    let info = &mut bench.host(R1).info;
    let life = info.life.unwrap();
    let clock = Span::ms(life.clock.as_ms() - 3_600_000);
    info.life = Some(Life { clock, ..life });
    info.role = Some(Role::Master);
    let said = bench.advance(40_000);
    assert!(!has(&said, STRANGER), "{said:#?}");
    assert!(has(&said, "6380 SLAVEOF"));
}
