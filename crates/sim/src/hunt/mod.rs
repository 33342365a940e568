//! Hunting on purpose: directed plans for what random faults meet too seldom.
//!
//! [`late`] asserts that things come right in time while faults go on, [`story`] tells what a
//! fleet of any kind went through, [`hazards`] has those of redis-sentinel, and `quarry` has the deliberate bugs that must be found.

pub mod hazards;
mod late;
#[cfg(feature = "mutants")]
pub mod quarry;
pub mod story;

use crate::plan::Plan;
use crate::rand::{Purpose, Stream};

/// The latest that a fault of a directed plan begins after its time.
const JITTER_MS: u64 = 1000;

/// A directed plan under another seed: other delays, ids and draws of the Sentinels, and every
/// fault up to a second later.
#[must_use]
pub fn varied(plan: &Plan, seed: u64) -> Plan {
    let mut plan = plan.clone();
    plan.seed = seed;
    let later = Stream::new(seed, Purpose::Faults);
    for (i, fault) in (0..).zip(&mut plan.faults) {
        fault.at_ms += later.range(i, 0, JITTER_MS);
    }
    plan
}
