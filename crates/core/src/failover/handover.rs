//! A switchover that loses nothing: the master's writes are held back until the replica that is to
//! follow it has all of them (data-safety §2).
//!
//! Only a failover that an operator asked for comes this way, and only from a master that is well.
//! The pause has an end that the server itself keeps to, so writes go on whatever becomes of us.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::{Cause, Failover, Mandate};
use crate::ids::RequestId;
use crate::input::Answer;
use crate::model::master::{About, Master};
use crate::model::server::Server;
use crate::monitor::link::Pending;
use crate::mutant::Mutant;
use crate::notify::event::{EventKind, Level};
use crate::output::{Call, Output, ReplicaOf};
use crate::permission::Permission;
use crate::provide::reply::Reply;
use crate::report::{Info, Role};
use crate::time::{Mono, Span};

/// How far a handover has come, from the election to the promotion.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    pub(crate) mandate: Mandate,
    pub(crate) replica: Addr,
    since: Mono,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Writes go on. The replica has to show that it keeps up, by reaching `goal`: what the
    /// master had when it was asked.
    Approaching { goal: Option<u64> },
    /// The master was told to hold writes back.
    Pausing { sent: Mono },
    /// It does. The replica has to reach `goal`: what the master has, asked after the pause.
    Paused { sent: Mono, goal: Option<u64> },
}

/// What an operator asked for, until it is done or has failed.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Without loss or not at all (`COORDINATED`).
    pub(crate) strict: bool,
    /// The replica that is wanted.
    pub(crate) to: Option<Addr>,
    /// How long it may take until the promotion.
    pub(crate) timeout: Span,
    /// Who waits for the outcome.
    pub(crate) asked_by: Option<RequestId>,
    /// Why it failed, as far as that is known.
    pub(crate) failure: Option<String>,
}

/// Writes that are held back at a server.
#[derive(Clone, Debug)]
pub(crate) struct WritePause {
    pub(crate) server: Addr,
    /// When the server lets them go on by itself, at the earliest.
    pub(crate) until: Mono,
    /// The chosen replica had everything that the server had behind them.
    pub(crate) caught_up: bool,
}

/// How long an operator's failover may take until the promotion, unless it says so.
pub(crate) const PATIENCE: Span = Span::secs(5);
/// For how long a plain failover waits for a master that cannot be asked now: its connection is
/// being made again, or has not told yet that it is the master. Without a handover, what clients
/// write meanwhile is lost.
const READY_SOON: Span = Span::secs(1);
/// Writes are held back no longer than this, nor than half of `down-after-milliseconds`: a
/// redis-sentinel's PING waits behind its own hello meanwhile.
const LONGEST_PAUSE: Span = Span::secs(1);
/// Redis looks ten times a second whether a pause is over (`hz 10`), so that a writer whom nobody
/// releases waits for so much longer than was asked for.
const LOOKED_AT_LATE: Span = Span::ms(100);
/// Why a master whose ACL forbids it is not even asked.
pub(crate) const NO_PAUSE: &str =
    "our user there lacks +client|pause, so writes cannot be held back";

impl Order {
    /// A plain `SENTINEL FAILOVER`.
    pub(crate) const fn plain() -> Self {
        Self {
            strict: false,
            to: None,
            timeout: PATIENCE,
            asked_by: None,
            failure: None,
        }
    }
}

impl Handover {
    const fn new(mandate: Mandate, replica: Addr, now: Mono) -> Self {
        Self {
            mandate,
            replica,
            since: now,
            stage: Stage::Approaching { goal: None },
        }
    }
}

