//! A master is kept from taking writes that no replica gets, where `sentinel fencing` says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::fencing::{Fencing, MinReplicas};
use bartizan_core::ids::Quorum;
use bartizan_core::input::Answer;
use bartizan_core::model::durable::MasterState;
use bartizan_core::permission::Permission;
use bartizan_core::time::Span;
use bench::{Acl, Bench, MASTER, P1, P2, R1, R2, addr, boot_of, master_state};

const TIGHT: &str = "6379 CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 1";
const LOOSE: &str = "6379 CONFIG SET min-replicas-to-write 0 min-replicas-max-lag 10";
const OWN: MinReplicas = values(0, 10);

const fn values(to_write: u32, max_lag: u32) -> MinReplicas {
    MinReplicas { to_write, max_lag }
}

fn state(peers: usize) -> MasterState {
    let mut state = master_state(&[R1], peers, 1);
    state.options.fencing = Fencing::MinReplicas { lag: 1 };
    state
}

/// A fleet whose master hears of its replica.
fn fenced(peers: usize) -> Bench {
    let mut bench = Bench::boot(boot_of(vec![state(peers)]));
    lag(&mut bench, MASTER, Some(0));
    bench.until(TIGHT, 8000);
    bench.advance(3000);
    bench
}

/// What a master says of its replica: for how long it has not heard of it, if it is there.
fn lag(bench: &mut Bench, port: u16, lag: Option<u64>) {
    bench.host(port).info.lags = lag.map(Span::secs).into_iter().collect();
}

fn has(said: &[String], words: &str) -> bool {
    said.iter().any(|line| line.starts_with(words))
}

fn sets(said: &[String]) -> Vec<&str> {
    let set = said.iter().filter(|line| line.contains("CONFIG SET"));
    set.map(String::as_str).collect()
}

fn on_disk(bench: &Bench) -> Vec<(u16, MinReplicas)> {
    let known = bench.on_disk().own_values.iter();
    known.map(|(addr, values)| (addr.port, *values)).collect()
}

#[test]
fn a_master_whose_replica_keeps_up_is_tightened_once_its_own_values_are_on_disk() {
    let mut bench = Bench::boot(boot_of(vec![state(0)]));
    lag(&mut bench, MASTER, Some(0));
    let said = bench.until(TIGHT, 8000);
    let written = said.iter().position(|line| line.starts_with("persist"));
    let set = said.iter().position(|line| line.starts_with(TIGHT));
    assert!(written.unwrap() < set.unwrap(), "{said:#?}");
    assert!(on_disk(&bench).contains(&(MASTER, OWN)));
    let told = "+min-replicas master mymaster 127.0.0.1 6379 min-replicas-to-write 1";
    assert!(has(&bench.settle(), told) || has(&said, told));
    assert!(sets(&bench.advance(60_000)).is_empty(), "once is enough");
}

#[test]
fn a_master_is_not_tightened_while_nobody_follows_it_closely() {
    for silence in [None, Some(2)] {
        let mut bench = Bench::boot(boot_of(vec![state(0)]));
        lag(&mut bench, MASTER, silence);
        assert!(sets(&bench.advance(60_000)).is_empty());
    }
}

#[test]
fn a_master_that_lost_its_replica_is_loosened_after_five_seconds_and_tightened_again() {
    let mut bench = fenced(2);
    lag(&mut bench, MASTER, None);
    assert!(sets(&bench.advance(4500)).is_empty());
    assert_eq!(sets(&bench.advance(2500)), [LOOSE]);
    assert!(sets(&bench.advance(30_000)).is_empty());
    lag(&mut bench, MASTER, Some(0));
    assert!(sets(&bench.advance(2500)).is_empty());
    assert_eq!(sets(&bench.advance(2500)), [TIGHT]);
}

#[test]
fn a_replica_that_comes_and_goes_changes_nothing() {
    let mut bench = fenced(2);
    for _ in 0..20 {
        lag(&mut bench, MASTER, None);
        assert!(sets(&bench.advance(3000)).is_empty());
        lag(&mut bench, MASTER, Some(1));
        assert!(sets(&bench.advance(2000)).is_empty());
    }
}

#[test]
fn whoever_is_cut_off_from_the_other_sentinels_leaves_the_master_as_it_is() {
    let mut bench = fenced(2);
    lag(&mut bench, MASTER, None);
    bench.hang(P1);
    bench.hang(P2);
    assert!(sets(&bench.advance(60_000)).is_empty());
    bench.revive(P1);
    assert!(sets(&bench.advance(20_000)).contains(&LOOSE));
}

