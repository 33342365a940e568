//! S2: for each master and epoch at most one Sentinel is elected, forced failovers apart.

use std::collections::BTreeMap;

use bartizan_core::ids::{Epoch, RunId};
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;

use super::attempts::Attempts;
use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// The leaders of each epoch.
#[derive(Debug, Default)]
pub(crate) struct Leaders {
    attempts: Attempts,
    elected: BTreeMap<(usize, Epoch), RunId>,
}

impl Check for Leaders {
    fn property(&self) -> &'static str {
        "S2"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        self.attempts.see(groups, scene, seen);
        let Seen::Output(Output::Event(event), _) = seen else {
            return Ok(());
        };
        if event.kind != EventKind::ElectedLeader {
            return Ok(());
        }
        let Some(group) = event.master.as_ref().and_then(|name| groups.by_name(name)) else {
            return Ok(());
        };
        let Some(attempt) = self
            .attempts
            .of(scene.host, group)
            .filter(|attempt| !attempt.forced)
        else {
            return Ok(());
        };
        let first = *self
            .elected
            .entry((group, attempt.epoch))
            .or_insert(scene.id);
        if first == scene.id {
            return Ok(());
        }
        Err(format!(
            "elected for m{group} in epoch {}, as {first} was before",
            attempt.epoch
        ))
    }
}
