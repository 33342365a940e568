//! A small world at one moment: which Sentinels, which servers, what is on its way between them,
//! and what may still go wrong.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::arena::{Arena, NodeId, Phase, View};
use super::choice::Budget;
use super::history::History;
use super::model::Servers;
use super::node::{Effect, Half, Stimulus, Waits};
use super::word::{Ans, Far, Req, SENTINELS, Told};

/// One direction of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The Sentinel that made the connection.
    pub owner: u8,
    /// The far end.
    pub far: Far,
    /// Which way.
    pub lane: Lane,
}

/// Which way, and over which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// To the far end.
    Request,
    /// Back to the owner.
    Answer,
    /// To the far end, over a connection whose owner has died since.
    Ghost,
    /// A server's Pub/Sub link, to the owner; a message may be held back for any time.
    Hello,
}

/// Something on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Msg {
    /// A request.
    Req(Req),
    /// An answer.
    Ans(Ans),
    /// A hello.
    Hello(Told),
}

/// A small world.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) nodes: [NodeId; 3],
    pub(crate) servers: Servers,
    /// In the order of the routes, and on each in the order of sending.
    flights: Vec<(Route, Msg)>,
    /// Pairs of Sentinels that cannot reach each other: bit `a + b - 1`.
    cuts: u8,
    pub(crate) budget: Budget,
    pub(crate) history: Arc<History>,
    /// The property that broke, in words.
    pub(crate) broken: Option<Arc<str>>,
    /// Something happened that others may care about.
    news: bool,
    /// The lines of the last choice, for people.
    pub(crate) lines: Vec<Arc<str>>,
}

impl World {
    /// Sentinels that have just started, with what they do first.
    pub fn new(nodes: [NodeId; 3], budget: Budget) -> Self {
        Self {
            nodes,
            servers: Servers::new(),
            flights: Vec::new(),
            cuts: 0,
            budget,
            history: Arc::default(),
            broken: None,
            news: false,
            lines: Vec::new(),
        }
    }

