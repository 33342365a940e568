//! S11: at each Sentinel `+switch-master` events chain, and what it answers afterwards is the new
//! address. So a client that only listens knows as much as one that asks. And who is told of
//! whereabouts that change (`Output::Whereabouts`) knows what the core would answer.

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::ids::MasterName;
use bartizan_core::input::Input;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;

use super::{Check, Scene, Seen, Verdict, read};
use crate::groups::Groups;
use crate::settle::addr_of_reply;

/// The address that a listener of each Sentinel believes in.
#[derive(Debug, Default)]
pub(crate) struct Interface {
    believed: BTreeMap<(usize, MasterName), Addr>,
    switched: Vec<(MasterName, Addr)>,
    /// Where clients are told that masters are, without asking the core.
    whereabouts: BTreeMap<usize, BTreeMap<MasterName, Option<Addr>>>,
}

impl Check for Interface {
    fn property(&self) -> &'static str {
        "S11"
    }

    fn see(&mut self, _groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        match seen {
            Seen::Boot(file) => {
                self.switched.clear();
                self.believed.retain(|(h, _), _| *h != host);
                self.whereabouts.remove(&host);
                for state in &file.masters {
                    let key = (host, state.name.clone());
                    self.believed.insert(key, state.configuration.addr.clone());
                }
            }
            Seen::Input(Input::Asked {
                command: Command::Remove { name },
                ..
            }) => {
                self.believed.remove(&(host, name.clone()));
            }
            Seen::Output(Output::Event(event), _) if event.kind == EventKind::SwitchMaster => {
                let Some(name) = &event.master else {
                    return Ok(());
                };
                let old = read::addr_at(&event.payload, 1);
                let new = read::addr_at(&event.payload, 3);
                let (Some(old), Some(new)) = (old, new) else {
                    return Err(format!("+switch-master {} cannot be read", event.payload));
                };
                let before = self.believed.insert((host, name.clone()), new.clone());
                if let Some(before) = before.filter(|before| *before != old) {
                    return Err(format!("+switch-master {}: it was {before}", event.payload));
                }
                self.switched.push((name.clone(), new));
            }
            Seen::Output(Output::Whereabouts { name, addr }, _) => {
                let told = self.whereabouts.entry(host).or_default();
                told.insert(name.clone(), addr.clone());
            }
            Seen::Drained { brain, .. } => {
                for (name, told) in self.whereabouts.entry(host).or_default() {
                    let says =
                        addr_of_reply(&brain.query(scene.mono, &Query::MasterAddr(name.clone())));
                    if says != *told {
                        return Err(format!("{name} is at {says:?}, and clients hear {told:?}"));
                    }
                }
                for (name, new) in self.switched.drain(..) {
                    let says =
                        addr_of_reply(&brain.query(scene.mono, &Query::MasterAddr(name.clone())));
                    if says.as_ref() != Some(&new) && self.believed.get(&(host, name)) == Some(&new)
                    {
                        return Err(format!("switched to {new}, and answers {says:?}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
