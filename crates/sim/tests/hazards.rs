//! The hazards of redis-sentinel, as directed plans: a fleet of modelled redis-sentinels gets
//! there, a fleet of Bartizans does not, whatever the delays. `docs/hazards.md` tells of each;
//! `cargo xtask sim hazards` plays many more variations of each plan.
#![allow(
    clippy::unwrap_used,
    reason = "a test helper that fails fails its test"
)]

use bartizan_sim::hunt::hazards::{ALL, Hazard};

/// Variations of each plan; the release program plays fifty.
const VARIATIONS: u64 = if cfg!(debug_assertions) { 8 } else { 50 };

fn hazard(letter: char) -> &'static Hazard {
    ALL.iter().find(|hazard| hazard.letter == letter).unwrap()
}

/// Some variations of the plan lead a fleet of redis-sentinels there.
fn redis_sentinels_meet(letter: char) {
    let tally = hazard(letter).tally(3, 10).unwrap();
    assert!(tally.met > 0, "{tally}");
}

/// No variation of the plan leads a fleet of Bartizans there, or breaks an invariant.
fn bartizans_avert(letter: char) {
    let tally = hazard(letter).tally(0, VARIATIONS).unwrap();
    let history = tally
        .first_bad
        .as_ref()
        .map(|bad| format!("{bad}\n{}", bad.text));
    assert!(tally.is_clean(), "{tally}\n{}", history.unwrap_or_default());
}

#[test]
fn failback_while_the_first_leader_re_points_leaves_redis_sentinels_disagreeing_for_good() {
    redis_sentinels_meet('A');
}

#[test]
fn failback_while_the_first_leader_re_points_leaves_bartizans_agreed() {
    bartizans_avert('A');
}

#[test]
fn masters_lost_together_give_redis_sentinels_two_leaders_in_one_epoch() {
    redis_sentinels_meet('C');
}

#[test]
fn masters_lost_together_give_bartizans_one_leader_in_each_epoch() {
    bartizans_avert('C');
}

#[test]
fn two_failovers_forced_at_once_give_redis_sentinels_two_masters_in_one_epoch() {
    redis_sentinels_meet('F');
}

#[test]
fn two_failovers_forced_at_once_give_bartizans_one_master() {
    bartizans_avert('F');
}

#[test]
fn one_sentinel_that_loses_sight_of_the_new_master_makes_redis_sentinels_fail_over() {
    redis_sentinels_meet('L');
}

#[test]
fn one_sentinel_that_loses_sight_of_the_new_master_makes_no_bartizan_fail_over() {
    bartizans_avert('L');
}

#[test]
fn leader_cut_off_as_it_promotes_gives_clients_of_redis_sentinels_a_lost_address() {
    redis_sentinels_meet('M');
}

#[test]
fn leader_cut_off_as_it_promotes_gives_clients_of_bartizans_no_address_a_majority_lacks() {
    bartizans_avert('M');
}

#[test]
fn leader_that_dies_right_after_its_election_costs_redis_sentinels_two_timeouts() {
    redis_sentinels_meet('N');
}

#[test]
fn leader_that_dies_right_after_its_election_costs_bartizans_less_than_one_timeout() {
    bartizans_avert('N');
}
