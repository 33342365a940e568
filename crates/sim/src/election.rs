//! Mass failovers: many masters lost at once, and the time until each is replaced.

use std::collections::BTreeMap;
use std::fmt;

use bartizan_core::ids::MasterName;
use bartizan_core::notify::event::{Event, EventKind};

use crate::fault::{Fault, Kind, Who};
use crate::params::Params;
use crate::plan::Plan;
use crate::rand::{Purpose, Stream};
use crate::sched::At;
use crate::world::World;

/// When each master was first held to be down, and when a replica was first promoted.
#[derive(Clone, Debug, Default)]
pub struct Election {
    watching: bool,
    times: BTreeMap<MasterName, (Option<At>, Option<At>)>,
}

impl Election {
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

    /// Milliseconds from the first `+odown` of each master to its first promotion; `None` for
    /// those that were never replaced.
    fn waits(&self) -> Vec<Option<u64>> {
        let wait = |(down, up): &(Option<At>, Option<At>)| {
            Some(up.as_ref()?.since(down.unwrap_or_default()) / 1000)
        };
        self.times.values().map(wait).collect()
    }

    fn replaced(&self) -> usize {
        self.times
            .values()
            .filter(|(_, promoted)| promoted.is_some())
            .count()
    }
}

/// A mass failover to measure.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Masters lost.
    pub masters: u64,
    /// All within this time, in milliseconds.
    pub lost_within_ms: u64,
    /// Shortest and longest delay of a message, in milliseconds.
    pub delay_ms: (u64, u64),
    /// Sentinels, and how many of them are modelled redis-sentinels.
    pub sentinels: u64,
    /// The last ones.
    pub upstream: u64,
    /// `failover-timeout`
    pub failover_timeout_ms: u64,
}

/// What was measured, over all masters of all runs.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    sorted: Vec<u64>,
    slowest_of_run: Vec<u64>,
    never: u64,
    violations: Vec<String>,
}

impl Case {
    /// The plan of a run.
    pub fn plan(&self, seed: u64) -> Plan {
        const LOST_AT_MS: u64 = 30_000;
        const LONG_MS: u64 = 1_200_000;
        let params = Params {
            sentinels: self.sentinels,
            upstream: self.upstream,
            quorum: self.sentinels / 2 + 1,
            masters: self.masters,
            replicas: 1,
            clients: 0,
            down_after_ms: 5000,
            failover_timeout_ms: self.failover_timeout_ms,
            delay_low_us: self.delay_ms.0 * 1000,
            delay_high_us: self.delay_ms.1 * 1000,
            faults_ms: LONG_MS,
            ..Params::default()
        };
        let lost = Stream::new(seed, Purpose::Faults);
        let fault = |g: u64| Fault {
            at_ms: LOST_AT_MS + lost.range(g, 0, self.lost_within_ms.max(1)),
            kind: Kind::Unplug,
            who: vec![Who::Server(usize::try_from(g * 2).unwrap_or(0))],
            ms: LONG_MS,
            n: 0,
        };
        let mut faults: Vec<Fault> = (0..self.masters).map(fault).collect();
        faults.sort_by_key(|fault| fault.at_ms);
        Plan {
            seed,
            params,
            faults,
        }
    }

    /// Runs this many seeds, until every master is replaced or ten minutes have passed.
    pub fn measure(&self, seeds: u64) -> Waits {
        const PATIENCE: At = At::ms(660_000);
        let mut waits = Waits::default();
        for seed in 0..seeds {
            let mut world = World::new(self.plan(seed), false);
            world.election.watching = true;
            world.start();
            while world.step() {
                let all = world.election.replaced() as u64 == self.masters;
                if all || world.sched.now() > PATIENCE {
                    break;
                }
            }
            if let Some(violation) = world.checks.broken() {
                waits.violations.push(format!("seed {seed}: {violation}"));
            }
            let all = world.election.waits();
            let replaced: Vec<u64> = all.into_iter().flatten().collect();
            waits.never += self.masters.saturating_sub(replaced.len() as u64);
            waits.slowest_of_run.extend(replaced.iter().max());
            waits.sorted.extend(replaced);
        }
        waits.sorted.sort_unstable();
        waits.slowest_of_run.sort_unstable();
        waits
    }
}

impl Waits {
    /// The longest wait in milliseconds; `None` if a master was never replaced or an invariant
    /// fell.
    pub fn slowest_ms(&self) -> Option<u64> {
        let whole = self.never == 0 && self.violations.is_empty();
        self.sorted.last().copied().filter(|_| whole)
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |of: &[u64], part: usize| {
            let last = of.len().saturating_sub(1);
            of.get(last * part / 100).copied().unwrap_or(0)
        };
        write!(
            f,
            "median {} ms, p99 {} ms, slowest {} ms (median run's slowest {} ms), never {}",
            at(&self.sorted, 50),
            at(&self.sorted, 99),
            at(&self.sorted, 100),
            at(&self.slowest_of_run, 50),
            self.never,
        )?;
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "\n{violation}"))
    }
}
