//! Reading INFO, and putting stray servers right (spec §6).

use bartizan_core::addr::Addr;
use bartizan_core::ids::MasterName;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::report::{Info, Role};
use bartizan_core::time::{Mono, Span};

use super::Upstream;
use super::line::Purpose;
use super::state::{InstId, Kind, Reconf, State, older};

/// Publish periods that a stray master is given before it is demoted: 8 s, on top of which comes
/// the wait for its INFO (hazard P).
const CONVERT_AFTER: u64 = 4;

impl Upstream {
    /// An INFO reply arrived.
    pub(super) fn on_info(&mut self, now: Mono, id: InstId, info: &Info) {
        let Some(kind) = self.instances.get(&id).map(|inst| inst.kind) else {
            return;
        };
        self.note_run_id(now, id, info);
        if kind == Kind::Master {
            self.note_replicas(now, id, info);
        }
        self.note_state(now, id, info);
        self.note_role(now, id, info);
        if self.tilt.is_some() || kind != Kind::Replica {
            return;
        }
        match info.role {
            Some(Role::Master) => self.on_replica_is_master(now, id),
            Some(Role::Replica) => {
                self.fix_replica(now, id);
                self.follow_reconf(now, id);
            }
            None => {}
        }
    }

    fn note_run_id(&mut self, now: Mono, id: InstId, info: &Info) {
        let (Some(run_id), Some(inst)) = (info.run_id, self.instances.get_mut(&id)) else {
            return;
        };
        let known = inst.run_id.replace(run_id);
        if known.is_none_or(|known| known == run_id) {
            return;
        }
        let watched = inst.kind == Kind::Master
            && self
                .masters
                .get(&inst.master)
                .is_some_and(|m| m.options.master_reboot_down_after != Span::ZERO);
        if watched {
            inst.server.rebooted = Some(now);
        }
        self.event(EventKind::Reboot, id, "");
    }

    fn note_replicas(&mut self, now: Mono, id: InstId, info: &Info) {
        let Some(name) = self.instances.get(&id).map(|inst| inst.master.clone()) else {
            return;
        };
        for addr in &info.replicas {
            if let Some(replica) = self.add_replica(now, &name, addr.clone()) {
                self.event(EventKind::Slave, replica, "");
                self.flush();
            }
        }
    }

    fn note_state(&mut self, now: Mono, id: InstId, info: &Info) {
        let Some(inst) = self.instances.get_mut(&id) else {
            return;
        };
        let server = &mut inst.server;
        server.info_at = Some(now);
        server.link_down_for = info.master_link_down_for;
        if info.role != Some(Role::Replica) {
            return;
        }
        if info.master.is_some() && info.master != server.follows {
            server.follows.clone_from(&info.master);
            server.conf_changed = now;
        }
        server.link_up = info.master_link_up;
        server.priority = info.priority.unwrap_or(server.priority);
        server.offset = info.offset.unwrap_or(server.offset);
    }

    fn note_role(&mut self, now: Mono, id: InstId, info: &Info) {
        let Some(inst) = self.instances.get_mut(&id) else {
            return;
        };
        if inst.server.role == info.role {
            return;
        }
        inst.server.role = info.role;
        inst.server.role_since = now;
        if info.role == Some(Role::Replica) {
            inst.server.conf_changed = now;
        }
        let configured = match inst.kind {
            Kind::Master => Role::Master,
            Kind::Replica | Kind::Peer => Role::Replica,
        };
        let kind = if info.role == Some(configured) {
            EventKind::RoleChangeGood
        } else {
            EventKind::RoleChangeBad
        };
        let word = if info.role == Some(Role::Master) {
            "master"
        } else {
            "slave"
        };
        self.event(kind, id, &format!("new reported role is {word}"));
    }

