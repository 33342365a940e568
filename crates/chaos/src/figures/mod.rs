//! Figures: what switchovers, thaws and kills cost those who write.

mod fencing;
mod kills;
mod switchovers;
mod thaw;

use std::time::Duration;

use anyhow::{Result, bail};
use bartizan_load::client::Stop;
use bartizan_load::stats::Summary;

use crate::fleet::Program;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The Sentinel.
    pub(crate) program: Program,
    /// How many rounds, if not as many as is usual.
    pub(crate) count: Option<usize>,
    /// Where chance begins.
    pub(crate) seed: u64,
}

/// # Errors
/// When a write is unexplained, the fleet does not come to rest, or it is interrupted.
pub(crate) fn run(what: &str, plan: &Plan, stop: &Stop) -> Result<()> {
    println!("{what} with {}, seed {}", plan.program.path, plan.seed);
    match what {
        "switchovers" => switchovers::run(plan, stop),
        "thaw" => thaw::run(plan, stop),
        "fencing" => fencing::run(plan, stop),
        "kills" => kills::run(plan, stop),
        other => bail!("there is no figure {other:?}"),
    }
}

/// `median, p99, worst` of durations in milliseconds, as a row of a table.
fn row(what: &str, figures: impl IntoIterator<Item = Duration>) {
    match Summary::of_ms(figures) {
        Some(Summary {
            count,
            median,
            p99,
            worst,
        }) => println!(
            "{what:<44} median {median:8.1}  p99 {p99:8.1}  worst {worst:8.1} ms  ({count})"
        ),
        None => println!("{what:<44} none"),
    }
}
