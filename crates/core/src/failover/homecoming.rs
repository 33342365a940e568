//! A former master comes back and knows nothing of the switch: it is fenced, what it alone has is
//! rescued, and only then it becomes a replica (data-safety §3).
//!
//! Every Sentinel fences, since that does no harm twice. One rescues and demotes, the first in the
//! order that all know; each other steps in when those before it have had their time.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::divergence::{Divergence, UNSURE};
use crate::ids::{ReplId, RescueId};
use crate::input::Answer;
use crate::model::branches::{Branch, Parting};
use crate::model::master::{About, Master};
use crate::model::server::Server;
use crate::monitor::link::Pending;
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::output::{Call, Output};
use crate::permission::Permission;
use crate::report::{Fork, History, Info, Role};
use crate::rescue::{DEFAULT_MAX_BYTES, Rescue, RescueMode, Rescued};
use crate::time::{Mono, Span};

/// How far the return of a former master has come, at its server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Homecoming {
    /// Not before then: a master that was well when it was replaced is being demoted by whoever
    /// replaced it.
    pub(crate) not_before: Mono,
    /// Its writes were first held back then, since there is a connection and this master.
    fenced_since: Option<Mono>,
    /// And last then.
    fenced: Option<Mono>,
    /// Its answer to that: whether they are. What it tells from then on is behind the fence.
    held: Option<bool>,
    /// They surely are until then.
    held_until: Option<Mono>,
    /// It first told its history, after it was fenced, then.
    seen: Option<Mono>,
    rescue: Salvage,
    /// It is none that we remember: it may be another cluster's, and all that it has is wanted.
    is_unproven: bool,
}

/// What becomes of the writes that it alone has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Salvage {
    /// Not looked at yet, or it is somebody else's turn.
    #[default]
    Open,
    /// They are being saved.
    UnderWay(RescueId),
    /// So are those that it had when its writes could not be held back yet, or that an earlier
    /// master lacked: not all.
    InVain(RescueId),
    /// They are saved, while more of them came. Whether it can be held back is asked once more.
    Unheld,
    /// There are none, they are saved, or they cannot be.
    Done,
}

/// How long writes are held back at a time, and how often that is renewed.
const FENCE: Span = Span::secs(5);
const RENEW: Span = Span::secs(2);
const SURELY: Span = Span::secs(3);
/// And for how long altogether while there is no master to compare it with: a redis-sentinel's
/// PING waits behind a hello that is held back, and so may its failover.
const UNCOMPARED: Span = Span::secs(30);
/// How long one Sentinel has for a rescue before the next one steps in: all of them are done
/// before a redis-sentinel would demote the server, ten seconds after its return.
const TURN: Span = Span::secs(3);

impl Homecoming {
    /// A master was replaced at `now`; whoever did that has `grace` to demote it.
    pub(crate) fn replaced(now: Mono, grace: Span) -> Self {
        Self {
            not_before: now + grace,
            ..Self::default()
        }
    }

    /// A server that nobody knows is to be taken in.
    pub(crate) fn unproven(now: Mono) -> Self {
        Self {
            not_before: now + Span::TICK,
            is_unproven: true,
            ..Self::default()
        }
    }

    /// A new connection: it may have restarted, and then is neither fenced nor known.
    pub(crate) fn on_link_up(&mut self) {
        (self.fenced, self.seen, self.held, self.held_until) = (None, None, None, None);
        self.fenced_since = None;
        if matches!(self.rescue, Salvage::Done | Salvage::Unheld) {
            self.rescue = Salvage::Open;
        }
    }

    /// It answered CLIENT PAUSE, one way or another.
    pub(crate) fn on_fence_answer(&mut self, answer: &Answer) {
        let is_held = matches!(answer, Answer::Done);
        self.on_fence(is_held);
        // One more may be under way, of which nothing is known.
        if let (true, Some(at)) = (is_held, self.fenced) {
            self.held_until = Some(at + SURELY);
        }
    }

    /// Its writes are held back, or cannot be. What it told and what was saved before they were may
    /// not be all that it has.
    fn on_fence(&mut self, is_held: bool) {
        let was_refused = self.held.replace(is_held) == Some(false);
        self.rescue = match self.rescue {
            Salvage::UnderWay(id) if is_held && was_refused => Salvage::InVain(id),
            Salvage::Done | Salvage::Unheld if is_held && was_refused => Salvage::Open,
            Salvage::Unheld => Salvage::Done,
            other => other,
        };
        if is_held && was_refused {
            self.seen = None;
        }
    }

