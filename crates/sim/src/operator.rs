//! What operators do to Sentinels, and what liars tell them.

use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::limits;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::MasterState;
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::report::Hello;

use crate::checks::read;
use crate::fault::{Fault, Kind, Who};
use crate::rand::{Purpose, Stream, id_bytes};
use crate::replication::StreamItem;
use crate::world::World;

/// The least patience that an operator asks for below, in milliseconds.
pub(crate) const SHORTEST_MS: u64 = 1500;
/// Option and value of `SENTINEL SET`, by the number of the fault.
const SETTINGS: [(&str, &str); 7] = [
    ("down-after-milliseconds", "1500"),
    ("failover-timeout", "7000"),
    ("parallel-syncs", "3"),
    ("quorum", "1"),
    ("down-after-milliseconds", "20000"),
    ("nonsense", "-1"),
    ("crash-detection", "500"),
];

/// Where no server of this world listens, for lies about a group: each has a place of its own, or
/// what is said of one would count for another.
fn nowhere(group: usize) -> Addr {
    let [high, low] = u16::try_from(group).unwrap_or(u16::MAX).to_be_bytes();
    let ip = std::net::Ipv4Addr::new(10, 9, high, low);
    Addr::new(Host::Ip(ip.into()), 6379)
}

impl World {
    fn group_of(&self, fault: &Fault) -> Option<usize> {
        fault.who.iter().find_map(|who| match who {
            Who::Server(s) => self.servers.get(*s).map(|server| server.group),
            Who::Sentinel(_) | Who::Client(_) => None,
        })
    }

    /// An operator acts.
    pub(crate) fn operate(&mut self, fault: &Fault) {
        let Some(group) = self.group_of(fault) else {
            return;
        };
        let Some(name) = self.groups.name(group).cloned() else {
            return;
        };
        let hosts: Vec<usize> = fault
            .who
            .iter()
            .filter_map(|who| {
                if let Who::Sentinel(h) = who {
                    Some(*h)
                } else {
                    None
                }
            })
            .collect();
        let Some(first) = hosts.first().copied() else {
            return;
        };
        match fault.kind {
            Kind::Failover => {
                for h in hosts {
                    self.ask(h, Command::Failover { name: name.clone() }, None);
                }
            }
            Kind::Switchover | Kind::Drain => self.order(first, group, name, fault),
            Kind::Set => {
                let i = usize::try_from(fault.n).unwrap_or(0) % SETTINGS.len();
                let Some((option, value)) = SETTINGS.get(i) else {
                    return;
                };
                self.nemesis.options_changed = true;
                self.set(first, &name, option, value);
            }
            Kind::ResetMaster if self.is_found_again(first, group) => {
                self.ask(
                    first,
                    Command::Reset {
                        pattern: Arc::from(name.as_str()),
                    },
                    None,
                );
            }
            Kind::Remonitor
                if self.may_forget(first, group) && self.is_found_again(first, group) =>
            {
                if let Some(addr) = self.master_addr(first, group) {
                    self.nemesis.removed.insert((first, group), addr);
                }
                self.ask(first, Command::Remove { name }, None);
            }
            Kind::Flush => self.ask(first, Command::FlushConfig, None),
            Kind::Lie => self.lie(first, group, &name, fault),
            _ => {}
        }
    }

    fn set(&mut self, h: usize, name: &MasterName, option: &str, value: &str) {
        let words = vec![Arc::from(option), Arc::from(value)];
        self.ask(
            h,
            Command::Set {
                name: name.clone(),
                words,
                not_executable: Vec::new(),
            },
            None,
        );
    }

    /// MONITOR after REMOVE.
    pub(crate) fn monitor_again(&mut self, fault: &Fault) {
        let Some(Who::Sentinel(h)) = fault.who.first().copied() else {
            return;
        };
        if let Some(group) = self.group_of(fault) {
            self.monitor_group(h, group);
        }
    }

    /// What Sentinels other than this one answer of a group, or have in their files while they are
    /// down.
    fn others(&self, h: usize, group: usize) -> impl Iterator<Item = (usize, &MasterState)> {
        let others = (0..self.hosts.len()).filter(move |other| *other != h);
        others.filter_map(move |other| {
            let host = self.hosts.get(other)?;
            let forgotten = host.brain.is_some() && self.master_addr(other, group).is_none();
            let state = read::master(&host.disk.synced, self.groups.name(group)?)?;
            (!forgotten).then_some((other, state))
        })
    }

    /// The newest configuration among them.
    fn told_by_others(&self, h: usize, group: usize) -> Option<&Configuration> {
        self.others(h, group)
            .map(|(other, state)| (other, &state.configuration))
            .max_by_key(|(other, told)| (told.epoch, Reverse(*other)))
            .map(|(_, told)| told)
    }

    /// Nor is a Sentinel made to forget the replicas while no other knows any and the master does
    /// not list them: nobody could ever promote one again.
    fn is_found_again(&self, h: usize, group: usize) -> bool {
        let known = self
            .others(h, group)
            .any(|(_, one)| !one.replicas.is_empty());
        let lists = |addr: &Addr| {
            let server = self.servers.iter().find(|server| server.addr == *addr);
            server.is_some_and(|s| s.up && s.is_master() && !s.attached.is_empty())
        };
        let listed = self.master_addr(h, group).is_none_or(|addr| lists(&addr));
        known || listed || self.plan.params.replicas == 0
    }

