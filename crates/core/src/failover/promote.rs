//! From an election won to a replica that says it is master (spec §10.1).

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::{Failover, Mandate, Promoting, select};
use crate::model::configuration::Configuration;
use crate::model::master::{About, Adoption, Master, Source};
use crate::monitor::link::Pending;
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::output::{Call, Output, ReplicaOf};
use crate::report::{Info, Role};
use crate::time::Span;

/// A replica that has not obeyed is told again after this long.
const TELL_AGAIN: Span = Span::secs(1);

impl Master {
    /// We may go on: by votes, or by an operator's word.
    pub(crate) fn elected(&mut self, cx: &mut Ctx, mandate: Mandate) {
        self.tell(cx, EventKind::ElectedLeader, About::Master);
        if cx.crash.after_election {
            cx.out.push(Output::Crash { code: 99 });
        }
        self.tell(cx, EventKind::SelectSlave, About::Master);
        self.failover = Failover::Selecting(mandate);
    }

    /// Chooses a replica, once those that matter have told how far they are.
    pub(crate) fn select_replica(&mut self, cx: &mut Ctx) {
        let Failover::Selecting(mandate) = self.failover else {
            return;
        };
        let choice = self.choose_replica(cx, mandate.fresh_from);
        if choice.is_open && cx.now.since(mandate.since) < select::PATIENCE {
            return;
        }
        let wanted = self.order.as_ref().and_then(|order| order.to.clone());
        let wanted = wanted.filter(|addr| self.is_fit(cx, addr)).or(choice.best);
        let Some(replica) = wanted else {
            self.tell(cx, EventKind::AbortNoGoodSlave, About::Master);
            self.failover = Failover::Idle;
            self.pause_for_replicas(cx);
            return;
        };
        self.on_replica_chosen(cx, mandate, replica);
    }

    /// From here on the chosen replica may be a master.
    pub(crate) fn begin_promotion(&mut self, cx: &mut Ctx, mandate: Mandate, replica: Addr) {
        self.tell(cx, EventKind::SendSlaveofNoone, About::Replica(&replica));
        self.failover = Failover::Promoting(Promoting {
            mandate,
            replica,
            since: cx.now,
            told: None,
            told_once: false,
        });
    }

    /// Tells the chosen replica, or gives it up.
    pub(crate) fn promote(&mut self, cx: &mut Ctx) {
        let Failover::Promoting(promoting) = &self.failover else {
            return;
        };
        let replica = promoting.replica.clone();
        if self.has_outlasted_pause(cx) {
            return self.take_promotion_back(cx, &replica);
        }
        let expired = cx.now.since(promoting.since) > self.options.failover_timeout;
        let lost = self
            .servers
            .get(&replica)
            .is_none_or(|server| server.sdown.is_some());
        if expired || lost {
            self.tell(cx, EventKind::AbortSlaveTimeout, About::Master);
            self.failover = Failover::Idle;
            self.pause(cx);
            return;
        }
        if promoting.told.is_some() || !self.direct(cx, &replica, ReplicaOf::NoOne) {
            return;
        }
        let Failover::Promoting(promoting) = &mut self.failover else {
            return;
        };
        promoting.told = Some(cx.now);
        if !std::mem::replace(&mut promoting.told_once, true) {
            self.tell(cx, EventKind::WaitPromotion, About::Replica(&replica));
        }
    }

    /// Gives up an attempt that somebody else's newer epoch has overtaken.
    pub(crate) fn abandon(&mut self, cx: &mut Ctx) {
        match &self.failover {
            Failover::Idle | Failover::Reconfiguring(_) => return,
            Failover::Standing(_) => return self.lose_round(cx),
            Failover::Selecting(_) => self.tell(cx, EventKind::AbortNoGoodSlave, About::Master),
            Failover::Handover(_) => self.tell(cx, EventKind::AbortNotInSync, About::Master),
            Failover::Promoting(_) => self.tell(cx, EventKind::AbortSlaveTimeout, About::Master),
        }
        self.failover = Failover::Idle;
        self.pause(cx);
    }

    /// Sends a server the transaction of spec §10.3, with an INFO right behind it, so that its
    /// new role is known one round trip later.
    pub(crate) fn direct(&mut self, cx: &mut Ctx, addr: &Addr, whom: ReplicaOf) -> bool {
        let whom = match whom {
            ReplicaOf::Master(master) => ReplicaOf::Master(cx.shown_addr(&master)),
            ReplicaOf::NoOne => ReplicaOf::NoOne,
        };
        let renames = self.options.renames.clone();
        // What it takes behind that would be destroyed by an order that comes late.
        let held = self.write_pause.as_ref();
        let held_until = held.filter(|it| it.server == *addr).map(|it| it.until);
        let Some(server) = self.servers.get_mut(addr) else {
            return false;
        };
        if !server.identity.takes_orders() && !cx.is_mutant(Mutant::TrustAddress) {
            return false;
        }
        let what = Call::Reconfigure(whom);
        if !server
            .link
            .call(what, Pending::Reconfigure, &renames, &mut cx.out)
        {
            return false;
        }
        server.directed_at = Some(cx.now);
        if let Some(at) = held_until.or_else(|| server.homecoming.held_until()) {
            server.link.expire(at);
        }
        if server
            .link
            .call(Call::Info, Pending::Info(cx.now), &renames, &mut cx.out)
        {
            server.info_asked_at = Some(cx.now);
        }
        true
    }

    /// A server told its role: this may be what the failover waits for.
    pub(crate) fn on_role_seen(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info) {
        match (&mut self.failover, info.role) {
            (Failover::Promoting(promoting), Some(role)) if promoting.replica == *addr => {
                match (role, promoting.told) {
                    (Role::Master, Some(_)) => self.on_promoted(cx, addr, info),
                    (Role::Replica, Some(told)) if cx.now.since(told) >= TELL_AGAIN => {
                        promoting.told = None;
                    }
                    (Role::Master | Role::Replica, _) => {}
                }
            }
            (Failover::Reconfiguring(_), Some(Role::Replica)) => self.on_replica_moved(cx, addr),
            (
                Failover::Idle
                | Failover::Standing(_)
                | Failover::Selecting(_)
                | Failover::Handover(_)
                | Failover::Promoting(_)
                | Failover::Reconfiguring(_),
                _,
            ) => {}
        }
    }

    /// The chosen replica says that it is master: this is the new configuration.
    fn on_promoted(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info) {
        let Failover::Promoting(promoting) = &self.failover else {
            return;
        };
        if self.adopting.is_some() {
            return;
        }
        if self.has_outlasted_pause(cx) {
            return self.take_promotion_back(cx, addr);
        }
        let epoch = promoting.mandate.epoch;
        // Where the history was left is known now, whatever becomes of the link to the new master.
        if let Some(history) = info.history {
            self.remember_branch(cx, history);
        }
        self.tell(cx, EventKind::PromotedSlave, About::Replica(addr));
        if cx.crash.after_promotion {
            cx.out.push(Output::Crash { code: 99 });
        }
        let configuration = Configuration {
            epoch,
            addr: addr.clone(),
        };
        self.adopt(
            cx,
            Adoption {
                configuration,
                source: Source::Promotion,
            },
        );
    }
}