    /// A rescue came to its end.
    fn on_saved(&mut self, may_be_held: bool) {
        self.rescue = match self.rescue {
            Salvage::InVain(_) => Salvage::Open,
            _ if self.held == Some(false) && may_be_held => Salvage::Unheld,
            _ => Salvage::Done,
        };
        // The fence is renewed at once.
        if let (Salvage::Unheld, Some(at)) = (self.rescue, &mut self.fenced) {
            *at = Mono::from_ms(at.as_ms().saturating_sub(RENEW.as_ms()));
        }
    }

    /// Another one is the master from now on: what a server has alone is judged anew, since the
    /// next one's history may lack what that of the one before has.
    pub(crate) fn on_switch(&mut self) {
        self.fenced_since = self.fenced;
        self.rescue = match self.rescue {
            Salvage::UnderWay(id) | Salvage::InVain(id) => Salvage::InVain(id),
            Salvage::Open | Salvage::Unheld | Salvage::Done => Salvage::Open,
        };
    }

    /// Whether a rescue of this number is under way.
    fn is_rescued_by(&self, id: RescueId) -> bool {
        [Salvage::UnderWay(id), Salvage::InVain(id)].contains(&self.rescue)
    }

    /// Until when its writes are known to be held back, if they can be.
    pub(crate) const fn held_until(&self) -> Option<Mono> {
        self.held_until
    }

    /// When it is to be fenced, for the first time or again.
    fn fence_due(&self, is_compared: bool) -> Option<Mono> {
        let Some((since, last)) = self.fenced_since.zip(self.fenced) else {
            return Some(self.not_before);
        };
        let due = last + RENEW;
        let in_vain = !is_compared && self.rescue == Salvage::Open && due > since + UNCOMPARED;
        (!in_vain).then_some(due)
    }
}

impl Master {
    /// Fences former masters that are there, and begins the rescues whose turn it is.
    pub(crate) fn welcome_back(&mut self, cx: &mut Ctx) {
        let stale = |(_, server): &(&Addr, &Server)| {
            server.stale_master && server.link.is_up() && !server.identity.is_stranger()
        };
        let back: Vec<Addr> = self
            .replicas()
            .filter(stale)
            .map(|(addr, _)| addr.clone())
            .collect();
        for addr in back {
            self.fence(cx, &addr);
            self.salvage(cx, &addr);
        }
    }

    /// When one of them is due.
    pub(crate) fn homecoming_due(&self, cx: &Ctx) -> Option<Mono> {
        let dues = self.replicas().filter_map(|(addr, server)| {
            let home = &server.homecoming;
            let is_here = server.link.is_up() && !server.identity.is_stranger();
            if !server.stale_master || !is_here || self.is_held(addr) {
                return None;
            }
            let seen = home.seen.filter(|_| home.rescue == Salvage::Open);
            let turn = seen.map(|seen| seen + self.salvage_turn(cx));
            let last = turn.map(|turn| turn + self.turn_of_others());
            let turns = [turn, last].into_iter().flatten();
            turns
                .filter(|turn| *turn > cx.now)
                .chain(home.fence_due(self.is_compared()))
                .min()
        });
        dues.min()
    }

    /// Whether a former master may be demoted: nothing of what it alone has is lost by that any
    /// more.
    pub(crate) fn is_salvaged(&self, cx: &Ctx, server: &Server) -> bool {
        server.homecoming.rescue == Salvage::Done
            || self.options.rescue == RescueMode::Off
            || cx.is_mutant(Mutant::DemoteBeforeRescue)
    }

    /// A server told its history: what forked there is remembered, and who has an abandoned one
    /// is known for what it is, also after a restart of ours.
    pub(crate) fn note_history(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info) {
        if info.role != Some(Role::Master) {
            return;
        }
        if let Some(server) = self.servers.get_mut(addr)
            && server.stale_master
            && server.homecoming.held.is_some()
        {
            server.homecoming.seen.get_or_insert(cx.now);
        }
        let Some(history) = info.history else {
            return;
        };
        if self.is_master(addr) {
            return self.remember_branch(cx, history);
        }
        let left = self.branches.is_left(history.id);
        let current = self.primary().and_then(|master| master.history);
        let is_current = current.is_some_and(|current| current.id == history.id);
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        if left && !is_current && !cx.is_mutant(Mutant::ForgetOldMaster) {
            server.stale_master = true;
        }
    }

