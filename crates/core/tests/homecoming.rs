//! A former master comes back: fenced, rescued, demoted, in this order (data-safety §3).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::ids::{ReplId, RescueId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::model::branches::Branch;
use bartizan_core::output::LinkKind;
use bartizan_core::provide::command::Command;
use bartizan_core::report::{Fork, History};
use bartizan_core::rescue::{RescueMode, Rescued};
use bench::{Bench, MASTER, P1, P2, R1, R2, R3, addr, boot_of, events, hello, master_state, name};

const FENCED: &str = "+fenced slave 127.0.0.1:6379 127.0.0.1 6379 @ mymaster 127.0.0.1 6380";
const CONVERT: &str = "+convert-to-slave slave 127.0.0.1:6379";
/// What both had when the first master died.
const COMMON: u64 = 1000;

fn history_id(letter: u8) -> ReplId {
    ReplId::parse(&[letter; 40]).unwrap()
}

fn fork() -> Fork {
    Fork {
        id: history_id(b'a'),
        offset: COMMON + 1,
    }
}

fn branch() -> Branch {
    let id = Some(history_id(b'b'));
    Branch { left: fork(), id }
}

fn tell(bench: &mut Bench, port: u16, letter: u8, offset: u64, before: Option<Fork>) {
    bench.host(port).info.history = Some(History {
        id: history_id(letter),
        offset,
        before,
        kept_from: Some(1),
    });
}

/// The first master died and `R1` took over where the history was left; nobody else is there to
/// rescue anything.
fn switched(mode: RescueMode) -> Bench {
    let mut state = master_state(&[R1], 2, 2);
    state.options.rescue = mode;
    let mut bench = Bench::boot(boot_of(vec![state]));
    tell(&mut bench, MASTER, b'a', COMMON, None);
    tell(&mut bench, R1, b'a', COMMON, None);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.advance(11_000);
    tell(&mut bench, R1, b'b', COMMON, Some(fork()));
    bench.kill(MASTER);
    bench.until("+failover-end", 8000);
    bench.advance(1000);
    for port in [P1, P2] {
        bench.kill(port);
    }
    bench.advance(6000);
    bench
}

/// It comes back as a master with this much of the old history; what is said within `ms`.
fn come_back(bench: &mut Bench, letter: u8, offset: u64, ms: u64) -> Vec<String> {
    tell(bench, MASTER, letter, offset, None);
    bench.revive(MASTER);
    bench.host(MASTER).lead();
    bench.advance(ms)
}

fn position(said: &[String], words: &str) -> usize {
    said.iter()
        .position(|line| line.starts_with(words))
        .unwrap_or_else(|| panic!("no `{words}` in {said:#?}"))
}

fn has(said: &[String], words: &str) -> bool {
    said.iter().any(|line| line.starts_with(words))
}

fn end_rescue(bench: &mut Bench, outcome: Rescued) -> Vec<String> {
    let id = RescueId::new(1);
    let mut said = bench.give(Input::Rescued { id, outcome });
    said.extend(bench.settle());
    said
}

#[test]
fn its_writes_are_held_back_before_anything_else_is_asked_of_it() {
    let mut bench = switched(RescueMode::Stream);
    let said = come_back(&mut bench, b'a', COMMON + 500, 1500);
    let up = position(&said, "connect 6379 cmd");
    let first = said[up..]
        .iter()
        .find(|line| line.starts_with("6379 "))
        .unwrap();
    assert_eq!(first, "6379 CLIENT PAUSE 5000 WRITE");
    assert!(events(&said).contains(&FENCED));
}

#[test]
fn what_it_alone_has_is_rescued_before_it_is_demoted() {
    let mut bench = switched(RescueMode::Stream);
    let said = come_back(&mut bench, b'a', COMMON + 500, 1500);
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
    assert!(!has(&said, "6379 SLAVEOF"));
    assert!(
        !has(&bench.advance(1000), "6379 SLAVEOF"),
        "not while it is under way"
    );
    let file = Arc::from("rescue/mymaster.resp");
    let said = end_rescue(&mut bench, Rescued::Whole { file, commands: 7 });
    let told = position(&said, "+rescued-writes slave 127.0.0.1:6379");
    assert!(
        said[told].ends_with("7 rescue/mymaster.resp"),
        "{}",
        said[told]
    );
    assert!(told < position(&said, "6379 SLAVEOF 127.0.0.1 6380"));
    assert!(has(&said, CONVERT));
    assert!(position(&said, "6379 SLAVEOF") < position(&said, "6379 CLIENT UNPAUSE"));
}

