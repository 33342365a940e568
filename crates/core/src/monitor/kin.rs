//! Whose process answers at a server's address: the group's, or another cluster's.
//!
//! An address outlives the process behind it, and a changed run id is what every restart shows. So
//! each new process is judged by what its INFO says. Whoever has lent his history to the group, or
//! follows one of its servers, is of it. A stranger is only who is proved to be one, and no proof
//! holds for longer than [`PATIENCE`]: clocks are set, machines rolled back, and a server of the
//! group must never be left out for good. Who can be neither is taken in, once what he has is saved.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::ids::{ReplId, RunId};
use crate::limits;
use crate::model::master::{About, Master};
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::report::{Info, Life, Role};
use crate::time::{Mono, Span};

/// What is known of the process at an address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identity {
    /// The last one that was of the group for certain.
    known: Option<Known>,
    /// The last one that was proved to be another cluster's, with none of ours since.
    foreign: Option<Foreign>,
    verdict: Verdict,
    /// Since when that holds.
    since: Mono,
    /// Whether the present connection has brought an INFO.
    seen: bool,
    /// When all that was here was last saved for want of proof.
    saved_at: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    run_id: RunId,
    /// It was alive after that: we asked it then, and it answered.
    asked: Mono,
    /// And by its own clock, then.
    clock: Option<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Foreign {
    run_id: RunId,
    why: Why,
    /// Since when there have been strangers here.
    since: Mono,
}

/// The judgement on a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is of the group, or has nothing to lose by becoming so.
    #[default]
    Kin,
    /// It has data of its own, and nothing tells whose.
    Unproven,
    /// It is another cluster's.
    Stranger(Why),
}

/// What proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It ran already while the one before answered at this address: it is no restart of it.
    Older,
    /// It is linked to a master that is not of the group, and has its history.
    FollowsOutsider,
}

impl Why {
    /// The word for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Older => "it ran elsewhere while our server was here",
            Self::FollowsOutsider => "it follows a master that is not of the group",
        }
    }
}

/// Clocks of two processes, and ours, may differ by so much, and by a fiftieth of what they count.
const SLACK: Span = Span::secs(2);
const DRIFT: u64 = 50;
/// For so long a proof by age holds, whatever becomes of the process at the address: time for people
/// to see it and to act. And so often at most all that is there is saved, or a server that starts
/// again and again would fill our disk.
const PATIENCE: Span = Span::secs(3600);

impl Identity {
    /// A new connection: there may be another process at its end.
    pub(crate) const fn on_link_up(&mut self) {
        self.seen = false;
    }

    /// The fleet has made it the master: nobody doubts it any more.
    pub(crate) const fn vouch(&mut self) {
        (self.verdict, self.foreign) = (Verdict::Kin, None);
    }

    /// The judgement on whoever answered last.
    pub(crate) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Since when it stands.
    pub(crate) const fn since(&self) -> Mono {
        self.since
    }

    /// Whether another cluster's server is there.
    pub(crate) const fn is_stranger(&self) -> bool {
        matches!(self.verdict, Verdict::Stranger(_))
    }

    /// Whether it may be told its role: we know who would be told, and it is no stranger.
    pub(crate) const fn takes_orders(&self) -> bool {
        self.seen && !self.is_stranger()
    }

    /// Whether strangers have been here for so long that none is turned away any more.
    fn is_worn_out(&self, now: Mono) -> bool {
        self.foreign.is_some_and(|it| now >= it.since + PATIENCE)
    }

    /// Whether all that an unproven process has may be saved once more.
    pub(crate) fn may_save_all(&self, now: Mono) -> bool {
        self.saved_at.is_none_or(|at| now >= at + PATIENCE)
    }

    /// It is being saved.
    pub(crate) const fn on_all_saved(&mut self, now: Mono) {
        self.saved_at = Some(now);
    }

    /// Whether a process was running, at this address or another, when the one that we know
    /// answered here. Both its clock and ours have to say so: ours stands still in a machine that
    /// is suspended, and its own may have been set back.
    fn is_older(&self, life: Option<Life>, now: Mono) -> bool {
        let (Some(life), Some(known)) = (life, self.known) else {
            return false;
        };
        let Some(clock) = known.clock else {
            return false;
        };
        let slack = SLACK + life.up_for.over(DRIFT);
        let by_its_clock = life.clock.as_ms() + slack.as_ms() < clock.as_ms() + life.up_for.as_ms();
        let by_ours = known.asked + life.up_for > now + slack;
        by_its_clock && by_ours
    }
}

impl Master {
    /// Judges the process that tells this. `asked` is when it was asked.
    pub(crate) fn judge_kin(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info, asked: Mono) {
        let (verdict, certain) = self.verdict_on(cx, addr, info);
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let identity = &mut server.identity;
        identity.seen = true;
        let before = std::mem::replace(&mut identity.verdict, verdict);
        if before != verdict {
            identity.since = cx.now;
        }
        if let (Verdict::Stranger(why), Some(run_id)) = (verdict, info.run_id) {
            let since = identity.foreign.map_or(cx.now, |it| it.since);
            identity.foreign = Some(Foreign { run_id, why, since });
        }
        let is_worn_out = identity.is_worn_out(cx.now);
        if certain && let Some(run_id) = info.run_id {
            let clock = info.life.map(|life| life.clock);
            identity.foreign = None;
            identity.known = Some(Known {
                run_id,
                asked,
                clock,
            });
        }
        let is_source = certain && info.role == Some(Role::Master);
        if is_source && let Some(history) = info.history {
            self.learn_history(history.id);
        }
        match (before, verdict) {
            _ if before == verdict => {}
            (_, Verdict::Stranger(why)) => self.turn_away(cx, addr, why),
            (Verdict::Stranger(_), _) => {
                let why = match verdict {
                    Verdict::Unproven if is_worn_out => "it was left alone for an hour",
                    Verdict::Unproven => "nothing proves it any more",
                    Verdict::Kin | Verdict::Stranger(_) => "it is of the group, or has no data",
                };
                self.tell_kin(cx, EventKind::StrangerEnd, addr, why);
            }
            (Verdict::Kin | Verdict::Unproven, _) => {}
        }
    }

