//! Which failover each Sentinel has under way, told from its events and its operators' commands.

use std::collections::BTreeMap;

use bartizan_core::ids::{Epoch, RequestId};
use bartizan_core::input::Input;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::reply::Reply;

use super::{Scene, Seen, read};
use crate::groups::Groups;

/// One attempt at a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The epoch it stands in.
    pub(crate) epoch: Epoch,
    /// An operator asked for it.
    pub(crate) forced: bool,
}

/// The attempts under way.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    current: BTreeMap<(usize, usize), Attempt>,
    wanted: BTreeMap<(usize, RequestId), usize>,
    forced: BTreeMap<(usize, usize), RequestId>,
    newest: BTreeMap<usize, Epoch>,
    standing_for: BTreeMap<usize, usize>,
}

impl Attempts {
    /// The attempt that a Sentinel has under way for a group.
    pub(crate) fn of(&self, host: usize, group: usize) -> Option<Attempt> {
        self.current.get(&(host, group)).copied()
    }

    /// Takes note of what is seen.
    pub(crate) fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) {
        let host = scene.host;
        match seen {
            Seen::Boot(file) => {
                self.current.retain(|(h, _), _| *h != host);
                self.wanted.retain(|(h, _), _| *h != host);
                self.forced.retain(|(h, _), _| *h != host);
                self.newest.insert(host, file.current_epoch);
            }
            Seen::Input(Input::Asked {
                request,
                command:
                    Command::Failover { name }
                    | Command::Switchover { name, .. }
                    | Command::Drain { name, .. },
            }) => {
                if let Some(group) = groups.by_name(name) {
                    self.wanted.insert((host, *request), group);
                    if !self.current.contains_key(&(host, group)) {
                        self.forced.entry((host, group)).or_insert(*request);
                    }
                }
            }
            Seen::Output(Output::Answer { request, reply }, _) => {
                if let Some(group) = self.wanted.remove(&(host, *request))
                    && matches!(reply, Reply::Error(_))
                    && self.forced.get(&(host, group)) == Some(request)
                {
                    self.forced.remove(&(host, group));
                }
            }
            Seen::Output(Output::Event(event), _) => {
                let group = event.master.as_ref().and_then(|name| groups.by_name(name));
                self.event(scene, group, event.kind, &event.payload);
            }
            _ => {}
        }
    }

    fn event(&mut self, scene: &Scene<'_>, group: Option<usize>, kind: EventKind, payload: &str) {
        let host = scene.host;
        match kind {
            EventKind::NewEpoch => {
                if let Ok(epoch) = payload.parse() {
                    self.newest.insert(host, Epoch::new(epoch));
                }
            }
            EventKind::TryFailover => {
                let Some(group) = group else { return };
                let epoch = self.newest.get(&host).copied().unwrap_or_default();
                let forced = self.forced.remove(&(host, group)).is_some();
                self.current
                    .insert((host, group), Attempt { epoch, forced });
                self.standing_for.insert(host, group);
            }
            EventKind::VoteForLeader => {
                // The vote for oneself tells the epoch of the attempt best.
                let Some(vote) = read::vote(payload).filter(|vote| vote.leader == scene.id) else {
                    return;
                };
                let Some(group) = group.or_else(|| self.standing_for.get(&host).copied()) else {
                    return;
                };
                if let Some(attempt) = self.current.get_mut(&(host, group)) {
                    attempt.epoch = vote.epoch;
                }
            }
            EventKind::AbortNotElected
            | EventKind::AbortNoGoodSlave
            | EventKind::AbortSlaveTimeout
            | EventKind::AbortNotInSync
            | EventKind::SwitchMaster
            | EventKind::ResetMaster
            | EventKind::Unmonitor => {
                if let Some(group) = group {
                    self.current.remove(&(host, group));
                }
            }
            _ => {}
        }
    }
}
