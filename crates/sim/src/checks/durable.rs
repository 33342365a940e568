//! S12: what a restart finds is exactly what was written last: what the disk has confirmed, or
//! the write under way when the process died.

use std::collections::BTreeMap;

use bartizan_core::ids::PersistSeq;
use bartizan_core::input::Input;
use bartizan_core::model::durable::Durable;
use bartizan_core::output::Output;

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// What each Sentinel asked to be written.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    confirmed: BTreeMap<usize, Durable>,
    pending: BTreeMap<usize, (PersistSeq, Durable)>,
}

/// Whether a file says the same. Periods are tuned for tests and last as long as the process.
fn same(one: &Durable, other: &Durable) -> bool {
    one.my_id == other.my_id
        && one.current_epoch == other.current_epoch
        && one.options == other.options
        && one.masters == other.masters
}

impl Check for Durability {
    fn property(&self) -> &'static str {
        "S12"
    }

    fn see(&mut self, _groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        match seen {
            Seen::Output(Output::Persist { seq, durable }, _) => {
                self.pending.insert(host, (*seq, (**durable).clone()));
            }
            Seen::Input(Input::PersistFailed { .. }) => {
                self.pending.remove(&host);
            }
            Seen::Input(Input::Persisted { .. }) => {
                let Some((_, written)) = self.pending.remove(&host) else {
                    return Err("a write is confirmed that nobody asked for".to_owned());
                };
                if !same(&written, &scene.disk.synced) {
                    let read = &scene.disk.synced;
                    return Err(format!("written was {written:?}\nthe file says {read:?}"));
                }
                self.confirmed.insert(host, written);
            }
            Seen::Boot(file) => {
                let pending = self.pending.remove(&host).map(|(_, pending)| pending);
                let may = [self.confirmed.get(&host), pending.as_ref()];
                let known = may.iter().any(Option::is_some);
                if known && !may.iter().flatten().any(|may| same(may, file)) {
                    return Err(format!("starts from {file:?}\nafter it wrote {may:?}"));
                }
                self.confirmed.insert(host, (*file).clone());
            }
            _ => {}
        }
        Ok(())
    }
}