impl Master {
    /// A replica was chosen for a failover: by way of a handover where that can be, else it is
    /// promoted at once.
    pub(crate) fn on_replica_chosen(&mut self, cx: &mut Ctx, mandate: Mandate, replica: Addr) {
        self.tell(cx, EventKind::SelectedSlave, About::Replica(&replica));
        let ready = self.can_hand_over(cx) || self.may_be_ready_soon();
        if mandate.cause != Cause::Operator {
            self.begin_promotion(cx, mandate, replica);
        } else if ready || self.may_not_pause() {
            self.owe_offsets(&replica);
            self.failover = Failover::Handover(Handover::new(mandate, replica, cx.now));
            if self.may_not_pause() {
                self.give_way(cx, NO_PAUSE);
            }
        } else if self.is_strict() {
            self.fail_handover(cx, "the master cannot be reached or is not well");
        } else {
            self.begin_promotion(cx, mandate, replica);
        }
    }

    /// Whether the master would refuse to hold writes back.
    pub(crate) fn may_not_pause(&self) -> bool {
        let barred = |master: &Server| master.lacks(&[Permission::Pause]);
        self.primary().is_some_and(barred)
    }

    /// Whether the master is well enough to be asked to hold writes back.
    pub(crate) fn can_hand_over(&self, cx: &Ctx) -> bool {
        self.primary().is_some_and(|master| {
            let unheard = master.link.ping.unheard_since();
            let patience = self.options.down_after.over(4);
            let answers = unheard.is_none_or(|since| cx.now.since(since) < patience);
            master.link.is_up()
                && master.sdown.is_none()
                && master.role == Role::Master
                && master.history.is_some()
                && answers
        })
    }

    /// Whether that may change within a moment: nobody holds it to be down, and it has yet to tell
    /// what it is. Where a handover was insisted on it is refused at once.
    fn may_be_ready_soon(&self) -> bool {
        let untold = self.primary().is_some_and(|master| {
            let told = master.link.is_up() && master.role == Role::Master && master.info.is_some();
            master.sdown.is_none() && !told
        });
        untold && self.odown.is_none() && !self.is_strict()
    }

    /// Takes a handover as far as it can go now.
    pub(crate) fn hand_over(&mut self, cx: &mut Ctx) {
        let Failover::Handover(handover) = &self.failover else {
            return;
        };
        let (stage, since) = (handover.stage, handover.since);
        let replica = handover.replica.clone();
        let fit = self
            .servers
            .get(&replica)
            .is_some_and(|server| server.sdown.is_none() && server.link.is_up());
        let reachable = self.primary().is_some_and(|master| {
            master.link.is_up() && master.sdown.is_none() && master.role == Role::Master
        });
        if !fit {
            return self.fail_handover(cx, "the replica was lost");
        }
        let lost = "the master was lost";
        match stage {
            Stage::Approaching { .. } if !self.can_hand_over(cx) => {
                if !self.may_be_ready_soon() || cx.now.since(since) >= READY_SOON {
                    self.give_way(cx, lost);
                }
            }
            Stage::Pausing { .. } | Stage::Paused { .. } if !reachable => self.give_way(cx, lost),
            // It was not known before.
            Stage::Approaching { .. } if self.may_not_pause() => self.give_way(cx, NO_PAUSE),
            Stage::Approaching { goal } => {
                if self.has_reached(&replica, goal) {
                    self.hold_writes(cx);
                } else if cx.now.since(since) >= self.order_timeout() {
                    self.fail_handover(cx, "the replica does not keep up with the master");
                } else {
                    self.ask_offset_again(cx, &replica);
                }
            }
            Stage::Pausing { sent } => {
                if cx.now.since(sent) >= self.longest_pause().over(2) {
                    self.give_way(cx, "the master does not answer CLIENT PAUSE");
                }
            }
            Stage::Paused { sent, goal } => {
                let enough = cx.now.since(sent) < self.last_moment();
                if enough && self.has_reached(&replica, goal) {
                    let mandate = handover.mandate;
                    if let Some(pause) = &mut self.write_pause {
                        pause.caught_up = true;
                    }
                    self.begin_promotion(cx, mandate, replica);
                } else if enough {
                    self.ask_offset_again(cx, &replica);
                } else {
                    self.fail_handover(cx, "the replica did not catch up within the pause");
                }
            }
        }
    }