    /// A careful operator lets a Sentinel forget a master only where another one knows no less
    /// of it: MONITOR begins at epoch zero again, and two addresses in epoch zero would never
    /// become one.
    fn may_forget(&self, h: usize, group: usize) -> bool {
        let mine = self
            .groups
            .name(group)
            .and_then(|name| read::master(&self.hosts.get(h)?.disk.synced, name));
        let Some(mine) = mine.map(|state| &state.configuration) else {
            return true;
        };
        self.hosts.len() == 1
            || self
                .told_by_others(h, group)
                .is_some_and(|told| !mine.is_newer_than(told))
    }

    /// The address that operators agree on: what the other Sentinels say, else what this one said
    /// before it was made to forget, else where they set the master up, or the first server.
    pub(crate) fn master_to_monitor(&self, h: usize, group: usize) -> Option<Addr> {
        if let Some(told) = self.told_by_others(h, group) {
            return Some(told.addr.clone());
        }
        if let Some(addr) = self.nemesis.removed.get(&(h, group)) {
            return Some(addr.clone());
        }
        let mine = || self.servers.iter().filter(|server| server.group == group);
        mine()
            .find(|server| server.is_master() && server.up)
            .or_else(|| mine().next())
            .map(|server| self.home(server))
    }

    pub(crate) fn monitor_group(&mut self, h: usize, group: usize) {
        let Some(name) = self.groups.name(group).cloned() else {
            return;
        };
        let Some(addr) = self.master_to_monitor(h, group) else {
            return;
        };
        let (host, port) = (Some(addr.host), i64::from(addr.port));
        let quorum = i64::try_from(self.plan.params.quorum).unwrap_or(1);
        self.ask(
            h,
            Command::Monitor {
                name: name.clone(),
                host,
                port,
                quorum,
            },
            None,
        );
        self.usual_options(h, &name);
    }

    /// A Sentinel that died between REMOVE and MONITOR is told again.
    pub(crate) fn restore_masters(&mut self) {
        for h in 0..self.hosts.len() {
            for group in 0..self.groups.len() {
                if self.master_addr(h, group).is_none() {
                    self.monitor_group(h, group);
                }
            }
        }
    }

    fn usual_options(&mut self, h: usize, name: &MasterName) {
        let params = self.plan.params.clone();
        for (option, value) in [
            ("down-after-milliseconds", params.down_after_ms),
            ("failover-timeout", params.failover_timeout_ms),
            ("crash-detection", params.crash_detection_ms),
            ("parallel-syncs", params.parallel_syncs),
            ("quorum", params.quorum),
        ] {
            self.set(h, name, option, &value.to_string());
        }
    }

    /// Everybody gets the options of the plan back.
    pub(crate) fn restore_options(&mut self) {
        if !self.nemesis.options_changed {
            return;
        }
        for h in 0..self.hosts.len() {
            for group in 0..self.groups.len() {
                if let Some(name) = self.groups.name(group).cloned() {
                    self.usual_options(h, &name);
                }
            }
        }
    }

    /// Somebody who can reach a Sentinel's port tells it nonsense.
    fn lie(&mut self, h: usize, group: usize, name: &MasterName, fault: &Fault) {
        let peer = (h + 1) % self.hosts.len().max(1);
        let Some((id, from)) = self
            .hosts
            .get(peer)
            .map(|host| (host.id, host.addr.clone()))
        else {
            return;
        };
        let Some(addr) = self
            .servers
            .iter()
            .find(|s| s.group == group)
            .map(|s| s.addr.clone())
        else {
            return;
        };
        let huge = Epoch::new(limits::LARGEST_EPOCH);
        let hello = |master: MasterName, epoch: Epoch, addr: Addr| Hello {
            from: from.clone(),
            id,
            current_epoch: epoch,
            master,
            configuration: Configuration { epoch, addr },
        };
        let stranger = RunId::from_random(id_bytes(
            Stream::new(self.plan.seed, Purpose::Ids),
            fault.at_ms,
        ));
        let command = match fault.n {
            0 => Command::Publish { hello: None },
            1 => Command::Publish {
                hello: Some(hello(name.clone(), huge, addr)),
            },
            2 => Command::Ask(Ask {
                addr: Some(addr),
                epoch: None,
                candidate: Some(stranger),
            }),
            4 | 5 => {
                // Whoever believes it asks the others about that address.
                self.checks.add_addr(nowhere(group), group);
                let lie = hello(name.clone(), Epoch::new(1000), nowhere(group));
                if fault.n == 4 {
                    return self.publish_at(fault, lie);
                }
                Command::Publish { hello: Some(lie) }
            }
            _ => Command::Publish {
                hello: Some(hello(MasterName::new("nobody"), Epoch::new(77), addr)),
            },
        };
        self.ask(h, command, None);
    }

    /// A client of the first server says it to all who subscribed.
    fn publish_at(&mut self, fault: &Fault, hello: Hello) {
        let server = fault.who.iter().find_map(|who| match who {
            Who::Server(s) => Some(*s),
            Who::Sentinel(_) | Who::Client(_) => None,
        });
        let up = |s: &usize| self.servers.get(*s).is_some_and(|server| server.up);
        if let Some(s) = server.filter(up) {
            self.publish(s, StreamItem::Hello(Rc::new(hello)));
        }
    }
}
