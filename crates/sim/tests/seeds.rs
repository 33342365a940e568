//! What a seed promises: the same history every time, a plan that survives as text, and quiet
//! where nothing is wrong.

use bartizan_sim::plan::Plan;
use bartizan_sim::run::play;

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in 0..4 {
        let plan = Plan::from_seed(seed);
        let (first, second) = (play(&plan, false), play(&plan, true));
        assert_eq!(first.hash, second.hash, "seed {seed}");
    }
}

#[test]
fn a_plan_that_was_printed_and_read_back_plays_to_the_same_trace() {
    let plan = Plan::from_seed(3);
    let again = Plan::parse(&plan.to_string()).unwrap();
    assert_eq!(plan, again);
    assert_eq!(play(&plan, false).hash, play(&again, false).hash);
}

#[test]
fn another_seed_of_the_same_plan_plays_to_another_trace() {
    let quiet = Plan::parse("seed 1").unwrap();
    let other = Plan::parse("seed 2").unwrap();
    assert_ne!(play(&quiet, false).hash, play(&other, false).hash);
}

#[test]
fn quiet_seeds_stay_quiet() {
    let quiet = (0..)
        .map(Plan::from_seed)
        .filter(|plan| plan.faults.is_empty());
    for plan in quiet.take(4) {
        let outcome = play(&plan, false);
        assert!(outcome.violation.is_none(), "{}", outcome.report());
        assert_eq!(outcome.stats.elections, 0, "{}", outcome.report());
        assert_eq!(outcome.stats.lost, 0, "{}", outcome.report());
    }
}
