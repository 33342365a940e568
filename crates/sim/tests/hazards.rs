//! The hazards of redis-sentinel, as directed plans: a fleet of modelled redis-sentinels gets
//! there, a fleet of Bartizans does not, whatever the delays. `docs/hazards.md` tells of each.

use bartizan_sim::hunt::story::Story;
use bartizan_sim::hunt::varied;
use bartizan_sim::plan::Plan;

/// Variations of each plan that a fleet of Bartizans has to live through.
const VARIATIONS: u64 = 50;

/// What became of a fleet whose last Sentinels are redis-sentinels, under some variations.
fn stories(text: &str, redis_sentinels: u64, seeds: std::ops::Range<u64>) -> Vec<Story> {
    let mut plan = Plan::parse(text).unwrap();
    plan.params.upstream = redis_sentinels;
    seeds.map(|seed| Story::of(&varied(&plan, seed))).collect()
}

/// How many of the stories are like that.
fn count(stories: &[Story], is_so: fn(&Story) -> bool) -> usize {
    stories.iter().filter(|story| is_so(story)).count()
}

/// The stories of Bartizans alone, of which none breaks an invariant.
fn bartizans(text: &str) -> Vec<Story> {
    let all = stories(text, 0, 0..VARIATIONS);
    for story in &all {
        assert!(story.violation.is_none(), "{story}\n{}", story.text);
    }
    all
}

/// Asserts with the whole history of the first that is not so.
fn all_are(stories: &[Story], is_so: fn(&Story) -> bool) {
    for story in stories {
        assert!(is_so(story), "{story}\n{}", story.text);
    }
}

mod failback_while_the_first_leader_is_re_pointing {
    use super::*;
    const PLAN: &str = include_str!("scenarios/hazard-a.plan");

    #[test]
    fn leaves_redis_sentinels_with_two_addresses_in_one_epoch_for_good() {
        let all = stories(PLAN, 3, 0..4);
        all_are(&all, |story| !story.two_addresses.is_empty());
        all_are(&all, |story| !story.agreed_at_end);
        all_are(&all, |story| story.disagreed_ms > 60_000);
    }

    #[test]
    fn leaves_bartizans_agreed() {
        let all = bartizans(PLAN);
        all_are(&all, |story| story.two_addresses.is_empty());
        all_are(&all, |story| story.agreed_at_end);
        all_are(&all, |story| story.disagreed_ms < 3000);
    }
}

mod masters_lost_together {
    use super::*;
    const PLAN: &str = include_str!("scenarios/hazard-c.plan");

    #[test]
    fn give_redis_sentinels_two_leaders_in_one_epoch() {
        let all = stories(PLAN, 3, 0..10);
        assert!(count(&all, |story| story.two_leaders().is_some()) > 0);
    }

    #[test]
    fn give_bartizans_one_leader_in_each_epoch() {
        all_are(&bartizans(PLAN), |story| story.two_leaders().is_none());
    }
}

mod two_failovers_forced_at_once {
    use super::*;
    const PLAN: &str = include_str!("scenarios/hazard-f.plan");

    #[test]
    fn give_redis_sentinels_two_leaders_and_two_masters_in_one_epoch() {
        let all = stories(PLAN, 3, 0..4);
        all_are(&all, |story| story.two_leaders().is_some());
        assert!(count(&all, |story| !story.two_addresses.is_empty()) > 0);
        assert!(count(&all, |story| !story.agreed_at_end) > 0);
    }

    #[test]
    fn give_bartizans_one_leader_and_one_master() {
        let all = bartizans(PLAN);
        all_are(&all, |story| story.two_leaders().is_none());
        all_are(&all, |story| story.two_addresses.is_empty());
        all_are(&all, |story| story.agreed_at_end);
    }
}

mod one_sentinel_that_loses_sight_of_the_new_master {
    use super::*;
    const PLAN: &str = include_str!("scenarios/hazard-l.plan");

    #[test]
    fn makes_redis_sentinels_fail_over_below_quorum() {
        let all = stories(PLAN, 3, 0..10);
        assert!(count(&all, |story| !story.below_quorum.is_empty()) > 0);
    }

    #[test]
    fn makes_no_bartizan_fail_over() {
        let all = bartizans(PLAN);
        all_are(&all, |story| story.below_quorum.is_empty());
        all_are(&all, |story| story.won.len() == 1);
    }

    #[test]
    fn makes_no_bartizan_fail_over_when_it_comes_a_second_sooner() {
        let sooner = PLAN.replace("fault 23000", "fault 22000");
        all_are(&bartizans(&sooner), |story| story.below_quorum.is_empty());
    }
}

mod a_leader_cut_off_in_the_moment_of_the_promotion {
    use super::*;
    const PLAN: &str = include_str!("scenarios/hazard-m.plan");

    #[test]
    fn gives_clients_of_redis_sentinels_an_address_that_is_overruled_and_their_writes_are_lost() {
        let all = stories(PLAN, 3, 0..10);
        let hit = |story: &Story| !story.overruled.is_empty() && story.lost > 100;
        assert!(count(&all, hit) > 0);
    }

    #[test]
    fn gives_no_client_of_bartizans_an_address_that_no_majority_knows() {
        let all = bartizans(PLAN);
        all_are(&all, |story| story.overruled.is_empty());
        all_are(&all, |story| story.alone_ms == 0);
    }
}

mod a_leader_that_dies_right_after_its_election {
    use super::*;
    const PLAN: &str = include_str!("scenarios/hazard-n.plan");

    /// The plan kills s0, if it is the one that is elected.
    fn led(stories: Vec<Story>) -> Vec<Story> {
        let died = |story: &Story| story.died.contains(&0);
        stories.into_iter().filter(died).collect()
    }

    #[test]
    fn costs_redis_sentinels_twice_the_failover_timeout() {
        let led = led(stories(PLAN, 3, 0..10));
        assert!(!led.is_empty());
        all_are(&led, |story| {
            story.replaced_after_ms.is_some_and(|ms| ms > 20_000)
        });
    }

    #[test]
    fn costs_bartizans_less_than_one_failover_timeout() {
        let led = led(bartizans(PLAN));
        assert!(led.len() > 5);
        all_are(&led, |story| {
            story.replaced_after_ms.is_some_and(|ms| ms < 10_000)
        });
    }
}
