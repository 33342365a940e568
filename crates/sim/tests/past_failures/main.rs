//! Plans in which an invariant fell once, as `shrink` prints them. None falls any more.
#![allow(
    clippy::unwrap_used,
    reason = "a test helper that fails fails its test"
)]

mod clocks;
mod moved;
mod sentinels;
mod servers;
mod switches;
mod undone;

use bartizan_sim::plan::Plan;
use bartizan_sim::run::play;

/// Plays a plan, which has to come to a good end.
fn holds(text: &str) {
    let outcome = play(&Plan::parse(text).unwrap(), false);
    assert!(outcome.violation.is_none(), "{}", outcome.report());
}
