//! S1: for each Sentinel, master and epoch at most one leader is ever named in a vote.

use std::collections::BTreeMap;

use bartizan_core::ids::{Epoch, RequestId, RunId};
use bartizan_core::input::Input;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;
use bartizan_core::provide::command::Command;

use super::attempts::Attempts;
use super::{Check, Scene, Seen, Verdict, read};
use crate::groups::Groups;

/// The votes that anybody was told of.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    asked: BTreeMap<(usize, RequestId), usize>,
    cast: BTreeMap<(RunId, usize, Epoch), RunId>,
    attempts: Attempts,
}

impl Votes {
    fn named(&mut self, voter: RunId, group: usize, epoch: Epoch, leader: RunId) -> Verdict {
        let first = *self.cast.entry((voter, group, epoch)).or_insert(leader);
        if first == leader {
            return Ok(());
        }
        Err(format!(
            "two votes for m{group} in epoch {epoch}: first {first}, then {leader}"
        ))
    }
}

impl Check for Votes {
    fn property(&self) -> &'static str {
        "S1"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        self.attempts.see(groups, scene, seen);
        match seen {
            Seen::Boot(_) => self.asked.retain(|(host, _), _| *host != scene.host),
            Seen::Input(Input::Asked {
                request,
                command: Command::Ask(ask),
            }) => {
                if let Some(group) = ask.addr.as_ref().and_then(|addr| groups.by_addr(addr)) {
                    self.asked.insert((scene.host, *request), group);
                }
            }
            Seen::Output(Output::Answer { request, reply }, _) => {
                if let Some(group) = self.asked.remove(&(scene.host, *request))
                    && let Some((_, Some(vote))) = read::opinion(reply)
                {
                    return self.named(scene.id, group, vote.epoch, vote.leader);
                }
            }
            Seen::Output(Output::Event(event), _) if event.kind == EventKind::ElectedLeader => {
                // Who is elected has counted its own vote.
                if let Some(group) = event.master.as_ref().and_then(|name| groups.by_name(name))
                    && let Some(attempt) = self.attempts.of(scene.host, group)
                {
                    return self.named(scene.id, group, attempt.epoch, scene.id);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
