//! What a run amounts to, in figures.

use std::collections::BTreeMap;

use bartizan_core::notify::event::EventKind;

/// Figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Events taken from the heap.
    pub events: u64,
    /// Outputs of all Sentinels.
    pub outputs: u64,
    /// Failovers that promoted a replica.
    pub failovers: u64,
    /// Times somebody stood for election.
    pub elections: u64,
    /// Switchovers without loss, and drains, that were answered with OK.
    pub switchovers: u64,
    /// Rescues of what a returned master alone had, carried out to the end.
    pub rescues: u64,
    /// Servers of other clusters that took a command which changed their role.
    pub turned: u64,
    /// Mixed fleets that never agreed, since two addresses had been told in one epoch.
    pub split: u64,
    /// Full resyncs.
    pub full_syncs: u64,
    /// Partial resyncs.
    pub partial_syncs: u64,
    /// Writes acknowledged to applications.
    pub acknowledged: u64,
    /// Of them, those that the last master does not have.
    pub lost: u64,
    /// The longest time that an application could not write, in milliseconds.
    pub longest_gap_ms: u64,
    /// Virtual time, in microseconds.
    pub virtual_us: u64,
    /// Faults injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Stats {
    pub(crate) const fn count_event(&mut self, kind: EventKind) {
        match kind {
            EventKind::PromotedSlave => self.failovers += 1,
            EventKind::TryFailover => self.elections += 1,
            _ => {}
        }
    }

    /// Adds the figures of another run.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.outputs += other.outputs;
        self.failovers += other.failovers;
        self.elections += other.elections;
        self.switchovers += other.switchovers;
        self.rescues += other.rescues;
        self.turned += other.turned;
        self.split += other.split;
        self.full_syncs += other.full_syncs;
        self.partial_syncs += other.partial_syncs;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.longest_gap_ms = self.longest_gap_ms.max(other.longest_gap_ms);
        self.virtual_us += other.virtual_us;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}
