//! S9 over the fleet: while the leader of a failover waits for as many replicas as may synchronise
//! at a time, nobody else re-points another one.
//!
//! Who cannot see that a replica synchronises cannot know that somebody waits for it: replicas
//! count for a Sentinel whose last INFO from them says that they follow the master that it knows
//! with their link down, and whom it does not hold to be down. When the failover-timeout has
//! passed since the switch, anybody may help.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::Output;
use bartizan_core::report::{Info, Role};
use bartizan_core::time::{Mono, Span};

use super::asked::Asked;
use super::{Check, Scene, Seen, Verdict, read};
use crate::groups::Groups;
use crate::sched::At;

/// A leader that has not been heard of for this long may be gone: it asks its replicas for INFO
/// every second.
const ALIVE_US: u64 = 2_000_000;

type Key = (usize, usize);

/// What the leaders wait for, and what the others see of it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Replicas that a leader has told to follow the new master, and that do not do so yet.
    awaited: BTreeMap<Key, BTreeSet<Addr>>,
    /// When each Sentinel was last seen to do anything.
    alive: BTreeMap<usize, At>,
    asked: Asked,
    /// Replicas that follow somebody with their link down, as each Sentinel heard last.
    synchronising: BTreeMap<(usize, Addr), Addr>,
    down: BTreeSet<(usize, Addr)>,
    switched: BTreeMap<Key, Mono>,
}

impl Pace {
    fn hears(&mut self, host: usize, addr: Addr, info: &Info) {
        let whom = info.master.clone();
        let synchronises = info.role == Some(Role::Replica) && !info.master_link_up;
        match whom.filter(|_| synchronises) {
            Some(whom) => self.synchronising.insert((host, addr), whom),
            // What a reply does not tell stays as it was known; then nothing is asserted.
            None => self.synchronising.remove(&(host, addr)),
        };
    }

    /// Somebody other than the leader re-points a replica.
    fn strays(&self, scene: &Scene<'_>, groups: &Groups, key: Key, payload: &str) -> Verdict {
        let (host, group) = key;
        let file = scene.disk.pending.as_ref();
        let file = file.map_or(&scene.disk.synced, |(_, file)| file);
        let name = groups.name(group);
        let state = name.and_then(|name| read::master(file, name));
        let (Some(state), Some(master)) = (state, read::addr_at(payload, 6)) else {
            return Ok(());
        };
        let timeout: Span = state.options.failover_timeout;
        let switched = self.switched.get(&key).copied();
        if switched.is_none_or(|at| scene.mono.since(at) >= timeout) {
            return Ok(());
        }
        let most = usize::try_from(state.options.parallel_syncs).unwrap_or(usize::MAX);
        for ((leader, _), awaited) in self
            .awaited
            .iter()
            .filter(|((h, g), _)| *g == group && *h != host && self.is_alive(*h, scene.at))
        {
            let seen = awaited.iter().filter(|addr| {
                let key = (host, (*addr).clone());
                self.synchronising.get(&key) == Some(&master) && !self.down.contains(&key)
            });
            if seen.count() >= most.max(1) {
                return Err(format!(
                    "{payload} is re-pointed while s{leader} waits for {awaited:?}, of {most}"
                ));
            }
        }
        Ok(())
    }

    fn is_alive(&self, host: usize, now: At) -> bool {
        let last = self.alive.get(&host);
        last.is_some_and(|last| now.since(*last) < ALIVE_US)
    }

    fn event(&mut self, key: Key, at: Mono, kind: EventKind, payload: &str) {
        let addr = read::instance(payload).map(|(_, addr)| addr);
        match (kind, addr) {
            (EventKind::SlaveReconfSent, Some(addr)) => {
                self.awaited.entry(key).or_default().insert(addr);
            }
            (EventKind::SlaveReconfDone | EventKind::SlaveReconfSentTimeout, Some(addr)) => {
                self.awaited.entry(key).or_default().remove(&addr);
            }
            (EventKind::Sdown, Some(addr)) => {
                self.awaited.entry(key).or_default().remove(&addr);
                self.down.insert((key.0, addr));
            }
            (EventKind::SdownEnd, Some(addr)) => {
                self.down.remove(&(key.0, addr));
            }
            (EventKind::SwitchMaster, _) => {
                self.switched.insert(key, at);
            }
            (
                EventKind::FailoverEnd
                | EventKind::TryFailover
                | EventKind::ResetMaster
                | EventKind::Unmonitor,
                _,
            ) => {
                self.awaited.remove(&key);
            }
            _ => {}
        }
    }
}

impl Check for Pace {
    fn property(&self) -> &'static str {
        "S9"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        self.alive.insert(host, scene.at);
        if let Some(heard) = self.asked.follow(scene, seen) {
            self.hears(host, heard.target.addr, heard.info);
        }
        match seen {
            Seen::Boot(_) => {
                self.awaited.retain(|(h, _), _| *h != host);
                self.synchronising.retain(|(h, _), _| *h != host);
                self.down.retain(|(h, _)| *h != host);
                self.switched.retain(|(h, _), _| *h != host);
            }
            Seen::Output(Output::Event(event), _) => {
                let group = event.master.as_ref().and_then(|name| groups.by_name(name));
                let Some(key) = group.map(|group| (host, group)) else {
                    return Ok(());
                };
                if event.kind == EventKind::FixSlaveConfig {
                    return self.strays(scene, groups, key, &event.payload);
                }
                self.event(key, scene.mono, event.kind, &event.payload);
            }
            _ => {}
        }
        Ok(())
    }
}
