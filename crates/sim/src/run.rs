//! Runs plans: one, or a range of seeds on all cores.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::checks::Violation;
use crate::plan::Plan;
use crate::sched::At;
use crate::world::{Stats, World};

/// What became of a plan.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// The invariant that fell, if one did.
    pub violation: Option<Violation>,
    /// One number for all that happened.
    pub hash: u64,
    /// Figures.
    pub stats: Stats,
    /// The last lines of the history, or all of it.
    pub tail: String,
}

impl Outcome {
    /// All that is needed to understand and repeat a failure.
    pub fn report(&self) -> String {
        let Some(violation) = &self.violation else {
            return format!(
                "seed {}: no violation, trace {:016x}\n",
                self.plan.seed, self.hash
            );
        };
        format!(
            "{}\nVIOLATED {violation}\n\n# plan\n{}\ntrace {:016x}\n{}",
            self.tail,
            self.plan,
            self.hash,
            self.again(),
        )
    }

    /// How to see it again: a seed makes its own plan, any other plan has to be kept.
    fn again(&self) -> String {
        let seed = self.plan.seed;
        if self.plan == Plan::from_seed(seed) {
            return format!(
                "replay: cargo xtask sim replay {seed}\nshrink: cargo xtask sim shrink {seed}\n"
            );
        }
        "save the lines of the plan as FILE\nreplay: cargo xtask sim replay FILE\n\
         shrink: cargo xtask sim shrink FILE\n"
            .to_owned()
    }
}

/// Plays a plan. `aloud` keeps the whole history. A panic anywhere in it counts as a violation.
pub fn play(plan: &Plan, aloud: bool) -> Outcome {
    play_in(
        World::new(plan.clone(), aloud),
        plan,
        if aloud { usize::MAX } else { 120 },
    )
}

/// Plays a world that somebody has prepared.
pub fn play_in(mut world: World, plan: &Plan, lines: usize) -> Outcome {
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = ended.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_else(|| "no message".to_owned());
        Some(Violation {
            property: "panic",
            text,
            at: At::default(),
        })
    });
    Outcome {
        plan: plan.clone(),
        violation,
        hash: world.trace().hash(),
        stats: world.stats().clone(),
        tail: world.trace().tail(lines),
    }
}

/// Which seeds to run, and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// The first seed.
    pub from: u64,
    /// The seed after the last one.
    pub to: u64,
    /// How many threads.
    pub threads: usize,
    /// Run every so many seeds twice and compare their traces; 0 for none.
    pub twice_of: u64,
}

/// What has been done of a batch, for progress and for the end.
#[derive(Debug, Default)]
pub struct Progress {
    /// Seeds that are done.
    pub done: AtomicU64,
    stop: AtomicBool,
    stats: Mutex<Stats>,
    found: Mutex<BTreeMap<&'static str, Fallen>>,
    keep_going: bool,
}

impl Progress {
    /// Asks all threads to end after their present seed.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for, or a violation found.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The figures so far.
    pub fn stats(&self) -> Stats {
        self.stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Progress that does not stop at a violation, but counts them.
    #[must_use]
    pub fn keep_going(self, keep_going: bool) -> Self {
        Self { keep_going, ..self }
    }

    /// For each property that fell: by which seeds, and the outcome of the lowest.
    pub fn found(&self) -> BTreeMap<&'static str, Fallen> {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, outcome: Outcome) {
        self.stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&outcome.stats);
        self.done.fetch_add(1, Ordering::Relaxed);
        let Some(property) = outcome
            .violation
            .as_ref()
            .map(|violation| violation.property)
        else {
            return;
        };
        if !self.keep_going {
            self.stop();
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let fallen = found.entry(property).or_insert_with(|| Fallen {
            seeds: BTreeSet::new(),
            first: outcome.clone(),
        });
        fallen.seeds.insert(outcome.plan.seed);
        if outcome.plan.seed < fallen.first.plan.seed {
            fallen.first = outcome;
        }
    }
}

/// The seeds by which a property fell.
#[derive(Clone, Debug)]
pub struct Fallen {
    /// All of them.
    pub seeds: BTreeSet<u64>,
    /// What happened at the lowest.
    pub first: Outcome,
}

/// Runs seeds on several threads until all are done or one has a violation. `make` turns a seed
/// into a plan.
pub fn run_batch(batch: Batch, progress: &Progress, make: &(dyn Fn(u64) -> Plan + Sync)) {
    let next = AtomicU64::new(batch.from);
    std::thread::scope(|scope| {
        for _ in 0..batch.threads.max(1) {
            scope.spawn(|| {
                while !progress.is_stopped() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= batch.to {
                        break;
                    }
                    let plan = make(seed);
                    let mut outcome = play(&plan, false);
                    if batch.twice_of > 0 && seed.is_multiple_of(batch.twice_of) {
                        compare(&mut outcome);
                    }
                    progress.note(outcome);
                }
            });
        }
    });
    progress.stop();
}

fn compare(outcome: &mut Outcome) {
    let again = play(&outcome.plan, false);
    if again.hash != outcome.hash && outcome.violation.is_none() {
        let text = format!(
            "trace {:016x} the first time, {:016x} the second",
            outcome.hash, again.hash
        );
        outcome.violation = Some(Violation {
            property: "determinism",
            text,
            at: At::default(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_how_to_repeat_a_seed_and_how_a_plan() {
        let mut outcome = play(&Plan::parse("seed 3\nparam masters 0").unwrap(), false);
        outcome.violation = Some(Violation {
            property: "S0",
            text: String::new(),
            at: At::default(),
        });
        assert!(outcome.report().contains("replay FILE"));
        assert!(!outcome.report().contains("replay 3"));
        outcome.plan = Plan::from_seed(3);
        assert!(outcome.report().contains("replay 3"));
    }
}