#[test]
fn the_fence_is_renewed_while_a_rescue_takes_long() {
    let mut bench = switched(RescueMode::Stream);
    come_back(&mut bench, b'a', COMMON + 500, 1500);
    let said = bench.advance(20_000);
    let renewed = said
        .iter()
        .filter(|line| line.contains("CLIENT PAUSE"))
        .count();
    assert!((9..=11).contains(&renewed), "{renewed}");
    assert!(!has(&said, "rescue "), "one at a time");
}

#[test]
fn what_could_not_be_rescued_is_told_and_the_server_is_demoted() {
    let mut bench = switched(RescueMode::Stream);
    come_back(&mut bench, b'a', COMMON + 500, 1500);
    let why = Arc::from("the backlog begins behind the fork");
    let said = end_rescue(&mut bench, Rescued::Partly { file: None, why });
    let told = position(&said, "-rescue-incomplete slave 127.0.0.1:6379");
    assert!(said[told].ends_with("- #the backlog begins behind the fork"));
    assert!(has(&said, "6379 SLAVEOF 127.0.0.1 6380"));
}

#[test]
fn a_server_that_has_nothing_of_its_own_is_demoted_at_once_and_hears_no_hello_before() {
    let mut bench = switched(RescueMode::Stream);
    let said = come_back(&mut bench, b'a', COMMON, 1500);
    assert!(!has(&said, "rescue "), "{said:#?}");
    let demoted = position(&said, "6379 SLAVEOF 127.0.0.1 6380");
    assert!(!has(&said[..demoted], "6379 HELLO"));
}

#[test]
fn where_writes_cannot_be_held_back_the_rescue_looks_for_itself() {
    let mut bench = switched(RescueMode::Stream);
    bench.host(MASTER).pause = Answer::Error(Arc::from("NOPERM"));
    let said = come_back(&mut bench, b'a', COMMON, 1500);
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
    assert!(!has(&said, "6379 SLAVEOF"));
    assert!(has(
        &end_rescue(&mut bench, Rescued::Nothing),
        "6379 SLAVEOF"
    ));
}

#[test]
fn what_it_took_while_its_fence_was_refused_is_rescued_too_when_it_is_held_back_at_last() {
    let mut bench = switched(RescueMode::Stream);
    let held = bench.host(MASTER).pause.clone();
    bench.host(MASTER).pause = Answer::Error(Arc::from("NOAUTH Authentication required."));
    let said = come_back(&mut bench, b'a', COMMON + 500, 1500);
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
    bench.host(MASTER).pause = held;
    tell(&mut bench, MASTER, b'a', COMMON + 700, None);
    bench.advance(3000);
    let file = Arc::from("rescue/first.resp");
    let mut said = end_rescue(&mut bench, Rescued::Whole { file, commands: 7 });
    said.extend(bench.advance(2000));
    assert!(has(&said, "+rescued-writes"), "{said:#?}");
    assert!(has(&said, "rescue 2 127.0.0.1:6379 1001"), "{said:#?}");
    assert!(!has(&said, "6379 SLAVEOF"), "{said:#?}");
    let (id, file) = (RescueId::new(2), Arc::from("rescue/second.resp"));
    let outcome = Rescued::Whole { file, commands: 9 };
    let mut said = bench.give(Input::Rescued { id, outcome });
    said.extend(bench.settle());
    assert!(has(&said, "6379 SLAVEOF 127.0.0.1 6380"), "{said:#?}");
}

#[test]
fn a_master_that_restarted_cannot_be_rescued_and_that_is_said_once() {
    let mut bench = switched(RescueMode::Stream);
    let mut said = come_back(&mut bench, b'c', 0, 1500);
    said.extend(bench.advance(10_000));
    let told = said
        .iter()
        .filter(|line| line.starts_with("-rescue-incomplete"));
    assert_eq!(told.count(), 1, "{said:#?}");
    assert!(has(&said, "6379 SLAVEOF 127.0.0.1 6380"));
}

/// No stream tells what it took since its restart, but its data set has it.
#[test]
fn a_master_that_restarted_is_rescued_as_a_snapshot_where_that_is_allowed() {
    let mut bench = switched(RescueMode::Snapshot);
    let said = come_back(&mut bench, b'c', 700, 1500);
    assert!(has(&said, "rescue 1 127.0.0.1:6379 0"), "{said:#?}");
    assert!(!has(&said, "6379 SLAVEOF"), "not before it is saved");
    let file = Arc::from("rescue/mymaster.rdb");
    let said = end_rescue(&mut bench, Rescued::Whole { file, commands: 0 });
    assert!(position(&said, "+rescued-writes") < position(&said, "6379 SLAVEOF 127.0.0.1 6380"));
}

