//! Whether the simulator earns trust: it has to find every deliberate bug of the core within a
//! stated number of seeds.

use bartizan_core::mutant::Mutant;

use crate::plan::Plan;
use crate::run::{Outcome, play_in};
use crate::world::World;

/// Seeds within which a mutant has to be found. Most fall within a few dozen.
const SEEDS: u64 = 2000;

/// How many seeds a mutant is given.
pub const fn seeds_for(_mutant: Mutant) -> u64 {
    SEEDS
}

/// Plays a plan with a deliberate bug in every core.
pub fn play_with(plan: &Plan, mutant: Mutant) -> Outcome {
    play_in(
        World::new(plan.clone(), false).with_mutant(Some(mutant)),
        plan,
        120,
    )
}

/// What hunting a mutant gave.
#[derive(Debug)]
pub struct Hunt {
    /// The mutant.
    pub mutant: Mutant,
    /// The first violation, with the number of seeds it took.
    pub found: Option<(u64, Outcome)>,
}

/// Runs seeds until a violation is found that the sound core does not have.
pub fn hunt(mutant: Mutant, from: u64) -> Hunt {
    for tried in 0..seeds_for(mutant) {
        let plan = Plan::from_seed(from + tried);
        let outcome = play_with(&plan, mutant);
        if outcome.violation.is_some() && crate::run::play(&plan, false).violation.is_none() {
            return Hunt {
                mutant,
                found: Some((tried + 1, outcome)),
            };
        }
    }
    Hunt {
        mutant,
        found: None,
    }
}
