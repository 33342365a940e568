//! Putting stray servers right: returned masters and replicas of the wrong master (spec §6).

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::failover::homecoming::Homecoming;
use crate::model::master::{About, Master};
use crate::model::server::Server;
use crate::monitor::kin::Verdict;
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::output::ReplicaOf;
use crate::report::Role;
use crate::time::{Mono, Span};

/// A server that was directed gets this long to show it.
const OBEY: Span = Span::secs(2);

/// What is wrong with a server.
#[derive(Clone, Copy, Debug)]
enum Stray {
    /// It calls itself master.
    Master,
    /// It follows somebody else.
    Replica,
    /// It calls itself master, and nothing tells whose data it has.
    Unproven,
}

impl Master {
    /// Directs every stray server whose time has come.
    pub(crate) fn heal(&mut self, cx: &mut Ctx) {
        for (addr, stray) in self.strays(cx) {
            let is_taken_in = match stray {
                Stray::Unproven => self.take_in(cx, &addr),
                Stray::Master => self.comes_home_unknown(cx, &addr),
                Stray::Replica => false,
            };
            if is_taken_in {
                continue;
            }
            let whom = ReplicaOf::Master(self.configuration.addr.clone());
            if !self.direct(cx, &addr, whom) {
                // Its link takes no more calls: later.
                if let Some(server) = self.servers.get_mut(&addr) {
                    server.directed_at = Some(cx.now);
                }
                continue;
            }
            let kind = match stray {
                Stray::Master => EventKind::ConvertToSlave,
                Stray::Replica | Stray::Unproven => EventKind::FixSlaveConfig,
            };
            self.tell(cx, kind, About::Replica(&addr));
        }
    }

    /// What it has is saved before it becomes a replica, as if it were a former master.
    fn take_in(&mut self, cx: &Ctx, addr: &Addr) -> bool {
        if let Some(server) = self.servers.get_mut(addr) {
            server.stale_master = true;
            server.homecoming = Homecoming::unproven(cx.now);
        }
        true
    }

    /// When the next one's time comes.
    pub(crate) fn heal_due(&self, cx: &Ctx) -> Option<Mono> {
        if !self.may_heal(cx) {
            return None;
        }
        self.replicas()
            .filter_map(|(_, server)| self.stray(cx, server))
            .map(|(at, _)| at)
            .min()
    }

    fn strays(&self, cx: &Ctx) -> Vec<(Addr, Stray)> {
        if !self.may_heal(cx) {
            return Vec::new();
        }
        self.replicas()
            .filter_map(|(addr, server)| {
                let (at, stray) = self.stray(cx, server)?;
                (at <= cx.now).then(|| (addr.clone(), stray))
            })
            .collect()
    }

    /// Only a master that is known to be well is worth following, and only when nobody may be
    /// changing who it is.
    fn may_heal(&self, cx: &Ctx) -> bool {
        let settled = match &self.failover {
            Failover::Idle => true,
            Failover::Reconfiguring(reconf) => reconf.is_announced(),
            Failover::Standing(_)
            | Failover::Selecting(_)
            | Failover::Handover(_)
            | Failover::Promoting(_) => false,
        };
        let sane = self.primary().is_some_and(|master| {
            master.role == Role::Master
                && !master.identity.is_stranger()
                && master.sdown.is_none()
                && master.link.is_up()
                && master
                    .info_age(cx.now)
                    .is_some_and(|age| age < cx.periods.info * 2)
        });
        // Whom to follow is only said by who would still say so after a crash.
        let remembered = self.adopting.is_none() && !cx.gate.is_failing();
        settled && sane && remembered && self.odown.is_none()
    }

    /// Whether a replica of the present master is not linked to it yet.
    fn is_synchronising(&self, cx: &Ctx) -> bool {
        self.replicas().any(|(_, server)| {
            let follows = server.replication.follows.as_ref();
            server.role == Role::Replica
                && server.sdown.is_none()
                && !server.replication.link_up
                && follows.is_some_and(|it| cx.hosts.same(it, &self.configuration.addr))
        })
    }

    /// Whether a server is astray, and from when on it is to be directed.
    fn stray(&self, cx: &Ctx, server: &Server) -> Option<(Mono, Stray)> {
        let trusting = cx.is_mutant(Mutant::TrustAddress);
        if !server.link.is_up() || server.sdown.is_some() || server.info.is_none() {
            return None;
        }
        if !server.identity.takes_orders() && !trusting {
            return None;
        }
        // Time for a hello to arrive that explains what we see.
        let grace = cx.periods.publish * 4;
        let obeyed = server.directed_at.map_or(cx.now, |at| at + OBEY);
        let quiet = |span: Span| server.last_sdown.map_or_else(Mono::default, |at| at + span);
        match server.role {
            Role::Master if cx.is_mutant(Mutant::ForgetOldMaster) => None,
            // It was master before the switch and knows nothing of it: nobody else's failover can
            // be what makes it say so.
            Role::Master if server.stale_master => self
                .is_salvaged(cx, server)
                .then(|| (obeyed.max(server.homecoming.not_before), Stray::Master)),
            Role::Master => {
                let from = (server.role_since + grace + Span::TICK)
                    .max(quiet(grace))
                    .max(obeyed);
                if server.identity.verdict() == Verdict::Unproven {
                    return Some((from.max(server.identity.since() + grace), Stray::Unproven));
                }
                Some((from, Stray::Master))
            }
            Role::Replica => {
                // The failover under way moves its replicas itself.
                if matches!(self.failover, Failover::Reconfiguring(_)) {
                    return None;
                }
                let follows = server.replication.follows.as_ref()?;
                if cx.hosts.same(follows, &self.configuration.addr) {
                    return None;
                }
                // From before the switch it may say what it was before it was promoted, and
                // replaced again, while we did not hear of it.
                if !server.spoke_since(server.replication.follows_since) {
                    return None;
                }
                let outdated = self
                    .former
                    .as_ref()
                    .is_some_and(|old| cx.hosts.same(old, follows));
                let timeout = self.options.failover_timeout;
                // While one synchronises, a leader may be waiting for it before it moves the next.
                let patient = !cx.is_mutant(Mutant::ImpatientHeal);
                let wait = if outdated && !(patient && self.is_synchronising(cx)) {
                    timeout.min(grace)
                } else {
                    timeout
                };
                // And when one has done so, the leader gets the time to move the next.
                let linked = self.replicas().map(|(_, it)| it.replication.linked_at);
                let pace = linked.max().filter(|_| outdated).unwrap_or_default();
                let mut since = server.replication.follows_since.max(pace) + wait + Span::TICK;
                if server.identity.verdict() == Verdict::Unproven {
                    // Its INFO proves it a stranger as soon as our master is known well.
                    if self.is_linked_away(cx, Some(follows), server.replication.link_up)
                        && !trusting
                    {
                        return None;
                    }
                    // What would prove it a stranger, or ours, may yet come.
                    since = since.max(server.identity.since() + timeout.max(grace));
                }
                Some((since.max(quiet(wait)).max(obeyed), Stray::Replica))
            }
        }
    }
}
