//! S2: for each master and epoch at most one Sentinel is elected, forced failovers apart.
//!
//! A Sentinel that an operator told to REMOVE a master and to MONITOR it anew knows nobody who
//! could vote until it hears of the others, so with a quorum of 1 it elects itself in whatever
//! epoch it has: that is the operator's doing, and not counted.

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
    /// How many peers each Sentinel has met for each group.
    peers: BTreeMap<(usize, usize), usize>,
}

impl Leaders {
    fn note_peers(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Boot(file) => {
                self.peers.retain(|(host, _), _| *host != scene.host);
                for state in &file.masters {
                    if let Some(group) = groups.by_name(&state.name) {
                        let known = state.sentinels.len();
                        self.peers.insert((scene.host, group), known);
                    }
                }
            }
            Seen::Output(Output::Event(event), _) => {
                let group = event.master.as_ref().and_then(|name| groups.by_name(name));
                let Some(group) = group else { return };
                let known = self.peers.entry((scene.host, group)).or_default();
                match event.kind {
                    EventKind::Sentinel => *known += 1,
                    EventKind::ResetMaster | EventKind::Unmonitor => *known = 0,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Check for Leaders {
    fn property(&self) -> &'static str {
        "S2"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        self.attempts.see(groups, scene, seen);
        self.note_peers(groups, scene, seen);
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
        if self.peers.get(&(scene.host, group)).is_none_or(|n| *n == 0) {
            return Ok(());
        }
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