/// The promoted replica restarted before anybody read where its history had left the one that
/// this server began when it was promoted itself, and this one has restarted too.
#[test]
fn what_was_written_in_a_history_that_nobody_knows_is_told_to_be_lost() {
    for (offset, expected) in [(COMMON + 500, 1), (COMMON, 0)] {
        let mut bench = switched(RescueMode::Stream);
        bench.host(MASTER).info.history = Some(History {
            id: history_id(b'e'),
            offset,
            before: Some(fork()),
            kept_from: Some(COMMON + 1),
        });
        bench.revive(MASTER);
        bench.host(MASTER).lead();
        let mut said = bench.advance(10_000);
        said.extend(bench.advance(2000));
        let told = said
            .iter()
            .filter(|line| line.starts_with("-rescue-incomplete"));
        assert_eq!(told.count(), expected, "{said:#?}");
        assert!(has(&said, "6379 SLAVEOF 127.0.0.1 6380"));
    }
}

#[test]
fn a_returned_master_that_does_not_tell_its_history_is_demoted_with_a_word() {
    let mut bench = switched(RescueMode::Stream);
    bench.host(MASTER).info.history = None;
    bench.revive(MASTER);
    bench.host(MASTER).lead();
    let said = bench.advance(12_000);
    let told = position(&said, "-rescue-incomplete slave 127.0.0.1:6379");
    assert!(said[told].ends_with("#it does not tell its history"));
    assert!(told < position(&said, "6379 SLAVEOF 127.0.0.1 6380"));
}

#[test]
fn where_rescue_is_off_it_is_fenced_and_demoted_at_once() {
    let mut bench = switched(RescueMode::Off);
    let said = come_back(&mut bench, b'a', COMMON + 500, 1500);
    assert!(events(&said).contains(&FENCED));
    assert!(!has(&said, "rescue "));
    assert!(has(&said, "6379 SLAVEOF 127.0.0.1 6380"));
}

#[test]
fn sentinels_rescue_in_their_order_and_the_next_steps_in_after_three_seconds_each() {
    let mut bench = switched(RescueMode::Stream);
    for port in [P1, P2] {
        bench.revive(port);
    }
    bench.advance(3000);
    let began = bench.now;
    come_back(&mut bench, b'a', COMMON + 500, 0);
    bench.until("rescue 1", 10_000);
    let waited = bench.now.since(began).as_ms();
    let place = (0..3).find(|place| (place * 3000..place * 3000 + 1500).contains(&waited));
    assert!(place.is_some(), "{waited} ms after its return");
}

#[test]
fn where_a_history_was_left_is_on_disk_and_a_restarted_sentinel_goes_by_it() {
    let bench = switched(RescueMode::Stream);
    let mut state = bench.on_disk().clone();
    assert_eq!(state.branches, [branch()]);

    state.configuration.addr = addr(R1);
    state.replicas = vec![addr(MASTER)];
    state.sentinels.clear();
    let mut bench = Bench::boot(boot_of(vec![state]));
    bench.host(R1).lead();
    tell(&mut bench, R1, b'b', COMMON + 9, Some(fork()));
    bench.host(MASTER).lead();
    tell(&mut bench, MASTER, b'a', COMMON + 500, None);
    let said = bench.advance(3000);
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
    assert!(!has(&said, "6379 SLAVEOF"));
}

/// Nobody remembers a fork, since the promoted replica restarted before it was read, and nobody
/// that this server was the master, since all Sentinels restarted.
#[test]
fn a_master_that_nobody_remembers_is_demoted_with_a_word_unless_its_history_says_that_it_has_nothing()
 {
    let current = Fork {
        id: history_id(b'd'),
        offset: COMMON + 1,
    };
    // A master that has loaded its file, and has had no replica since, has keys and offset 0.
    for (letter, offset, before, has_keys, words) in [
        (b'a', COMMON + 500, None, true, 1),
        (b'e', 0, None, true, 1),
        (b'e', 0, None, false, 0),
        (b'e', COMMON, Some(current), true, 0),
    ] {
        let mut bench = rescuing(&[R1]);
        tell(&mut bench, MASTER, b'd', COMMON + 2000, None);
        tell(&mut bench, R1, letter, offset, before);
        bench.host(R1).info.has_keys = Some(has_keys);
        bench.host(R1).lead();
        let mut said = bench.advance(25_000);
        let why = Arc::from("the server does not allow it");
        said.extend(end_rescue(&mut bench, Rescued::Partly { file: None, why }));
        let told = bench::only(&said, "-rescue-incomplete slave 127.0.0.1:6380");
        assert_eq!(told.len(), words, "{said:#?}");
        let demoted = position(&said, "6380 SLAVEOF 127.0.0.1 6379");
        assert_eq!(
            has(&said[..demoted], "+fenced slave 127.0.0.1:6380"),
            words > 0
        );
        assert_eq!(has(&said[..demoted], "-rescue-incomplete"), words > 0);
    }
}

