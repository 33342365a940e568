//! A world without faults is quiet: after everybody has found everybody, nothing happens.

use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// Holds in worlds without faults.
#[derive(Debug)]
pub(crate) struct Quiet;

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
            kind => Err(format!(
                "{} {} in a world without faults",
                kind.name(),
                event.payload
            )),
        }
    }
}
