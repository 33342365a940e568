//! A small bench: one Sentinel, a world of scripted hosts around it, time advanced by hand.
//!
//! `give` hands in one input and returns exactly what came of it; nothing else happens. `advance`
//! lets time pass in a world that answers by itself, as each `Host` is scripted to. What the
//! Sentinel says is compared as text (see `render`), so that a test reads like a transcript.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its own part of the bench"
)]

mod host;
mod make;
mod render;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bartizan_core::addr::Addr;
use bartizan_core::ids::{CallId, Epoch, LinkId, MasterName, PersistSeq, RequestId};
use bartizan_core::input::{Answer, Input, LinkError};
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::output::{Call, LinkKind, Output};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::Hello;
use bartizan_core::sentinel::{Boot, Sentinel};
use bartizan_core::time::{Mono, Span};

pub(crate) use host::{Acl, Host, Reach, Vote};
pub(crate) use make::*;
pub(crate) use render::{events, field, only, short_ids, text};

/// One Sentinel and its world.
pub(crate) struct Bench {
    pub(crate) sentinel: Sentinel,
    pub(crate) now: Mono,
    pub(crate) hosts: BTreeMap<u16, Host>,
    pub(crate) disk: Disk,
    /// Every state that was synced, oldest first.
    pub(crate) synced: Vec<Durable>,
    /// Everything that was said, with when.
    pub(crate) history: Vec<(Mono, String)>,
    /// How often time alone woke the Sentinel up.
    pub(crate) wakes: u64,
    pub(crate) links: BTreeMap<LinkId, (u16, LinkKind)>,
    pub(crate) up: Vec<LinkId>,
    connecting: Vec<LinkId>,
    pub(crate) calls: Vec<(LinkId, CallId, Call)>,
    pub(crate) writing: Option<(PersistSeq, Durable)>,
    asked: u64,
    /// Where clients are told that masters are: each drain compares it with what they would be
    /// answered.
    pub(crate) whereabouts: BTreeMap<MasterName, Option<Addr>>,
    /// What was said and written, in order, where a test asks for it.
    pub(crate) trace: Option<Vec<Trace>>,
    /// The most outputs that one input had.
    pub(crate) most: usize,
    /// Hellos on their way back over the Pub/Sub link of the port they were published on.
    echoes: VecDeque<(u16, Hello)>,
    /// Links that will say that their subscription stands.
    subscribing: VecDeque<LinkId>,
}

/// One step of what a test may want to check in order.
#[derive(Clone, Debug)]
pub(crate) enum Trace {
    Said(Output),
    Synced(Durable),
    Failed(Durable),
}

/// What becomes of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    Works,
    Slow,
    Fails,
}

impl Bench {
    /// A Sentinel that has just started in a world of healthy hosts; nothing has happened yet.
    pub(crate) fn boot(boot: Boot) -> Self {
        let mut hosts = BTreeMap::new();
        for state in &boot.durable.masters {
            let master = state.configuration.addr.port;
            let replicas: Vec<u16> = state.replicas.iter().map(|addr| addr.port).collect();
            for replica in &replicas {
                hosts.insert(*replica, Host::replica(*replica, master));
            }
            hosts.insert(master, Host::master(master, &replicas));
            for (_, addr) in &state.sentinels {
                hosts.insert(addr.port, Host::peer(addr.port));
            }
        }
        let mut bench = Self {
            sentinel: Sentinel::new(boot, START),
            now: START,
            hosts,
            disk: Disk::Works,
            synced: Vec::new(),
            history: Vec::new(),
            wakes: 0,
            links: BTreeMap::new(),
            up: Vec::new(),
            connecting: Vec::new(),
            calls: Vec::new(),
            writing: None,
            asked: 0,
            whereabouts: BTreeMap::new(),
            trace: None,
            most: 0,
            echoes: VecDeque::new(),
            subscribing: VecDeque::new(),
        };
        bench.drain();
        bench
    }

    /// A Sentinel that has been watching `mymaster` for some seconds; all is well.
    pub(crate) fn calm(replicas: &[u16], peers: usize, quorum: u32) -> Self {
        Self::calm_with(replicas, peers, quorum, |_| {})
    }

