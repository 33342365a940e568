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

#[cfg(test)]
mod tests {
    use bartizan_core::ids::{Epoch, RunId};
    use bartizan_core::provide::options::{GlobalOptions, Periods};
    use bartizan_core::time::Mono;

    use super::*;
    use crate::disk::Disk;
    use crate::sched::At;

    fn file(epoch: u64) -> Durable {
        Durable {
            my_id: RunId::from_random([1; 20]),
            current_epoch: Epoch::new(epoch),
            options: GlobalOptions::default(),
            periods: Periods::default(),
            masters: Vec::new(),
        }
    }

    /// A write of epoch 5 after one of epoch 4, then a start from this epoch.
    fn starts_from(epoch: u64, confirmed: bool) -> Verdict {
        let mut check = Durability::default();
        let mut disk = Disk::of_text(file(4));
        let mut see = |disk: &Disk, seen: &Seen<'_>| {
            let scene = Scene {
                at: At(0),
                host: 0,
                id: RunId::from_random([1; 20]),
                mono: Mono::default(),
                disk,
            };
            check.see(&Groups::default(), &scene, seen)
        };
        see(&disk, &Seen::Boot(&file(4)))?;
        let seq = PersistSeq::new(1);
        let durable = Box::new(file(5));
        disk.pending = Some((seq, durable.clone()));
        see(
            &disk,
            &Seen::Output(&Output::Persist { seq, durable }, None),
        )?;
        if confirmed {
            disk.complete();
            see(&disk, &Seen::Input(&Input::Persisted { seq }))?;
        }
        see(&disk, &Seen::Boot(&file(epoch)))
    }

    #[test]
    fn a_confirmed_write_is_what_a_start_finds() {
        assert_eq!(starts_from(5, true), Ok(()));
        assert!(starts_from(4, true).is_err());
    }

    #[test]
    fn a_write_under_way_may_have_been_done_or_not() {
        assert_eq!(starts_from(5, false), Ok(()));
        assert_eq!(starts_from(4, false), Ok(()));
        assert!(starts_from(6, false).is_err());
    }
}
