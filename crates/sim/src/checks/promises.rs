//! S5: what a Sentinel reveals is no newer than what it would recover after a crash now.

use std::collections::BTreeMap;

use bartizan_core::ids::{Epoch, RequestId};
use bartizan_core::input::Input;
use bartizan_core::output::{Call, Output, ReplicaOf};
use bartizan_core::provide::command::Command;
use bartizan_core::report::Hello;

use super::{Check, Scene, Seen, Target, Verdict, read};
use crate::groups::Groups;

/// Who waits for a vote about which group.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    asked: BTreeMap<(usize, RequestId), usize>,
}

fn epoch_is_safe(scene: &Scene<'_>, epoch: Epoch, what: &str) -> Verdict {
    let safe = scene.disk.synced.current_epoch;
    if epoch > safe {
        return Err(format!("{what} reveals epoch {epoch}; on disk is {safe}"));
    }
    Ok(())
}

fn hello_is_safe(scene: &Scene<'_>, hello: &Hello) -> Verdict {
    epoch_is_safe(scene, hello.current_epoch, "a hello")?;
    let told = &hello.configuration;
    if told.epoch == Epoch::ZERO {
        return Ok(());
    }
    let safe = read::master(&scene.disk.synced, &hello.master).map(|state| &state.configuration);
    if safe.is_none_or(|safe| told.is_newer_than(safe)) {
        return Err(format!(
            "a hello reveals {told:?} of {}; on disk is {safe:?}",
            hello.master
        ));
    }
    Ok(())
}

fn repoint_is_safe(
    groups: &Groups,
    scene: &Scene<'_>,
    to: &ReplicaOf,
    target: Option<&Target>,
) -> Verdict {
    let ReplicaOf::Master(addr) = to else {
        return Ok(());
    };
    let Some(name) = target
        .and_then(|target| target.group)
        .and_then(|group| groups.name(group))
    else {
        return Ok(());
    };
    match read::master(&scene.disk.synced, name) {
        Some(state) if state.configuration.addr != *addr => Err(format!(
            "a server is sent to {addr}; on disk the master of {name} is {}",
            state.configuration.addr
        )),
        _ => Ok(()),
    }
}

impl Check for Promises {
    fn property(&self) -> &'static str {
        "S5"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
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
                    && let Some(name) = groups.name(group)
                    && let Some(state) = read::master(&scene.disk.synced, name)
                    && vote.epoch > state.voted_epoch
                {
                    let (epoch, safe) = (vote.epoch, state.voted_epoch);
                    return Err(format!(
                        "a vote for m{group} in epoch {epoch}; on disk is {safe}"
                    ));
                }
            }
            Seen::Output(Output::Call { what, .. }, target) => match what {
                Call::Publish(hello) => return hello_is_safe(scene, hello),
                Call::Ask { epoch, .. } => return epoch_is_safe(scene, *epoch, "a question"),
                Call::Reconfigure(to) => return repoint_is_safe(groups, scene, to, *target),
                Call::Ping
                | Call::Info
                | Call::ScriptKill
                | Call::Pause { .. }
                | Call::Unpause
                | Call::ReadMinReplicas
                | Call::SetMinReplicas(_)
                | Call::TryPermissions => {}
            },
            _ => {}
        }
        Ok(())
    }
}