    /// When time alone takes it further.
    pub(crate) fn handover_due(&self, cx: &Ctx, handover: &Handover) -> Mono {
        let limit = match handover.stage {
            Stage::Approaching { .. } if !self.can_hand_over(cx) => {
                return handover.since + READY_SOON;
            }
            Stage::Approaching { .. } => handover.since + self.order_timeout(),
            Stage::Pausing { sent } => return sent + self.longest_pause().over(2),
            Stage::Paused { sent, .. } => sent + self.last_moment(),
        };
        // The replica's offset is asked for once a tick; an answer that is awaited wakes us itself.
        let awaited = self
            .servers
            .get(&handover.replica)
            .is_none_or(|server| server.info_asked_at > server.info.as_ref().map(|info| info.at));
        if awaited {
            limit
        } else {
            limit.min(cx.now + Span::TICK)
        }
    }

    /// The master answered CLIENT PAUSE.
    pub(crate) fn on_pause_answer(&mut self, cx: &mut Ctx, answer: &Answer) {
        let Failover::Handover(handover) = &mut self.failover else {
            return;
        };
        let Stage::Pausing { sent } = handover.stage else {
            return;
        };
        match answer {
            Answer::Done => {
                handover.stage = Stage::Paused { sent, goal: None };
                let ms = self.longest_pause().as_ms();
                self.tell_more(cx, EventKind::WritesPaused, About::Master, &format!("{ms}"));
            }
            Answer::Error(why) => {
                let why = format!("CLIENT PAUSE was refused: {why}");
                self.write_pause = None;
                self.give_way(cx, &why);
            }
            _ => self.give_way(cx, "the master cannot pause writes now"),
        }
    }

    /// A server told its offset. What the master says after its pause is what has to be reached:
    /// answers come in the order of the calls.
    pub(crate) fn on_offset_seen(&mut self, addr: &Addr, info: &Info) {
        let is_master = self.is_master(addr);
        let Failover::Handover(handover) = &mut self.failover else {
            return;
        };
        let told = info.history.map(|history| history.offset);
        match &mut handover.stage {
            Stage::Approaching { goal } | Stage::Paused { goal, .. }
                if is_master && goal.is_none() =>
            {
                *goal = told;
                let replica = handover.replica.clone();
                self.owe_offset(&replica);
            }
            Stage::Approaching { .. } | Stage::Paused { .. } | Stage::Pausing { .. } => {}
        }
    }

    /// When a promotion that writes are held back for would come too late.
    pub(crate) fn pause_ends(&self) -> Option<Mono> {
        self.write_pause.as_ref().map(|pause| pause.until)
    }

    /// Whether the old master may have taken writes again, so that the promoted one, whom nobody
    /// was told of yet, does not have them.
    pub(crate) fn has_outlasted_pause(&self, cx: &Ctx) -> bool {
        let over = |pause: &WritePause| cx.now >= pause.until;
        let lives = |master: &Server| master.link.is_up() && master.sdown.is_none();
        self.write_pause.as_ref().is_some_and(over) && self.primary().is_some_and(lives)
    }

    /// The promotion came too late: the old master stays what it is, and the promoted one follows
    /// it again.
    pub(crate) fn take_promotion_back(&mut self, cx: &mut Ctx, promoted: &Addr) {
        let whom = ReplicaOf::Master(self.configuration.addr.clone());
        self.direct(cx, promoted, whom);
        self.fail_handover(cx, "the promotion took longer than the pause");
    }