    /// The judgement, and whether it is certain that the process is of the group.
    fn verdict_on(&self, cx: &Ctx, addr: &Addr, info: &Info) -> (Verdict, bool) {
        let Some(server) = self.servers.get(addr) else {
            return (Verdict::Kin, false);
        };
        let identity = &server.identity;
        // Before Redis 4.0 there is no history to tell servers by.
        let (Some(run_id), Some(history)) = (info.run_id, info.history) else {
            let same = info.run_id.is_some() && info.run_id == server.run_id;
            let verdict = match identity.verdict {
                Verdict::Stranger(_) if identity.is_worn_out(cx.now) => Verdict::Unproven,
                verdict if same => verdict,
                _ => Verdict::Kin,
            };
            return (verdict, false);
        };
        let known = identity.known.is_some_and(|known| known.run_id == run_id);
        let before = history.before.map(|fork| fork.id);
        let ours = self.is_ours(history.id) || before.is_some_and(|id| self.is_ours(id));
        if known || ours || self.follows_us(cx, info) || cx.is_mutant(Mutant::TrustAddress) {
            return (Verdict::Kin, true);
        }
        if info.has_keys == Some(false) {
            return (Verdict::Kin, false);
        }
        let proved = |it: Foreign| it.run_id == run_id && it.why == Why::Older;
        let older = identity.foreign.is_some_and(proved) || identity.is_older(info.life, cx.now);
        if older && !identity.is_worn_out(cx.now) && !self.is_lent(addr, history.id) {
            return (Verdict::Stranger(Why::Older), false);
        }
        if self.is_master(addr) {
            // Whoever named the address meant this one, or one that it is a restart of.
            return (Verdict::Kin, true);
        }
        // Nobody loses by leaving it there, and it says so itself each time: this proof does not end.
        if self.follows_outsider(cx, addr, info) {
            return (Verdict::Stranger(Why::FollowsOutsider), false);
        }
        (Verdict::Unproven, false)
    }

    /// Whether this history was the group's at some time.
    fn is_ours(&self, id: ReplId) -> bool {
        self.lineage.contains(&id) || self.branches.is_left(id)
    }

    /// Whether a process in the master's place has given its history to the group already, which
    /// then has no other.
    fn is_lent(&self, addr: &Addr, id: ReplId) -> bool {
        self.is_master(addr)
            && self.replicas().any(|(_, replica)| {
                replica.role == Role::Replica
                    && replica.history.is_some_and(|history| history.id == id)
            })
    }

    /// Whether it follows a server of the group, or the master's address, whoever is there now.
    fn follows_us(&self, cx: &Ctx, info: &Info) -> bool {
        let of = info.master.as_ref().filter(|_| is_replica(info));
        let key = of.and_then(|of| self.find_server(cx, of));
        key.is_some_and(|key| {
            let leader = self.servers.get(&key);
            self.is_master(&key) || leader.is_some_and(|it| it.identity.verdict == Verdict::Kin)
        })
    }

    /// Whether it is linked to a master elsewhere. Where ours is not known well, that says nothing:
    /// it may be the same one under another address.
    fn follows_outsider(&self, cx: &Ctx, addr: &Addr, info: &Info) -> bool {
        let ours = self.primary().is_some_and(|master| {
            master.history.is_some() && master.sdown.is_none() && master.identity.seen
        });
        let of = info.master.as_ref().filter(|_| is_replica(info));
        let still = info.run_id == self.servers.get(addr).and_then(|server| server.run_id)
            && self.servers.get(addr).is_some_and(|server| {
                server.identity.verdict == Verdict::Stranger(Why::FollowsOutsider)
            });
        (ours || still) && self.is_linked_away(cx, of, info.master_link_up)
    }

    /// Whether who follows `of`, and is linked to it or not, is linked to a master that nobody in
    /// the group is.
    pub(crate) fn is_linked_away(&self, cx: &Ctx, of: Option<&Addr>, is_linked: bool) -> bool {
        let is_elsewhere = |of: &Addr| of.host.ip().is_some() && self.find_server(cx, of).is_none();
        is_linked && of.is_some_and(is_elsewhere)
    }

    pub(crate) fn learn_history(&mut self, id: ReplId) {
        if self.lineage.contains(&id) {
            return;
        }
        if self.lineage.len() >= limits::LINEAGE {
            self.lineage.remove(0);
        }
        self.lineage.push(id);
    }

    /// A stranger is told of, and what was being done about the one whose place it has ends.
    fn turn_away(&mut self, cx: &mut Ctx, addr: &Addr, why: Why) {
        if !self.is_master(addr) {
            self.let_go(cx, addr);
        }
        self.tell_kin(cx, EventKind::Stranger, addr, why.name());
    }

    fn tell_kin(&mut self, cx: &mut Ctx, kind: EventKind, addr: &Addr, why: &str) {
        let about = if self.is_master(addr) {
            About::Master
        } else {
            About::Replica(addr)
        };
        self.tell_more(cx, kind, about, &format!("#{why}"));
    }
}

fn is_replica(info: &Info) -> bool {
    info.role == Some(Role::Replica)
}
