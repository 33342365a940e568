//! Another cluster's server at an address of the group is told from a server of the group that
//! restarted, wherever that can be done, and left alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::ids::{ReplId, RescueId};
use bartizan_core::input::Input;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::{Fork, History, Life};
use bartizan_core::rescue::{RescueMode, Rescued};
use bartizan_core::time::Span;
use bench::{Bench, MASTER, R1, R2, START, addr, boot_of, field, master_state, name, run_id};

const STRANGER: &str = "+stranger slave 127.0.0.1:6380";
const FORGIVEN: &str = "-stranger slave 127.0.0.1:6380";
const SAVE: &str = "rescue 1 127.0.0.1:6380 0";
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

fn place(said: &[String], words: &str) -> usize {
    said.iter()
        .position(|line| line.starts_with(words))
        .unwrap_or_else(|| panic!("no `{words}` in {said:#?}"))
}

fn end_rescue(bench: &mut Bench, outcome: Rescued) -> Vec<String> {
    let id = RescueId::new(1);
    let mut said = bench.give(Input::Rescued { id, outcome });
    said.extend(bench.settle());
    said
}

fn saved(bench: &mut Bench) -> Vec<String> {
    let file = Arc::from("rescue/mymaster.rdb");
    end_rescue(bench, Rescued::Whole { file, commands: 0 })
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
fn one_that_nothing_tells_from_a_server_of_the_group_is_saved_and_then_taken_in() {
    for mode in [RescueMode::Stream, RescueMode::Snapshot] {
        let mut bench = group(mode);
        replaced(&mut bench, R1, Span::secs(1));
        let said = bench.advance(40_000);
        assert!(has(&said, SAVE), "{said:#?}");
        assert!(!has(&said, "6380 SLAVEOF"), "not while it is under way");
        let said = saved(&mut bench);
        let told = place(&said, "+rescued-writes slave 127.0.0.1:6380");
        assert!(told < place(&said, "6380 SLAVEOF"), "{said:#?}");
    }
}

#[test]
fn a_server_that_was_killed_and_comes_back_with_its_data_alone_is_taken_in() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(1));
    bench.advance(40_000);
    let why = Arc::from("the server does not allow it");
    let said = end_rescue(&mut bench, Rescued::Partly { file: None, why });
    assert!(
        place(&said, INCOMPLETE) < place(&said, "6380 SLAVEOF"),
        "{said:#?}"
    );

    let mut bench = group(RescueMode::Off);
    replaced(&mut bench, R1, Span::secs(1));
    assert!(has(&bench.advance(40_000), "6380 SLAVEOF"));
}

/// It would fill our disk.
#[test]
fn of_a_server_that_starts_again_and_again_all_is_saved_once_an_hour() {
    let mut bench = group(RescueMode::Stream);
    let mut said = Vec::new();
    for life in 1..4 {
        replaced(&mut bench, R1, Span::secs(1));
        let info = &mut bench.host(R1).info;
        info.run_id = Some(run_id(R1, life));
        said.extend(bench.advance(40_000));
        if life == 1 {
            said.extend(saved(&mut bench));
        }
        bench.advance(20_000);
    }
    assert_eq!(count(&said, "rescue "), 1, "{said:#?}");
    assert_eq!(count(&said, INCOMPLETE), 2, "{said:#?}");
    assert_eq!(count(&said, "6380 SLAVEOF"), 3);
    bench.advance(3_600_000);
    replaced(&mut bench, R1, Span::secs(1));
    assert!(has(&bench.advance(40_000), "rescue 2 127.0.0.1:6380 0"));
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
    assert!(has(&said, "rescue 1 127.0.0.1:6380 900"), "{said:#?}");
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
    let said = bench.advance(40_000);
    assert!(!has(&said, STRANGER), "{said:#?}");
    assert!(has(&said, SAVE));
}

// What follows are the ways in which a server of the group can be taken for a stranger. None is
// left out for good.