    /// Writes go on where nobody needs them held back any more. Looked at after every step, so
    /// that no way out of a failover can forget it.
    pub(crate) fn release_writes(&mut self, cx: &mut Ctx) {
        let needed = match &self.failover {
            Failover::Handover(_) | Failover::Promoting(_) => true,
            Failover::Reconfiguring(reconf) => !reconf.is_announced(),
            Failover::Idle | Failover::Standing(_) | Failover::Selecting(_) => false,
        };
        if needed || self.adopting.is_some() {
            return;
        }
        let Some(pause) = self.write_pause.take() else {
            return;
        };
        // Without a link it is said as soon as there is one again, if the pause is not over then.
        let server = self.servers.get(&pause.server);
        if cx.now < pause.until && !server.is_some_and(|server| server.link.is_up()) {
            self.write_pause = Some(pause);
            return;
        }
        self.unpause(cx, &pause.server);
        self.tell(cx, EventKind::WritesReleased, About::Master);
    }

    pub(crate) fn unpause(&mut self, cx: &mut Ctx, addr: &Addr) {
        if cx.is_mutant(Mutant::NeverUnpause) {
            return;
        }
        let renames = self.options.renames.clone();
        if let Some(server) = self.servers.get_mut(addr) {
            server
                .link
                .call(Call::Unpause, Pending::Unpause, &renames, &mut cx.out);
        }
    }

    /// The new master is in office: the former one, whose clients wait, is demoted when clients are
    /// about to be told, or before its pause ends. Where that is over, or the new master was promoted
    /// without waiting for it, it may have taken writes that only it has, and comes home as any
    /// other former master does; so it does where the new configuration cannot be written down.
    pub(crate) fn retire_former(&mut self, cx: &mut Ctx) {
        let (Failover::Reconfiguring(reconf), Some(pause)) = (&self.failover, &self.write_pause)
        else {
            return;
        };
        let announced = reconf.is_announced();
        let former = reconf.former.addr.clone();
        if pause.server != former {
            return;
        }
        if cx.now >= pause.until {
            self.write_pause = None;
            return self.tell(cx, EventKind::WritesReleased, About::Master);
        }
        let in_time = announced || self.ends_soon(cx, pause);
        if cx.gate.is_failing() || !pause.caught_up || !in_time {
            return;
        }
        let whom = ReplicaOf::Master(self.configuration.addr.clone());
        if self.direct(cx, &former, whom) {
            self.tell(cx, EventKind::ConvertToSlave, About::Replica(&former));
        }
        self.unpause(cx, &former);
        self.write_pause = None;
    }

    /// When that is, if nothing else happens.
    pub(crate) fn retire_due(&self, cx: &Ctx) -> Option<Mono> {
        let pause = self.write_pause.as_ref()?;
        let margin = self.longest_pause().over(4).as_ms();
        let soon = Mono::from_ms(pause.until.as_ms().saturating_sub(margin));
        Some(if soon > cx.now { soon } else { pause.until })
    }

    fn ends_soon(&self, cx: &Ctx, pause: &WritePause) -> bool {
        pause.until.since(cx.now) <= self.longest_pause().over(4)
    }

    /// Tells who waits that the order is carried out.
    pub(crate) fn fulfil_order(&mut self, cx: &mut Ctx) {
        if let Some(order) = self.order.take()
            && let Some(request) = order.asked_by
        {
            let reply = Reply::OK;
            cx.out.push(Output::Answer { request, reply });
        }
    }

    /// Tells who waits that it came to nothing, once no failover is under way any more.
    pub(crate) fn close_order(&mut self, cx: &mut Ctx) {
        if !matches!(self.failover, Failover::Idle) || self.adopting.is_some() {
            return;
        }
        let Some(order) = self.order.take() else {
            return;
        };
        let why = order
            .failure
            .unwrap_or_else(|| "another failover came first, or nobody voted for it".to_owned());
        if let Some(request) = order.asked_by {
            let reply = Reply::error(format!("FAILOVERABORTED {why}"));
            cx.out.push(Output::Answer { request, reply });
        }
    }

