//! `Sentinel`: the door. Every input comes in here, every output leaves here; no policy.
//!
//! The contract, which the driver and the simulator both keep:
//! 1. Time comes in as `now` and never goes back.
//! 2. One input, then drain: poll outputs until `None` before the next input.
//! 3. After `handle_timeout(now)` the next deadline lies after `now`.
//! 4. What promises something leaves only when the state behind it is on disk.
//! 5. Every queue has a limit in [`crate::limits`].

mod deadlines;
mod links;
mod promises;

use std::collections::{BTreeMap, BTreeSet};

use crate::ctx::{Ctx, Epochs, Hosts, Outbox};
use crate::failover::vote;
use crate::ids::{MasterName, RequestId, RunId};
use crate::input::Input;
use crate::model::durable::{Durable, MasterState};
use crate::model::gate::{Gate, Promise};
use crate::model::master::{About, Master};
use crate::monitor::hello::{self, Masters, Way};
use crate::notify::event::EventKind;
use crate::notify::script;
use crate::output::Output;
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
            Input::LinkDown { link, why } => self.on_link_down(link, &why),
            Input::Answer { link, call, answer } => self.on_answer(link, call, answer),
            Input::Subscribed { link, talk } => self.on_subscribed(link, talk),
            Input::Heard { link, hello } => self.on_heard(link, hello.as_ref()),
            Input::Asked { request, command } => self.on_command(request, command),
            Input::Persisted { seq } => self.on_persisted(seq),
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
            // Nothing asks for a rescue yet, so this id is nobody's.
            Input::Rescued { id, outcome } => {
                let cx = &mut self.cx;
                let found = self
                    .masters
                    .values_mut()
                    .find_map(|m| m.on_rescued(cx, id, &outcome).then(|| m.name.clone()));
                if let Some(name) = found {
                    self.step_master(&name);
                }
            }
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

    pub(crate) fn on_hello(&mut self, hello: &Hello, way: Way) {
        if hello::on_hello(&mut self.masters, &mut self.cx, hello, way) {
            self.step_master(&hello.master);
            self.step_peer(hello.id);
        }
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
        let withheld = Reply::error("ERR The configuration could not be saved on disk");
        if let Some(hello) = hello {
            self.on_hello(hello, Way::Peer);
        }
        let master = hello.and_then(|hello| self.masters.get(&hello.master));
        match master {
            Some(master) if master.adopting.is_some() => {
                self.cx.gate.hold(Promise::Reply {
                    request,
                    kept,
                    withheld,
                });
            }
            // We go by it, but would not remember it.
            Some(master) if master.saved.epoch < master.configuration.epoch => {
                self.cx.out.push(Output::Answer {
                    request,
                    reply: withheld,
                });
            }
            _ => self.cx.out.push(Output::Answer {
                request,
                reply: kept,
            }),
        }
    }

    fn watch(&mut self, state: &MasterState) {
        let mut master = Master::new(state, &mut self.cx);
        for (id, addr) in &state.sentinels {
            master.add_peer(&mut self.cx, *id, addr);
        }
        let quorum = format!("quorum {}", master.options.quorum.get());
        master.tell_more(&mut self.cx, EventKind::Monitor, About::Master, &quorum);
        self.masters.insert(state.name.clone(), master);
    }
}
