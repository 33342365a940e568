//! `Sentinel`: the door. Every input comes in here, every output leaves here; no policy.
//!
//! The contract, which the driver and the simulator both keep:
//! 1. Time comes in as `now` and never goes back.
//! 2. One input, then drain: poll outputs until `None` before the next input.
//! 3. After `handle_timeout(now)` the next deadline lies after `now`.
//! 4. What promises something leaves only when the state behind it is on disk.
//! 5. Every queue has a limit in [`crate::limits`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::addr::Addr;
use crate::ctx::{Ctx, Epochs, Hosts, Outbox};
use crate::failover::vote;
use crate::ids::{CallId, Epoch, LinkId, MasterName, RequestId, RunId};
use crate::input::{Answer, Input};
use crate::model::durable::{Durable, MasterState};
use crate::model::gate::{Gate, Promise};
use crate::model::master::{About, Master};
use crate::model::peer::Peer;
use crate::model::server::Server;
use crate::monitor::hello::{self, Masters};
use crate::monitor::link::{Owner, Pending};
use crate::notify::event::EventKind;
use crate::notify::script;
use crate::output::{Call, LinkKind, Output};
use crate::provide::command::Command;
use crate::provide::options::Credentials;
use crate::provide::query::Query;
use crate::provide::reply::Reply;
use crate::report::Hello;
use crate::rng::Rng;
use crate::time::{Mono, Span};

/// What a Sentinel starts from.
#[derive(Clone, Debug)]
pub struct Boot {
    /// What the file said.
    pub durable: Durable,
    /// The id is new: write the file before anything else (spec §1.5).
    pub fresh: bool,
    /// Seed of all randomness.
    pub seed: u64,
    /// The port we listen on, which hellos announce.
    pub port: u16,
    /// What to use on peers when no `sentinel-pass` is set: our own `requirepass` (spec §5.2).
    pub own_password: Option<Credentials>,
}

/// One Sentinel, watching any number of masters.
#[derive(Clone, Debug)]
pub struct Sentinel {
    masters: Masters,
    cx: Ctx,
    /// The next deadline of every master and peer, in order of time.
    dues: BTreeSet<(Mono, Key)>,
    due_of: BTreeMap<Key, Mono>,
    started: bool,
}

/// Who has a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Master(MasterName),
    Peer(RunId),
}

impl Sentinel {
    /// A Sentinel that has just started. Outputs are waiting.
    pub fn new(boot: Boot, now: Mono) -> Self {
        let Boot {
            durable,
            fresh,
            seed,
            port,
            own_password,
        } = boot;
        let cx = Ctx {
            now,
            me: durable.my_id,
            port,
            own_password,
            options: durable.options,
            periods: durable.periods,
            rng: Rng::new(seed),
            epochs: Epochs {
                current: durable.current_epoch,
                synced: durable.current_epoch,
                term: None,
            },
            hosts: Hosts::default(),
            out: Outbox::default(),
            gate: Gate::default(),
            peers: BTreeMap::new(),
            scripts: script::Scripts::default(),
            tilt: None,
            crash: crate::ctx::CrashPlan::default(),
            mutant: None,
        };
        let mut sentinel = Self {
            masters: Masters::new(),
            cx,
            dues: BTreeSet::new(),
            due_of: BTreeMap::new(),
            started: !fresh,
        };
        for state in &durable.masters {
            sentinel.watch(state);
        }
        if fresh {
            sentinel.cx.gate.touch();
            sentinel.cx.gate.hold(Promise::Start);
        }
        sentinel.step_all();
        sentinel.settle();
        sentinel
    }

