//! Runs: a steady start, a fault, everything healed, and the books.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bartizan_load::client::Stop;

use crate::faults::{self, Fault};
use crate::fleet::Program;
use crate::ledger::{self, Account};
use crate::stage::{Outcome, Stage, longest_gap};

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The Sentinel.
    pub(crate) program: Program,
    /// These faults, in this order, again and again.
    pub(crate) faults: Vec<&'static Fault>,
    /// How many runs, at most.
    pub(crate) runs: usize,
    /// No new run after this time.
    pub(crate) time: Option<Duration>,
    /// Where chance begins.
    pub(crate) seed: u64,
    /// Print every run's history, not only a failed one's.
    pub(crate) verbose: bool,
    /// Leave the files of a failed run behind.
    pub(crate) keep: bool,
}

/// Writers, and how often each writes, in runs.
const WRITERS: u32 = 4;
const PACE: Duration = Duration::from_millis(10);
const WRITER_PATIENCE: Duration = Duration::from_secs(1);

/// Runs on after a failed one, on a fleet of its own, so that one finding does not hide others.
///
/// # Errors
/// When a write of any run is unexplained, the fleet did not come to rest, or it is interrupted.
pub(crate) fn run(plan: &Plan, stop: &Stop) -> Result<()> {
    let started = Instant::now();
    let mut stage = Some(Stage::set(&plan.program, plan.seed, stop)?);
    let mut total = Account::default();
    let mut failed = Vec::new();
    println!(
        "seed {}; every run ends healed and accounted for",
        plan.seed
    );
    for (fault, number) in plan.faults.iter().cycle().take(plan.runs).zip(1_u64..) {
        if plan.time.is_some_and(|time| started.elapsed() > time) {
            break;
        }
        let mut here = match stage.take() {
            Some(stage) => stage,
            None => Stage::set(&plan.program, plan.seed + number, stop)?,
        };
        match one(&mut here, plan, fault) {
            Ok(account) => {
                total.absorb(&account);
                stage = Some(here);
            }
            Err(error) => {
                here.go_on()?;
                println!(
                    "run {number} ({}) of seed {}: {error:#}",
                    fault.name, plan.seed
                );
                failed.push(fault.name);
            }
        }
    }
    println!("all: {}", total.line());
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn one(stage: &mut Stage, plan: &Plan, fault: &Fault) -> Result<Account> {
    stage.begin();
    let outcome = play(stage, fault);
    let verdict = match &outcome {
        Ok(outcome) => {
            println!("{}", line(fault, outcome));
            if outcome.account.unexplained.is_empty() {
                Ok(outcome.account.clone())
            } else {
                let spans = ledger::spans(&outcome.account.unexplained).join("\n  ");
                Err(anyhow::anyhow!("acknowledged writes are gone:\n  {spans}"))
            }
        }
        Err(error) => {
            println!("{:<36}FAILED", fault.name);
            Err(anyhow::anyhow!("{error:#}"))
        }
    };
    if verdict.is_err() || plan.verbose {
        let memories = outcome.map(|outcome| outcome.memories).unwrap_or_default();
        println!("{}", stage.timeline(&memories));
    }
    if verdict.is_err() && plan.keep {
        stage.fleet.keep_files();
        println!("left behind: {}", stage.fleet.root().display());
    }
    verdict
}

fn play(stage: &mut Stage, fault: &Fault) -> Result<Outcome> {
    stage.write(WRITERS, PACE, WRITER_PATIENCE)?;
    stage.pass(Duration::from_millis(500))?;
    let struck = (fault.strike)(stage);
    if let Err(error) = struck {
        stage.stop_writers()?;
        bail!("{error:#}");
    }
    let closed = stage.close();
    if closed.is_err() {
        stage.stop_writers()?;
    }
    closed
}

fn line(fault: &Fault, outcome: &Outcome) -> String {
    let gaps = outcome.memories.iter().filter_map(|m| longest_gap(&m.acks));
    let gap = gaps.map(|(_, gap)| gap).max().unwrap_or_default();
    format!(
        "{:<36}{}; longest gap {} ms",
        fault.name,
        outcome.account.line(),
        gap.as_millis()
    )
}

/// The faults of the test command: one of every kind, about a minute and a half of them.
pub(crate) fn selection() -> Vec<&'static Fault> {
    const NAMES: &[&str] = &[
        "switchover",
        "kill-master",
        "freeze-replica",
        "freeze-master",
        "isolate-master",
        "isolate-fenced-master",
        "mute-master",
        "switchover-leader-cut-off",
        "leader-killed-promoted",
        "switchover-leader-killed-paused",
        "switchover-master-killed",
        "switchover-master-cut-off",
    ];
    NAMES
        .iter()
        .filter_map(|name| faults::named(name))
        .collect()
}
