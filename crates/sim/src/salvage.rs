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
    /// By history.
    forks: BTreeMap<ReplId, Vec<Left>>,
    /// By server.
    returned: BTreeMap<usize, Returned>,
}

/// A server became a master, or one that was restarted with its data, and left the history that it
/// had.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// The offset that it had.
    agreed: u64,
    /// Which server.
    by: usize,
    /// A Sentinel told it to; otherwise a person did, or it restarted.
    elected: bool,
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
    /// A Sentinel, or a person, promoted a server, or it restarted as a master: it had this history
    /// so far.
    pub(crate) fn note_fork(&mut self, s: usize, before: (ReplId, u64), elected: bool) {
        let (id, agreed) = before;
        let by = s;
        let left = Left {
            agreed,
            by,
            elected,
        };
        self.salvage.forks.entry(id).or_default().push(left);
    }

    /// A server holds writes back from now on.
    pub(crate) fn note_fence(&mut self, s: usize) {
        let Some(server) = self.servers.get(s).filter(|server| server.is_master()) else {
            return;
        };
        let fenced_at = server.history.offset;
        if let Some(returned) = self.returned_now(s) {
            returned.fenced_at = fenced_at;
        }
    }

    /// What is known of a server in its present life, from here on.
    fn returned_now(&mut self, s: usize) -> Option<&mut Returned> {
        let server = self.servers.get(s)?;
        let (life, id) = (server.life, server.history.id);
        let fresh = Returned {
            life,
            id,
            fenced_at: 0,
            saved: BTreeSet::new(),
            given_up: false,
        };
        let returned = self
            .salvage
            .returned
            .entry(s)
            .or_insert_with(|| fresh.clone());
        if (returned.life, returned.id) != (life, id) {
            // What was saved stays saved, whatever becomes of the server.
            let saved = std::mem::take(&mut returned.saved);
            *returned = Returned { saved, ..fresh };
        }
        Some(returned)
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

    /// A Sentinel begins to save, from where a promotion left the history. How far it came is
    /// judged when the server is demoted.
    pub(crate) fn check_rescue(&mut self, h: usize, rescue: &Rescue) {
        let Some(s) = self.server_listening(&rescue.addr) else {
            return;
        };
        let (Some(server), Some(_)) = (self.servers.get(s), self.returned(s)) else {
            return;
        };
        // All that it has may be saved of any server.
        let Some(fork) = rescue.fork else {
            return;
        };
        let Some(place) = server.history.place() else {
            return;
        };
        // Its history, or the one that it grew out of.
        let (id, began) = match (place.before, server.history.second) {
            (before, _) if place.id == fork.id => (server.history.id, before),
            (Some(before), Some((second, _))) if before.id == fork.id => (second, None),
            _ => return,
        };
        let fork = fork.offset;
        let began = began.is_some_and(|began| began.offset == fork);
        let mut forks = self.salvage.forks.get(&id).into_iter().flatten();
        if !began && !forks.any(|left| left.agreed + 1 == fork) {
            let text = format!("s{h} saves r{s} from {fork}, where no promotion left its history");
            return self.checks.fail("S15", text);
        }
        let end = rescue.history.offset;
        if end > place.offset {
            let text = format!("s{h} saves r{s} up to {end}, and it has {}", place.offset);
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
        let Some(server) = self.servers.get(s) else {
            return;
        };
        let fork = rescue.fork.map_or(1, |fork| fork.offset);
        let end = server.history.offset;
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
            // One that refuses to hold writes back, since it is still loading, has no entry yet.
            && let Some(returned) = self.returned_now(s)
        {
            returned.given_up = true;
        }
    }

    /// How much of this history a server's own has that was promoted out of it; where that is not
    /// the one that it was, how much that of another one who was.
    fn agreed_with(&self, successor: Option<usize>, id: ReplId) -> Option<u64> {
        let forks = self.salvage.forks.get(&id)?;
        // That a person promoted the successor is known by what it says of the history before; not
        // when another promotion has come since.
        let says = successor.and_then(|by| self.servers.get(by)?.history.second);
        let names = says.is_some_and(|(before, _)| before == id);
        let by_successor = |left: &&Left| Some(left.by) == successor && (left.elected || names);
        let left = forks.iter().rev().find(by_successor);
        let elected = forks.iter().filter(|left| left.elected);
        left.or_else(|| elected.max_by_key(|left| left.agreed))
            .map(|left| left.agreed)
    }

    /// A Bartizan tells a server to follow another one.
    pub(crate) fn check_demotion(&mut self, h: usize, target: &Addr, whom: &Addr) {
        let Some(s) = self.server_listening(target) else {
            return;
        };
        let Some(server) = self.servers.get(s).filter(|it| it.up && it.is_master()) else {
            return;
        };
        let Some(returned) = self.returned(s) else {
            return;
        };
        let successor = self.server_listening(whom);
        // Who was promoted itself, and left by nobody, has what came behind the fork of the history
        // before, and all that came since.
        let before = server.history.second.and_then(|(id, agreed)| {
            let left = self.agreed_with(successor, id)?;
            Some(left.min(agreed))
        });
        let Some(agreed) = self.agreed_with(successor, server.history.id).or(before) else {
            return;
        };
        // A successor that has since followed another one, and was promoted again, has more of the
        // history than when it left it first.
        let has = |n: &u64| {
            let successor = successor.and_then(|by| self.servers.get(by));
            successor.is_some_and(|it| it.history.writes.iter().any(|(_, write)| write == n))
        };
        let behind = between(&server.history, agreed, returned.fenced_at);
        let lost = behind.filter(|n| !returned.saved.contains(n) && !has(n));
        let lost = lost.count();
        if lost > 0 && !returned.given_up {
            let text = format!("s{h} demotes r{s} before {lost} writes that only it has are saved");
            self.checks.fail("S15", text);
        }
    }
}