    /// Has the master hold writes back, and say what it has then.
    fn hold_writes(&mut self, cx: &mut Ctx) {
        let renames = self.options.renames.clone();
        let longest = self.longest_pause();
        let addr = self.configuration.addr.clone();
        let Some(server) = self.servers.get_mut(&addr) else {
            return;
        };
        let pause = Call::Pause { span: longest };
        if !server
            .link
            .call(pause, Pending::Pause, &renames, &mut cx.out)
        {
            return;
        }
        if server
            .link
            .call(Call::Info, Pending::Info(cx.now), &renames, &mut cx.out)
        {
            server.info_asked_at = Some(cx.now);
        }
        self.write_pause = Some(WritePause {
            server: addr,
            until: cx.now + longest,
            caught_up: false,
        });
        if let Failover::Handover(handover) = &mut self.failover {
            handover.stage = Stage::Pausing { sent: cx.now };
        }
    }

    /// The master cannot take part: an operator who did not ask for more gets the failover that
    /// there has always been.
    fn give_way(&mut self, cx: &mut Ctx, why: &str) {
        let Failover::Handover(handover) = &self.failover else {
            return;
        };
        if self.is_strict() {
            return self.fail_handover(cx, why);
        }
        let name = &self.name;
        cx.log(
            Level::Warning,
            format!("Failover of '{name}' goes on without holding writes back: {why}"),
        );
        let (mandate, replica) = (handover.mandate, handover.replica.clone());
        self.begin_promotion(cx, mandate, replica);
    }

    fn fail_handover(&mut self, cx: &mut Ctx, why: &str) {
        self.tell_more(
            cx,
            EventKind::AbortNotInSync,
            About::Master,
            &format!("#{why}"),
        );
        if let Some(order) = &mut self.order {
            order.failure = Some(why.to_owned());
        }
        self.failover = Failover::Idle;
    }

    fn has_reached(&self, replica: &Addr, goal: Option<u64>) -> bool {
        let history = self.primary().and_then(|master| master.history);
        let (Some(goal), Some(master), Some(server)) = (goal, history, self.servers.get(replica))
        else {
            return false;
        };
        // Offsets of different histories say nothing of one another.
        let same = server.history.is_some_and(|its| its.id == master.id);
        same && server.replication.link_up && server.replication.offset >= goal
    }

    fn owe_offsets(&mut self, replica: &Addr) {
        let master = self.configuration.addr.clone();
        self.owe_offset(&master);
        self.owe_offset(replica);
    }

    fn owe_offset(&mut self, addr: &Addr) {
        if let Some(server) = self.servers.get_mut(addr) {
            server.info_asked_at = None;
        }
    }

    /// Asks the replica again, once a tick and never while an answer is awaited.
    fn ask_offset_again(&mut self, cx: &Ctx, replica: &Addr) {
        let now = cx.now;
        if let Some(server) = self.servers.get_mut(replica) {
            let answered = server.info.as_ref().map(|info| info.at);
            if server.info_asked_at <= answered && answered < Some(now) {
                server.info_asked_at = None;
            }
        }
    }

    fn is_strict(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.strict)
    }

    fn order_timeout(&self) -> Span {
        self.order.as_ref().map_or(PATIENCE, |order| order.timeout)
    }

    /// What the master is asked for, so that no writer waits for longer than it may. Of a very
    /// short time half is asked for: a pause that is asked for too short serves nobody.
    pub(crate) fn longest_pause(&self) -> Span {
        let longest = LONGEST_PAUSE
            .min(self.options.down_after.over(2))
            .min(self.order_timeout());
        let asked = longest.less(LOOKED_AT_LATE);
        asked.max(longest.over(2)).max(Span::ms(20))
    }

    /// How long after the pause was asked for a promotion may still begin: it has to be over
    /// before the pause is.
    fn last_moment(&self) -> Span {
        self.longest_pause().over(4) * 3
    }
}