    /// Who calls itself master, and was none that we remember, may be one all the same: all
    /// Sentinels restarted since, or made up for what they missed, or others promoted it where we
    /// did not hear them. Where it has, or may have, what the others lack it is welcomed as a former
    /// master; whether it was, now.
    pub(crate) fn comes_home_unknown(&mut self, cx: &mut Ctx, addr: &Addr) -> bool {
        let is_compared = self
            .primary()
            .is_some_and(|master| master.history.is_some());
        let Some(server) = self.servers.get(addr).filter(|it| !it.stale_master) else {
            return false;
        };
        let Some(history) = server.history.filter(|_| is_compared) else {
            return false;
        };
        let has_nothing = self.divergence(history) == Divergence::None;
        // Its offset says nothing of that: a master that loads its file, and has no replica, is at 0.
        let is_empty = server.has_keys == Some(false);
        if has_nothing || is_empty || self.options.rescue == RescueMode::Off {
            return false;
        }
        if let Some(server) = self.servers.get_mut(addr) {
            server.stale_master = true;
            server.homecoming = Homecoming::default();
        }
        self.fence(cx, addr);
        true
    }

    /// A rescue ended, well or not: the server can be demoted.
    pub(crate) fn on_rescued(&mut self, cx: &mut Ctx, id: RescueId, outcome: &Rescued) -> bool {
        let found = self
            .servers
            .iter_mut()
            .find(|(_, server)| server.homecoming.is_rescued_by(id));
        let Some((addr, server)) = found else {
            return false;
        };
        let may_be_held = !server.lacks(&[Permission::Pause]);
        server.homecoming.on_saved(may_be_held);
        let addr = addr.clone();
        match outcome {
            Rescued::Nothing => {}
            Rescued::Whole { file, commands } => {
                let more = format!("{commands} {file}");
                self.tell_more(cx, EventKind::RescuedWrites, About::Replica(&addr), &more);
            }
            Rescued::Partly { file, why } => {
                let file = file.as_deref().unwrap_or("-");
                let more = format!("{file} #{why}");
                self.tell_more(
                    cx,
                    EventKind::RescueIncomplete,
                    About::Replica(&addr),
                    &more,
                );
            }
        }
        true
    }

    /// A former master is a replica now, or the master again: its clients may write where they
    /// can.
    pub(crate) fn end_homecoming(&mut self, cx: &mut Ctx, addr: &Addr) {
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        server.stale_master = false;
        self.let_go(cx, addr);
    }

    /// What was under way with a server that came back is over: nothing is held back for it.
    pub(crate) fn let_go(&mut self, cx: &mut Ctx, addr: &Addr) {
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let home = std::mem::take(&mut server.homecoming);
        // What may be another cluster's never was our master.
        server.stale_master &= !home.is_unproven;
        if home.fenced.is_some() {
            self.unpause(cx, addr);
        }
    }

    fn fence(&mut self, cx: &mut Ctx, addr: &Addr) {
        if self.is_held(addr) {
            return;
        }
        let renames = self.options.renames.clone();
        let is_compared = self.is_compared();
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let home = &mut server.homecoming;
        if home.fence_due(is_compared).is_none_or(|due| due > cx.now) {
            return;
        }
        home.fenced_since.get_or_insert(cx.now);
        let first = home.fenced.replace(cx.now).is_none();
        let barred = server.lacks(&[Permission::Pause]);
        if barred {
            server.homecoming.on_fence(false);
        } else {
            let pause = Call::Pause { span: FENCE };
            server
                .link
                .call(pause, Pending::Fence, &renames, &mut cx.out);
        }
        // What it has is asked for behind the fence: nothing is added to it any more.
        if first
            && server
                .link
                .call(Call::Info, Pending::Info(cx.now), &renames, &mut cx.out)
        {
            server.info_asked_at = Some(cx.now);
        }
        if first && !barred {
            self.tell(cx, EventKind::Fenced, About::Replica(addr));
        }
    }

    fn salvage(&mut self, cx: &mut Ctx, addr: &Addr) {
        let turn = self.salvage_turn(cx);
        let Some(server) = self.servers.get(addr) else {
            return;
        };
        let home = &server.homecoming;
        let (Some(seen), Salvage::Open) = (home.seen, home.rescue) else {
            return;
        };
        let Some(history) = server.history else {
            if self.branches.is_empty() {
                // Before Redis 4.0 there is nothing to compare, and nothing to ask for.
                self.close_salvage(addr);
            } else if cx.now >= seen + turn {
                self.give_salvage_up(cx, addr, "it does not tell its history");
            }
            return;
        };
        if !self.is_compared() || self.options.rescue == RescueMode::Off {
            return;
        }
        let may_save_all = self.options.rescue == RescueMode::Snapshot
            || home.is_unproven && server.identity.may_save_all(cx.now);
        let is_whole_wanted = may_save_all && server.has_keys != Some(false);
        let fork = match self.divergence(history) {
            // Where writes go on, what it said has been overtaken: whoever rescues asks again.
            Divergence::None if home.held == Some(true) => return self.close_salvage(addr),
            Divergence::None => match self.parting(history.id).and_then(Parting::fork) {
                Some(fork) if cx.now >= seen + turn => Some(fork),
                Some(_) => return,
                None => return self.close_salvage(addr),
            },
            Divergence::Unknown(_) | Divergence::From(_) if cx.now < seen + turn => return,
            Divergence::Unsure(_) if cx.now < seen + turn + self.turn_of_others() => return,
            Divergence::From(_) | Divergence::Unsure(Some(_))
                if server.lacks(&[Permission::Psync]) =>
            {
                return self.give_salvage_up(cx, addr, "our user there lacks +psync");
            }
            Divergence::From(fork) => Some(fork),
            Divergence::Unknown(_) | Divergence::Unsure(_) if is_whole_wanted => None,
            Divergence::Unsure(Some(fork)) => {
                self.tell_incomplete(cx, addr, UNSURE);
                Some(fork)
            }
            Divergence::Unsure(None) => return self.give_salvage_up(cx, addr, UNSURE),
            Divergence::Unknown(why) => return self.give_salvage_up(cx, addr, why),
        };
        self.begin_rescue(cx, addr, fork, history);
    }