#[test]
fn values_that_are_strict_enough_are_left_and_not_taken_for_the_servers_own() {
    let mut bench = Bench::boot(boot_of(vec![state(0)]));
    bench.host(MASTER).min_replicas = values(1, 1);
    lag(&mut bench, MASTER, Some(0));
    assert!(sets(&bench.advance(20_000)).is_empty());
    assert!(!on_disk(&bench).iter().any(|(port, _)| *port == MASTER));
}

#[test]
fn a_server_that_asks_for_two_replicas_goes_on_asking_for_two() {
    let mut bench = Bench::boot(boot_of(vec![state(0)]));
    bench.host(MASTER).min_replicas = values(2, 10);
    bench.host(MASTER).info.lags = vec![Span::ZERO, Span::ZERO];
    let said = bench.advance(8000);
    let tight = "6379 CONFIG SET min-replicas-to-write 2 min-replicas-max-lag 1";
    assert_eq!(sets(&said), [tight]);
}

#[test]
fn its_own_values_are_given_back_when_fencing_ends_also_after_a_restart() {
    let mut bench = fenced(0);
    let mut restarted = boot_of(vec![bench.on_disk().clone()]);
    restarted.durable.masters[0].options.fencing = Fencing::Off;
    bench.set(&["fencing", "off"]);
    let said = bench.advance(12_000);
    assert_eq!(sets(&said), [LOOSE]);
    assert!(has(&said, "-min-replicas master mymaster"));
    assert!(on_disk(&bench).is_empty(), "{:?}", on_disk(&bench));

    let mut bench = Bench::boot(restarted);
    bench.host(MASTER).min_replicas = values(1, 1);
    assert_eq!(sets(&bench.advance(12_000)), [LOOSE]);
}

#[test]
fn a_former_master_gets_its_own_values_back_as_a_replica_and_the_new_one_is_tightened() {
    let mut bench = fenced(0);
    bench.kill(MASTER);
    bench.until("+failover-end", 20_000);
    lag(&mut bench, R1, None);
    assert!(
        sets(&bench.advance(10_000)).is_empty(),
        "nobody follows it yet"
    );
    lag(&mut bench, R1, Some(0));
    bench.host(MASTER).follow(addr(R1));
    bench.revive(MASTER);
    let said = bench.advance(20_000);
    let tight = "6380 CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 1";
    let mut sets = sets(&said);
    sets.sort_unstable();
    assert_eq!(sets, [LOOSE, tight]);
}

#[test]
fn a_server_that_refuses_is_told_of_once_and_everything_else_goes_on() {
    let mut bench = Bench::boot(boot_of(vec![state(0)]));
    let why = "NOPERM this user has no permissions to run the 'config|get' command";
    bench.host(MASTER).refuses_config = Some(Answer::Error(Arc::from(why)));
    lag(&mut bench, MASTER, Some(0));
    let said = bench.advance(60_000);
    let told = said
        .iter()
        .filter(|line| line.starts_with("-min-replicas-refused"));
    assert_eq!(told.count(), 1, "{said:#?}");
    bench.kill(MASTER);
    bench.until("+failover-end", 20_000);
}

#[test]
fn the_others_step_in_when_whoever_is_first_does_nothing() {
    let mut state = master_state(&[R1, R2], 2, 2);
    state.options.fencing = Fencing::MinReplicas { lag: 1 };
    let mut boot = boot_of(vec![state]);
    boot.durable.my_id = bench::id(3);
    let mut bench = Bench::boot(boot);
    lag(&mut bench, MASTER, Some(0));
    assert!(sets(&bench.advance(6000)).is_empty());
    assert_eq!(sets(&bench.advance(10_000)), [TIGHT]);
}

#[test]
fn the_option_is_set_and_shown() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    lag(&mut bench, MASTER, Some(0));
    let said = bench.set(&["fencing", "min-replicas", "2", "quorum", "1"]);
    let told = "+set master mymaster 127.0.0.1 6379 fencing min-replicas 2";
    assert!(has(&said, told), "{said:#?}");
    let tight = "6379 CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 2";
    assert_eq!(sets(&bench.advance(8000)), [tight]);
    // Longer is looser than what is there; the operator wants it.
    bench.set(&["fencing", "min-replicas", "4"]);
    let tight = "6379 CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 4";
    assert_eq!(sets(&bench.advance(8000)), [tight]);
    for wrong in [
        &["fencing", "min-replicas"][..],
        &["fencing", "min-replicas", "0"],
        &["fencing", "yes"],
    ] {
        let said = bench.set(wrong);
        assert!(has(&said, "reply"), "{said:#?}");
        assert!(
            said.iter()
                .any(|line| line.contains("ERR Invalid argument"))
        );
    }
}

