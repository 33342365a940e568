//! S4: no epoch that was told to anybody ever goes down at a Sentinel, across restarts.

use std::collections::BTreeMap;

use bartizan_core::ids::{Epoch, MasterName};
use bartizan_core::input::Input;
use bartizan_core::model::durable::Durable;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, Output};
use bartizan_core::provide::command::Command;

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// The highest epochs that each Sentinel told others, and those of its last write.
#[derive(Debug, Default)]
pub(crate) struct Monotonic {
    current: BTreeMap<usize, Epoch>,
    configuration: BTreeMap<(usize, MasterName), Epoch>,
    written: BTreeMap<usize, Epoch>,
    written_of: BTreeMap<(usize, MasterName), (Epoch, Epoch)>,
}

fn rises<K: Ord>(known: &mut BTreeMap<K, Epoch>, key: K, epoch: Epoch, what: &str) -> Verdict {
    let highest = known.entry(key).or_default();
    if epoch < *highest {
        return Err(format!("{what} goes down from {highest} to {epoch}"));
    }
    *highest = epoch;
    Ok(())
}

impl Monotonic {
    fn forget(&mut self, host: usize, name: &MasterName) {
        self.configuration.remove(&(host, name.clone()));
        self.written_of.remove(&(host, name.clone()));
    }

    fn boots(&self, host: usize, file: &Durable) -> Verdict {
        let told = self.current.get(&host).copied().unwrap_or_default();
        if file.current_epoch < told {
            return Err(format!(
                "starts at epoch {} after it told {told}",
                file.current_epoch
            ));
        }
        for state in &file.masters {
            let told = self
                .configuration
                .get(&(host, state.name.clone()))
                .copied()
                .unwrap_or_default();
            if state.configuration.epoch < told {
                let (name, epoch) = (&state.name, state.configuration.epoch);
                return Err(format!(
                    "starts {name} at configuration {epoch} after it told {told}"
                ));
            }
        }
        Ok(())
    }

    fn writes(&mut self, host: usize, file: &Durable) -> Verdict {
        rises(
            &mut self.written,
            host,
            file.current_epoch,
            "the written current epoch",
        )?;
        for state in &file.masters {
            let key = (host, state.name.clone());
            let (voted, configured) = self.written_of.get(&key).copied().unwrap_or_default();
            if state.voted_epoch < voted || state.configuration.epoch < configured {
                return Err(format!(
                    "{} is written with vote {} and configuration {} after {voted} and {configured}",
                    state.name, state.voted_epoch, state.configuration.epoch
                ));
            }
            self.written_of
                .insert(key, (state.voted_epoch, state.configuration.epoch));
        }
        Ok(())
    }
}

impl Check for Monotonic {
    fn property(&self) -> &'static str {
        "S4"
    }

    fn see(&mut self, _groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        match seen {
            Seen::Boot(file) => {
                // What was written and not synced is lost, and may come again lower.
                self.written.remove(&host);
                self.written_of.retain(|(h, _), _| *h != host);
                self.boots(host, file)
            }
            Seen::Input(Input::Asked {
                command: Command::Remove { name },
                ..
            }) => {
                self.forget(host, name);
                Ok(())
            }
            // A Sentinel that was frozen may say hello once more before it gets to the command.
            Seen::Output(Output::Event(event), _) if event.kind == EventKind::Unmonitor => {
                if let Some(name) = &event.master {
                    self.forget(host, name);
                }
                Ok(())
            }
            Seen::Output(Output::Persist { durable, .. }, _) => self.writes(host, durable),
            Seen::Output(
                Output::Call {
                    what: Call::Publish(hello),
                    ..
                },
                _,
            ) => {
                rises(
                    &mut self.current,
                    host,
                    hello.current_epoch,
                    "the announced current epoch",
                )?;
                let key = (host, hello.master.clone());
                let epoch = hello.configuration.epoch;
                rises(
                    &mut self.configuration,
                    key,
                    epoch,
                    "the announced configuration epoch",
                )
            }
            _ => Ok(()),
        }
    }
}
