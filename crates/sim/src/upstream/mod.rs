//! A model of redis-sentinel 7.0: its timing and its rules, hazards included (spec §5 to §10).
//!
//! It stands beside real cores in simulated fleets and speaks the same [`Input`] and [`Output`].
//! Unlike the core it is driven by a tick of 52 to 100 ms: an input is recorded, and hellos and
//! vote requests are answered at once, but everything else happens when the tick comes round.
//! It also never waits for the disk: what it reveals may be lost in a crash (hazard E).
//!
//! Left out, because no simulated fleet needs them: host names (an instance with a name is never
//! connected), scripts, the options of `SENTINEL SET` and `CONFIG SET` that no rule here reads,
//! and the queries of [`Upstream::query`] that are not listed there.

mod command;
mod down;
mod election;
mod failover;
mod hello;
mod info;
mod line;
mod query;
mod roster;
mod select;
mod state;
mod switch;
mod tick;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use bartizan_core::addr::Addr;
use bartizan_core::ids::{Epoch, LinkId, MasterName, PersistSeq, RunId};
use bartizan_core::input::Input;
use bartizan_core::limits;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::notify::event::{Event, EventKind, Level};
use bartizan_core::output::Output;
use bartizan_core::provide::options::{Credentials, GlobalOptions, Periods};
use bartizan_core::rng::Rng;
use bartizan_core::sentinel::Boot;
use bartizan_core::time::{Mono, Span};

use line::Line;
use state::{InstId, Instance, Kind, LineId, Master, State};

/// One redis-sentinel, watching any number of masters.
#[derive(Debug)]
pub struct Upstream {
    id: RunId,
    port: u16,
    own_password: Option<Credentials>,
    options: GlobalOptions,
    periods: Periods,
    epoch: Epoch,
    masters: BTreeMap<MasterName, Master>,
    instances: BTreeMap<InstId, Instance>,
    lines: BTreeMap<LineId, Line>,
    sockets: BTreeMap<LinkId, LineId>,
    last_id: u64,
    rng: Rng,
    out: VecDeque<Output>,
    writing: Option<PersistSeq>,
    write_again: bool,
    tilt: Option<Mono>,
    last_tick: Mono,
    next_tick: Mono,
}

impl Upstream {
    /// A redis-sentinel that has just read its file (spec §1.5). Outputs are waiting.
    pub fn new(boot: Boot, now: Mono) -> Self {
        let Boot {
            durable,
            fresh,
            seed,
            port,
            own_password,
        } = boot;
        let mut new = Self {
            id: durable.my_id,
            port,
            own_password,
            options: durable.options,
            periods: durable.periods,
            epoch: durable.current_epoch,
            masters: BTreeMap::new(),
            instances: BTreeMap::new(),
            lines: BTreeMap::new(),
            sockets: BTreeMap::new(),
            last_id: 0,
            rng: Rng::new(seed),
            out: VecDeque::new(),
            writing: None,
            write_again: false,
            tilt: None,
            last_tick: now,
            // The first tick comes at once (observed on 7.0.15).
            next_tick: now + Span::TICK,
        };
        for master in &durable.masters {
            new.load(now, MasterState::clone(master));
        }
        if fresh {
            new.flush();
        }
        let names: Vec<MasterName> = new.masters.keys().cloned().collect();
        for name in &names {
            new.announce_monitor(name);
        }
        new
    }

    /// One thing happened. What arrived is recorded; only hellos and commands are acted on now.
    pub fn handle(&mut self, now: Mono, input: Input) {
        match input {
            Input::LinkUp { link, local } => self.on_link_up(link, local),
            Input::LinkDown { link, why: _ } => self.on_link_down(link),
            Input::Answer { link, call, answer } => self.on_answer(now, link, call, answer),
            Input::Subscribed { link, .. } => self.on_heard(now, link, None),
            Input::Heard { link, hello } => self.on_heard(now, link, hello),
            Input::Asked { request, command } => self.on_command(now, request, command),
            Input::Persisted { seq } => self.on_written(seq, None),
            Input::PersistFailed { seq, why } => self.on_written(seq, Some(&why)),
            Input::Resolved { .. }
            | Input::ScriptStarted { .. }
            | Input::ScriptEnded { .. }
            | Input::Rescued { .. } => {}
        }
    }

    /// Time passed; harmless if early. Runs at most one tick, however late it is: that is how
    /// TILT comes about.
    pub fn handle_timeout(&mut self, now: Mono) {
        if now >= self.next_tick {
            self.tick(now);
            self.next_tick = now + self.draw_tick();
        }
    }

