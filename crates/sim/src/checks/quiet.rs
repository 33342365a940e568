//! A world without faults is quiet: after everybody has found everybody, nothing happens.

use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;
use crate::params::Params;

/// Holds in worlds without faults.
#[derive(Debug)]
pub(crate) struct Quiet {
    /// A message may take so much longer than others that its answer seems to be held back, or that
    /// a master counts its replicas as late and is about to refuse writes by itself.
    outliers: bool,
    /// Or that the link is held to be stuck, half of `down-after` after a PING, and made anew. If
    /// a message of the new one is as late, a server or a peer is down for one Sentinel, rightly.
    remade: bool,
}

/// The least time for which a Sentinel waits for an answer to a hello before it says so.
const HELD_US: u64 = 1_000_000;

impl Quiet {
    pub(crate) const fn new(params: &Params) -> Self {
        // Five times as long, there and back.
        let slowest = 10 * params.delay_high_us;
        let has_outliers = params.outlier_of > 0;
        Self {
            outliers: has_outliers && slowest > HELD_US,
            remade: has_outliers && slowest > params.down_after_ms * 1_000 / 2,
        }
    }
}

impl Check for Quiet {
    fn property(&self) -> &'static str {
        "quiet"
    }

    fn see(&mut self, _groups: &Groups, _scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let Seen::Output(Output::Event(event), _) = seen else {
            return Ok(());
        };
        match event.kind {
            // Fencing takes hold once, and lets go of nobody.
            EventKind::Monitor
            | EventKind::Sentinel
            | EventKind::Slave
            | EventKind::MinReplicas => Ok(()),
            EventKind::ServerState if self.outliers => Ok(()),
            EventKind::Fenced if self.outliers && event.payload.starts_with("master ") => Ok(()),
            EventKind::Sdown | EventKind::SdownEnd if self.remade => Ok(()),
            kind => Err(format!(
                "{} {} in a world without faults",
                kind.name(),
                event.payload
            )),
        }
    }
}