/// What `replaced` shows may be a server of the group whose host started with a clock in the past,
/// which was set right when the server ran; or one that runs again since its machine was rolled
/// back, and whose clock may be behind.
#[test]
fn a_proof_by_age_holds_for_an_hour_and_then_all_is_saved_and_the_server_taken_in() {
    for behind in [0, 1_800_000] {
        let mut bench = group(RescueMode::Stream);
        replaced(&mut bench, R1, Span::secs(20_000));
        let info = &mut bench.host(R1).info;
        let life = info.life.unwrap();
        let clock = Span::ms(life.clock.as_ms() - behind);
        info.life = Some(Life { clock, ..life });
        let said = bench.advance(3_590_000);
        assert_eq!(count(&said, STRANGER), 1, "{said:#?}");
        assert!(!has(&said, FORGIVEN), "{said:#?}");
        assert!(!has(&said, "6380 SLAVEOF") && !has(&said, "6380 CLIENT"));

        let mut said = bench.advance(60_000);
        assert_eq!(count(&said, FORGIVEN), 1, "{said:#?}");
        assert!(said[place(&said, FORGIVEN)].ends_with("#it was left alone for an hour"));
        assert!(has(&said, "-sdown slave 127.0.0.1:6380"));
        assert!(place(&said, FORGIVEN) < place(&said, SAVE));
        assert!(!has(&said, "6380 SLAVEOF"), "not while it is being saved");
        said = saved(&mut bench);
        assert!(has(&said, "6380 SLAVEOF 127.0.0.1 6379"), "{said:#?}");
        bench.host(R1).follow(addr(MASTER));
        let said = bench.advance(100_000);
        assert!(!has(&said, STRANGER), "{said:#?}");
    }
}

#[test]
fn nor_is_one_left_out_whose_info_lacks_lines_ever_since() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(20_000));
    let said = bench.advance(20_000);
    assert!(has(&said, STRANGER), "{said:#?}");
    bench.host(R1).info.history = None;
    let said = bench.advance(3_570_000);
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
    let said = bench.advance(60_000);
    assert!(has(&said, FORGIVEN), "{said:#?}");
    assert!(has(&said, "6380 SLAVEOF"), "{said:#?}");
}

#[test]
fn one_that_starts_again_does_not_wait_for_another_hour() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(20_000));
    bench.advance(1_800_000);
    bench.kill(R1);
    bench.advance(2000);
    bench.host(R1).info.run_id = Some(run_id(R1, 2));
    lives(&mut bench, R1, Span::secs(20_000));
    bench.revive(R1);
    let said = bench.advance(1_780_000);
    assert!(!has(&said, "6380 SLAVEOF") && !has(&said, "6380 CLIENT"));
    let said = bench.advance(60_000);
    assert!(has(&said, FORGIVEN), "{said:#?}");
    assert!(has(&said, SAVE), "{said:#?}");
}

#[test]
fn one_in_the_masters_place_that_nobody_can_replace_is_the_master_after_an_hour() {
    let mut bench = group(RescueMode::Stream);
    for port in [R1, R2] {
        bench.host(port).info.priority = Some(0);
    }
    replaced(&mut bench, MASTER, Span::secs(20_000));
    let said = bench.advance(3_590_000);
    assert!(has(&said, "+stranger master mymaster"), "{said:#?}");
    assert!(!has(&said, "-sdown master mymaster"));
    let said = bench.advance(60_000);
    assert!(has(&said, "-stranger master mymaster"), "{said:#?}");
    assert!(has(&said, "-sdown master mymaster"), "{said:#?}");
}

/// It may be ours, restarted when an operator had sent it elsewhere. It is told of and left there,
/// for as long as it says so.
#[test]
fn one_that_is_linked_elsewhere_is_left_there_until_it_loses_its_link() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(1));
    bench.host(R1).follow(addr(7000));
    let said = bench.advance(10_000_000);
    assert_eq!(count(&said, STRANGER), 1, "{said:#?}");
    assert!(!has(&said, FORGIVEN), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"));
    bench.host(R1).info.master_link_up = false;
    let said = bench.advance(400_000);
    assert!(has(&said, FORGIVEN), "{said:#?}");
    assert!(has(&said, "6380 SLAVEOF"), "{said:#?}");
}

