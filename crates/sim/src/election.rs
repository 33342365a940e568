//! Mass failovers: many masters lost at once, and the time until each is replaced.

use std::collections::BTreeMap;

use bartizan_core::ids::MasterName;
use bartizan_core::notify::event::{Event, EventKind};

use crate::sched::At;

/// When each master was first held to be down, and when a replica was first promoted.
#[derive(Clone, Debug, Default)]
pub struct Election {
    watching: bool,
    times: BTreeMap<MasterName, (Option<At>, Option<At>)>,
}

impl Election {
    /// Starts to take times.
    pub const fn watch(&mut self) {
        self.watching = true;
    }

    /// An event of a Sentinel.
    pub(crate) fn see(&mut self, at: At, _host: usize, event: &Event) {
        if !self.watching {
            return;
        }
        let Some(name) = &event.master else { return };
        match event.kind {
            EventKind::Odown => {
                self.times
                    .entry(name.clone())
                    .or_default()
                    .0
                    .get_or_insert(at);
            }
            EventKind::PromotedSlave => {
                self.times
                    .entry(name.clone())
                    .or_default()
                    .1
                    .get_or_insert(at);
            }
            _ => {}
        }
    }
}
