//! A master gets another address, or is forgotten but for its name (spec §10.6, §11).

use bartizan_core::addr::Addr;
use bartizan_core::ids::{MasterName, RunId};
use bartizan_core::notify::event::EventKind;
use bartizan_core::report::Role;
use bartizan_core::time::Mono;

use super::Upstream;
use super::state::{Failover, InstId};

impl Upstream {
    /// The leader's switch at the end of its failover. The epoch stays what it is by now, be it
    /// somebody else's (hazard A).
    pub(super) fn switch_as_leader(&mut self, now: Mono, name: &MasterName) {
        let Some(to) = self.current_addr(name) else {
            return;
        };
        let inst = self.masters.get(name).map(|master| master.inst);
        let Some(old) = inst.and_then(|inst| self.addr_of(inst)) else {
            return;
        };
        self.announce_switch(name, &old, &to);
        self.switch(now, name, &to);
    }

    /// +switch-master
    pub(super) fn announce_switch(&mut self, name: &MasterName, from: &Addr, to: &Addr) {
        let text = format!("{name} {} {} {} {}", from.host, from.port, to.host, to.port);
        self.event_as(EventKind::SwitchMaster, text, Some(name.clone()));
    }

    /// Puts the master at `to`. All replicas are made anew, the old master among them; peers
    /// keep their opinions about the old address (hazard L).
    pub(super) fn switch(&mut self, now: Mono, name: &MasterName, to: &Addr) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let inst = master.inst;
        let Some(old) = self.addr_of(inst) else {
            return;
        };
        let mut replicas: Vec<Addr> = master
            .replicas
            .keys()
            .filter(|addr| *addr != to)
            .cloned()
            .collect();
        if old != *to && !replicas.contains(&old) {
            replicas.push(old);
        }
        self.reset(now, name);
        if let Some(inst) = self.instances.get_mut(&inst) {
            inst.addr = to.clone();
        }
        for addr in replicas {
            if let Some(replica) = self.add_replica(now, name, addr) {
                self.event(EventKind::Slave, replica, "");
            }
        }
        self.flush();
    }

    /// Forgets flags, replicas and failover of a master, and hangs up on it. Epochs, options,
    /// peers, the age of its INFO and the time of the last connection stay.
    pub(super) fn reset(&mut self, now: Mono, name: &MasterName) {
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        let replicas = core::mem::take(&mut master.replicas);
        master.leader = None;
        master.failover = Failover::idle(now);
        let id = master.inst;
        for replica in replicas.into_values() {
            self.drop_instance(replica);
        }
        self.hang_up(id);
        if let Some(line) = self.line_mut(id) {
            line.forget(now);
        }
        if let Some(inst) = self.instances.get_mut(&id) {
            inst.run_id = None;
            inst.s_down = false;
            inst.s_down_at = None;
            inst.o_down = false;
            inst.script_kill_sent = false;
            inst.server.rebooted = None;
            inst.server.role = Some(Role::Master);
            inst.server.role_since = now;
        }
    }

    /// Forgets the peers of a master too.
    pub(super) fn forget_peers(&mut self, name: &MasterName) {
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        let peers: Vec<(RunId, InstId)> = core::mem::take(&mut master.peers).into_iter().collect();
        for (_, peer) in peers {
            self.drop_instance(peer);
        }
    }

    /// Stops watching a master.
    pub(super) fn remove_master(&mut self, now: Mono, name: &MasterName) {
        self.reset(now, name);
        self.forget_peers(name);
        if let Some(master) = self.masters.remove(name) {
            self.drop_instance(master.inst);
        }
    }
}
