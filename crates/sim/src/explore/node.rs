//! One Sentinel of a small world: the real core, its disk, and the ids of what is open at it.
//!
//! What enters and leaves has no ids of its own, so two nodes that differ only in the numbers of
//! their links and calls are one and the same to the search.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bartizan_core::ids::{CallId, LinkId, PersistSeq, RequestId};
use bartizan_core::input::{Answer, Input, LinkError, Talk};
use bartizan_core::model::durable::Durable;
use bartizan_core::mutant::Mutant;
use bartizan_core::output::{LinkKind, Output};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::reply::Reply;
use bartizan_core::sentinel::{Boot, Sentinel};
use bartizan_core::time::{Mono, Span};

use super::digest::digest;
use super::watch::Watch;
use super::word::{Ans, Far, Req, Told, addr, as_opinion, far_of, id, name, opinion};

/// One thing that happens to a Sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stimulus {
    /// A peer's request. Nobody waits for the answer when the sender has died since.
    Request(u8, Req, Waits),
    /// The answer to the oldest call on a link.
    Answer(Far, Ans),
    /// A hello over a server's Pub/Sub link.
    Heard(u8, Told),
    /// A connection stands.
    Up(Far, Half),
    /// A connection could not be made, or is gone.
    Down(Far, Half),
    /// A peer's connection to us is gone.
    Left(u8),
    /// The pending write is on disk.
    Written,
    /// The pending write failed.
    Unwritten,
    /// The clock reaches the next deadline.
    Tick,
    /// The process dies and starts again from its disk.
    Restart(Rename),
    /// An operator's SENTINEL FAILOVER.
    Failover,
}

/// Whether the sender of a request is there to hear the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waits {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Which of the two connections of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Half {
    /// Calls and answers.
    Command,
    /// Hellos.
    PubSub,
    /// What asks what it may do.
    Trial,
}

/// What became of the write that was pending when the process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rename {
    /// It is lost.
    Lost,
    /// It had just reached the disk; only the good news had not.
    Done,
}

/// What a Sentinel does to its world.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A request.
    Send(Far, Req),
    /// The answer to the oldest open request of a peer.
    Reply(u8, Ans),
    /// A connection is wanted.
    Connect(Far, Half),
    /// A connection is closed.
    Close(Far, Half),
    /// A write begins.
    Writes,
    /// It told of an event; the line is for people.
    Event(Arc<str>),
    /// Something that the properties of the whole world are about.
    Saw(Fact),
    /// A property that one Sentinel can break alone is broken.
    Broken(Arc<str>),
}

/// What the properties of the whole world are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// This vote was revealed: an epoch, and whom it went to.
    Vote(u64, u8),
    /// It was elected by a majority in this epoch.
    Elected(u64),
    /// In this configuration epoch that server is master.
    Configured(u64, u8),
}

/// A Sentinel, its disk and its open connections.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) me: u8,
    pub(crate) now: Mono,
    pub(crate) sentinel: Sentinel,
    pub(crate) synced: Arc<Durable>,
    pub(crate) pending: Option<(PersistSeq, Arc<Durable>)>,
    pub(crate) watch: Watch,
    mutant: Option<Mutant>,
    links: BTreeMap<(Far, Half), LinkId>,
    calls: BTreeMap<Far, VecDeque<(CallId, Req)>>,
    inbound: BTreeMap<u8, VecDeque<(RequestId, bool, Option<Ans>)>>,
    next_request: u64,
}

impl Node {
    /// A Sentinel that starts from a file, and what it does first.
    pub fn boot(me: u8, file: Durable, now: Mono, mutant: Option<Mutant>) -> (Self, Vec<Effect>) {
        let synced = Arc::new(file);
        let mut node = Self {
            me,
            now,
            sentinel: started(me, &synced, now, mutant),
            watch: Watch::new(me, &synced),
            synced,
            pending: None,
            mutant,
            links: BTreeMap::new(),
            calls: BTreeMap::new(),
            inbound: BTreeMap::new(),
            next_request: 0,
        };
        let effects = node.drain();
        (node, effects)
    }

    /// When it wants to be woken.
    pub fn due(&self) -> Option<Mono> {
        self.sentinel.next_deadline()
    }

    /// Everything that can make a difference from here on, as a hash.
    pub fn print(&self) -> u128 {
        let files = |file: &Durable| format!("{:?} {:?}", file.current_epoch, file.masters);
        let text = format!(
            "{} {:?} {} {:?} {:?} {:?} {:?} {:?}",
            self.me,
            self.sentinel,
            files(&self.synced),
            self.pending.as_ref().map(|(seq, file)| (seq, files(file))),
            self.watch,
            self.links,
            self.calls,
            self.inbound,
        );
        digest(&text, self.now)
    }

