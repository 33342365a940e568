//! One world: Sentinels, servers, applications and a network, on one heap of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::addr::Addr;
use bartizan_core::input::LinkError;

use crate::checks::{Checks, Violation};
use crate::client::Client;
use crate::election::Election;
use crate::groups::Groups;
use crate::host::Host;
use crate::msg::Msg;
use crate::nemesis::Nemesis;
use crate::net::{Attempt, ConnId, Kind, Net, Node, Side, Weather};
use crate::params::Params;
use crate::people::address;
use crate::plan::Plan;
use crate::rand::{Purpose, Stream};
use crate::replication::ReplId;
use crate::salvage::Salvage;
use crate::sched::{At, Ev, Sched};
use crate::server::Server;
use crate::settle::Settling;
pub use crate::stats::Stats;
use crate::switchover::Orders;
use crate::trace::Trace;

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Sentinel(usize),
    Server(usize),
    Client(usize),
    Nowhere,
}

/// A deliberate bug of the core, by its place in the core's list.
#[cfg(feature = "mutants")]
pub type Mutant = Option<bartizan_core::mutant::Mutant>;

/// A world.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) sched: Sched,
    pub(crate) net: Net,
    pub(crate) hosts: Vec<Host>,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    pub(crate) groups: Groups,
    /// Where each process listens.
    pub(crate) addresses: Vec<Addr>,
    by_addr: BTreeMap<Addr, Node>,
    pub(crate) checks: Checks,
    pub(crate) trace: Trace,
    pub(crate) stats: Stats,
    /// Whether everything goes through bytes.
    pub(crate) bytes: bool,
    pub(crate) nemesis: Nemesis,
    pub(crate) settling: Settling,
    pub(crate) election: Election,
    pub(crate) orders: Orders,
    pub(crate) salvage: Salvage,
    ids: u64,
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Mutant,
}

