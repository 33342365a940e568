//! X3: no role-changing command goes to another cluster's server. The world knows which server is
//! one; asserted is what a Sentinel could know by what it has read.
//!
//! - A master that ran elsewhere before is left alone by who has read our server at its address
//!   since it last forgot the group, and after the stranger had started.
//! - A replica that is linked to its own master is left alone by whoever has read that.
//! - Any other with data becomes a replica only after its data are saved, or somebody is told that
//!   they cannot be.
//!
//! Not one whose history the group took over, or that somebody else made one of the group.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, Output, ReplicaOf};
use bartizan_core::report::{Info, Role};

use super::asked::{Asked, Heard};
use super::{Check, Outsider, Scene, Seen, Target, Verdict, read};
use crate::groups::Groups;
use crate::sched::At;
use crate::server::{Sort, outside};

type Key = (usize, Addr);

/// What each Sentinel has read at each address.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    asked: Asked,
    /// When the master, or a server that follows it, was last asked and answered.
    met: BTreeMap<Key, At>,
    /// What the stranger that is there said last.
    told: BTreeMap<Key, Info>,
    /// Strangers that became the group's own.
    accepted: BTreeSet<Key>,
    /// Their data are saved, or cannot be.
    saved: BTreeSet<Key>,
}

/// Clocks that differ, and whole seconds.
const fn slack(age_us: u64) -> u64 {
    4_000_000 + age_us / 20
}

impl Strangers {
    fn forget(&mut self, lost: impl Fn(&Key) -> bool) {
        self.met.retain(|key, _| !lost(key));
        self.told.retain(|key, _| !lost(key));
        self.accepted.retain(|key| !lost(key));
        self.saved.retain(|key| !lost(key));
    }

    /// Whether our server was read here when the stranger had been running for a while.
    fn is_proved_older(&self, scene: &Scene<'_>, key: &Key, it: &Outsider) -> bool {
        let enough = it.started.plus(slack(scene.at.since(it.started)));
        it.sort == Sort::Older && self.met.get(key).is_some_and(|at| *at >= enough)
    }

    fn hears(&mut self, groups: &Groups, scene: &Scene<'_>, heard: &Heard<'_>) {
        let (target, info) = (&heard.target, heard.info);
        let key = (scene.host, target.addr.clone());
        let group = groups.by_addr(&target.addr);
        let name = group.and_then(|group| groups.name(group));
        let file = name.and_then(|name| read::master(&scene.disk.synced, name));
        let master = file.map(|state| state.configuration.addr.clone());
        let leads = master.as_ref() == Some(&target.addr);
        let Some(it) = &target.outsider else {
            // Nothing else makes ours known for certain to who has forgotten its histories; nor does
            // a master without keys, which says the same as any other.
            let leads = leads && info.has_keys == Some(true);
            if is_whole(info) && (leads || info.master == master) {
                self.met.insert(key.clone(), heard.at);
            }
            self.told.remove(&key);
            self.accepted.remove(&key);
            self.saved.remove(&key);
            return;
        };
        self.told.insert(key.clone(), info.clone());
        if it.is_lent || leads && !self.is_proved_older(scene, &key, it) {
            self.accepted.insert(key);
        }
    }

    fn event(&mut self, groups: &Groups, host: usize, kind: EventKind, payload: &str) {
        match kind {
            EventKind::ResetMaster | EventKind::Unmonitor | EventKind::Monitor => {
                let group = read::instance(payload).and_then(|(_, addr)| groups.by_addr(&addr));
                self.forget(|(h, addr)| *h == host && groups.by_addr(addr) == group);
            }
            EventKind::SwitchMaster => {
                if let Some(addr) = read::addr_at(payload, 3) {
                    self.accepted.insert((host, addr));
                }
            }
            EventKind::RescuedWrites | EventKind::RescueIncomplete => {
                if let Some((_, addr)) = read::instance(payload) {
                    self.saved.insert((host, addr));
                }
            }
            _ => {}
        }
    }

    fn ordered(&self, scene: &Scene<'_>, target: &Target, to: &ReplicaOf) -> Verdict {
        let key = (scene.host, target.addr.clone());
        let Some(it) = &target.outsider else {
            return Ok(());
        };
        if !it.has_data || it.is_lent || it.is_ours || self.accepted.contains(&key) {
            return Ok(());
        }
        let addr = &target.addr;
        let Some(info) = self.told.get(&key) else {
            return Err(format!("{addr}, a stranger, is told {to:?} unread"));
        };
        if !is_whole(info) {
            return Ok(());
        }
        if self.is_proved_older(scene, &key, it) {
            return Err(format!("{addr} ran elsewhere before, and is told {to:?}"));
        }
        if info.master_link_up && info.master.as_ref() == Some(&outside()) {
            return Err(format!("{addr} follows another master, and is told {to:?}"));
        }
        let demoted = matches!(to, ReplicaOf::Master(_)) && info.role == Some(Role::Master);
        if demoted && !self.saved.contains(&key) {
            return Err(format!("{addr}, a stranger, is told {to:?} and not saved"));
        }
        Ok(())
    }
}

/// Whether all is told by which servers are known.
fn is_whole(info: &Info) -> bool {
    info.run_id.is_some() && info.history.is_some() && info.life.is_some()
}

impl Check for Strangers {
    fn property(&self) -> &'static str {
        "X3"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        if let Some(heard) = self.asked.follow(scene, seen) {
            self.hears(groups, scene, &heard);
        }
        match seen {
            Seen::Boot(_) => self.forget(|(h, _)| *h == host),
            Seen::Output(
                Output::Call {
                    what: Call::Reconfigure(to),
                    ..
                },
                Some(target),
            ) => return self.ordered(scene, target, to),
            Seen::Output(Output::Event(event), _) => {
                self.event(groups, host, event.kind, &event.payload);
            }
            _ => {}
        }
        Ok(())
    }
}
