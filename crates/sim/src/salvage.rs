//! S15: what a returned master alone has is saved before any Bartizan demotes it, and exactly that.
//!
//! The world knows what no Sentinel sees whole: where each promotion left a history, what a server
//! had when its writes were held back, and what was saved of it.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::notify::event::{Event, EventKind};
use bartizan_core::rescue::{Rescue, Rescued};

use crate::checks::instance;
use crate::replication::{History, ReplId};
use crate::world::World;

/// Where histories were left, and what became of the ends that stayed behind.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    /// By history: the offset that a promoted server had of it, and which server that was.
    forks: BTreeMap<ReplId, Vec<(u64, usize)>>,
    /// By server.
    returned: BTreeMap<usize, Returned>,
}

/// A server whose writes a Sentinel has held back.
#[derive(Clone, Debug)]
struct Returned {
    life: u32,
    id: ReplId,
    /// What it had when that began last.
    fenced_at: u64,
    /// The writes that were saved from it.
    saved: BTreeSet<u64>,
    /// Somebody told that they cannot be saved.
    given_up: bool,
}

/// The writes behind an offset, up to another one.
fn between(history: &History, after: u64, end: u64) -> impl Iterator<Item = u64> {
    let within = move |(at, _): &&(u64, u64)| *at > after && *at <= end;
    history.writes.iter().filter(within).map(|(_, n)| *n)
}

impl World {
    /// A Sentinel promoted a server, which had this history so far.
    pub(crate) fn note_fork(&mut self, s: usize, before: (ReplId, u64)) {
        let (id, agreed) = before;
        self.salvage.forks.entry(id).or_default().push((agreed, s));
    }

    /// A server holds writes back from now on.
    pub(crate) fn note_fence(&mut self, s: usize) {
        let Some(server) = self.servers.get(s).filter(|server| server.is_master()) else {
            return;
        };
        let (life, id, fenced_at) = (server.life, server.history.id, server.history.offset);
        let fresh = Returned {
            life,
            id,
            fenced_at,
            saved: BTreeSet::new(),
            given_up: false,
        };
        match self.salvage.returned.get_mut(&s) {
            Some(returned) if (returned.life, returned.id) == (life, id) => {
                returned.fenced_at = fenced_at;
            }
            _ => {
                self.salvage.returned.insert(s, fresh);
            }
        }
    }

    /// What is known of a server in its present life.
    fn returned(&self, s: usize) -> Option<&Returned> {
        let server = self.servers.get(s)?;
        let now = (server.life, server.history.id);
        let returned = self.salvage.returned.get(&s)?;
        ((returned.life, returned.id) == now).then_some(returned)
    }

    fn server_listening(&self, addr: &Addr) -> Option<usize> {
        self.server_at(self.node_at(addr))
    }

    /// A Sentinel begins to save: from where a promotion left the history, to what the server had
    /// when it was fenced.
    pub(crate) fn check_rescue(&mut self, h: usize, rescue: &Rescue) {
        let Some(s) = self.server_listening(&rescue.addr) else {
            return;
        };
        let (Some(server), Some(returned)) = (self.servers.get(s), self.returned(s)) else {
            return;
        };
        let Some(place) = server.history.place().filter(|it| it.id == rescue.fork.id) else {
            return;
        };
        let fork = rescue.fork.offset;
        let mut forks = self
            .salvage
            .forks
            .get(&server.history.id)
            .into_iter()
            .flatten();
        if !forks.any(|(agreed, _)| agreed + 1 == fork) {
            let text = format!("s{h} saves r{s} from {fork}, where no promotion left its history");
            return self.checks.fail("S15", text);
        }
        let end = rescue.history.offset;
        let missed = between(&server.history, end, returned.fenced_at).count();
        if missed > 0 || end > place.offset {
            let fenced = returned.fenced_at;
            let text = format!("s{h} saves r{s} up to {end}, and it had {fenced} when fenced");
            self.checks.fail("S15", text);
        }
    }

    /// A rescue came to its end.
    pub(crate) fn note_rescue(&mut self, rescue: &Rescue, outcome: &Rescued) {
        let Some(s) = self.server_listening(&rescue.addr) else {
            return;
        };
        if matches!(outcome, Rescued::Partly { .. }) || self.returned(s).is_none() {
            return;
        }
        self.stats.rescues += 1;
        let (fork, end) = (rescue.fork.offset, rescue.history.offset);
        let Some(server) = self.servers.get(s) else {
            return;
        };
        let saved: Vec<u64> = server.history.whole_writes(fork, end).collect();
        if let Some(returned) = self.salvage.returned.get_mut(&s) {
            returned.saved.extend(saved);
        }
    }

    /// A Sentinel tells that something cannot be saved.
    pub(crate) fn note_loss(&mut self, event: &Event) {
        if event.kind == EventKind::RescueIncomplete
            && let Some((_, addr)) = instance(&event.payload)
            && let Some(s) = self.server_listening(&addr)
            && let Some(returned) = self.salvage.returned.get_mut(&s)
        {
            returned.given_up = true;
        }
    }

    /// A Bartizan tells a server to follow another one.
    pub(crate) fn check_demotion(&mut self, h: usize, target: &Addr, whom: &Addr) {
        let Some(s) = self.server_listening(target) else {
            return;
        };
        let Some(server) = self.servers.get(s).filter(|it| it.up && it.is_master()) else {
            return;
        };
        let (Some(returned), Some(forks)) =
            (self.returned(s), self.salvage.forks.get(&server.history.id))
        else {
            return;
        };
        let successor = self.server_listening(whom);
        let left = forks.iter().rev().find(|(_, by)| Some(*by) == successor);
        let left = left.or_else(|| forks.iter().max_by_key(|(agreed, _)| *agreed));
        let Some((agreed, _)) = left else {
            return;
        };
        let behind = between(&server.history, *agreed, returned.fenced_at);
        let lost = behind.filter(|n| !returned.saved.contains(n)).count();
        if lost > 0 && !returned.given_up {
            let text = format!("s{h} demotes r{s} before {lost} writes that only it has are saved");
            self.checks.fail("S15", text);
        }
    }
}