    /// The same, started from what `tweak` makes of the file.
    pub(crate) fn calm_with(
        replicas: &[u16],
        peers: usize,
        quorum: u32,
        tweak: impl FnOnce(&mut Boot),
    ) -> Self {
        let mut boot = boot_of(vec![master_state(replicas, peers, quorum)]);
        tweak(&mut boot);
        let mut bench = Self::boot(boot);
        bench.advance(3000);
        bench
    }

    /// Hands one input in; returns what came of it, line by line. The world does not react yet.
    pub(crate) fn give(&mut self, input: Input) -> Vec<String> {
        let mark = self.history.len();
        if let Input::LinkDown { link, .. } = &input {
            self.forget(*link);
        }
        self.sentinel.handle(self.now, input);
        self.drain();
        self.since(mark)
    }

    /// Lets the world react until it is still, without any time passing.
    pub(crate) fn settle(&mut self) -> Vec<String> {
        let mark = self.history.len();
        while let Some(input) = self.reaction() {
            self.give(input);
        }
        self.since(mark)
    }

    /// Lets time pass, the world reacting at once to whatever the Sentinel does.
    pub(crate) fn advance(&mut self, ms: u64) -> Vec<String> {
        let mark = self.history.len();
        let end = self.now + Span::ms(ms);
        self.settle();
        while let Some(due) = self.sentinel.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.timeout();
            self.settle();
        }
        self.now = end;
        self.since(mark)
    }

    /// Lets time pass until a line begins with `words`; returns everything said until then.
    pub(crate) fn until(&mut self, words: &str, within_ms: u64) -> Vec<String> {
        let mark = self.history.len();
        let end = self.now + Span::ms(within_ms);
        self.settle();
        loop {
            let said = self.since(mark);
            if said.iter().any(|line| line.starts_with(words)) {
                return said;
            }
            let due = self.sentinel.next_deadline().filter(|due| *due <= end);
            let Some(due) = due else {
                panic!(
                    "no `{words}` within {within_ms} ms, but: {:#?}",
                    events(&said)
                );
            };
            self.now = self.now.max(due);
            self.timeout();
            self.settle();
        }
    }

    /// The clock says that it is time; the world does not react yet.
    pub(crate) fn timeout(&mut self) -> Vec<String> {
        let mark = self.history.len();
        self.wakes += 1;
        self.sentinel.handle_timeout(self.now);
        self.drain();
        if let Some(due) = self.sentinel.next_deadline() {
            assert!(
                due > self.now,
                "rule 3: {due:?} is not after {:?}",
                self.now
            );
        }
        self.since(mark)
    }

    /// A process dies: its connections break, and new ones are refused.
    pub(crate) fn kill(&mut self, port: u16) {
        self.host(port).reach = Reach::Refused;
        for link in self.links_of(port) {
            self.give(Input::LinkDown {
                link,
                why: LinkError::Closed,
            });
        }
    }

    /// A process hangs: its connections stand, and nothing comes over them.
    pub(crate) fn hang(&mut self, port: u16) {
        self.host(port).reach = Reach::Mute;
    }

    /// It is back; what it was asked meanwhile is answered.
    pub(crate) fn revive(&mut self, port: u16) {
        self.host(port).reach = Reach::Up;
    }

    pub(crate) fn host(&mut self, port: u16) -> &mut Host {
        self.hosts
            .entry(port)
            .or_insert_with(|| Host::unknown(port, MASTER))
    }

    /// A command comes in; its request number is the next one, from 1 on.
    pub(crate) fn ask(&mut self, command: Command) -> Vec<String> {
        self.asked += 1;
        let request = RequestId::new(self.asked);
        self.give(Input::Asked { request, command })
    }

    /// Peer `n` asks for our vote in `epoch`.
    pub(crate) fn vote_request(&mut self, n: usize, epoch: u64) -> Vec<String> {
        self.ask(Command::Ask(Ask {
            addr: Some(addr(MASTER)),
            epoch: Some(Epoch::new(epoch)),
            candidate: Some(id(n)),
        }))
    }

    /// A hello comes over the master's Pub/Sub link.
    pub(crate) fn hear(&mut self, hello: Hello) -> Vec<String> {
        let link = self.link(MASTER, LinkKind::PubSub).expect("a Pub/Sub link");
        self.give(Input::Heard {
            link,
            hello: Some(hello),
        })
    }

    /// `SENTINEL SET mymaster …`
    pub(crate) fn set(&mut self, words: &[&str]) -> Vec<String> {
        self.ask(Command::Set {
            name: name(),
            words: words.iter().map(|word| Arc::from(*word)).collect(),
            not_executable: Vec::new(),
        })
    }

    pub(crate) fn query(&self, query: &Query) -> Reply {
        self.sentinel.query(self.now, query)
    }

    /// The write under way is synced; the disk then goes on as `disk` says.
    pub(crate) fn disk_done(&mut self) -> Vec<String> {
        let (seq, durable) = self.writing.take().expect("a write is under way");
        self.record(|| Trace::Synced(durable.clone()));
        self.synced.push(durable);
        self.give(Input::Persisted { seq })
    }

    /// The write under way fails.
    pub(crate) fn disk_failed(&mut self) -> Vec<String> {
        let (seq, durable) = self.writing.take().expect("a write is under way");
        self.record(|| Trace::Failed(durable));
        let why = Arc::from("No space left on device");
        self.give(Input::PersistFailed { seq, why })
    }

    /// The open link of a kind to a port.
    pub(crate) fn link(&self, port: u16, kind: LinkKind) -> Option<LinkId> {
        let open = |(link, to): (&LinkId, &(u16, LinkKind))| (*to == (port, kind)).then_some(*link);
        self.links.iter().find_map(open)
    }

    pub(crate) fn links_of(&self, port: u16) -> Vec<LinkId> {
        let to = |(link, (at, _)): (&LinkId, &(u16, LinkKind))| (*at == port).then_some(*link);
        self.links.iter().filter_map(to).collect()
    }

    /// What is on disk of `mymaster`.
    pub(crate) fn on_disk(&self) -> &MasterState {
        let durable = self.synced.last().expect("something was written");
        durable.masters.first().expect("a master is watched")
    }

    fn since(&self, mark: usize) -> Vec<String> {
        self.history[mark..]
            .iter()
            .map(|(_, line)| line.clone())
            .collect()
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.sentinel.poll_output() {
            count += 1;
            assert!(count < 10_000, "too many outputs of one input");
            self.most = self.most.max(count);
            self.record(|| Trace::Said(output.clone()));
            if !matches!(output, Output::Whereabouts { .. }) {
                let line = render::output(&self.links, &output);
                self.history.push((self.now, line));
            }
            self.note(output);
        }
        for (name, addr) in &self.whereabouts {
            let told = addr.as_ref().map_or(Reply::NullArray, Reply::address);
            let asked = self.query(&Query::MasterAddr(name.clone()));
            assert_eq!(told, asked, "where {name} is");
        }
    }

    pub(crate) fn record(&mut self, what: impl FnOnce() -> Trace) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    fn note(&mut self, output: Output) {
        match output {
            Output::Connect {
                link, kind, port, ..
            } => {
                self.links.insert(link, (port, kind));
                self.connecting.push(link);
            }
            Output::Close { link } => self.forget(link),
            Output::Call {
                link, call, what, ..
            } => {
                assert!(self.up.contains(&link), "a call on a link that is not up");
                self.calls.push((link, call, what));
            }
            Output::Persist { seq, durable } => {
                assert!(self.writing.is_none(), "two writes at a time");
                self.writing = Some((seq, *durable));
            }
            Output::Whereabouts { name, addr } => {
                self.whereabouts.insert(name, addr);
            }
            _ => {}
        }
    }

    fn forget(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.up.retain(|open| *open != link);
        self.connecting.retain(|open| *open != link);
        self.subscribing.retain(|open| *open != link);
        self.calls.retain(|(on, _, _)| *on != link);
    }

    /// Answers the oldest open call of a port that `wanted` picks; nothing else happens.
    pub(crate) fn reply(
        &mut self,
        port: u16,
        wanted: fn(&Call) -> bool,
        answer: Answer,
    ) -> Vec<String> {
        let on_port = |(link, _, what): &(LinkId, CallId, Call)| {
            self.links.get(link).is_some_and(|(at, _)| *at == port) && wanted(what)
        };
        let position = self.calls.iter().position(on_port).expect("such a call");
        let (link, call, _) = self.calls.remove(position);
        self.give(Input::Answer { link, call, answer })
    }
}