#[test]
fn a_master_that_missed_two_failovers_is_rescued_from_its_own_fork() {
    let mut bench = switched(RescueMode::Stream);
    let second = Fork {
        id: history_id(b'b'),
        offset: 5001,
    };
    tell(&mut bench, R1, b'd', 6000, Some(second));
    bench.advance(11_000);
    let id = Some(history_id(b'd'));
    let later = Branch { left: second, id };
    assert_eq!(bench.on_disk().branches, [branch(), later]);
    let said = come_back(&mut bench, b'a', COMMON + 500, 1500);
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
}

/// `R2` has just taken over from `R1`, who took over from the first master, and `R3` has not moved
/// yet: there is a place for one more replica to be moved.
fn in_the_middle_of_the_next_failover() -> Bench {
    let mut state = master_state(&[R1, R2, R3], 2, 2);
    state.options.rescue = RescueMode::Stream;
    state.options.parallel_syncs = 3;
    let mut bench = Bench::boot(boot_of(vec![state]));
    for port in [MASTER, R1, R2, R3] {
        tell(&mut bench, port, b'a', COMMON, None);
    }
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    (bench.host(R1).info.priority, bench.host(R2).info.priority) = (Some(1), Some(2));
    bench.advance(11_000);
    tell(&mut bench, R1, b'b', COMMON, Some(fork()));
    bench.kill(MASTER);
    bench.until("+failover-end", 8000);
    bench.advance(11_000);
    let second = Fork {
        id: history_id(b'b'),
        offset: COMMON + 1,
    };
    tell(&mut bench, R2, b'd', COMMON, Some(second));
    bench.host(R3).obeys = false;
    bench.kill(R1);
    bench.until("+slave-reconf-sent slave 127.0.0.1:6382", 8000);
    bench
}

#[test]
fn a_master_that_returns_during_the_next_failover_is_not_moved_as_a_replica_before_its_rescue() {
    let mut bench = in_the_middle_of_the_next_failover();
    let said = come_back(&mut bench, b'a', COMMON + 500, 7000);
    assert!(!has(&said, "+failover-end"), "the place is still there");
    assert!(
        events(&said)
            .iter()
            .any(|told| told.starts_with("+fenced slave 127.0.0.1:6379"))
    );
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
    assert!(!has(&said, "6379 SLAVEOF"), "{said:#?}");
    let file = Arc::from("rescue/mymaster.resp");
    let said = end_rescue(&mut bench, Rescued::Whole { file, commands: 7 });
    assert!(position(&said, "+rescued-writes") < position(&said, "6379 SLAVEOF 127.0.0.1 6381"));
}

/// `R1` hangs before it is promoted; meanwhile others tell of configurations, the last of which
/// has `R2` for its master. `R1` goes on as a master with writes of its own.
fn back_from_a_hang(bench: &mut Bench, configurations: &[(u64, u16)]) -> Vec<String> {
    for port in [MASTER, R1, R2] {
        tell(bench, port, b'a', COMMON, None);
    }
    bench.advance(11_000);
    bench.hang(R1);
    bench.advance(1000);
    for (epoch, port) in configurations {
        let told = hello(1, *epoch, *epoch, *port);
        bench.hear(told);
        bench.settle();
    }
    let left = Fork {
        id: history_id(b'b'),
        offset: COMMON + 101,
    };
    tell(bench, R2, b'd', COMMON + 100, Some(left));
    bench.host(R2).lead();
    bench.host(MASTER).follow(addr(R2));
    bench.advance(30_000);
    tell(bench, R1, b'b', COMMON + 500, Some(fork()));
    bench.host(R1).lead();
    bench.revive(R1);
    bench.advance(1000)
}