    /// Lets one thing happen; returns what came of it, in order.
    pub fn apply(&mut self, stimulus: Stimulus) -> Vec<Effect> {
        match stimulus {
            Stimulus::Request(from, req, waits) => self.serve(from, req, waits),
            Stimulus::Answer(far, ans) => return self.answered(far, ans),
            Stimulus::Heard(server, told) => self.heard(server, Some(told)),
            Stimulus::Up(far, half) => {
                if let Some(link) = self.links.get(&(far, half)).copied() {
                    let local = IpAddr::V4(Ipv4Addr::new(10, 0, 0, self.me + 1));
                    self.give(Input::LinkUp { link, local });
                    // One stream to each server is less to branch over, and it is the harder case.
                    // So is a server without ACLs.
                    if half != Half::Command {
                        let talk = Talk::Listen;
                        self.give(Input::Subscribed { link, talk });
                    }
                }
            }
            Stimulus::Down(far, half) => self.down(far, half),
            Stimulus::Left(peer) => {
                self.inbound.remove(&peer);
            }
            Stimulus::Written => {
                if let Some((seq, file)) = self.pending.take() {
                    self.synced = file;
                    self.give(Input::Persisted { seq });
                }
            }
            Stimulus::Unwritten => {
                if let Some((seq, file)) = self.pending.take() {
                    self.watch.on_unwritten(&file);
                    let why = Arc::from("no space left on device");
                    self.give(Input::PersistFailed { seq, why });
                }
            }
            Stimulus::Tick => {
                self.now = self.due().map_or(self.now, |due| self.now.max(due));
                self.sentinel.handle_timeout(self.now);
            }
            Stimulus::Restart(rename) => self.restart(rename),
            Stimulus::Failover => {
                let request = self.request();
                let command = Command::Failover { name: name() };
                self.give(Input::Asked { request, command });
            }
        }
        self.drain()
    }

    fn give(&mut self, input: Input) {
        self.sentinel.handle(self.now, input);
    }