#[test]
fn nor_is_one_fetched_while_our_master_does_not_tell_its_history() {
    let mut bench = group(RescueMode::Stream);
    let ours = bench.host(MASTER).info.history.take();
    bench.advance(20_000);
    replaced(&mut bench, R1, Span::secs(1));
    bench.host(R1).follow(addr(7000));
    let said = bench.advance(1_000_000);
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
    bench.host(MASTER).info.history = ours;
    let said = bench.advance(20_000);
    assert!(has(&said, STRANGER), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
}

/// The replica reaches the master at an address that we were never told, and both restarted.
#[test]
fn one_that_is_linked_to_our_master_under_another_address_is_known_when_the_master_is_read() {
    let mut bench = group(RescueMode::Stream);
    replaced(&mut bench, R1, Span::secs(1));
    bench.host(R1).follow(addr(7000));
    let said = bench.advance(2000);
    assert!(has(&said, STRANGER), "{said:#?}");
    bench.host(MASTER).info.history = Some(history(b'c'));
    let said = bench.advance(21_000);
    assert!(has(&said, FORGIVEN), "{said:#?}");
    assert!(has(&said, "-sdown slave 127.0.0.1:6380"));
}

#[test]
fn the_server_that_was_there_before_is_known_when_the_stranger_has_gone() {
    let mut bench = group(RescueMode::Stream);
    let ours = bench.host(R1).info.clone();
    replaced(&mut bench, R1, Span::secs(3600));
    bench.advance(20_000);
    bench.kill(R1);
    bench.advance(2000);
    bench.host(R1).info = ours;
    bench.revive(R1);
    let said = bench.advance(20_000);
    assert!(has(&said, FORGIVEN), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
}

/// All Sentinels restarted while the master is down, and the replicas name it by an address that
/// we were never told.
fn nobody_knows_whom_the_replicas_follow(is_linked: bool) -> Bench {
    let mut bench = Bench::boot(boot_of(vec![master_state(&[R1, R2], 0, 1)]));
    bench.kill(MASTER);
    for port in [R1, R2] {
        bench.host(port).follow(addr(7000));
        let info = &mut bench.host(port).info;
        info.history = Some(history(b'a'));
        info.has_keys = Some(true);
        info.master_link_up = is_linked;
    }
    bench
}

#[test]
fn a_replica_of_a_master_that_nobody_knows_is_promoted_if_its_link_is_down_like_our_master() {
    let mut bench = nobody_knows_whom_the_replicas_follow(false);
    let said = bench.until("+selected-slave", 60_000);
    assert!(!has(&said, STRANGER), "{said:#?}");
}

#[test]
fn a_replica_that_has_a_master_of_its_own_is_not_promoted_while_ours_is_down() {
    let mut bench = nobody_knows_whom_the_replicas_follow(true);
    let said = bench.advance(60_000);
    assert!(has(&said, "-failover-abort-no-good-slave"), "{said:#?}");
    assert!(!has(&said, "6380 SLAVEOF") && !has(&said, "6381 SLAVEOF"));
}

#[test]
fn a_replica_that_is_known_goes_before_one_whose_master_nobody_knows() {
    let mut bench = nobody_knows_whom_the_replicas_follow(false);
    bench.host(R1).info.offset = Some(1_000_000);
    bench.host(R2).info.master = Some(addr(MASTER));
    let said = bench.until("+selected-slave", 60_000);
    assert!(
        has(&said, "+selected-slave slave 127.0.0.1:6381"),
        "{said:#?}"
    );
}

/// S7 fell here in the simulator (seed 810160): the replica that restarted was held to be a
/// stranger's, since it followed the master's address, and was passed over.
#[test]
fn a_replica_that_restarted_while_a_stranger_had_its_masters_place_can_be_promoted() {
    let mut bench = group(RescueMode::Stream);
    bench.host(R1).info.priority = Some(0);
    replaced(&mut bench, MASTER, Span::secs(3600));
    let said = bench.advance(1000);
    assert!(has(&said, "+stranger master mymaster"), "{said:#?}");
    bench.kill(MASTER);
    bench.kill(R2);
    bench.advance(500);
    // Ours was there for a moment, with a new history, and nobody read it.
    let info = &mut bench.host(R2).info;
    info.run_id = Some(run_id(R2, 1));
    info.history = Some(history(b'd'));
    info.master_link_up = false;
    bench.revive(R2);
    let said = bench.until("+selected-slave", 60_000);
    assert!(
        has(&said, "+selected-slave slave 127.0.0.1:6381"),
        "{said:#?}"
    );
}
