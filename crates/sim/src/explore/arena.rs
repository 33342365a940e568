//! The Sentinels of all worlds, each kept once, and what each does when something happens to it.
//!
//! The core is deterministic, so one Sentinel that gets one input has one future: it is computed
//! once, however many worlds it occurs in. That is what makes millions of worlds affordable.

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::{Mono, Span};

use super::node::{Effect, Node, Stimulus};
use super::watch::configuration;
use super::word::{name, server_of};

/// A Sentinel's place in the arena.
pub type NodeId = u32;

/// How far a Sentinel's failover has come, as it tells operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// None is under way.
    Idle,
    /// It stands.
    Standing,
    /// It is elected, and the switch has not been told to clients.
    Leading,
    /// The switch was told; it moves the replicas.
    Moving,
}

/// What the search has to know of a Sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The newest epoch it knows.
    pub current: u64,
    /// The configuration on its disk.
    pub configuration: (u64, Option<u8>),
    /// The master that it names to clients.
    pub named: Option<u8>,
    /// Its failover.
    pub phase: Phase,
    /// It holds the master to be objectively down.
    pub odown: bool,
    /// A write is pending.
    pub writes: bool,
}

/// What a Sentinel became, and what it did.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is now.
    pub node: NodeId,
    /// What it did.
    pub effects: Arc<[Effect]>,
}

/// All Sentinels.
#[derive(Debug)]
pub struct Arena {
    nodes: Vec<Node>,
    views: Vec<View>,
    known: BTreeMap<u128, NodeId>,
    memo: BTreeMap<(NodeId, Stimulus), Step>,
    /// Sentinels change in place, and nothing is kept: for runs that are not searched.
    scratch: bool,
}

impl Arena {
    /// An arena for a search.
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            views: Vec::new(),
            known: BTreeMap::new(),
            memo: BTreeMap::new(),
            scratch: false,
        }
    }

    /// An arena for one run; its Sentinels change in place.
    pub fn scratch() -> Self {
        Self {
            scratch: true,
            ..Self::new()
        }
    }

    /// How many Sentinels differ, and how many of their steps were computed.
    pub fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.memo.len())
    }

    /// Takes a Sentinel in.
    pub fn keep(&mut self, node: Node) -> NodeId {
        let next = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        if !self.scratch {
            let print = node.print();
            if let Some(known) = self.known.get(&print) {
                return *known;
            }
            self.known.insert(print, next);
        }
        self.views.push(view(&node));
        self.nodes.push(node);
        next
    }

    /// The Sentinel there.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }

    /// What the search has to know of it.
    pub fn view(&self, id: NodeId) -> Option<View> {
        self.views.get(usize::try_from(id).ok()?).copied()
    }

    /// Moves the clock of a Sentinel in a scratch arena.
    pub fn set_now(&mut self, id: NodeId, now: Mono) {
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(node) = self.nodes.get_mut(place).filter(|_| self.scratch) {
            node.now = node.now.max(now);
        }
    }

    /// Lets something happen to a Sentinel.
    pub fn step(&mut self, id: NodeId, stimulus: Stimulus) -> Option<Step> {
        let place = usize::try_from(id).ok()?;
        if self.scratch {
            let node = self.nodes.get_mut(place)?;
            let effects = node.apply(stimulus).into();
            let seen = view(node);
            if let Some(view) = self.views.get_mut(place) {
                *view = seen;
            }
            return Some(Step { node: id, effects });
        }
        if let Some(step) = self.memo.get(&(id, stimulus)) {
            return Some(step.clone());
        }
        let mut node = self.nodes.get(place)?.clone();
        let effects = node.apply(stimulus).into();
        let step = Step {
            node: self.keep(node),
            effects,
        };
        self.memo.insert((id, stimulus), step.clone());
        Some(step)
    }

    /// When a Sentinel wants to be woken.
    pub fn due(&self, id: NodeId) -> Option<Mono> {
        self.node(id)?.due()
    }

    /// How long until then.
    pub fn due_in(&self, id: NodeId) -> Option<Span> {
        let node = self.node(id)?;
        Some(node.due()?.since(node.now))
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

fn view(node: &Node) -> View {
    let reply = node.sentinel.query(node.now, &Query::Master(name()));
    let named = match node.sentinel.query(node.now, &Query::MasterAddr(name())) {
        Reply::Array(parts) => match parts.as_slice() {
            [Reply::Bulk(host), Reply::Bulk(port)] => host
                .parse()
                .ok()
                .zip(port.parse().ok())
                .and_then(|(ip, port)| {
                    let host = bartizan_core::addr::Host::Ip(ip);
                    server_of(&bartizan_core::addr::Addr::new(host, port))
                }),
            _ => None,
        },
        _ => None,
    };
    let configuration = configuration(&node.synced);
    let settled = (
        configuration.map_or(0, |c| c.epoch.get()),
        configuration.and_then(|c| server_of(&c.addr)),
    );
    View {
        current: node.watch.current,
        configuration: settled,
        named,
        phase: match field(&reply, "failover-state") {
            None => Phase::Idle,
            Some("wait_start") => Phase::Standing,
            Some("reconf_slaves") if named == settled.1 => Phase::Moving,
            Some(_) => Phase::Leading,
        },
        odown: field(&reply, "flags").is_some_and(|flags| flags.contains("o_down")),
        writes: node.pending.is_some(),
    }
}

fn field<'a>(reply: &'a Reply, wanted: &str) -> Option<&'a str> {
    let Reply::Map(fields) = reply else {
        return None;
    };
    let (_, value) = fields.iter().find(|(name, _)| name == wanted)?;
    match value {
        Reply::Bulk(text) | Reply::Status(text) => Some(text),
        _ => None,
    }
}