    /// The next thing to do; call until `None` after each input.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next tick.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        Some(self.next_tick)
    }

    /// What its file would hold if it were written now (spec §2.3): the leader of the last vote
    /// is not kept, its epoch is.
    #[must_use]
    pub fn durable(&self) -> Durable {
        Durable {
            my_id: self.id,
            current_epoch: self.epoch,
            options: self.options.clone(),
            periods: self.periods.clone(),
            masters: self
                .masters
                .keys()
                .filter_map(|name| self.saved(name).map(Into::into))
                .collect(),
        }
    }

    /// One master of the file: once its replica is promoted, the two change places.
    fn saved(&self, name: &MasterName) -> Option<MasterState> {
        let master = self.masters.get(name)?;
        let old = &self.instances.get(&master.inst)?.addr;
        let addr = self.current_addr(name)?;
        let place = |replica: &Addr| {
            if *replica == addr {
                old.clone()
            } else {
                replica.clone()
            }
        };
        let peer = |(id, inst): (&RunId, &InstId)| {
            self.instances
                .get(inst)
                .map(|inst| (*id, inst.addr.clone()))
        };
        Some(MasterState {
            branches: Vec::new(),
            own_values: Vec::new(),
            name: name.clone(),
            replicas: master.replicas.keys().map(place).collect(),
            configuration: Configuration {
                epoch: master.config_epoch,
                addr,
            },
            options: master.options.clone(),
            voted_epoch: master.voted,
            sentinels: master.peers.iter().filter_map(peer).collect(),
        })
    }

    /// The address told to clients, peers and the file: the promoted replica's as soon as it is
    /// promoted (hazard M), else the master's.
    fn current_addr(&self, name: &MasterName) -> Option<Addr> {
        let master = self.masters.get(name)?;
        let promoted = (master.failover.state >= State::ReconfSlaves)
            .then_some(master.failover.promoted)
            .flatten();
        let inst = self.instances.get(&promoted.unwrap_or(master.inst))?;
        Some(inst.addr.clone())
    }

    fn line(&self, id: InstId) -> Option<&Line> {
        self.lines.get(&self.instances.get(&id)?.line)
    }

    fn line_mut(&mut self, id: InstId) -> Option<&mut Line> {
        self.lines.get_mut(&self.instances.get(&id)?.line)
    }

    const fn fresh(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The time to the next tick: 10 to 19 a second, drawn anew each time (spec §5.1).
    fn draw_tick(&mut self) -> Span {
        Span::ms(1000).over(10 + self.rng.below(10))
    }

    /// The random delay that keeps sentinels apart (spec §5.3).
    fn desync(&mut self) -> Span {
        Span::ms(self.rng.below(1000))
    }

    /// Asks for a write of the whole state. Nobody waits for it; while one is under way the next
    /// is only noted.
    fn flush(&mut self) {
        if self.writing.is_some() {
            self.write_again = true;
            return;
        }
        let seq = PersistSeq::new(self.fresh());
        self.writing = Some(seq);
        self.out.push_back(Output::Persist {
            seq,
            durable: Box::new(self.durable()),
        });
    }

    /// A write ended. A failed one is only complained about, and not tried again.
    fn on_written(&mut self, seq: PersistSeq, failure: Option<&str>) {
        if self.writing != Some(seq) {
            return;
        }
        self.writing = None;
        match failure {
            None => self.log(
                Level::Notice,
                "Sentinel new configuration saved on disk".to_owned(),
            ),
            Some(why) => self.log(
                Level::Warning,
                format!(
                    "WARNING: Sentinel was not able to save the new configuration on disk!!!: {why}"
                ),
            ),
        }
        if core::mem::take(&mut self.write_again) {
            self.flush();
        }
    }

    fn log(&mut self, level: Level, text: String) {
        self.out.push_back(Output::Log { level, text });
    }

    /// An event about an instance: `@` and the rest (spec §4).
    fn event(&mut self, kind: EventKind, id: InstId, rest: &str) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let Addr { host, port } = &inst.addr;
        let mut payload = format!("{} {} {host} {port}", inst.kind.word(), inst.label);
        let master = self
            .masters
            .get(&inst.master)
            .and_then(|m| self.instances.get(&m.inst));
        if let (Kind::Replica | Kind::Peer, Some(master)) = (inst.kind, master) {
            let Addr { host, port } = &master.addr;
            payload.push_str(&format!(" @ {} {host} {port}", inst.master));
        }
        if !rest.is_empty() {
            payload.push(' ');
            payload.push_str(rest);
        }
        let name = inst.master.clone();
        self.event_as(kind, payload, Some(name));
    }

    /// An event with a payload of its own.
    fn event_as(&mut self, kind: EventKind, mut payload: String, master: Option<MasterName>) {
        while payload.len() > limits::EVENT_PAYLOAD {
            payload.pop();
        }
        self.out.push_back(Output::Event(Event {
            kind,
            payload,
            master,
        }));
    }

    fn announce_monitor(&mut self, name: &MasterName) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let (inst, quorum) = (master.inst, master.options.quorum.get());
        self.event(EventKind::Monitor, inst, &format!("quorum {quorum}"));
    }
}
