//! The switch: a newer configuration takes effect (spec §10.6).
//!
//! Servers and their links stay; only the word for who is master changes. What was thought of
//! the old address does not count for the new one.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::failover::homecoming::Homecoming;
use crate::failover::prospect::Prospect;
use crate::failover::reconf::Reconfiguring;
use crate::ids::Epoch;
use crate::model::configuration::Configuration;
use crate::model::master::{About, Adoption, Master, Source};
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::report::Role;

/// What became of the write that a configuration waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Synced,
    Failed,
}

impl Master {
    /// The configuration of `epoch` is on disk, or could not be put there. It is knowledge, not a
    /// promise: it takes effect either way.
    pub(crate) fn on_adoption_settled(&mut self, cx: &mut Ctx, epoch: Epoch, write: Outcome) {
        let settled = self
            .adopting
            .take_if(|adoption| adoption.configuration.epoch == epoch);
        let Some(Adoption {
            configuration,
            source,
        }) = settled
        else {
            return;
        };
        let key = self.find_server(cx, &configuration.addr);
        let addr = key.unwrap_or_else(|| configuration.addr.clone());
        let configuration = Configuration {
            addr,
            ..configuration
        };
        if write == Outcome::Synced {
            self.saved = configuration.clone();
        }
        match (&self.failover, source) {
            (Failover::Promoting(promoting), Source::Promotion) => {
                let elected = promoting.mandate.elected;
                self.take_office(cx, configuration, elected);
            }
            // RESET ended the failover meanwhile: what is on disk holds all the same.
            (_, Source::Promotion) => {
                self.follow(cx, configuration);
                self.hello_at_once(cx.now);
            }
            (_, Source::Peer(id)) => {
                if *self.told_addr() != configuration.addr {
                    self.tell(cx, EventKind::ConfigUpdateFrom, About::Peer(id));
                }
                self.follow(cx, configuration);
            }
        }
    }

    /// Somebody's configuration: our own failover, if one is under way, is over.
    fn follow(&mut self, cx: &mut Ctx, configuration: Configuration) {
        let told = self.told_addr().clone();
        if self.configuration.addr == configuration.addr {
            self.abandon(cx);
        }
        self.replace_configuration(cx, configuration);
        self.failover = Failover::Idle;
        if told != self.configuration.addr {
            self.tell_switch(cx, &told);
            let to = self.configuration.addr.clone();
            self.run_reconfig_script(cx, "observer", &told, &to);
        }
    }

    /// Our own failover made the configuration: tell the peers, and with their majority everyone.
    fn take_office(&mut self, cx: &mut Ctx, configuration: Configuration, elected: bool) {
        let former = self.configuration.clone();
        self.tell(cx, EventKind::ReconfSlaves, About::Master);
        self.replace_configuration(cx, configuration);
        self.failover = Failover::Reconfiguring(Reconfiguring::new(former, cx.now));
        if !cx.is_mutant(Mutant::NoHello) {
            self.hello_at_once(cx.now);
        }
        if !elected {
            self.announce(cx);
        }
    }

    /// Puts the new configuration in force.
    fn replace_configuration(&mut self, cx: &mut Ctx, configuration: Configuration) {
        let old = std::mem::replace(&mut self.configuration, configuration);
        if old.addr == self.configuration.addr {
            return;
        }
        let new = self.configuration.addr.clone();
        let grace = self.longest_pause();
        let unplanned = self.promotes_without_handover(cx);
        self.add_server(cx, &new, Role::Master);
        self.odown = None;
        self.prospect = Prospect::default();
        if !cx.is_mutant(Mutant::StaleOpinions) {
            for peer in self.peers.values_mut() {
                peer.forget_opinion();
            }
        }
        // Whom the replicas follow is judged from here on: the leader moves them, at its own pace.
        for server in self.servers.values_mut() {
            server.replication.follows_since = cx.now;
            server.homecoming.on_switch();
        }
        if let Some(server) = self.servers.get_mut(&old.addr) {
            // Judged afresh, as the replica that it is to become. What it said before it was the
            // master, of a replica's role, says nothing of what it is now.
            let led = server.role == Role::Master || !server.spoke_since(server.role_since);
            server.stale_master = led && !cx.is_mutant(Mutant::ForgetOldMaster);
            let demoted_by_others = server.sdown.is_none() && !unplanned;
            let grace = demoted_by_others.then_some(grace);
            server.homecoming = Homecoming::replaced(cx.now, grace.unwrap_or_default());
            server.judge_afresh();
            // If it is away, its clients may find it any moment.
            if server.stale_master && cx.out.may_hasten(cx.now) {
                server.link.retry_now(cx.now);
            }
        }
        self.end_homecoming(cx, &new);
        if let Some(server) = self.servers.get_mut(&new) {
            // What it reported as a replica is no sign of trouble; it is asked again at once.
            server.role_since = cx.now;
            server.judge_afresh();
            server.identity.vouch();
            server.info_asked_at = None;
        }
        self.former = Some(old.addr);
    }

    /// Whether we have promoted somebody who may not have all that the master took: we know then that
    /// nobody will demote it before it is fenced. What we held back ourselves is over with that.
    fn promotes_without_handover(&mut self, cx: &mut Ctx) -> bool {
        let planned = self.write_pause.as_ref().is_some_and(|it| it.caught_up);
        if planned || !matches!(self.failover, Failover::Promoting(_)) {
            return false;
        }
        if self.write_pause.take().is_some() {
            self.tell(cx, EventKind::WritesReleased, About::Master);
        }
        true
    }

    /// Tells operators and clients that the address changed, and, of one that has been the master
    /// for some time before they hear of it, that it is down if it is.
    pub(crate) fn tell_switch(&mut self, cx: &mut Ctx, from: &Addr) {
        let old = if cx.is_mutant(Mutant::SwitchTwice) {
            &self.configuration.addr
        } else {
            from
        };
        let payload = format!(
            "{} {} {}",
            self.name,
            cx.shown_pair(old),
            cx.shown_pair(&self.configuration.addr)
        );
        cx.master_event(EventKind::SwitchMaster, payload, &self.name, &self.options);
        for addr in self
            .replicas()
            .map(|(addr, _)| addr.clone())
            .collect::<Vec<_>>()
        {
            self.tell(cx, EventKind::Slave, About::Replica(&addr));
        }
        if self.primary().is_some_and(|server| server.sdown.is_some()) {
            self.tell(cx, EventKind::Sdown, About::Master);
        }
    }
}
