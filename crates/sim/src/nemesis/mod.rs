//! Applies the faults of the plan to the world, and heals everything at the end.

mod identity;
mod process;

pub(crate) use identity::is_theirs;

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::output::ReplicaOf;

use crate::fault::{Fault, Kind, Who};
use crate::host::Armed;
use crate::net::Node;
use crate::sched::{At, Ev};
use crate::server::Server;
use crate::world::{Place, World, count};

/// What is wrong with a process from outside.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    down: bool,
    unplugged: bool,
    frozen: u32,
    rejected: u32,
    /// When a fault last touched it.
    touched: At,
    /// Faults that touch it now.
    touching: u32,
    /// What a restart finds of a server's data.
    data: u64,
    /// How often it changed its address.
    moves: u8,
}

/// The state of the faults.
#[derive(Debug)]
pub struct Nemesis {
    conditions: Vec<Condition>,
    under_way: Vec<usize>,
    /// The next server to be promoted dies: for how long, with what left of its data.
    promoted_dies: Option<(u64, u64)>,
    /// The servers whose place a stranger has taken.
    displaced: BTreeMap<usize, Box<Server>>,
    /// Operators changed options.
    pub(crate) options_changed: bool,
    /// What Sentinels said of a group before operators had them forget it.
    pub(crate) removed: BTreeMap<(usize, usize), Addr>,
    /// Everything is healed, and stays so.
    pub(crate) over: bool,
}

impl Nemesis {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            conditions: vec![Condition::default(); nodes],
            under_way: Vec::new(),
            promoted_dies: None,
            displaced: BTreeMap::new(),
            options_changed: false,
            removed: BTreeMap::new(),
            over: false,
        }
    }

    /// Since when no fault has touched a process; `None` while one does.
    pub(crate) fn calm_since(&self, node: Node) -> Option<At> {
        let condition = self.conditions.get(node)?;
        (condition.touching == 0 && !condition.down).then_some(condition.touched)
    }

    fn condition(&mut self, node: Node) -> Option<&mut Condition> {
        self.conditions.get_mut(node)
    }
}

impl World {
    fn node(&self, who: Who) -> Option<Node> {
        let node = match who {
            Who::Sentinel(h) => self.hosts.get(h)?.node,
            Who::Server(s) => self.servers.get(s)?.node,
            Who::Client(c) => self.clients.get(c)?.node,
        };
        Some(node)
    }

    fn nodes(&self, fault: &Fault) -> Vec<Node> {
        fault.who.iter().filter_map(|who| self.node(*who)).collect()
    }

    /// Whom a fault can disturb: for what splits the network, everybody.
    fn touched_by(&self, fault: &Fault) -> Vec<Node> {
        match fault.kind {
            Kind::Split | Kind::Deaf => (0..self.addresses.len()).collect(),
            _ => self.nodes(fault),
        }
    }

    /// A fault of the plan begins.
    pub(crate) fn fault_begins(&mut self, i: usize) {
        let Some(fault) = self.plan.faults.get(i).cloned() else {
            return;
        };
        if self.nemesis.over {
            return;
        }
        let now = self.sched.now();
        self.trace.world(now, &fault.to_string());
        *self.stats.faults.entry(fault.kind.name()).or_default() += 1;
        for node in self.touched_by(&fault) {
            if let Some(condition) = self.nemesis.condition(node) {
                condition.touched = now;
                condition.touching += 1;
            }
        }
        self.nemesis.under_way.push(i);
        self.apply(i, &fault);
        self.sched.after_ms(fault.ms, Ev::FaultEnd(i));
    }

    /// A fault of the plan ends.
    pub(crate) fn fault_ends(&mut self, i: usize) {
        let Some(at) = self
            .nemesis
            .under_way
            .iter()
            .position(|under_way| *under_way == i)
        else {
            return;
        };
        self.nemesis.under_way.swap_remove(at);
        let Some(fault) = self.plan.faults.get(i).cloned() else {
            return;
        };
        let now = self.sched.now();
        for node in self.touched_by(&fault) {
            if let Some(condition) = self.nemesis.condition(node) {
                condition.touched = now;
                condition.touching = condition.touching.saturating_sub(1);
            }
        }
        self.undo(i, &fault);
    }

    fn apply(&mut self, i: usize, fault: &Fault) {
        let nodes = self.nodes(fault);
        let Some(node) = nodes.first().copied() else {
            return;
        };
        match fault.kind {
            Kind::Crash | Kind::Bounce => self.crash_for(node, fault.ms, fault.n),
            Kind::Unplug => {
                if let Some(condition) = self.nemesis.condition(node) {
                    condition.unplugged = true;
                }
                self.crash_for(node, fault.ms, fault.n);
            }
            Kind::Hang | Kind::Blink => self.hang(node, fault.ms),
            Kind::Freeze => self.freeze(node, fault),
            Kind::OneWay => {
                let to = nodes.iter().skip(1).copied().collect();
                self.net.cut(i, vec![node], to);
            }
            Kind::TwoWay => {
                let to: Vec<Node> = nodes.iter().skip(1).copied().collect();
                self.net.cut(i, vec![node], to.clone());
                self.net.cut(i, to, vec![node]);
            }
            Kind::Split | Kind::Deaf => {
                let others: Vec<Node> = (0..self.addresses.len())
                    .filter(|node| !nodes.contains(node))
                    .collect();
                if fault.kind == Kind::Split {
                    self.net.cut(i, nodes.clone(), others.clone());
                }
                self.net.cut(i, others, nodes);
            }
            Kind::Reset => self.drop_connections(node, false),
            Kind::HalfOpen => self.drop_connections(node, true),
            Kind::Reject => {
                if let Some(condition) = self.nemesis.condition(node) {
                    condition.rejected += 1;
                }
                self.refresh_reach(node);
            }
            Kind::Slow => self.net.slow(node, fault.n * 1000),
            Kind::Trickle => self.net.set_trickle(node, fault.n * 1000),
            Kind::OldFile | Kind::Moved | Kind::CopiedFile => {
                self.crash_for(node, fault.ms, fault.n);
                match nodes.get(1) {
                    Some(other) => self.copy_file(node, *other),
                    None => self.change_identity(node),
                }
            }
            Kind::SlowDisk | Kind::FullDisk => self.disk_trouble(node, fault),
            Kind::AimPersist | Kind::AimStand | Kind::AimPromote => {
                if let Place::Sentinel(h) = self.place(node)
                    && let Some(host) = self.hosts.get_mut(h)
                {
                    host.armed = Some(Armed {
                        kind: fault.kind,
                        ms: fault.ms,
                    });
                }
            }
            Kind::AimPromoted => self.nemesis.promoted_dies = Some((fault.ms, fault.n)),
            _ => self.apply_to_service(fault, node),
        }
    }

