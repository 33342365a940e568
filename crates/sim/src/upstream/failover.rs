//! The steps of a failover, one a tick (spec §10.1, §10.4, §10.5).

use bartizan_core::ids::MasterName;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::ReplicaOf;
use bartizan_core::time::Mono;

use super::Upstream;
use super::state::{InstId, Reconf, State, older};

impl Upstream {
    /// One step of the failover under way.
    pub(super) fn step(&mut self, now: Mono, name: &MasterName) {
        match self.masters.get(name).map(|master| master.failover.state) {
            Some(State::WaitStart) => self.wait_start(now, name),
            Some(State::SelectSlave) => self.select_slave(now, name),
            Some(State::SendSlaveofNoOne) => self.send_slaveof_no_one(now, name),
            Some(State::WaitPromotion) => self.give_up_if_late(now, name),
            Some(State::ReconfSlaves) => {
                self.reconf_next(now, name);
                self.detect_end(now, name);
            }
            Some(State::None | State::UpdateConfig) | None => {}
        }
    }

    fn wait_start(&mut self, now: Mono, name: &MasterName) {
        let leads = self.leader(now, name) == Some(self.id);
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        let inst = master.inst;
        if leads || master.failover.forced {
            master.failover.enter(now, State::SelectSlave);
            self.event(EventKind::ElectedLeader, inst, "");
            self.event(EventKind::SelectSlave, inst, "");
            return;
        }
        let patience = self.periods.election.min(master.options.failover_timeout);
        if older(now, master.failover.start, patience) {
            self.event(EventKind::AbortNotElected, inst, "");
            self.abort(now, name);
        }
    }

    fn select_slave(&mut self, now: Mono, name: &MasterName) {
        let chosen = self.choose_replica(now, name);
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        let Some(chosen) = chosen else {
            let inst = master.inst;
            self.event(EventKind::AbortNoGoodSlave, inst, "");
            self.abort(now, name);
            return;
        };
        master.failover.promoted = Some(chosen);
        master.failover.enter(now, State::SendSlaveofNoOne);
        self.event(EventKind::SelectedSlave, chosen, "");
        self.event(EventKind::SendSlaveofNoone, chosen, "");
    }

    fn send_slaveof_no_one(&mut self, now: Mono, name: &MasterName) {
        let promoted = self
            .masters
            .get(name)
            .and_then(|master| master.failover.promoted);
        let Some(promoted) = promoted else { return };
        if !self.send_reconfigure(promoted, ReplicaOf::NoOne) {
            self.give_up_if_late(now, name);
            return;
        }
        if let Some(master) = self.masters.get_mut(name) {
            master.failover.enter(now, State::WaitPromotion);
        }
        self.event(EventKind::WaitPromotion, promoted, "");
    }

    /// The promotion takes longer than the failover timeout. Nothing is sent again meanwhile.
    fn give_up_if_late(&mut self, now: Mono, name: &MasterName) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let inst = master.inst;
        if older(
            now,
            Some(master.failover.changed),
            master.options.failover_timeout,
        ) {
            self.event(EventKind::AbortSlaveTimeout, inst, "");
            self.abort(now, name);
        }
    }

    fn abort(&mut self, now: Mono, name: &MasterName) {
        if let Some(master) = self.masters.get_mut(name) {
            master.failover.abort(now);
        }
    }

    /// Re-points the next replicas, `parallel-syncs` at a time. Time-outs are looked for only
    /// while a slot is free, so with all slots taken they never fire (spec §10.4).
    fn reconf_next(&mut self, now: Mono, name: &MasterName) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let Some(promoted) = master.failover.promoted else {
            return;
        };
        let Some(to) = self.addr_of(promoted) else {
            return;
        };
        let slots = usize::try_from(master.options.parallel_syncs).unwrap_or(usize::MAX);
        let replicas: Vec<InstId> = master.replicas.values().copied().collect();
        let busy = |id: &&InstId| {
            let reconf = self.instances.get(id).map(|inst| inst.server.reconf);
            matches!(reconf, Some(Reconf::Sent | Reconf::InProgress))
        };
        let mut in_progress = replicas.iter().filter(busy).count();
        for id in replicas {
            if in_progress >= slots {
                return;
            }
            let Some(server) = self.instances.get(&id).map(|inst| &inst.server) else {
                continue;
            };
            let (reconf, since) = (server.reconf, server.reconf_at);
            if id == promoted || reconf == Reconf::Done {
                continue;
            }
            if reconf == Reconf::Sent && older(now, Some(since), self.periods.slave_reconf) {
                self.event(EventKind::SlaveReconfSentTimeout, id, "");
                self.set_reconf(now, id, Reconf::Done);
                continue;
            }
            if reconf == Reconf::None && self.send_reconfigure(id, ReplicaOf::Master(to.clone())) {
                self.set_reconf(now, id, Reconf::Sent);
                self.event(EventKind::SlaveReconfSent, id, "");
                in_progress += 1;
            }
        }
    }

    /// Ends the failover when nobody is left to re-point, or when it took too long. Not while
    /// the promoted replica seems down.
    fn detect_end(&mut self, now: Mono, name: &MasterName) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let Some(promoted) = master.failover.promoted else {
            return;
        };
        let is_down = |id: InstId| self.instances.get(&id).is_none_or(|inst| inst.s_down);
        if is_down(promoted) {
            return;
        }
        let left: Vec<InstId> = master
            .replicas
            .values()
            .copied()
            .filter(|id| *id != promoted && self.reconf(*id) != Some(Reconf::Done))
            .collect();
        let late = older(
            now,
            Some(master.failover.changed),
            master.options.failover_timeout,
        );
        let done = left.iter().all(|id| is_down(*id));
        if !late && !done {
            return;
        }
        let inst = master.inst;
        if let Some(master) = self.masters.get_mut(name) {
            master.failover.enter(now, State::UpdateConfig);
        }
        if late {
            self.event(EventKind::FailoverEndForTimeout, inst, "");
        }
        self.event(EventKind::FailoverEnd, inst, "");
        if late {
            self.remind(&left, promoted);
        }
    }

    /// Best effort for replicas left over. In practice the switch of the same tick closes the
    /// connections before a word is out (spec §10.5).
    fn remind(&mut self, left: &[InstId], promoted: InstId) {
        let Some(to) = self.addr_of(promoted) else {
            return;
        };
        for id in left {
            if self.reconf(*id) != Some(Reconf::Sent)
                && self.send_reconfigure(*id, ReplicaOf::Master(to.clone()))
            {
                self.event(EventKind::SlaveReconfSentBe, *id, "");
            }
        }
    }

    fn reconf(&self, id: InstId) -> Option<Reconf> {
        self.instances.get(&id).map(|inst| inst.server.reconf)
    }
}
