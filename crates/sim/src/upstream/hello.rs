//! A peer's announcement of itself and of a configuration (spec §7).

use bartizan_core::addr::Addr;
use bartizan_core::ids::{MasterName, RunId};
use bartizan_core::notify::event::EventKind;
use bartizan_core::report::Hello;
use bartizan_core::time::Mono;

use super::Upstream;
use super::state::InstId;

impl Upstream {
    /// Takes in a hello: the peer first, then its epoch, then its configuration.
    pub(super) fn on_hello(&mut self, now: Mono, hello: &Hello) {
        let Some(master) = self.masters.get(&hello.master) else {
            return;
        };
        let known = master.peers.get(&hello.id).copied();
        let same_place =
            known.filter(|id| self.instances.get(id).is_some_and(|i| i.addr == hello.from));
        let peer = same_place.or_else(|| self.discover(now, known, hello));
        if hello.current_epoch > self.epoch {
            self.epoch = hello.current_epoch;
            self.flush();
            let epoch = self.epoch.to_string();
            self.event_as(EventKind::NewEpoch, epoch, Some(hello.master.clone()));
        }
        if let Some(peer) = peer {
            self.consider_configuration(now, peer, hello);
        }
    }

    /// A new peer, or one that moved, or one that claims another's place.
    fn discover(&mut self, now: Mono, known: Option<InstId>, hello: &Hello) -> Option<InstId> {
        let name = &hello.master;
        let Addr { host, port } = &hello.from;
        let master = self.masters.get(name)?.inst;
        if known.is_some() {
            self.remove_peer(name, hello.id);
            let text = format!("ip {host} port {port} for {}", hello.id);
            self.event(EventKind::SentinelAddressSwitch, master, &text);
        } else if let Some((old, inst)) = self.peer_at(name, &hello.from) {
            self.event(EventKind::SentinelInvalidAddr, inst, "");
            let names: Vec<MasterName> = self.masters.keys().cloned().collect();
            for name in &names {
                self.remove_peer(name, old);
            }
        }
        let peer = self.add_peer(now, name, hello.id, hello.from.clone())?;
        if known.is_some() {
            let moved = self.move_elsewhere(name, hello);
            if moved > 0 {
                let text = format!("{moved} additional matching instances");
                self.event(EventKind::SentinelAddressUpdate, peer, &text);
            }
        } else {
            self.event(EventKind::Sentinel, peer, "");
        }
        self.flush();
        Some(peer)
    }

    /// The peer of another id that is known at `addr`.
    fn peer_at(&self, name: &MasterName, addr: &Addr) -> Option<(RunId, InstId)> {
        let peers = &self.masters.get(name)?.peers;
        let here = |id: &InstId| {
            self.instances
                .get(id)
                .is_some_and(|inst| inst.addr == *addr)
        };
        peers
            .iter()
            .find(|(_, inst)| here(inst))
            .map(|(id, inst)| (*id, *inst))
    }

    fn remove_peer(&mut self, name: &MasterName, id: RunId) {
        let removed = self.masters.get_mut(name).and_then(|m| m.peers.remove(&id));
        if let Some(inst) = removed {
            self.drop_instance(inst);
        }
    }

    /// Gives the same id under other masters the new address, and says how many there were.
    fn move_elsewhere(&mut self, name: &MasterName, hello: &Hello) -> usize {
        let others = self.masters.iter().filter(|(other, _)| *other != name);
        let others: Vec<InstId> = others
            .filter_map(|(_, master)| master.peers.get(&hello.id).copied())
            .collect();
        for id in &others {
            self.hang_up(*id);
            if let Some(inst) = self.instances.get_mut(id) {
                inst.addr = hello.from.clone();
            }
        }
        others.len()
    }

    /// Takes a newer epoch at once, and the address only if it is not the old master's: a leader
    /// that is re-pointing replicas then keeps its own address under the peer's epoch (hazard A).
    /// A newer epoch alone is not written to disk.
    fn consider_configuration(&mut self, now: Mono, peer: InstId, hello: &Hello) {
        let offered = &hello.configuration;
        let Some(master) = self.masters.get_mut(&hello.master) else {
            return;
        };
        if offered.epoch <= master.config_epoch {
            return;
        }
        master.config_epoch = offered.epoch;
        let inst = master.inst;
        let Some(old) = self.addr_of(inst).filter(|old| *old != offered.addr) else {
            return;
        };
        self.event(EventKind::ConfigUpdateFrom, peer, "");
        self.announce_switch(&hello.master, &old, &offered.addr);
        self.switch(now, &hello.master, &offered.addr);
    }
}