    fn apply_to_service(&mut self, fault: &Fault, node: Node) {
        match self.place(node) {
            Place::Server(s) => self.server_trouble(s, fault, true),
            Place::Sentinel(_) => self.operate(fault),
            Place::Client(_) | Place::Nowhere => {}
        }
    }

    fn undo(&mut self, i: usize, fault: &Fault) {
        let Some(node) = self.nodes(fault).first().copied() else {
            return;
        };
        match fault.kind {
            Kind::Freeze => self.thaw(node),
            Kind::OneWay | Kind::TwoWay | Kind::Split | Kind::Deaf => {
                self.net.mend(&mut self.sched, i)
            }
            Kind::Reject => {
                if let Some(condition) = self.nemesis.condition(node) {
                    condition.rejected = condition.rejected.saturating_sub(1);
                }
                self.refresh_reach(node);
            }
            Kind::Slow => self.net.slow(node, 0),
            Kind::Trickle => self.net.set_trickle(node, 0),
            Kind::SlowDisk | Kind::FullDisk => {
                if let Place::Sentinel(h) = self.place(node)
                    && let Some(host) = self.hosts.get_mut(h)
                {
                    (host.disk.slow_us, host.disk.failing) = (0, false);
                }
            }
            Kind::Remonitor => self.monitor_again(fault),
            _ => {
                if let Place::Server(s) = self.place(node) {
                    self.server_trouble(s, fault, false);
                }
            }
        }
    }

    fn disk_trouble(&mut self, node: Node, fault: &Fault) {
        if let Place::Sentinel(h) = self.place(node)
            && let Some(host) = self.hosts.get_mut(h)
        {
            match fault.kind {
                Kind::SlowDisk => host.disk.slow_us = fault.n * 1000,
                _ => host.disk.failing = true,
            }
        }
    }

    fn server_trouble(&mut self, s: usize, fault: &Fault, begins: bool) {
        let now = self.sched.now();
        let until = if begins { now.plus_ms(fault.ms) } else { now };
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let trouble = &mut server.trouble;
        match fault.kind {
            Kind::Loading if begins => trouble.loading_until = until,
            Kind::Busy if begins => trouble.busy_until = until,
            Kind::Misconf => trouble.misconf = begins,
            Kind::NoAuth => trouble.noauth = begins,
            Kind::NoPerm => trouble.noperm = begins,
            Kind::InfoCut => trouble.info_cut = begins,
            Kind::NoReplication => trouble.no_replication = begins,
            Kind::SlowSync => trouble.slow_sync_ms = if begins { fault.n } else { 0 },
            Kind::Unannounced => server.announced = !begins,
            Kind::Stranger if begins => self.stranger_comes(s, fault.n),
            Kind::Stranger => self.stranger_goes(s),
            Kind::Priority if begins => {
                server.priority = [0, 100, 200].get(count(fault.n)).copied().unwrap_or(100)
            }
            Kind::Promote if begins && server.up => self.reconfigure(s, &ReplicaOf::NoOne, None),
            Kind::Follow if begins && server.up => {
                let of = fault
                    .who
                    .get(1)
                    .and_then(|who| self.node(*who))
                    .and_then(|node| self.addr_of(node));
                if let Some(of) = of.filter(|of| {
                    *of != self
                        .servers
                        .get(s)
                        .map_or_else(|| of.clone(), |s| s.addr.clone())
                }) {
                    self.reconfigure(s, &ReplicaOf::Master(of), None);
                }
            }
            _ => {}
        }
    }

    /// Ends every fault and starts whoever is down.
    pub(crate) fn heal(&mut self) {
        let now = self.sched.now();
        self.trace.world(now, "all faults are healed");
        for i in self.nemesis.under_way.clone() {
            self.fault_ends(i);
        }
        self.nemesis.over = true;
        self.nemesis.promoted_dies = None;
        for node in 0..self.addresses.len() {
            let place = self.place(node);
            let life = match place {
                Place::Sentinel(h) => self.hosts.get_mut(h).map(|host| {
                    host.armed = None;
                    host.hung_until = host.hung_until.min(now);
                    host.life
                }),
                Place::Server(s) => self.servers.get_mut(s).map(|server| {
                    server.hung_until = server.hung_until.min(now);
                    server.trouble = crate::server::Trouble::default();
                    server.priority = 100;
                    server.life
                }),
                Place::Client(_) | Place::Nowhere => None,
            };
            if let Some(life) = life {
                self.restart(node, life);
            }
        }
        self.bring_the_lost_home();
        self.restore_options();
        self.restore_masters();
    }
}
