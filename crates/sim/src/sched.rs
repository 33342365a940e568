//! The heap of events: virtual time in microseconds, ties in the order of scheduling.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt;

use bartizan_core::ids::RescueId;

use crate::net::{ConnId, Side};

/// True time: microseconds since the world began. Nobody in the world can read it; hosts have
/// clocks of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct At(pub u64);

impl At {
    /// The moment `ms` milliseconds after the beginning.
    pub const fn ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// `us` microseconds later.
    #[must_use]
    pub const fn plus(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        self.plus(ms.saturating_mul(1000))
    }

    /// Microseconds since `earlier`, zero when that lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ev {
    /// The first message under way to this side of a connection arrives.
    Arrive(ConnId, Side),
    /// A connection attempt reaches its end, well or badly.
    Opened(ConnId),
    /// TCP loses patience with a connection whose data is not acknowledged.
    GiveUp(ConnId, Side),
    /// A Sentinel's deadline.
    Wake(usize),
    /// A sync ends: host, life of the process.
    Synced(usize, u32),
    /// A script ends: host, life, job.
    ScriptEnd(usize, u32, u64),
    /// A name was looked up: host, life.
    Lookup(usize, u32),
    /// A rescue ends: host, life, rescue.
    RescueEnd(usize, u32, RescueId),
    /// A process that was down comes back: node, life.
    Restart(usize, u32),
    /// A server's own timer: server, life.
    ServerTick(usize, u32),
    /// A full resync has been transferred: server, life, attempt.
    SyncDone(usize, u32, u32),
    /// A pause of writes may be over: server, life.
    PauseEnds(usize, u32),
    /// A client's timer.
    ClientTick(usize),
    /// A fault of the plan begins.
    Fault(usize),
    /// A fault of the plan ends.
    FaultEnd(usize),
    /// The world looks around: phases, aimed faults, liveness.
    Look,
}

#[derive(Debug)]
struct Entry {
    at: At,
    seq: u64,
    ev: Ev,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// The events to come.
#[derive(Debug, Default)]
pub struct Sched {
    now: At,
    seq: u64,
    heap: BinaryHeap<Reverse<Entry>>,
}

impl Sched {
    /// The present.
    pub const fn now(&self) -> At {
        self.now
    }

    /// How many events were ever scheduled.
    pub const fn scheduled(&self) -> u64 {
        self.seq
    }

    /// Puts an event at a moment, at the earliest now.
    pub fn at(&mut self, at: At, ev: Ev) {
        self.seq += 1;
        self.heap.push(Reverse(Entry {
            at: at.max(self.now),
            seq: self.seq,
            ev,
        }));
    }

    /// Puts an event `us` microseconds from now.
    pub fn after_us(&mut self, us: u64, ev: Ev) {
        self.at(self.now.plus(us), ev);
    }

    /// Puts an event `ms` milliseconds from now.
    pub fn after_ms(&mut self, ms: u64, ev: Ev) {
        self.at(self.now.plus_ms(ms), ev);
    }

    /// Goes on to the next event.
    pub fn pop(&mut self) -> Option<(At, Ev)> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some((entry.at, entry.ev))
    }
}