    const fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId::new(self.next_request)
    }

    /// A peer's request. PING is the driver's own business; the rest is the core's.
    fn serve(&mut self, from: u8, req: Req, waits: Waits) {
        let request = self.request();
        let command = match req {
            Req::Hello(told) => Some(Command::Publish {
                hello: Some(told.hello()),
            }),
            Req::Ask {
                about,
                epoch,
                candidate,
            } => Some(Command::Ask(Ask {
                addr: Some(addr(Far::Server(about))),
                epoch: Some(bartizan_core::ids::Epoch::new(epoch)),
                candidate: candidate.map(id),
            })),
            Req::Ping | Req::Info | Req::Follow(_) | Req::ScriptKill => None,
        };
        let wanted = matches!(
            req,
            Req::Ask {
                candidate: Some(_),
                ..
            }
        );
        let ready = match (&command, req) {
            (Some(_), _) => None,
            (None, Req::Ping) => Some(Ans::Pong),
            (None, _) => Some(Ans::Refused),
        };
        if waits == Waits::Yes {
            let queue = self.inbound.entry(from).or_default();
            queue.push_back((request, wanted, ready));
        }
        if let Some(command) = command {
            self.give(Input::Asked { request, command });
        }
    }

    fn answered(&mut self, far: Far, ans: Ans) -> Vec<Effect> {
        let Some(link) = self.links.get(&(far, Half::Command)).copied() else {
            return Vec::new();
        };
        let Some((call, req)) = self.calls.get_mut(&far).and_then(VecDeque::pop_front) else {
            return Vec::new();
        };
        if let (Far::Peer(peer), Ans::Opinion { vote, .. }) = (far, ans) {
            self.watch.on_vote(peer, vote);
        }
        let answer = match ans {
            Ans::Pong => Answer::Pong,
            Ans::Info(facts) => Answer::Info(Box::new(facts.info())),
            Ans::Opinion { down, vote, .. } => Answer::Opinion(as_opinion(down, vote)),
            Ans::Done => Answer::Done,
            Ans::Refused | Ans::Gone => Answer::Error(Arc::from("ERR")),
        };
        if let (Far::Server(server), Req::Hello(_)) = (far, req) {
            // Our own hello comes back over Pub/Sub, and shows that the link lives.
            self.heard(server, None);
        }
        self.give(Input::Answer { link, call, answer });
        self.drain()
    }

    fn heard(&mut self, server: u8, told: Option<Told>) {
        let key = (Far::Server(server), Half::PubSub);
        if let Some(link) = self.links.get(&key).copied() {
            let hello = told.map(Told::hello);
            self.give(Input::Heard { link, hello });
        }
    }

    fn down(&mut self, far: Far, half: Half) {
        if let Some(link) = self.links.remove(&(far, half)) {
            if half == Half::Command {
                self.calls.remove(&far);
            }
            let why = match far {
                Far::Peer(_) => LinkError::Closed,
                Far::Server(_) => LinkError::Refused,
            };
            self.give(Input::LinkDown { link, why });
        }
    }

    /// Links of another life are gone; the clock, the disk and what was told go on.
    fn restart(&mut self, rename: Rename) {
        if let (Some((_, file)), Rename::Done) = (self.pending.take(), rename) {
            self.synced = file;
        }
        self.links.clear();
        self.calls.clear();
        self.inbound.clear();
        self.now += Span::ms(1);
        self.watch.on_restart(&self.synced);
        self.sentinel = started(self.me, &self.synced, self.now, self.mutant);
    }

    fn drain(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(broken) = self.watch.on_boot_check(&self.synced) {
            effects.push(Effect::Broken(broken));
        }
        while let Some(output) = self.sentinel.poll_output() {
            self.watch.see(&output, &self.synced, &mut effects);
            self.carry_out(output, &mut effects);
        }
        for (peer, queue) in &mut self.inbound {
            while let Some((_, _, Some(ans))) = queue.front().copied() {
                queue.pop_front();
                effects.push(Effect::Reply(*peer, ans));
            }
        }
        self.inbound.retain(|_, queue| !queue.is_empty());
        self.calls.retain(|_, queue| !queue.is_empty());
        effects
    }

    fn carry_out(&mut self, output: Output, effects: &mut Vec<Effect>) {
        match output {
            Output::Connect {
                link,
                kind,
                ip,
                port,
                ..
            } => {
                let host = bartizan_core::addr::Host::Ip(ip);
                if let Some(far) = far_of(&bartizan_core::addr::Addr::new(host, port)) {
                    let half = match kind {
                        LinkKind::Command => Half::Command,
                        LinkKind::PubSub => Half::PubSub,
                        LinkKind::Trial => Half::Trial,
                    };
                    self.links.insert((far, half), link);
                    effects.push(Effect::Connect(far, half));
                }
            }
            Output::Close { link } => {
                let known = self.links.iter().find(|(_, id)| **id == link);
                if let Some((far, half)) = known.map(|(key, _)| *key) {
                    self.links.remove(&(far, half));
                    if half == Half::Command {
                        self.calls.remove(&far);
                    }
                    effects.push(Effect::Close(far, half));
                }
            }
            Output::Call {
                link, call, what, ..
            } => {
                let known = self.links.iter().find(|(_, id)| **id == link);
                if let (Some(((far, _), _)), Some(req)) = (known, Req::of(&what)) {
                    self.calls.entry(*far).or_default().push_back((call, req));
                    effects.push(Effect::Send(*far, req));
                }
            }
            Output::Answer { request, reply } => {
                let mut open = self.inbound.values_mut().flatten();
                if let Some((_, wanted, ready)) = open.find(|(id, ..)| *id == request) {
                    *ready = Some(opinion(&reply, *wanted).unwrap_or(Ans::Done));
                } else if reply == Reply::OK {
                    self.watch.on_operator();
                }
            }
            Output::Persist { seq, durable } => {
                self.pending = Some((seq, Arc::from(durable)));
                effects.push(Effect::Writes);
            }
            Output::Event(event) => {
                let line = format!("s{} {} {}", self.me, event.kind.name(), event.payload);
                effects.push(Effect::Event(Arc::from(line)));
            }
            Output::Log { .. }
            | Output::Resolve { .. }
            | Output::SetLogThreshold(_)
            | Output::Whereabouts { .. }
            | Output::RunScript { .. }
            | Output::KillScript { .. }
            // The servers of these small worlds tell nothing of their histories.
            | Output::Rescue { .. }
            | Output::Crash { .. } => {}
        }
    }
}

fn started(me: u8, file: &Arc<Durable>, now: Mono, mutant: Option<Mutant>) -> Sentinel {
    let boot = Boot {
        durable: Durable::clone(file),
        fresh: false,
        seed: u64::from(me) + 1,
        port: 26379,
        own_password: None,
    };
    let sentinel = Sentinel::new(boot, now);
    infected(sentinel, mutant)
}

#[cfg(feature = "mutants")]
fn infected(mut sentinel: Sentinel, mutant: Option<Mutant>) -> Sentinel {
    if let Some(mutant) = mutant {
        sentinel.infect(mutant);
    }
    sentinel
}

/// Without the feature the core has no deliberate bugs to switch on.
#[cfg(not(feature = "mutants"))]
fn infected(sentinel: Sentinel, _: Option<Mutant>) -> Sentinel {
    sentinel
}