/// A parameter as a count of things.
pub(crate) fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl World {
    /// The world of a plan, before anything starts. `aloud` keeps the whole trace.
    pub fn new(plan: Plan, aloud: bool) -> Self {
        let params = &plan.params;
        let (hosts, per_group) = (count(params.sentinels), count(params.replicas + 1));
        let servers = count(params.masters) * per_group;
        let nodes = hosts + servers + count(params.clients);
        let addresses: Vec<Addr> = (0..nodes).map(|node| address(node, hosts, 0)).collect();
        let mut groups = Groups::new(count(params.masters));
        for s in 0..servers {
            if let Some(addr) = addresses.get(hosts + s) {
                groups.add(addr.clone(), s / per_group);
            }
        }
        let checks = Checks::new(groups.clone(), &plan);
        let weather = Weather {
            delay_low_us: params.delay_low_us,
            delay_high_us: params.delay_high_us,
            outlier_of: params.outlier_of,
            patience_us: params.patience_ms * 1000,
        };
        let mut world = Self {
            // One place more than there are processes: where nobody is.
            net: Net::new(plan.seed, weather, nodes + 1),
            sched: Sched::default(),
            hosts: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            by_addr: addresses.iter().cloned().zip(0..).collect(),
            addresses,
            groups,
            checks,
            trace: Trace::new(nodes, aloud),
            stats: Stats::default(),
            bytes: params.bytes > 0,
            nemesis: Nemesis::new(nodes),
            settling: Settling::default(),
            election: Election::default(),
            orders: Orders::default(),
            salvage: Salvage::default(),
            ids: 1 << 33,
            #[cfg(feature = "mutants")]
            mutant: None,
            plan,
        };
        world.people(per_group);
        world
    }

    /// Chooses a deliberate bug for every core of this world.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Mutant) -> Self {
        self.mutant = mutant;
        self
    }

    /// Starts everybody.
    pub fn start(&mut self) {
        let starts = Stream::new(self.plan.seed, Purpose::Client);
        for s in 0..self.servers.len() {
            self.sched.after_us(
                starts.of(1 << 40 | s as u64).range(0, 0, 1_000_000),
                Ev::ServerTick(s, 0),
            );
        }
        for c in 0..self.clients.len() {
            self.sched.after_us(
                starts.of(c as u64).range(0, 2_000_000, 4_000_000),
                Ev::ClientTick(c),
            );
        }
        for (i, fault) in self.plan.faults.iter().enumerate() {
            self.sched.at(At::ms(fault.at_ms), Ev::Fault(i));
        }
        for h in 0..self.hosts.len() {
            self.boot_host(h, h % 2 == 0);
        }
        self.sched.at(self.faults_end(), Ev::Look);
        if self.plan.params.right_by_ms > 0 {
            self.sched
                .at(At::ms(self.plan.params.right_by_ms), Ev::Look);
        }
    }

    /// When all faults are healed.
    pub(crate) const fn faults_end(&self) -> At {
        At::ms(self.plan.params.warmup_ms + self.plan.params.faults_ms)
    }

    /// Goes on to the next event; `false` when the run is over.
    pub fn step(&mut self) -> bool {
        let Some((at, ev)) = self.sched.pop() else {
            return false;
        };
        self.stats.events += 1;
        self.trace.mix(at.0);
        self.checks.set_time(at);
        self.dispatch(ev);
        self.checks.broken().is_none() && !self.settling.is_over()
    }

    /// Starts, and runs to the end.
    pub fn run(&mut self) -> Option<Violation> {
        self.start();
        while self.step() {}
        self.sum_up();
        self.checks.broken().cloned()
    }

    /// The history of the run.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The figures of the run.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The parameters of the run.
    pub const fn params(&self) -> &Params {
        &self.plan.params
    }

    fn dispatch(&mut self, ev: Ev) {
        match ev {
            Ev::Arrive(conn, side) => self.arrive(conn, side),
            Ev::Opened(conn) => self.opened(conn),
            Ev::GiveUp(conn, towards) => {
                let now = self.sched.now();
                let Some(tag) = self.net.get(conn).map(|c| (c.kind, c.tag, c.from, c.to)) else {
                    return;
                };
                if self.net.gave_up(now, conn, towards) {
                    self.deliver(conn, towards.other(), tag, Msg::Fin);
                }
            }
            Ev::Wake(h) => self.host_wake(h),
            Ev::Synced(h, life) => self.host_synced(h, life),
            Ev::ScriptEnd(h, life, job) => self.host_script_ended(h, life, job),
            Ev::Lookup(h, life) => self.host_looked_up(h, life),
            Ev::RescueEnd(h, life, id) => self.end_rescue(h, life, id),
            Ev::Restart(node, life) => self.restart(node, life),
            Ev::ServerTick(s, life) => self.server_tick(s, life),
            Ev::SyncDone(s, life, transfer) => self.server_transferred(s, life, transfer),
            Ev::PauseEnds(s, life) => self.pause_ends(s, life),
            Ev::ClientTick(c) => self.client_tick(c),
            Ev::Fault(i) => self.fault_begins(i),
            Ev::FaultEnd(i) => self.fault_ends(i),
            Ev::Look => self.look_around(),
        }
    }

    fn hung_until(&self, node: Node) -> At {
        match self.place(node) {
            Place::Sentinel(h) => self.hosts.get(h).map_or(At(0), |host| host.hung_until),
            Place::Server(s) => self
                .servers
                .get(s)
                .map_or(At(0), |server| server.hung_until),
            Place::Client(_) | Place::Nowhere => At(0),
        }
    }

    fn arrive(&mut self, conn: ConnId, side: Side) {
        let Some(found) = self.net.get(conn) else {
            return;
        };
        let (node, tag) = (
            found.node(side),
            (found.kind, found.tag, found.from, found.to),
        );
        let hung = self.hung_until(node);
        if self.sched.now() < hung {
            return self.sched.at(hung, Ev::Arrive(conn, side));
        }
        if let Some(msg) = self.net.arrive(conn, side) {
            self.deliver(conn, side, tag, msg);
        }
    }

    pub(crate) fn deliver(
        &mut self,
        conn: ConnId,
        side: Side,
        about: (Kind, u64, Node, Node),
        msg: Msg,
    ) {
        let (_, tag, from, to) = about;
        let node = if side == Side::Near { from } else { to };
        match (self.place(node), side) {
            (Place::Sentinel(h), Side::Near) => self.host_hears(h, tag, msg),
            (Place::Sentinel(h), Side::Far) => self.host_serves(h, conn, msg),
            (Place::Server(s), Side::Near) => self.replica_hears(s, conn, msg),
            (Place::Server(s), Side::Far) => self.server_serves(s, conn, from, msg),
            (Place::Client(c), _) => self.client_hears(c, conn, msg),
            (Place::Nowhere, _) => {}
        }
    }

    fn opened(&mut self, conn: ConnId) {
        let Some(found) = self.net.get(conn) else {
            return;
        };
        let (kind, tag, from, to) = (found.kind, found.tag, found.from, found.to);
        let hung = self.hung_until(from);
        if self.sched.now() < hung {
            return self.sched.at(hung, Ev::Opened(conn));
        }
        let Some(attempt) = self.net.opened(&mut self.sched, conn) else {
            return;
        };
        let why_not = match attempt {
            Attempt::Up => None,
            Attempt::Refused => Some(LinkError::Refused),
            Attempt::TimedOut => Some(LinkError::Failed(Arc::from("Connection timed out"))),
        };
        if let (Place::Server(s), None) = (self.place(to), &why_not) {
            self.server_accepts(s, conn, kind);
        }
        match self.place(from) {
            Place::Sentinel(h) => self.host_opened(h, tag, why_not),
            Place::Server(s) => self.server_opened(s, conn, why_not),
            Place::Client(c) => self.client_opened(c, conn, why_not),
            Place::Nowhere => {}
        }
    }

    /// What a process is.
    pub(crate) const fn place(&self, node: Node) -> Place {
        let (hosts, servers) = (self.hosts.len(), self.servers.len());
        if node < hosts {
            Place::Sentinel(node)
        } else if node < hosts + servers {
            Place::Server(node - hosts)
        } else if node < hosts + servers + self.clients.len() {
            Place::Client(node - hosts - servers)
        } else {
            Place::Nowhere
        }
    }

    pub(crate) const fn server_at(&self, node: Node) -> Option<usize> {
        match self.place(node) {
            Place::Server(s) => Some(s),
            Place::Sentinel(_) | Place::Client(_) | Place::Nowhere => None,
        }
    }

    /// Who listens at an address; the place where nobody is when nobody does.
    pub(crate) fn node_at(&self, addr: &Addr) -> Node {
        self.by_addr
            .get(addr)
            .copied()
            .unwrap_or(self.addresses.len())
    }

    /// A process listens somewhere else.
    pub(crate) fn rename_node(&mut self, node: Node, old: &Addr, new: Addr) {
        self.by_addr.remove(old);
        self.by_addr.insert(new.clone(), node);
        if let Some(slot) = self.addresses.get_mut(node) {
            *slot = new;
        }
    }

    pub(crate) fn addr_of(&self, node: Node) -> Option<Addr> {
        self.addresses.get(node).cloned()
    }

    pub(crate) fn host_node(&self, h: usize) -> Node {
        self.hosts
            .get(h)
            .map_or(self.addresses.len(), |host| host.node)
    }

    pub(crate) fn group_of_client(&self, conn: ConnId) -> Option<usize> {
        match self.place(self.net.get(conn)?.from) {
            Place::Client(c) => self.clients.get(c).map(|client| client.group),
            Place::Sentinel(_) | Place::Server(_) | Place::Nowhere => None,
        }
    }

    pub(crate) const fn fresh_id(&mut self) -> ReplId {
        self.ids += 1;
        ReplId(self.ids)
    }
}