const HELD: &str = "6379 CLIENT PAUSE 300 WRITE";

fn count(said: &[String], words: &str) -> usize {
    said.iter().filter(|line| line.starts_with(words)).count()
}

/// None of these answers any more, nor does the replica that the master hears of.
fn cut_off(bench: &mut Bench, peers: &[u16]) {
    for peer in peers {
        bench.hang(*peer);
    }
    lag(bench, MASTER, None);
}

/// Redis would see it up to a second later.
#[test]
fn whoever_is_cut_off_with_a_master_that_nobody_follows_holds_its_writes_back_once() {
    for lag_told in [None, Some(2)] {
        let mut bench = fenced(2);
        cut_off(&mut bench, &[P1, P2]);
        lag(&mut bench, MASTER, Some(0));
        bench.advance(1300);
        lag(&mut bench, MASTER, lag_told);
        let said = bench.advance(60);
        assert_eq!(count(&said, HELD), 1, "{said:#?}");
        assert!(has(&said, "+fenced master mymaster 127.0.0.1 6379"));
        // Renewed in time, for as long as Redis may need to see it, and no longer.
        for _ in 0..4 {
            assert!(count(&bench.advance(200), HELD) >= 1);
        }
        // The last one is asked for 900 ms after the first, to end with the 1.2 s.
        let said = bench.advance(100);
        assert!(count(&said, HELD) <= 1, "{said:#?}");
        assert_eq!(count(&bench.advance(60_000), "6379 CLIENT"), 0);
    }
}

/// A pause that it finds may be that of somebody's switchover.
#[test]
fn writes_that_were_held_back_go_on_by_themselves_when_a_replica_is_back() {
    let mut bench = fenced(2);
    cut_off(&mut bench, &[P1, P2]);
    bench.until(HELD, 2300);
    bench.advance(300);
    lag(&mut bench, MASTER, Some(0));
    bench.advance(60);
    assert_eq!(count(&bench.advance(3000), "6379 CLIENT"), 0);
    // And are held back again when it goes again.
    lag(&mut bench, MASTER, None);
    let said = bench.advance(60);
    assert_eq!(count(&said, HELD), 1, "{said:#?}");
}

#[test]
fn no_writes_are_held_back_where_a_majority_answers_or_a_replica_keeps_up() {
    let mut bench = fenced(2);
    cut_off(&mut bench, &[P1]);
    assert_eq!(count(&bench.advance(4000), "6379 CLIENT"), 0);

    let mut bench = fenced(2);
    cut_off(&mut bench, &[P1, P2]);
    lag(&mut bench, MASTER, Some(0));
    assert_eq!(count(&bench.advance(60_000), "6379 CLIENT"), 0);
}

#[test]
fn no_writes_are_held_back_where_those_on_the_other_side_could_promote_nobody() {
    // One of two, or two of four, elect no leader.
    for (peers, silent) in [(1, &[P1][..]), (3, &[P1, P2][..])] {
        let mut bench = fenced(peers);
        cut_off(&mut bench, silent);
        assert_eq!(count(&bench.advance(4000), "6379 CLIENT"), 0, "{peers}");
    }
    // Nor do two of three where all three have to agree.
    let mut state = state(2);
    state.options.quorum = Quorum::new(3).unwrap();
    let mut bench = Bench::boot(boot_of(vec![state]));
    lag(&mut bench, MASTER, Some(0));
    bench.until(TIGHT, 8000);
    bench.advance(3000);
    cut_off(&mut bench, &[P1, P2]);
    assert_eq!(count(&bench.advance(4000), "6379 CLIENT"), 0);
}

#[test]
fn no_writes_are_held_back_at_a_master_that_would_not_refuse_them() {
    let mut bench = Bench::boot(boot_of(vec![state(2)]));
    cut_off(&mut bench, &[P1, P2]);
    assert_eq!(count(&bench.advance(10_000), "6379 CLIENT"), 0);
}

#[test]
fn a_master_that_does_not_permit_it_is_not_asked_to_hold_writes_back() {
    let mut bench = Bench::boot(boot_of(vec![state(2)]));
    bench.host(MASTER).acl = Acl::Forbids(&[Permission::Pause]);
    lag(&mut bench, MASTER, Some(0));
    bench.until(TIGHT, 8000);
    bench.advance(3000);
    cut_off(&mut bench, &[P1, P2]);
    let said = bench.advance(4000);
    assert_eq!(count(&said, "6379 CLIENT"), 0, "{said:#?}");
    assert!(!has(&said, "+fenced"), "{said:#?}");
}
