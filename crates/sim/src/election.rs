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
    times: BTreeMap<MasterName, Loss>,
}

#[derive(Clone, Debug, Default)]
struct Loss {
    down: Option<At>,
    /// And by which Sentinel.
    promoted: Option<(At, usize)>,
}

impl Election {
    /// An event of a Sentinel.
    pub(crate) fn see(&mut self, at: At, host: usize, event: &Event) {
        if !self.watching {
            return;
        }
        let Some(name) = &event.master else { return };
        let loss = match event.kind {
            EventKind::Odown | EventKind::PromotedSlave => {
                self.times.entry(name.clone()).or_default()
            }
            _ => return,
        };
        if event.kind == EventKind::Odown {
            loss.down.get_or_insert(at);
        } else {
            loss.promoted.get_or_insert((at, host));
        }
    }

    /// Milliseconds from the first `+odown` of each replaced master to its first promotion, and
    /// by which Sentinel that was.
    fn waits(&self) -> impl Iterator<Item = (u64, usize)> {
        self.times.values().filter_map(|loss| {
            let (at, host) = loss.promoted?;
            Some((at.since(loss.down.unwrap_or_default()) / 1000, host))
        })
    }

    fn replaced(&self) -> usize {
        self.waits().count()
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
    /// Milliseconds, of the masters that a Bartizan replaced.
    ours: Vec<u64>,
    /// Of those that a modelled redis-sentinel did.
    theirs: Vec<u64>,
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
            let mut slowest = None;
            for (ms, host) in world.election.waits() {
                let is_theirs = host as u64 >= self.sentinels - self.upstream;
                let side = if is_theirs {
                    &mut waits.theirs
                } else {
                    &mut waits.ours
                };
                side.push(ms);
                slowest = slowest.max(Some(ms));
            }
            waits.never += self
                .masters
                .saturating_sub(world.election.replaced() as u64);
            waits.slowest_of_run.extend(slowest);
        }
        waits.ours.sort_unstable();
        waits.theirs.sort_unstable();
        waits.slowest_of_run.sort_unstable();
        waits
    }
}

impl Waits {
    /// The longest wait in milliseconds; `None` if a master was never replaced or an invariant
    /// fell.
    pub fn slowest_ms(&self) -> Option<u64> {
        let whole = self.never == 0 && self.violations.is_empty();
        self.ours
            .iter()
            .chain(&self.theirs)
            .max()
            .copied()
            .filter(|_| whole)
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = [&self.ours[..], &self.theirs[..]].concat();
        all.sort_unstable();
        write!(
            f,
            "median {} ms, p99 {} ms, slowest {} ms (median run's slowest {} ms), never {}",
            at(&all, 50),
            at(&all, 99),
            at(&all, 100),
            at(&self.slowest_of_run, 50),
            self.never,
        )?;
        if !self.theirs.is_empty() {
            for (who, of) in [("Bartizans", &self.ours), ("redis-sentinels", &self.theirs)] {
                let (n, median, slowest) = (of.len(), at(of, 50), at(of, 100));
                write!(
                    f,
                    "\nby {who}: {n}, median {median} ms, slowest {slowest} ms"
                )?;
            }
        }
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "\n{violation}"))
    }
}

/// The value below which so many percent of them lie; zero if there are none.
fn at(sorted: &[u64], percent: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(0)
}
