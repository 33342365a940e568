//! After the promotion: peers first, then clients, then the other replicas (spec §10.4, §10.5).

use std::collections::BTreeMap;

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::{Acks, Failover};
use crate::ids::{Epoch, RunId};
use crate::model::configuration::Configuration;
use crate::model::master::{About, Master};
use crate::monitor::kin::Verdict;
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::output::ReplicaOf;
use crate::report::Role;
use crate::time::{Mono, Span};

/// The last part of a failover.
#[derive(Clone, Debug)]
pub(crate) struct Reconfiguring {
    pub(crate) since: Mono,
    /// The configuration before; clients are told this one until the new one is announced.
    pub(crate) former: Configuration,
    pub(crate) progress: BTreeMap<Addr, Progress>,
    announced: Announced,
}

#[derive(Clone, Debug)]
enum Announced {
    /// These peers hold the new configuration; a majority is needed.
    Waiting(Acks),
    Done,
}

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It was told then.
    Sent(Mono),
    /// It follows the new master; its link is not up yet.
    Following,
    /// Its link is up, or it was given up.
    Done,
}

impl Reconfiguring {
    pub(crate) const fn new(former: Configuration, now: Mono) -> Self {
        Self {
            since: now,
            former,
            progress: BTreeMap::new(),
            announced: Announced::Waiting(Acks::new()),
        }
    }

    /// Whether clients have been told.
    pub(crate) const fn is_announced(&self) -> bool {
        matches!(self.announced, Announced::Done)
    }

    fn busy(&self) -> usize {
        self.progress
            .values()
            .filter(|progress| !matches!(progress, Progress::Done))
            .count()
    }
}

impl Master {
    /// A peer took our hello in, with the configuration of `epoch`.
    pub(crate) fn on_hello_acknowledged(&mut self, peer: RunId, epoch: Epoch) {
        let current = self.configuration.epoch;
        if let Failover::Reconfiguring(reconf) = &mut self.failover
            && let Announced::Waiting(acks) = &mut reconf.announced
            && epoch == current
        {
            acks.insert(peer);
        }
    }

    /// Announces the switch as soon as it may, then moves the replicas, then ends.
    pub(crate) fn reconfigure(&mut self, cx: &mut Ctx) {
        let Failover::Reconfiguring(reconf) = &self.failover else {
            return;
        };
        if let Announced::Waiting(acks) = &reconf.announced {
            if acks.len() + 1 < self.voters() / 2 + 1 {
                self.retire_former(cx);
                return;
            }
            self.announce(cx);
        }
        self.retire_former(cx);
        self.expire_sent(cx);
        self.move_replicas(cx);
        self.consider_end(cx);
    }

    /// When time alone has an effect.
    pub(crate) fn reconf_due(&self, cx: &Ctx, reconf: &Reconfiguring) -> Option<Mono> {
        if !reconf.is_announced() {
            return self.retire_due(cx);
        }
        let end = reconf.since + self.options.failover_timeout + Span::TICK;
        let sent = reconf
            .progress
            .values()
            .filter_map(|progress| match progress {
                Progress::Sent(at) => Some(*at + cx.periods.slave_reconf + Span::TICK),
                Progress::Following | Progress::Done => None,
            });
        sent.chain([end]).min()
    }

    /// Tells clients, where they have not been told: the switch is known to a majority, or nobody
    /// else has to know.
    pub(crate) fn announce(&mut self, cx: &mut Ctx) {
        let Failover::Reconfiguring(reconf) = &mut self.failover else {
            return;
        };
        if reconf.is_announced() {
            return;
        }
        reconf.announced = Announced::Done;
        let former = reconf.former.addr.clone();
        let to = self.configuration.addr.clone();
        self.run_reconfig_script(cx, "leader", &former, &to);
        self.tell_switch(cx, &former);
        self.fulfil_order(cx);
    }

    /// A replica says whom it follows.
    pub(crate) fn on_replica_moved(&mut self, cx: &mut Ctx, addr: &Addr) {
        let follows_new = self.servers.get(addr).is_some_and(|server| {
            let to = server.replication.follows.as_ref();
            to.is_some_and(|to| cx.hosts.same(to, &self.configuration.addr))
        });
        let link_up = self
            .servers
            .get(addr)
            .is_some_and(|server| server.replication.link_up);
        if matches!(self.progress(addr), Some(Progress::Sent(_))) && follows_new {
            self.set_progress(addr, Progress::Following);
            self.tell(cx, EventKind::SlaveReconfInprog, About::Replica(addr));
        }
        if self.progress(addr) == Some(Progress::Following) && link_up {
            self.set_progress(addr, Progress::Done);
            self.tell(cx, EventKind::SlaveReconfDone, About::Replica(addr));
        }
    }

