//! What is written, when, and what waits for it (spec §2.4; the promises of the core's contract).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::ids::Epoch;
use bartizan_core::provide::command::Command;
use bench::{Bench, Disk, MASTER, P1, R1, addr, boot_of, events, hello, id, master_state, only};

#[test]
fn a_first_start_writes_its_id_before_anybody_hears_of_it() {
    let mut boot = boot_of(vec![master_state(&[R1], 1, 1)]);
    boot.fresh = true;
    let mut bench = Bench::boot(boot);
    bench.disk = Disk::Slow;
    let first: Vec<_> = bench
        .history
        .iter()
        .map(|(_, line)| line.as_str())
        .collect();
    assert_eq!(
        first,
        [
            "+monitor master mymaster 127.0.0.1 6379 quorum 1",
            "persist e0, mymaster at 6379 since e0, voted e0"
        ]
    );
    assert_eq!(bench.advance(10_000), [""; 0]);
    let said = bench.disk_done();
    assert!(said.contains(&"connect 6379 cmd".to_owned()));
}

#[test]
fn a_first_start_goes_on_though_the_disk_fails() {
    let mut boot = boot_of(vec![master_state(&[R1], 1, 1)]);
    boot.fresh = true;
    let mut bench = Bench::boot(boot);
    bench.disk = Disk::Slow;
    let said = bench.disk_failed();
    assert!(said.contains(&"connect 6379 cmd".to_owned()));
}

#[test]
fn a_later_start_writes_nothing() {
    let mut bench = Bench::boot(boot_of(vec![master_state(&[R1], 1, 1)]));
    let said = bench.advance(10_000);
    assert_eq!(only(&said, "persist"), [""; 0]);
    let first: Vec<_> = bench
        .history
        .iter()
        .map(|(_, line)| line.as_str())
        .collect();
    assert_eq!(first[0], "+monitor master mymaster 127.0.0.1 6379 quorum 1");
}

#[test]
fn a_start_gives_back_what_was_written() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.hear(hello(1, 8, 6, R1));
    bench.settle();
    bench.vote_request(2, 8);
    bench.ask(Command::FlushConfig);
    bench.settle();
    let before = bench.synced.last().unwrap().clone();
    let mut boot = boot_of(Vec::new());
    boot.durable = before.clone();
    let mut bench = Bench::boot(boot);
    bench.ask(Command::FlushConfig);
    bench.settle();
    assert_eq!(bench.synced.last().unwrap(), &before);
}

#[test]
fn changes_that_come_together_share_the_next_write() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    bench.set(&["quorum", "2"]);
    assert_eq!(
        only(&bench.set(&["parallel-syncs", "3"]), "persist"),
        [""; 0]
    );
    assert_eq!(
        only(&bench.set(&["parallel-syncs", "4"]), "persist"),
        [""; 0]
    );
    let said = bench.disk_done();
    assert_eq!(only(&said, "reply"), ["reply 1 +OK"]);
    assert_eq!(only(&said, "persist").len(), 1);
    let said = bench.disk_done();
    assert_eq!(said, ["reply 2 +OK", "reply 3 +OK"]);
}

#[test]
fn a_failed_write_is_tried_again_after_a_second() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    bench.set(&["quorum", "2"]);
    bench.disk_failed();
    let failed = bench.now;
    let said = bench.until("persist", 2000);
    assert_eq!(only(&said, "reply"), [""; 0]);
    assert_eq!(bench.now.since(failed).as_ms(), 1000);
}

#[test]
fn a_disk_that_has_room_again_is_noticed() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Fails;
    bench.set(&["quorum", "2"]);
    bench.advance(10_000);
    assert!(bench.synced.is_empty());
    bench.disk = Disk::Works;
    bench.advance(1000);
    assert_eq!(bench.on_disk().options.quorum.get(), 2);
    assert_eq!(only(&bench.advance(10_000), "persist"), [""; 0]);
}

#[test]
fn a_change_does_not_wait_for_the_pause_after_a_failed_write() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    bench.set(&["quorum", "2"]);
    bench.disk_failed();
    assert_eq!(only(&bench.set(&["quorum", "3"]), "persist").len(), 1);
}

#[test]
fn an_operator_hears_that_the_file_could_not_be_saved_though_the_change_holds() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Fails;
    bench.set(&["quorum", "2"]);
    let said = bench.settle();
    assert_eq!(
        only(&said, "reply"),
        ["reply 1 -ERR Failed to save config file. Check server logs."]
    );
    let reply = bench.query(&bartizan_core::provide::query::Query::Master(bench::name()));
    assert_eq!(bench::field(&reply, "quorum"), "2");
}

#[test]
fn a_word_about_a_write_that_is_not_under_way_is_ignored() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    bench.set(&["quorum", "2"]);
    let seq = bartizan_core::ids::PersistSeq::new(999);
    assert_eq!(
        bench.give(bartizan_core::input::Input::Persisted { seq }),
        [""; 0]
    );
    assert_eq!(bench.disk_done(), ["reply 1 +OK"]);
}

#[test]
fn every_vote_and_epoch_and_instance_is_written() {
    let mut bench = Bench::calm(&[], 0, 1);
    let writes = |said: &[String]| only(said, "persist").len();
    assert_eq!(writes(&bench.hear(hello(1, 0, 0, MASTER))), 1, "a peer");
    bench.settle();
    assert_eq!(writes(&bench.hear(hello(1, 4, 0, MASTER))), 1, "an epoch");
    bench.settle();
    assert_eq!(writes(&bench.vote_request(1, 4)), 1, "a vote");
    bench.settle();
    bench.host(MASTER).info.replicas.push(addr(R1));
    let said = bench.advance(10_000);
    assert_eq!(events(&said).len(), 1);
    assert_eq!(writes(&said), 1, "a replica");
    let state = bench.on_disk();
    assert_eq!(state.replicas, [addr(R1)]);
    assert_eq!(state.sentinels, [(id(1), addr(P1))]);
    assert_eq!(state.voted_epoch, Epoch::new(4));
}

#[test]
fn nothing_is_written_where_nothing_lasting_changes() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.hang(MASTER);
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "persist"), [""; 0]);
}

#[test]
fn requests_are_refused_when_too_many_wait_for_the_disk() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    for _ in 0..10_000 {
        bench.ask(Command::FlushConfig);
    }
    assert_eq!(
        bench.ask(Command::FlushConfig),
        ["reply 10001 -ERR Too many requests wait for the disk, try again later"]
    );
}
