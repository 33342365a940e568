//! S14: events come in a lawful order: `+sdown` before `+odown` before `+try-failover` before
//! `+elected-leader`, and each step of a failover after the one before (spec §4).

use std::collections::BTreeMap;

use bartizan_core::input::Input;
use bartizan_core::notify::event::EventKind as E;
use bartizan_core::output::Output;
use bartizan_core::provide::command::Command;

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// How far a master's failover has come at a Sentinel, and what it holds of the master.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    sdown: bool,
    /// It was objectively down since the last attempt; the news of an attempt may wait for the
    /// disk, and so come after the news that the master is back.
    was_odown: bool,
    forced: bool,
    /// A reset, or somebody else's switch, ended an attempt that had been told; that it failed is
    /// told behind its vote, which waits for the disk.
    cut_off: bool,
    step: Step,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Standing,
    Elected,
    Selecting,
    Selected,
    Sending,
    Waiting,
    Promoted,
    Reconfiguring,
    /// The switch was told; re-pointing may still go on.
    Switched,
    Ended,
}

/// The course of each master at each Sentinel.
#[derive(Debug, Default)]
pub(crate) struct Events {
    courses: BTreeMap<(usize, usize), Course>,
}

impl Course {
    /// The step that an event leads to, and those it may follow.
    fn rule(kind: E) -> Option<(Step, &'static [Step])> {
        Some(match kind {
            E::TryFailover => (Step::Standing, &[Step::Idle, Step::Switched, Step::Ended]),
            E::ElectedLeader => (Step::Elected, &[Step::Standing]),
            E::SelectSlave => (Step::Selecting, &[Step::Elected]),
            E::SelectedSlave => (Step::Selected, &[Step::Selecting]),
            E::SendSlaveofNoone => (Step::Sending, &[Step::Selected]),
            E::WaitPromotion => (Step::Waiting, &[Step::Sending]),
            E::PromotedSlave => (Step::Promoted, &[Step::Waiting]),
            E::ReconfSlaves => (Step::Reconfiguring, &[Step::Promoted]),
            E::FailoverEnd => (Step::Ended, &[Step::Reconfiguring, Step::Switched]),
            E::AbortNotElected => (Step::Idle, &[Step::Standing]),
            E::AbortNoGoodSlave => (Step::Idle, &[Step::Selecting, Step::Elected]),
            E::AbortNotInSync => (
                Step::Idle,
                &[
                    Step::Selecting,
                    Step::Selected,
                    Step::Sending,
                    Step::Waiting,
                ],
            ),
            E::AbortSlaveTimeout => (Step::Idle, &[Step::Sending, Step::Waiting, Step::Selected]),
            _ => return None,
        })
    }

    fn event(&mut self, kind: E, payload: &str) -> Verdict {
        let about_master = payload.starts_with("master ");
        match kind {
            E::Sdown if about_master => self.sdown = true,
            E::SdownEnd if about_master => self.sdown = false,
            E::Odown if !self.sdown => return Err("+odown without +sdown".to_owned()),
            E::Odown => self.was_odown = true,
            E::TryFailover if !self.was_odown && !self.forced => {
                return Err("+try-failover without +odown".to_owned());
            }
            E::SwitchMaster => {
                let leads = matches!(self.step, Step::Reconfiguring | Step::Switched);
                let step = if leads { Step::Switched } else { Step::Idle };
                *self = Self {
                    forced: self.forced,
                    cut_off: self.step == Step::Standing,
                    step,
                    ..Self::default()
                };
            }
            // A candidacy that waits for the disk is told after the reset that ended it.
            E::ResetMaster => {
                *self = Self {
                    was_odown: self.was_odown,
                    forced: self.forced,
                    cut_off: self.step == Step::Standing,
                    ..Self::default()
                };
            }
            E::Unmonitor => *self = Self::default(),
            _ => {}
        }
        if kind == E::AbortNotElected && self.step == Step::Idle && self.cut_off {
            self.cut_off = false;
            return Ok(());
        }
        if let Some((to, from)) = Self::rule(kind) {
            if !from.contains(&self.step) {
                return Err(format!("{} while {:?}", kind.name(), self.step));
            }
            self.step = to;
            self.forced &= kind != E::TryFailover;
        }
        Ok(())
    }
}

impl Check for Events {
    fn property(&self) -> &'static str {
        "S14"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        match seen {
            Seen::Boot(_) => self.courses.retain(|(h, _), _| *h != host),
            Seen::Input(Input::Asked {
                command:
                    Command::Failover { name }
                    | Command::Switchover { name, .. }
                    | Command::Drain { name, .. },
                ..
            }) => {
                if let Some(group) = groups.by_name(name) {
                    self.courses.entry((host, group)).or_default().forced = true;
                }
            }
            Seen::Output(Output::Event(event), _) => {
                let Some(group) = event.master.as_ref().and_then(|name| groups.by_name(name))
                else {
                    return Ok(());
                };
                let course = self.courses.entry((host, group)).or_default();
                return course
                    .event(event.kind, &event.payload)
                    .map_err(|why| format!("m{group}: {why} ({})", event.payload));
            }
            _ => {}
        }
        Ok(())
    }
}