    fn begin_rescue(&mut self, cx: &mut Ctx, addr: &Addr, fork: Option<Fork>, history: History) {
        let Some(ip) = cx.hosts.ip(&addr.host) else {
            return;
        };
        let id = cx.out.next_rescue();
        let mode = match fork {
            Some(_) => self.options.rescue,
            // Without a place to begin at, only all of it can be had.
            None => RescueMode::Snapshot,
        };
        let skipped = u64::from(cx.is_mutant(Mutant::RescueFromNextByte));
        let fork = fork.map(|fork| Fork {
            offset: fork.offset + skipped,
            ..fork
        });
        let rescue = Box::new(Rescue {
            master: self.name.clone(),
            addr: addr.clone(),
            ip,
            heir: self.configuration.addr.clone(),
            auth: self.auth.clone(),
            fork,
            history,
            mode,
            dir: cx.options.rescue_dir.clone(),
            max_bytes: cx.options.rescue_max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
        });
        cx.out.push(Output::Rescue { id, rescue });
        if let Some(server) = self.servers.get_mut(addr) {
            server.homecoming.rescue = Salvage::UnderWay(id);
            if fork.is_none() {
                server.identity.on_all_saved(cx.now);
            }
        }
    }

    fn give_salvage_up(&mut self, cx: &mut Ctx, addr: &Addr, why: &str) {
        self.close_salvage(addr);
        self.tell_incomplete(cx, addr, why);
    }

    fn tell_incomplete(&self, cx: &mut Ctx, addr: &Addr, why: &str) {
        let (kind, more) = (EventKind::RescueIncomplete, format!("- #{why}"));
        self.tell_more(cx, kind, About::Replica(addr), &more);
    }

    fn close_salvage(&mut self, addr: &Addr) {
        if let Some(server) = self.servers.get_mut(addr) {
            server.homecoming.rescue = Salvage::Done;
        }
    }

    /// Whether there is a master to compare others with: where it left their histories is told by its
    /// own INFO.
    fn is_compared(&self) -> bool {
        self.primary().is_some_and(|master| {
            master.role == Role::Master && master.info.is_some() && master.link.is_up()
        })
    }

    fn divergence(&self, history: History) -> Divergence {
        Divergence::of(history, |id| self.parting(id))
    }

    /// Where the present master's history left this one.
    fn parting(&self, id: ReplId) -> Option<Parting> {
        let present = self.primary().and_then(|master| master.history);
        self.branches.parting(id, present.map(|history| history.id))
    }

    /// A master told where its history began.
    pub(crate) fn remember_branch(&mut self, cx: &mut Ctx, history: History) {
        let Some(left) = history.before else {
            return;
        };
        let id = Some(history.id);
        if self.branches.remember(Branch { left, id }) {
            cx.gate.touch();
        }
    }

    /// How long those before us in the line have for it.
    fn salvage_turn(&self, cx: &Ctx) -> Span {
        let place = u64::try_from(self.place(cx)).unwrap_or(u64::MAX);
        TURN * place.min(10)
    }

    /// How long whoever does not know what to save waits for those who may: so that all are done
    /// before a redis-sentinel would demote the server.
    fn turn_of_others(&self) -> Span {
        let others = u64::try_from(self.peers.len()).unwrap_or(u64::MAX);
        TURN * others.min(3)
    }

    /// Whether a switchover without loss holds its writes back.
    fn is_held(&self, addr: &Addr) -> bool {
        self.write_pause
            .as_ref()
            .is_some_and(|pause| pause.server == *addr)
    }
}