/// A redis-sentinel cannot promote it while its writes are held back.
#[test]
fn the_fence_is_given_up_while_there_is_no_master_to_compare_with() {
    let fences = |said: &[String]| bench::only(said, "6379 CLIENT PAUSE").len();
    let mut bench = switched(RescueMode::Stream);
    bench.kill(R1);
    let said = come_back(&mut bench, b'a', COMMON + 500, 40_000);
    assert!((15..=16).contains(&fences(&said)), "{}", fences(&said));
    assert_eq!(fences(&bench.advance(60_000)), 0);
    bench.revive(R1);
    let said = bench.advance(10_000);
    assert!(fences(&said) > 0, "{said:#?}");
    assert!(has(&said, "rescue 1 127.0.0.1:6379 1001"), "{said:#?}");
}

fn rescuing(replicas: &[u16]) -> Bench {
    Bench::calm_with(replicas, 0, 1, |boot| {
        boot.durable.masters[0].options.rescue = RescueMode::Stream;
    })
}

#[test]
fn a_former_master_that_was_never_heard_as_one_is_fenced_and_rescued_before_it_is_demoted() {
    for configurations in [&[(1, R1), (2, R2)][..], &[(2, R2)]] {
        let mut bench = rescuing(&[R1, R2]);
        let said = back_from_a_hang(&mut bench, configurations);
        assert!(!has(&said, "+fix-slave-config"), "{said:#?}");
        assert!(!has(&said, "6380 SLAVEOF"), "{said:#?}");
        assert!(has(&said, "rescue 1 127.0.0.1:6380 1101"), "{said:#?}");
    }
}

/// How often the former master's command link is tried in ten seconds.
fn tries(bench: &mut Bench) -> usize {
    bench::only(&bench.advance(10_000), "connect 6379 cmd").len()
}

#[test]
fn a_former_master_that_is_away_is_looked_for_all_the_time() {
    let mut bench = switched(RescueMode::Stream);
    let refused = tries(&mut bench);
    assert!((170..=200).contains(&refused), "{refused}");
    bench.host(MASTER).reach = bench::Reach::Deaf;
    let unreachable = tries(&mut bench);
    assert!((30..=34).contains(&unreachable), "{unreachable}");
    let dead = bench::only(&bench.advance(10_000), "connect 5001 cmd").len();
    assert!(dead <= 11, "{dead}: nobody else is");
}

/// It was tried a moment before it became a former master, and would have been tried again a
/// second after that.
#[test]
fn a_master_that_is_away_when_it_is_replaced_is_looked_for_at_once() {
    for ms in [100, 300, 500, 700, 900] {
        let mut bench = switched_without_rest(ms);
        bench.revive(MASTER);
        bench.host(MASTER).lead();
        let said = bench.advance(60);
        assert!(
            events(&said).contains(&FENCED),
            "{ms} ms after the loss: {said:#?}"
        );
    }
}

/// The first master has been refusing connections for some seconds and `ms`, and is replaced now.
fn switched_without_rest(ms: u64) -> Bench {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.advance(11_000);
    bench.kill(MASTER);
    bench.advance(5000 + ms);
    let link = bench.link(R1, LinkKind::PubSub).unwrap();
    let hello = Some(hello(1, 9, 9, R1));
    bench.give(Input::Heard { link, hello });
    bench.settle();
    bench
}

/// Its clients may be waiting behind the fence of a leader that was killed: they wait no longer
/// than behind a switchover.
#[test]
fn a_master_that_nobody_demotes_is_fenced_when_a_switchover_would_be_over() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.set(&["down-after-milliseconds", "1000"]);
    bench.advance(11_000);
    bench.hear(hello(1, 9, 9, R1));
    let early = bench.advance(390);
    assert!(!has(&early, "6379 CLIENT PAUSE"), "{early:#?}");
    let said = bench.advance(20);
    assert!(has(&said, "6379 CLIENT PAUSE 5000 WRITE"), "{said:#?}");
}

/// It has until then to obey an order; the one that made it master is none any more.
#[test]
fn a_server_that_was_promoted_and_replaced_in_a_moment_is_demoted_without_delay() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.set(&["down-after-milliseconds", "1000", "rescue", "off"]);
    bench.advance(11_000);
    bench.ask(Command::Failover { name: name() });
    bench.until("+failover-end", 3000);
    bench.host(MASTER).lead();
    let link = bench.link(R1, LinkKind::PubSub).unwrap();
    let hello = Some(hello(1, 9, 9, MASTER));
    bench.give(Input::Heard { link, hello });
    let said = bench.advance(800);
    assert!(has(&said, "6380 SLAVEOF 127.0.0.1 6379"), "{said:#?}");
}