    /// Everything that can make a difference from here on, as a hash.
    pub fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.nodes, self.servers, &self.flights).hash(&mut hasher);
        (self.cuts, self.budget, &self.history).hash(&mut hasher);
        hasher.finish()
    }

    /// The Sentinel with this number.
    pub fn node(&self, n: u8) -> NodeId {
        self.nodes
            .get(usize::from(n))
            .copied()
            .unwrap_or(NodeId::MAX)
    }

    /// What the search has to know of it.
    pub fn view(&self, arena: &Arena, n: u8) -> Option<View> {
        arena.view(self.node(n))
    }

    /// The first message of every route.
    pub fn heads(&self) -> impl Iterator<Item = (Route, Msg)> {
        let mut last = None;
        self.flights
            .iter()
            .copied()
            .filter(move |(route, _)| last.replace(*route) != Some(*route))
    }

    /// Whether anything is on its way.
    pub fn is_quiet(&self) -> bool {
        self.flights.is_empty()
    }

    /// Puts a message on its way.
    pub fn send(&mut self, route: Route, msg: Msg) {
        let at = self.flights.partition_point(|(known, _)| *known <= route);
        self.flights.insert(at, (route, msg));
    }

    /// Whether something happened since this was asked last.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Lets something happen to a Sentinel, and does what it does.
    pub fn perform(&mut self, arena: &mut Arena, n: u8, stimulus: Stimulus) {
        let mut todo = VecDeque::from([(n, stimulus)]);
        while let Some((n, stimulus)) = todo.pop_front() {
            let Some(step) = arena.step(self.node(n), stimulus) else {
                continue;
            };
            if let Some(node) = self.nodes.get_mut(usize::from(n)) {
                *node = step.node;
            }
            for effect in step.effects.iter() {
                self.take_effect(n, effect, &mut todo);
            }
        }
    }

    /// Does what a Sentinel did when it started.
    pub fn begin(&mut self, arena: &mut Arena, n: u8, effects: &[Effect]) {
        let mut todo = VecDeque::new();
        for effect in effects {
            self.take_effect(n, effect, &mut todo);
        }
        while let Some((n, stimulus)) = todo.pop_front() {
            self.perform(arena, n, stimulus);
        }
    }

    fn take_effect(&mut self, n: u8, effect: &Effect, todo: &mut VecDeque<(u8, Stimulus)>) {
        match effect {
            Effect::Send(far, req) => {
                let lane = Lane::Request;
                let route = Route {
                    owner: n,
                    far: *far,
                    lane,
                };
                self.send(route, Msg::Req(*req));
            }
            Effect::Reply(peer, ans) => {
                let route = Route {
                    owner: *peer,
                    far: Far::Peer(n),
                    lane: Lane::Answer,
                };
                self.send(route, Msg::Ans(*ans));
            }
            Effect::Connect(far, half) => todo.push_back(if self.is_reachable(n, *far) {
                (n, Stimulus::Up(*far, *half))
            } else {
                (n, Stimulus::Down(*far, *half))
            }),
            Effect::Close(far, Half::Command) => {
                self.drop_link(n, *far);
                if let Far::Peer(peer) = far {
                    todo.push_back((*peer, Stimulus::Left(n)));
                }
            }
            Effect::Close(_, Half::PubSub | Half::Trial) => {}
            Effect::Writes => self.news = true,
            Effect::Event(line) => {
                self.news = true;
                self.lines.push(Arc::clone(line));
            }
            Effect::Saw(fact) => {
                if let Err(text) = Arc::make_mut(&mut self.history).see(n, *fact) {
                    self.broken.get_or_insert(text);
                }
            }
            Effect::Broken(text) => {
                self.broken.get_or_insert_with(|| Arc::clone(text));
            }
        }
    }

    fn drop_link(&mut self, owner: u8, far: Far) {
        self.flights.retain(|(route, _)| {
            (route.owner, route.far) != (owner, far) || matches!(route.lane, Lane::Ghost)
        });
    }

    fn is_reachable(&self, n: u8, far: Far) -> bool {
        match far {
            Far::Peer(peer) => self.cuts & cut_bit(n, peer) == 0,
            Far::Server(server) => self.servers.get(server).is_some_and(|server| server.up),
        }
    }

    /// Delivers the oldest message of a route.
    pub fn deliver(&mut self, arena: &mut Arena, route: Route) {
        let Some(at) = self.flights.iter().position(|(known, _)| *known == route) else {
            return;
        };
        let (_, msg) = self.flights.remove(at);
        let owner = route.owner;
        match (msg, route.far) {
            (Msg::Req(req), Far::Peer(peer)) => {
                let waits = if route.lane == Lane::Ghost {
                    Waits::No
                } else {
                    Waits::Yes
                };
                self.perform(arena, peer, Stimulus::Request(owner, req, waits));
            }
            (Msg::Req(req), Far::Server(server)) => {
                let ans = self.servers.serve(server, req);
                if let Req::Follow(whom) = req {
                    self.lines
                        .push(format!("server {server} follows {whom:?}").into());
                }
                if let (Req::Hello(told), 1) = (req, server) {
                    self.fan_out(arena, server, told);
                }
                if route.lane == Lane::Request {
                    let lane = Lane::Answer;
                    self.send(Route { lane, ..route }, Msg::Ans(ans));
                }
            }
            (Msg::Ans(Ans::Gone), far) => {
                self.perform(arena, owner, Stimulus::Down(far, Half::Command));
            }
            (Msg::Ans(ans), far) => self.perform(arena, owner, Stimulus::Answer(far, ans)),
            (Msg::Hello(told), Far::Server(server)) => {
                self.perform(arena, owner, Stimulus::Heard(server, told));
            }
            (Msg::Hello(_), Far::Peer(_)) => {}
        }
    }

    /// What is news goes to the subscribers of server 1, where a scenario wants it.
    fn fan_out(&mut self, arena: &Arena, server: u8, told: Told) {
        if !self.budget.pubsub {
            return;
        }
        for owner in (0..SENTINELS).filter(|owner| *owner != told.by) {
            if self
                .view(arena, owner)
                .is_some_and(|view| is_news(&view, told))
            {
                let route = Route {
                    owner,
                    far: Far::Server(server),
                    lane: Lane::Hello,
                };
                self.send(route, Msg::Hello(told));
            }
        }
    }

    /// Delivers whatever cannot matter, until all that is left at the heads can.
    ///
    /// PING, INFO and hellos without news commute with everything else that can happen, as far
    /// as the properties go; to branch over them would only multiply the same worlds.
    pub fn deliver_noise(&mut self, arena: &mut Arena) {
        loop {
            let noise = self
                .heads()
                .find(|(route, msg)| !self.matters(arena, *route, *msg));
            let Some((route, _)) = noise else { return };
            self.deliver(arena, route);
        }
    }

    /// Whether it can matter when this message arrives.
    pub fn matters(&self, arena: &Arena, route: Route, msg: Msg) -> bool {
        let owner = self.view(arena, route.owner);
        let far = match route.far {
            Far::Peer(peer) => self.view(arena, peer),
            Far::Server(_) => None,
        };
        let phase = owner.map_or(Phase::Idle, |view| view.phase);
        match (msg, route.far) {
            (Msg::Req(req), Far::Server(server)) => self.servers.is_changed_by(server, &req),
            (Msg::Req(Req::Hello(told)), Far::Peer(_)) => {
                far.is_some_and(|view| is_news(&view, told))
            }
            (
                Msg::Req(Req::Ask {
                    epoch, candidate, ..
                }),
                Far::Peer(_),
            ) => candidate.is_some() || far.is_some_and(|view| epoch > view.current),
            (Msg::Req(_), Far::Peer(_)) => false,
            (Msg::Ans(Ans::Info(_)), _) => phase == Phase::Leading,
            (Msg::Ans(Ans::Opinion { wanted, .. }), _) => wanted,
            (Msg::Ans(Ans::Done), Far::Peer(_)) => phase == Phase::Leading,
            (Msg::Ans(_), _) => false,
            (Msg::Hello(_), _) => true,
        }
    }

    /// A Sentinel dies and starts again. What it had sent may still arrive; its peers lose their
    /// connections after what it had answered.
    pub fn restart(&mut self, arena: &mut Arena, n: u8, rename: super::node::Rename) {
        let sent: Vec<_> = self.flights.extract_if_route(|route| route.owner == n);
        for (route, msg) in sent {
            if matches!(route.lane, Lane::Request | Lane::Ghost) {
                let lane = Lane::Ghost;
                self.send(Route { lane, ..route }, msg);
            }
        }
        self.flights
            .retain(|(route, _)| route.lane != Lane::Request || route.far != Far::Peer(n));
        for peer in (0..SENTINELS).filter(|peer| *peer != n) {
            self.perform(arena, peer, Stimulus::Left(n));
            if self.is_reachable(n, Far::Peer(peer)) {
                let route = Route {
                    owner: peer,
                    far: Far::Peer(n),
                    lane: Lane::Answer,
                };
                self.send(route, Msg::Ans(Ans::Gone));
            }
        }
        self.perform(arena, n, Stimulus::Restart(rename));
    }

    /// Two Sentinels cannot reach each other any more.
    pub fn cut(&mut self, arena: &mut Arena, a: u8, b: u8) {
        self.cuts |= cut_bit(a, b);
        for (owner, far) in [(a, b), (b, a)] {
            self.flights
                .retain(|(route, _)| (route.owner, route.far) != (owner, Far::Peer(far)));
        }
        for (owner, far) in [(a, b), (b, a)] {
            self.perform(arena, far, Stimulus::Left(owner));
            self.perform(arena, owner, Stimulus::Down(Far::Peer(far), Half::Command));
        }
    }

    /// They can again.
    pub const fn heal_cuts(&mut self) {
        self.cuts = 0;
    }

    /// Whether these two can still reach each other.
    pub fn is_cut(&self, a: u8, b: u8) -> bool {
        self.cuts & cut_bit(a, b) != 0
    }

    /// A server dies.
    pub fn kill(&mut self, arena: &mut Arena, server: u8) {
        self.servers.set_up(server, false);
        let far = Far::Server(server);
        self.flights.retain(|(route, _)| route.far != far);
        for n in 0..SENTINELS {
            for half in [Half::Command, Half::PubSub] {
                self.perform(arena, n, Stimulus::Down(far, half));
            }
        }
    }
}

/// Whether a hello tells this Sentinel anything.
const fn is_news(view: &View, told: Told) -> bool {
    told.current > view.current || told.epoch > view.configuration.0
}

const fn cut_bit(a: u8, b: u8) -> u8 {
    1 << (a + b).saturating_sub(1)
}

/// Takes messages out by route, in order.
trait ByRoute {
    fn extract_if_route(&mut self, which: impl Fn(&Route) -> bool) -> Vec<(Route, Msg)>;
}

impl ByRoute for Vec<(Route, Msg)> {
    fn extract_if_route(&mut self, which: impl Fn(&Route) -> bool) -> Self {
        let (taken, left) = self.drain(..).partition(|(route, _)| which(route));
        *self = left;
        taken
    }
}