    /// How far a replica has come in the failover under way.
    pub(crate) fn progress(&self, addr: &Addr) -> Option<Progress> {
        match &self.failover {
            Failover::Reconfiguring(reconf) => reconf.progress.get(addr).copied(),
            _ => None,
        }
    }

    fn set_progress(&mut self, addr: &Addr, progress: Progress) {
        if let Failover::Reconfiguring(reconf) = &mut self.failover {
            reconf.progress.insert(addr.clone(), progress);
        }
    }

    /// Replicas that were told and did not follow are counted as done. This holds with all slots
    /// busy too, where redis-sentinel would wait for ever (spec §17).
    fn expire_sent(&mut self, cx: &mut Ctx) {
        let Failover::Reconfiguring(reconf) = &self.failover else {
            return;
        };
        let limit = cx.periods.slave_reconf;
        let late: Vec<Addr> = reconf
            .progress
            .iter()
            .filter(|(_, p)| matches!(p, Progress::Sent(at) if cx.now.since(*at) > limit))
            .map(|(addr, _)| addr.clone())
            .collect();
        for addr in late {
            self.tell(cx, EventKind::SlaveReconfSentTimeout, About::Replica(&addr));
            self.set_progress(&addr, Progress::Done);
        }
    }

    fn move_replicas(&mut self, cx: &mut Ctx) {
        if cx.is_mutant(Mutant::NeverRepoint) || cx.gate.is_failing() {
            return;
        }
        let slots = usize::try_from(self.options.parallel_syncs).unwrap_or(usize::MAX);
        for addr in self.followers() {
            let Failover::Reconfiguring(reconf) = &self.failover else {
                return;
            };
            if reconf.busy() >= slots && !cx.is_mutant(Mutant::IgnoreParallelSyncs) {
                return;
            }
            if self.progress(&addr).is_none() && self.move_replica(cx, &addr) {
                self.set_progress(&addr, Progress::Sent(cx.now));
                self.tell(cx, EventKind::SlaveReconfSent, About::Replica(&addr));
            }
        }
    }

    /// Tells a replica to follow the new master. One that says that it is a master, and that others
    /// promoted where we did not hear them, comes home first.
    fn move_replica(&mut self, cx: &mut Ctx, addr: &Addr) -> bool {
        let server = self.servers.get(addr);
        let leads = server.is_some_and(|server| server.role == Role::Master);
        if leads && self.comes_home_unknown(cx, addr) {
            return false;
        }
        let whom = ReplicaOf::Master(self.configuration.addr.clone());
        self.direct(cx, addr, whom)
    }

    /// The replicas to be moved: all but the promoted one and the master before. One that was the
    /// master earlier and has just come back is no replica yet: what it alone has is saved first.
    /// Nor is one that may not be of the group.
    fn followers(&self) -> Vec<Addr> {
        let Failover::Reconfiguring(reconf) = &self.failover else {
            return Vec::new();
        };
        self.replicas()
            .filter(|(_, server)| !server.stale_master)
            .filter(|(_, server)| server.identity.verdict() == Verdict::Kin)
            .map(|(addr, _)| addr)
            .filter(|addr| **addr != reconf.former.addr)
            .cloned()
            .collect()
    }

    fn consider_end(&mut self, cx: &mut Ctx) {
        let Failover::Reconfiguring(reconf) = &self.failover else {
            return;
        };
        let expired = cx.now.since(reconf.since) > self.options.failover_timeout;
        let left: Vec<Addr> = self
            .followers()
            .into_iter()
            .filter(|addr| {
                let down = self
                    .servers
                    .get(addr)
                    .is_some_and(|server| server.sdown.is_some());
                !down && self.progress(addr) != Some(Progress::Done)
            })
            .collect();
        let next_one_is_due = self.odown.is_some();
        if !left.is_empty() && !expired && !next_one_is_due {
            return;
        }
        if !left.is_empty() {
            self.tell(cx, EventKind::FailoverEndForTimeout, About::Master);
        }
        self.tell(cx, EventKind::FailoverEnd, About::Master);
        let remembered = !cx.gate.is_failing();
        for addr in left.into_iter().filter(|_| remembered) {
            if self.progress(&addr).is_none() && self.move_replica(cx, &addr) {
                self.tell(cx, EventKind::SlaveReconfSentBe, About::Replica(&addr));
            }
        }
        self.failover = Failover::Idle;
    }
}
