//! The timer run and what it sends (spec §5.1, §5.4).

use bartizan_core::ids::{CallId, LinkId, MasterName};
use bartizan_core::input::Answer;
use bartizan_core::limits;
use bartizan_core::notify::event::Level;
use bartizan_core::output::{Call, LinkKind};
use bartizan_core::report::{Hello, Opinion};
use bartizan_core::time::{Mono, Span};

use super::Upstream;
use super::line::{Purpose, Waiting};
use super::state::{InstId, Kind, State, older};

/// Between two INFO to a replica while its master is down or failing over.
const INFO_IN_TROUBLE: Span = Span::ms(1000);

impl Upstream {
    /// One run of the timer: TILT, then every instance, then at most one switch (hazard K).
    pub(super) fn tick(&mut self, now: Mono) {
        self.check_tilt(now);
        let names: Vec<MasterName> = self.masters.keys().cloned().collect();
        for name in &names {
            self.tick_master(now, name);
        }
        let finished = |name: &&MasterName| {
            self.masters
                .get(*name)
                .is_some_and(|m| m.failover.state == State::UpdateConfig)
        };
        if let Some(name) = names.iter().find(finished) {
            self.switch_as_leader(now, name);
        }
    }

    fn tick_master(&mut self, now: Mono, name: &MasterName) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let inst = master.inst;
        let others = master.replicas.values().chain(master.peers.values());
        let others: Vec<InstId> = others.copied().collect();
        self.tick_instance(now, inst);
        if self.tilt.is_none() {
            self.check_odown(now, name);
            if self.start_if_needed(now, name) {
                self.ask_peers(now, name, true);
            }
            self.step(now, name);
            self.ask_peers(now, name, false);
        }
        for id in others {
            self.tick_instance(now, id);
        }
    }

    fn tick_instance(&mut self, now: Mono, id: InstId) {
        self.reconnect(now, id);
        self.send_periodic(now, id);
        if self.tilt.is_none() {
            self.check_health(now, id);
            self.check_sdown(now, id);
        }
    }

    /// INFO, PING and hello as they fall due. A disconnected line gets nothing.
    fn send_periodic(&mut self, now: Mono, id: InstId) {
        let Some(line) = self.line(id) else { return };
        if line.disconnected() || !self.has_room(id) {
            return;
        }
        if self.info_due(now, id) {
            self.send(id, Call::Info, Purpose::Info);
        }
        if self.ping_due(now, id) {
            self.ping(now, id);
        }
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        if older(now, Some(inst.published), self.periods.publish)
            && let Some(hello) = self.hello(&inst.master)
        {
            self.send(id, Call::Publish(hello), Purpose::Publish);
        }
    }

    /// Whether the line takes another call (spec §5.3).
    pub(super) fn has_room(&self, id: InstId) -> bool {
        self.line(id)
            .is_some_and(|line| line.pending() < limits::PENDING_CALLS * line.refs)
    }

    /// By the age of the last INFO that was read: an unanswered one is sent again each tick.
    fn info_due(&self, now: Mono, id: InstId) -> bool {
        let Some(inst) = self.instances.get(&id) else {
            return false;
        };
        let Some(master) = self.masters.get(&inst.master) else {
            return false;
        };
        let trouble = self.instances.get(&master.inst).is_some_and(|m| m.o_down)
            || master.failover.state != State::None
            || inst.server.link_down_for != Span::ZERO;
        let period = match (inst.kind, trouble) {
            (Kind::Peer, _) => return false,
            (Kind::Replica, true) => INFO_IN_TROUBLE,
            (Kind::Replica, false) | (Kind::Master, _) => self.periods.info,
        };
        older(now, inst.server.info_at, period)
    }

    fn ping_due(&self, now: Mono, id: InstId) -> bool {
        let Some(inst) = self.instances.get(&id) else {
            return false;
        };
        let Some(master) = self.masters.get(&inst.master) else {
            return false;
        };
        let Some(line) = self.lines.get(&inst.line) else {
            return false;
        };
        let period = master.options.down_after.min(self.periods.ping);
        older(now, Some(line.last_pong), period) && older(now, line.pinged, period.over(2))
    }

    /// The answer to a call.
    pub(super) fn on_answer(&mut self, now: Mono, link: LinkId, call: CallId, answer: Answer) {
        let line = self
            .sockets
            .get(&link)
            .and_then(|id| self.lines.get_mut(id));
        let socket = line
            .and_then(|line| line.command.as_mut())
            .filter(|s| s.link == link);
        let Some(Waiting { inst, purpose }) = socket.and_then(|s| s.pending.remove(&call)) else {
            return;
        };
        match (purpose, answer) {
            (Purpose::Ping, answer) => self.on_ping_answer(now, inst, &answer),
            (Purpose::Info, Answer::Info(info)) => self.on_info(now, inst, &info),
            (Purpose::Ask, Answer::Opinion(opinion)) => self.on_opinion(now, inst, opinion),
            (Purpose::Publish, Answer::Done) => {
                if let Some(inst) = self.instances.get_mut(&inst) {
                    inst.published = now;
                }
            }
            (Purpose::Info | Purpose::Ask | Purpose::Publish | Purpose::Nothing, _) => {}
        }
    }

    /// Spec §5.5: an error other than LOADING and MASTERDOWN shows life, but not health.
    fn on_ping_answer(&mut self, now: Mono, id: InstId, answer: &Answer) {
        let Some(line) = self.line_mut(id) else {
            return;
        };
        match answer {
            Answer::Pong | Answer::Loading | Answer::MasterDown => {
                line.last_pong = now;
                line.last_ok = now;
                line.unanswered = None;
            }
            Answer::Busy | Answer::Error(_) | Answer::Done => line.last_pong = now,
            Answer::Info(_)
            | Answer::Opinion(_)
            | Answer::MinReplicas(_)
            | Answer::Lacking(_)
            | Answer::Unexpected => {}
        }
        let Some(inst) = self.instances.get_mut(&id) else {
            return;
        };
        if *answer == Answer::Pong {
            inst.server.rebooted = None;
        }
        if *answer == Answer::Busy && inst.s_down && !inst.script_kill_sent {
            inst.script_kill_sent = true;
            self.send(id, Call::ScriptKill, Purpose::Nothing);
        }
    }

    fn on_opinion(&mut self, now: Mono, id: InstId, opinion: Opinion) {
        let Some(inst) = self.instances.get_mut(&id) else {
            return;
        };
        inst.view.answered = Some(now);
        inst.view.down = opinion.down;
        let Some(vote) = opinion.vote else { return };
        let news = inst.view.vote.is_none_or(|old| old.epoch != vote.epoch);
        inst.view.vote = Some(vote);
        if news {
            let text = format!("{} voted for {} {}", inst.label, vote.leader, vote.epoch);
            self.log(Level::Warning, text);
        }
    }

    /// Something came over a Pub/Sub side: it lives, and perhaps a peer speaks.
    pub(super) fn on_heard(&mut self, now: Mono, link: LinkId, hello: Option<Hello>) {
        let Some(line) = self
            .sockets
            .get(&link)
            .and_then(|id| self.lines.get_mut(id))
        else {
            return;
        };
        line.heard = now;
        if let Some(hello) = hello
            && hello.id != self.id
        {
            self.on_hello(now, &hello);
        }
    }

    /// Closes both sides of an instance's line.
    pub(super) fn hang_up(&mut self, id: InstId) {
        if let Some(line) = self.instances.get(&id).map(|inst| inst.line) {
            self.close(line, LinkKind::Command);
            self.close(line, LinkKind::PubSub);
        }
    }
}
