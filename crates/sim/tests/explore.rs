//! The bounded model check of `bartizan_sim::explore`; `docs/model-check.md` tells what it covers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it fails"
)]

use bartizan_sim::explore::scenario::Scenario;
use bartizan_sim::explore::search::{Report, search};

/// A scenario, cut down to what a test has time for.
fn brief(name: &str, worlds: usize) -> Scenario {
    Scenario {
        most_worlds: worlds,
        most_ends: 1,
        ..Scenario::named(name).unwrap()
    }
}

/// Searches, and shows that there was something to find a fault in.
fn holds(scenario: &Scenario, worlds: usize, depth: u32) -> Report {
    let report = search(scenario);
    assert!(report.violation.is_none(), "{report}");
    assert!(report.worlds >= worlds, "{report}");
    assert!(report.depth >= depth, "{report}");
    assert!(report.ends.1 > 0, "{report}");
    report
}

#[test]
fn no_order_of_messages_writes_and_clocks_breaks_an_election() {
    let report = holds(&brief("election", 600), 600, 6);
    assert!(report.elections > 0, "{report}");
}

#[test]
fn every_election_on_a_quick_network_ends_with_one_master() {
    let mut scenario = brief("timely", 100_000);
    scenario.budget.ticks = [1, 1, 1];
    scenario.most_ends = 2;
    let report = holds(&scenario, 100, 15);
    assert!(report.is_complete, "{report}");
}

#[test]
fn no_crash_during_an_election_breaks_it() {
    holds(&brief("crash", 200), 200, 2);
}

#[test]
fn no_failed_write_during_an_election_breaks_it() {
    holds(&brief("disk", 300), 300, 3);
}

#[test]
fn no_cut_during_an_election_breaks_it() {
    holds(&brief("cut", 300), 300, 3);
}

#[test]
fn no_late_hello_undoes_a_switch() {
    holds(&brief("late-hello", 1500), 1500, 5);
}

#[test]
fn two_operators_make_one_master_in_each_epoch() {
    holds(&brief("operators", 3000), 3000, 4);
}

#[test]
fn the_same_search_finds_the_same_worlds() {
    let scenario = brief("election", 60);
    let (first, second) = (search(&scenario), search(&scenario));
    assert_eq!(first.to_string(), second.to_string());
}

/// The whole check, as `docs/model-check.md` reports it:
/// `cargo test --release -p bartizan-sim --test explore -- --ignored --nocapture`.
/// `EXPLORE=name` picks one scenario.
#[test]
#[ignore = "takes three to twelve minutes in release: the tests above run the first piece of each scenario"]
fn everything() {
    let wanted = std::env::var("EXPLORE").ok();
    let mut broken = Vec::new();
    for scenario in Scenario::all() {
        if wanted.as_ref().is_some_and(|name| name != scenario.name) {
            continue;
        }
        let started = std::time::Instant::now();
        let report = search(&scenario);
        println!("{report}  {:.1} s", started.elapsed().as_secs_f64());
        if report.violation.is_some() {
            broken.push(scenario.name);
        }
    }
    assert!(broken.is_empty(), "broken: {broken:?}");
}

/// The search has to find what is known to be wrong.
#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use bartizan_core::mutant::Mutant;

    fn is_found(mutant: Mutant, property: &str, scenario: Scenario) {
        let report = search(&Scenario {
            mutant: Some(mutant),
            ..scenario
        });
        let what = report.violation.as_ref().map(|violation| &*violation.what);
        let what = what.unwrap_or_else(|| panic!("{} is not found: {report}", mutant.name()));
        assert!(what.starts_with(property), "{}: {what}", mutant.name());
    }

    #[test]
    fn a_second_vote_in_one_epoch_is_found() {
        is_found(Mutant::VoteTwice, "S1", brief("election", 200_000));
    }

    #[test]
    fn a_vote_that_is_not_on_disk_is_found() {
        is_found(Mutant::VoteBeforeDisk, "S5", brief("election", 20_000));
    }

    #[test]
    fn a_candidacy_that_is_not_on_disk_is_found() {
        is_found(Mutant::StandBeforeDisk, "S5", brief("election", 20_000));
    }

    #[test]
    fn a_vote_that_the_file_lacks_is_found() {
        is_found(Mutant::ForgetVote, "S5", brief("election", 20_000));
    }

    #[test]
    fn votes_of_other_epochs_that_count_are_found() {
        let mut scenario = brief("election", 400_000);
        scenario.budget.ticks = [3, 0, 0];
        is_found(Mutant::CountAnyEpoch, "S6", scenario);
    }

    #[test]
    fn an_election_without_a_majority_is_found() {
        let scenario = Scenario {
            quorum: 1,
            ..brief("election", 20_000)
        };
        is_found(Mutant::NoMajority, "S6", scenario);
    }

    #[test]
    fn a_failover_without_an_election_is_found() {
        is_found(
            Mutant::PromoteWithoutElection,
            "S6",
            brief("election", 20_000),
        );
    }

    #[test]
    fn a_configuration_that_is_told_before_it_is_on_disk_is_found() {
        let scenario = brief("election", 100_000);
        is_found(Mutant::ConfigurationBeforeDisk, "S5", scenario);
    }

    #[test]
    fn an_older_configuration_that_is_believed_is_found() {
        let scenario = brief("late-hello", 100_000);
        is_found(Mutant::BelieveOlderConfiguration, "S", scenario);
    }

    #[test]
    fn an_epoch_that_goes_down_is_found() {
        is_found(Mutant::EpochDown, "S", brief("late-hello", 100_000));
    }

    #[test]
    fn an_epoch_without_its_address_is_found() {
        is_found(Mutant::SplitConfiguration, "S", brief("election", 100_000));
    }
}