    /// One thing happened.
    pub fn handle(&mut self, now: Mono, input: Input) {
        self.wake(now);
        match input {
            Input::LinkUp { link, local } => self.on_link_up(link, local),
            Input::LinkDown { link, .. } => self.on_link_down(link),
            Input::Answer { link, call, answer } => self.on_answer(link, call, answer),
            Input::Heard { link, hello } => {
                if let Some(Owner::Server(name, addr)) = self.cx.out.routes.get(&link).cloned() {
                    if let Some(server) = self.server_mut(&name, &addr) {
                        server.link.on_heard(now);
                    }
                    self.refresh_master(&name);
                }
                if let Some(hello) = hello {
                    self.on_hello(&hello);
                }
            }
            Input::Asked { request, command } => self.on_command(request, command),
            Input::Persisted { seq } => {
                if let Some(settled) = self.cx.gate.on_persisted(seq, now) {
                    if let Some(epoch) = settled.epoch {
                        self.cx.epochs.synced = self.cx.epochs.synced.max(epoch);
                    }
                    self.keep_promises(settled.promises);
                }
            }
            Input::PersistFailed { seq, .. } => {
                if let Some(settled) = self.cx.gate.on_failed(seq, now) {
                    self.break_promises(settled.promises);
                }
            }
            Input::Resolved { host, ip } => {
                self.cx.hosts.answer(&host, ip, now);
                self.step_all();
            }
            Input::ScriptStarted { job, pid } => script::on_started(&mut self.cx, job, pid),
            Input::ScriptEnded { job, how } => script::on_ended(&mut self.cx, job, how),
        }
        self.settle();
    }