    /// A replica says that it is a master: the one we promoted, or a stray.
    fn on_replica_is_master(&mut self, now: Mono, id: InstId) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let (name, role_since, s_down_at) =
            (inst.master.clone(), inst.server.role_since, inst.s_down_at);
        let Some(failover) = self.masters.get(&name).map(|m| &m.failover) else {
            return;
        };
        if failover.promoted == Some(id) {
            if failover.state == State::WaitPromotion {
                self.on_promoted(now, &name, id);
            }
            return;
        }
        let wait = self.periods.publish * CONVERT_AFTER;
        if self.is_sane(now, &name)
            && older(now, s_down_at, wait)
            && older(now, Some(role_since), wait)
            && self.repoint(id, &name)
        {
            self.event(EventKind::ConvertToSlave, id, "");
        }
    }

    /// The promotion worked. The new address is told to everybody from here on, long before
    /// +switch-master (hazard M). The epoch is that of the failover, even when a hello has raised
    /// it since, and a hello may still raise it later (hazard A).
    fn on_promoted(&mut self, now: Mono, name: &MasterName, id: InstId) {
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        master.config_epoch = master.failover.epoch;
        master.failover.enter(now, State::ReconfSlaves);
        let inst = master.inst;
        let all: Vec<InstId> = master
            .replicas
            .values()
            .chain(master.peers.values())
            .copied()
            .collect();
        self.flush();
        self.event(EventKind::PromotedSlave, id, "");
        self.event(EventKind::ReconfSlaves, inst, "");
        // The next tick finds every hello overdue.
        let back = (self.periods.publish + Span::TICK).as_ms();
        let overdue = Mono::from_ms(now.as_ms().saturating_sub(back));
        for id in all.into_iter().chain([inst]) {
            if let Some(inst) = self.instances.get_mut(&id) {
                inst.published = overdue.min(inst.published);
            }
        }
    }

    /// A replica follows somebody else than the master.
    fn fix_replica(&mut self, now: Mono, id: InstId) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let (name, server) = (inst.master.clone(), &inst.server);
        let Some(master) = self.masters.get(&name) else {
            return;
        };
        let Some(addr) = self.instances.get(&master.inst).map(|m| &m.addr) else {
            return;
        };
        let wait = master.options.failover_timeout;
        let stray = server
            .follows
            .as_ref()
            .is_some_and(|follows| follows != addr);
        if stray
            && self.is_sane(now, &name)
            && older(now, inst.s_down_at, wait)
            && older(now, Some(server.conf_changed), wait)
            && self.repoint(id, &name)
        {
            self.event(EventKind::FixSlaveConfig, id, "");
        }
    }

    /// A replica that was told to follow the promoted one gets there; both steps may fall on one
    /// INFO.
    fn follow_reconf(&mut self, now: Mono, id: InstId) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let promoted = self
            .masters
            .get(&inst.master)
            .and_then(|m| m.failover.promoted);
        let promoted = promoted
            .and_then(|id| self.instances.get(&id))
            .map(|i| i.addr.clone());
        let follows = inst.server.follows.is_some() && inst.server.follows == promoted;
        let link_up = inst.server.link_up;
        if inst.server.reconf == Reconf::Sent && follows {
            self.set_reconf(now, id, Reconf::InProgress);
            self.event(EventKind::SlaveReconfInprog, id, "");
        }
        let state = self.instances.get(&id).map(|inst| inst.server.reconf);
        if state == Some(Reconf::InProgress) && link_up {
            self.set_reconf(now, id, Reconf::Done);
            self.event(EventKind::SlaveReconfDone, id, "");
        }
    }

    /// Notes how far a replica is re-pointed.
    pub(super) fn set_reconf(&mut self, now: Mono, id: InstId, reconf: Reconf) {
        if let Some(inst) = self.instances.get_mut(&id) {
            inst.server.reconf = reconf;
            inst.server.reconf_at = now;
        }
    }

    /// Tells a replica to follow the master's present address. False if it cannot be reached.
    fn repoint(&mut self, id: InstId, name: &MasterName) -> bool {
        let addr = self
            .masters
            .get(name)
            .and_then(|m| self.instances.get(&m.inst));
        let Some(addr) = addr.map(|inst| inst.addr.clone()) else {
            return false;
        };
        self.send_reconfigure(id, ReplicaOf::Master(addr))
    }

    /// Sends the transaction of spec §10.3, unless the line is disconnected.
    pub(super) fn send_reconfigure(&mut self, id: InstId, to: ReplicaOf) -> bool {
        let connected = self.line(id).is_some_and(|line| !line.disconnected());
        connected && self.send(id, Call::Reconfigure(to), Purpose::Nothing)
    }

    /// Whether the master looks like one whom replicas should follow.
    fn is_sane(&self, now: Mono, name: &MasterName) -> bool {
        let inst = self
            .masters
            .get(name)
            .and_then(|m| self.instances.get(&m.inst));
        inst.is_some_and(|inst| {
            inst.server.role == Some(Role::Master)
                && !inst.s_down
                && !inst.o_down
                && inst
                    .server
                    .info_at
                    .is_some_and(|at| now.since(at) < self.periods.info * 2)
        })
    }

    /// Where an instance is.
    pub(super) fn addr_of(&self, id: InstId) -> Option<Addr> {
        self.instances.get(&id).map(|inst| inst.addr.clone())
    }
}
