//! S9: at most `parallel-syncs` replicas are being re-pointed at a time.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::model::durable::Durable;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;

use super::{Check, Scene, Seen, Verdict, read};
use crate::groups::Groups;

/// The replicas that were told to follow the new master and do not do so yet.
#[derive(Debug, Default)]
pub(crate) struct Reconf {
    under_way: BTreeMap<(usize, usize), BTreeSet<Addr>>,
    most: BTreeMap<(usize, usize), usize>,
}

impl Reconf {
    fn options(&mut self, groups: &Groups, host: usize, file: &Durable) {
        for state in &file.masters {
            if let Some(group) = groups.by_name(&state.name) {
                let most = usize::try_from(state.options.parallel_syncs).unwrap_or(usize::MAX);
                self.most.insert((host, group), most);
            }
        }
    }
}

impl Check for Reconf {
    fn property(&self) -> &'static str {
        "S9"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        match seen {
            Seen::Boot(file) => {
                self.under_way.retain(|(h, _), _| *h != host);
                self.options(groups, host, file);
            }
            Seen::Output(Output::Persist { durable, .. }, _) => self.options(groups, host, durable),
            Seen::Output(Output::Event(event), _) => {
                let Some(group) = event.master.as_ref().and_then(|name| groups.by_name(name))
                else {
                    return Ok(());
                };
                let key = (host, group);
                // A new bound counts at once, also while the disk is busy with an older write.
                if event.kind == EventKind::Set
                    && let Some(most) = new_bound(&event.payload)
                {
                    self.most.insert(key, most);
                }
                let addr = read::instance(&event.payload).map(|(_, addr)| addr);
                match (event.kind, addr) {
                    (EventKind::SlaveReconfSent, Some(addr)) => {
                        let under_way = self.under_way.entry(key).or_default();
                        under_way.insert(addr);
                        let most = self.most.get(&key).copied().unwrap_or(1).max(1);
                        if under_way.len() > most {
                            return Err(format!("{under_way:?} are re-pointed at once, of {most}"));
                        }
                    }
                    (
                        EventKind::SlaveReconfDone
                        | EventKind::SlaveReconfSentTimeout
                        | EventKind::Sdown,
                        Some(addr),
                    ) => {
                        self.under_way.entry(key).or_default().remove(&addr);
                    }
                    (
                        EventKind::FailoverEnd
                        | EventKind::TryFailover
                        | EventKind::ResetMaster
                        | EventKind::Unmonitor,
                        _,
                    ) => {
                        self.under_way.remove(&key);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What `SENTINEL SET … parallel-syncs N` made of the bound, in the words of `+set`.
fn new_bound(payload: &str) -> Option<usize> {
    let mut words = payload.split(' ').rev();
    let value = words.next()?;
    (words.next() == Some("parallel-syncs")).then(|| value.parse().ok())?
}