    /// Time passed; harmless if early.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.wake(now);
        while let Some((due, key)) = self.dues.first().cloned() {
            if due > self.cx.now {
                break;
            }
            match &key {
                Key::Master(name) => self.step_master(name),
                Key::Peer(id) => self.step_peer(*id),
            }
        }
        self.settle();
    }

    /// The next thing to do; call until `None` after each input.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.out.pop()
    }

    /// When to come back at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        let first = self.dues.first().map(|(due, _)| *due);
        let tilt = self.cx.tilt.map(|since| since + self.cx.periods.tilt);
        [first, tilt, self.cx.gate.due(), script::due(&self.cx)]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.max(self.cx.now + Span::TICK))
    }

    /// Answers a question; changes nothing.
    pub fn query(&self, now: Mono, query: &Query) -> Reply {
        crate::provide::instance::answer(&self.masters, &self.cx, now, query)
    }

    /// Switches a deliberate bug on, for the simulator to find.
    #[cfg(feature = "mutants")]
    pub fn infect(&mut self, mutant: crate::mutant::Mutant) {
        self.cx.mutant = Some(mutant);
    }

    /// Our own id.
    pub const fn id(&self) -> RunId {
        self.cx.me
    }

    /// Moves the clock, and notices when the process did not run for too long (TILT, spec §8).
    fn wake(&mut self, now: Mono) {
        let late = self
            .next_deadline()
            .map(|due| now.since(due))
            .unwrap_or_default();
        self.cx.now = self.cx.now.max(now);
        if late > self.cx.periods.tilt_trigger {
            self.cx.tilt = Some(self.cx.now);
            self.cx
                .event(EventKind::Tilt, "#tilt mode entered".to_owned());
            self.refresh_all();
        } else if self
            .cx
            .tilt
            .is_some_and(|since| self.cx.now.since(since) >= self.cx.periods.tilt)
        {
            self.cx.tilt = None;
            self.cx
                .event(EventKind::TiltEnd, "#tilt mode exited".to_owned());
            self.step_all();
        }
    }

    /// Lets go what may go, and begins the write that the rest waits for.
    fn settle(&mut self) {
        loop {
            let kept = self.cx.gate.take_kept();
            if kept.is_empty() {
                break;
            }
            self.keep_promises(kept);
        }
        script::run_due(&mut self.cx);
        let epoch = self.cx.epochs.current;
        if let Some(seq) = self.cx.gate.begin(self.cx.now, epoch) {
            let durable = Box::new(self.durable());
            self.cx.out.push(Output::Persist { seq, durable });
        }
    }

    /// Everything that must survive a crash, as it is now.
    fn durable(&self) -> Durable {
        Durable {
            my_id: self.cx.me,
            current_epoch: self.cx.epochs.current,
            options: self.cx.options.clone(),
            periods: self.cx.periods.clone(),
            masters: self
                .masters
                .values()
                .map(|master| master.state(&self.cx))
                .collect(),
        }
    }

    fn keep_promises(&mut self, promises: Vec<Promise>) {
        for promise in promises {
            match promise {
                Promise::Vote { request, kept, .. } | Promise::Reply { request, kept, .. } => {
                    self.cx.out.push(Output::Answer {
                        request,
                        reply: kept,
                    });
                }
                Promise::Stand {
                    master: name,
                    epoch,
                } => {
                    if let Some(master) = self.masters.get_mut(&name) {
                        master.on_candidacy_kept(epoch);
                    }
                    self.step_master(&name);
                }
                Promise::Adopt { master, epoch } => self.settle_adoption(&master, epoch),
                Promise::Tell(notice) | Promise::TellAnyway(notice) => self.cx.tell(notice),
                Promise::Start => self.start(),
            }
        }
    }

    /// What could not be written: votes are not given, candidacies end; configurations are
    /// knowledge and hold all the same.
    fn break_promises(&mut self, promises: Vec<Promise>) {
        for promise in promises {
            match promise {
                Promise::Vote {
                    request, withheld, ..
                }
                | Promise::Reply {
                    request, withheld, ..
                } => {
                    self.cx.out.push(Output::Answer {
                        request,
                        reply: withheld,
                    });
                }
                Promise::Stand {
                    master: name,
                    epoch,
                } => {
                    if let Some(master) = self.masters.get_mut(&name) {
                        master.on_candidacy_unwritten(&mut self.cx, epoch);
                    }
                    self.step_master(&name);
                }
                Promise::Adopt { master, epoch } => self.settle_adoption(&master, epoch),
                Promise::Tell(_) => {}
                Promise::TellAnyway(notice) => self.cx.tell(notice),
                Promise::Start => self.start(),
            }
        }
    }

    fn settle_adoption(&mut self, name: &MasterName, epoch: Epoch) {
        if let Some(master) = self.masters.get_mut(name) {
            master.on_adoption_settled(&mut self.cx, epoch);
        }
        self.step_master(name);
    }

    fn start(&mut self) {
        self.started = true;
        self.step_all();
    }

    fn on_link_up(&mut self, link: LinkId, local: IpAddr) {
        match self.cx.out.routes.get(&link).cloned() {
            Some(Owner::Server(name, addr)) => {
                let now = self.cx.now;
                if let Some(server) = self.server_mut(&name, &addr)
                    && server.link.on_up(link, local, now) == Some(LinkKind::Command)
                {
                    server.info_asked_at = None;
                    server.told_at = None;
                }
                self.step_master(&name);
            }
            Some(Owner::Peer(id)) => {
                let Some(shared) = self.cx.peers.get_mut(&id) else {
                    return;
                };
                shared.link.on_up(link, local, self.cx.now);
                for name in self.masters_of(id) {
                    let Some(master) = self.masters.get_mut(&name) else {
                        continue;
                    };
                    if let Some(peer) = master.peers.get_mut(&id) {
                        peer.told_at = None;
                        peer.asked_at = None;
                    }
                    master.on_voter_back(&mut self.cx);
                    self.step_master(&name);
                }
                self.step_peer(id);
            }
            None => {}
        }
    }

    fn on_link_down(&mut self, link: LinkId) {
        let longest = self.cx.periods.ping;
        let now = self.cx.now;
        match self.cx.out.routes.remove(&link) {
            Some(Owner::Server(name, addr)) => {
                let mut rng = self.cx.rng.clone();
                if let Some(server) = self.server_mut(&name, &addr) {
                    server.link.on_down(link, now, longest, &mut rng);
                }
                self.cx.rng = rng;
                self.step_master(&name);
            }
            Some(Owner::Peer(id)) => {
                if let Some(shared) = self.cx.peers.get_mut(&id) {
                    shared.link.on_down(link, now, longest, &mut self.cx.rng);
                }
                self.step_peer(id);
                for name in self.masters_of(id) {
                    self.step_master(&name);
                }
            }
            None => {}
        }
    }

    fn on_answer(&mut self, link: LinkId, call: CallId, answer: Answer) {
        let now = self.cx.now;
        match self.cx.out.routes.get(&link).cloned() {
            Some(Owner::Server(name, addr)) => {
                let Some(server) = self.server_mut(&name, &addr) else {
                    return;
                };
                let Some(pending) = server.link.on_answer(call, now) else {
                    return;
                };
                match (pending, answer) {
                    (Pending::Ping, answer) => self.on_server_pong(&name, &addr, &answer),
                    (Pending::Info, Answer::Info(info)) => {
                        if let Some(master) = self.masters.get_mut(&name) {
                            master.on_info(&mut self.cx, &addr, &info);
                        }
                    }
                    _ => {}
                }
                self.step_master(&name);
            }
            Some(Owner::Peer(id)) => {
                let Some(shared) = self.cx.peers.get_mut(&id) else {
                    return;
                };
                let Some(pending) = shared.link.on_answer(call, now) else {
                    return;
                };
                self.on_peer_answer(id, pending, &answer);
            }
            None => {}
        }
    }

    fn on_server_pong(&mut self, name: &MasterName, addr: &Addr, answer: &Answer) {
        let now = self.cx.now;
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        let renames = master.options.renames.clone();
        let Some(server) = master.servers.get_mut(addr) else {
            return;
        };
        match answer {
            Answer::Pong => {
                server.link.ping.on_valid(now);
                server.rebooted = None;
            }
            Answer::Loading | Answer::MasterDown => server.link.ping.on_valid(now),
            Answer::Busy => {
                server.link.ping.on_invalid(now);
                let due = server.sdown.is_some() && !server.script_killed;
                if due
                    && server.link.call(
                        Call::ScriptKill,
                        Pending::ScriptKill,
                        &renames,
                        &mut self.cx.out,
                    )
                {
                    server.script_killed = true;
                }
            }
            Answer::Error(_)
            | Answer::Unexpected
            | Answer::Info(_)
            | Answer::Opinion(_)
            | Answer::Done => server.link.ping.on_invalid(now),
        }
    }

    fn on_peer_answer(&mut self, id: RunId, pending: Pending, answer: &Answer) {
        match pending {
            Pending::Ping => {
                let now = self.cx.now;
                let Some(shared) = self.cx.peers.get_mut(&id) else {
                    return;
                };
                match answer {
                    Answer::Pong | Answer::Loading | Answer::MasterDown => {
                        shared.link.ping.on_valid(now);
                    }
                    _ => shared.link.ping.on_invalid(now),
                }
                self.step_peer(id);
                for name in self.masters_of(id) {
                    let down = |peer: &Peer| peer.sdown.is_some();
                    if self
                        .masters
                        .get(&name)
                        .and_then(|m| m.peers.get(&id))
                        .is_some_and(down)
                    {
                        self.step_master(&name);
                    }
                }
            }
            Pending::Ask {
                master: name,
                addr,
                vote_in,
            } => {
                if let (Some(master), Answer::Opinion(opinion)) =
                    (self.masters.get_mut(&name), answer)
                {
                    master.on_opinion(&mut self.cx, id, &addr, vote_in, *opinion);
                }
                self.step_master(&name);
            }
            Pending::Hello {
                master: name,
                epoch,
            } => {
                if let (Some(master), Answer::Done) = (self.masters.get_mut(&name), answer) {
                    master.on_hello_acknowledged(id, epoch);
                }
                self.step_master(&name);
            }
            Pending::Info | Pending::Reconfigure | Pending::ScriptKill => {}
        }
    }

    pub(crate) fn on_hello(&mut self, hello: &Hello) {
        hello::on_hello(&mut self.masters, &mut self.cx, hello);
        self.step_master(&hello.master);
        self.step_peer(hello.id);
    }

    fn on_command(&mut self, request: RequestId, command: Command) {
        if self.cx.gate.held() >= crate::limits::HELD_REPLIES {
            let reply = Reply::error("ERR Too many requests wait for the disk, try again later");
            self.cx.out.push(Output::Answer { request, reply });
            return;
        }
        match command {
            Command::Ask(ask) => {
                let (masters, cx) = (&mut self.masters, &mut self.cx);
                let asked = ask.addr.as_ref().and_then(|addr| {
                    masters
                        .values_mut()
                        .find(|m| cx.hosts.same(&m.configuration.addr, addr))
                });
                let name = asked.as_ref().map(|master| master.name.clone());
                vote::on_ask(cx, asked, request, &ask);
                if let Some(name) = name {
                    self.step_master(&name);
                }
            }
            Command::Publish { hello } => self.on_publish(request, hello.as_ref()),
            change => {
                let touched =
                    crate::provide::change::apply(&mut self.masters, &mut self.cx, request, change);
                for name in touched {
                    self.step_master(&name);
                }
                self.refresh_all();
            }
        }
    }

    /// A hello over the peer's own link. The answer tells a leader that we hold its configuration,
    /// so one that we are adopting is on disk by then.
    fn on_publish(&mut self, request: RequestId, hello: Option<&Hello>) {
        let kept = Reply::Integer(1);
        let adopting = hello.is_some_and(|hello| {
            self.on_hello(hello);
            self.masters
                .get(&hello.master)
                .is_some_and(|master| master.adopting.is_some())
        });
        if adopting {
            self.cx.gate.hold(Promise::Reply {
                request,
                withheld: kept.clone(),
                kept,
            });
        } else {
            self.cx.out.push(Output::Answer {
                request,
                reply: kept,
            });
        }
    }

    fn watch(&mut self, state: &MasterState) {
        let mut master = Master::new(state, &self.cx);
        for (id, addr) in &state.sentinels {
            master.add_peer(&mut self.cx, *id, addr);
        }
        let quorum = format!("quorum {}", master.options.quorum.get());
        master.tell_more(&mut self.cx, EventKind::Monitor, About::Master, &quorum);
        self.masters.insert(state.name.clone(), master);
    }

    fn step_all(&mut self) {
        for name in self.masters.keys().cloned().collect::<Vec<_>>() {
            self.step_master(&name);
        }
        for id in self.cx.peers.keys().copied().collect::<Vec<_>>() {
            self.step_peer(id);
        }
    }

    fn step_master(&mut self, name: &MasterName) {
        if self.started
            && let Some(master) = self.masters.get_mut(name)
        {
            master.step(&mut self.cx);
        }
        self.refresh_master(name);
    }

    /// Looks after the link to a peer, and has its masters look when it has been silent too long.
    fn step_peer(&mut self, id: RunId) {
        if !self.started {
            return;
        }
        let Some(mut shared) = self.cx.peers.remove(&id) else {
            self.set_due(Key::Peer(id), None);
            return;
        };
        shared.keep(&mut self.cx);
        let silent = shared.silent_at();
        let due = shared.due(&self.cx);
        self.cx.peers.insert(id, shared);
        let now = self.cx.now;
        let silent_due = silent.filter(|at| *at > now);
        let due = [due.map(|due| due.max(now + Span::TICK)), silent_due]
            .into_iter()
            .flatten()
            .min();
        self.set_due(Key::Peer(id), due);
        if silent.is_some_and(|at| at <= now) {
            for name in self.masters_of(id) {
                let unaware = |peer: &Peer| peer.sdown.is_none();
                if self
                    .masters
                    .get(&name)
                    .and_then(|m| m.peers.get(&id))
                    .is_some_and(unaware)
                {
                    self.step_master(&name);
                }
            }
        }
    }

    fn refresh_all(&mut self) {
        let known: Vec<Key> = self.due_of.keys().cloned().collect();
        for key in known {
            match &key {
                Key::Master(name) => self.refresh_master(name),
                Key::Peer(id) => self.step_peer(*id),
            }
        }
    }

    fn refresh_master(&mut self, name: &MasterName) {
        let due = self
            .masters
            .get(name)
            .filter(|_| self.started)
            .and_then(|m| m.due(&self.cx));
        // Rule 3: whatever is due now was looked at just now.
        let due = due.map(|due| due.max(self.cx.now + Span::TICK));
        self.set_due(Key::Master(name.clone()), due);
    }

    fn set_due(&mut self, key: Key, due: Option<Mono>) {
        if let Some(old) = self.due_of.get(&key).copied() {
            if due == Some(old) {
                return;
            }
            self.dues.remove(&(old, key.clone()));
        }
        match due {
            Some(due) => {
                self.due_of.insert(key.clone(), due);
                self.dues.insert((due, key));
            }
            None => {
                self.due_of.remove(&key);
            }
        }
    }

    fn masters_of(&self, id: RunId) -> Vec<MasterName> {
        let knows = |master: &&Master| master.peers.contains_key(&id);
        self.masters
            .values()
            .filter(knows)
            .map(|master| master.name.clone())
            .collect()
    }

    fn server_mut(&mut self, name: &MasterName, addr: &Addr) -> Option<&mut Server> {
        self.masters.get_mut(name)?.servers.get_mut(addr)
    }
}
