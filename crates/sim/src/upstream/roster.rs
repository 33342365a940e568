//! Who is known: masters, replicas and peers come and go.

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::limits;
use bartizan_core::model::durable::MasterState;
use bartizan_core::provide::options::MasterOptions;
use bartizan_core::time::Mono;

use super::Upstream;
use super::line::Line;
use super::state::{Failover, InstId, Instance, Kind, LineId, Master, Server, View};

impl Upstream {
    /// Takes one master of the file in; known replicas and peers make no event.
    pub(super) fn load(&mut self, now: Mono, saved: MasterState) {
        let MasterState {
            name,
            configuration,
            options,
            voted_epoch,
            replicas,
            sentinels,
            // What redis-sentinel reads as a comment.
            branches: _,
            own_values: _,
        } = saved;
        self.epoch = self.epoch.max(configuration.epoch);
        self.add_master(now, &name, configuration.addr, options);
        if let Some(master) = self.masters.get_mut(&name) {
            master.config_epoch = configuration.epoch;
            master.voted = voted_epoch;
        }
        for addr in replicas {
            self.add_replica(now, &name, addr);
        }
        for (id, addr) in sentinels {
            self.add_peer(now, &name, id, addr);
        }
    }

    /// A new master, of which nothing else is known.
    pub(super) fn add_master(
        &mut self,
        now: Mono,
        name: &MasterName,
        addr: Addr,
        options: MasterOptions,
    ) {
        let inst = self.add_instance(now, Kind::Master, name, addr, None);
        let master = Master {
            inst,
            options,
            config_epoch: Epoch::ZERO,
            voted: Epoch::ZERO,
            leader: None,
            replicas: BTreeMap::new(),
            peers: BTreeMap::new(),
            failover: Failover::idle(now),
        };
        self.masters.insert(name.clone(), master);
    }

    /// A new replica; `None` if it is known already or there are too many.
    pub(super) fn add_replica(
        &mut self,
        now: Mono,
        name: &MasterName,
        addr: Addr,
    ) -> Option<InstId> {
        let known = &self.masters.get(name)?.replicas;
        if known.contains_key(&addr) || known.len() >= limits::REPLICAS_PER_MASTER {
            return None;
        }
        let inst = self.add_instance(now, Kind::Replica, name, addr.clone(), None);
        self.masters.get_mut(name)?.replicas.insert(addr, inst);
        Some(inst)
    }

    /// A new peer, on a shared line if it is known elsewhere; `None` if there are too many.
    pub(super) fn add_peer(
        &mut self,
        now: Mono,
        name: &MasterName,
        id: RunId,
        addr: Addr,
    ) -> Option<InstId> {
        let known = &self.masters.get(name)?.peers;
        if known.contains_key(&id) || known.len() >= limits::PEERS_PER_MASTER {
            return None;
        }
        let inst = self.add_instance(now, Kind::Peer, name, addr, Some(id));
        self.masters.get_mut(name)?.peers.insert(id, inst);
        self.share_line(inst);
        Some(inst)
    }

    fn add_instance(
        &mut self,
        now: Mono,
        kind: Kind,
        name: &MasterName,
        addr: Addr,
        run_id: Option<RunId>,
    ) -> InstId {
        let (id, line) = (InstId(self.fresh()), LineId(self.fresh()));
        self.lines.insert(line, Line::new(now, kind != Kind::Peer));
        let label = match (kind, run_id) {
            (Kind::Master, _) => name.to_string(),
            (Kind::Peer, Some(id)) => id.to_string(),
            (Kind::Replica, _) | (Kind::Peer, None) => addr.to_string(),
        };
        let inst = Instance {
            kind,
            master: name.clone(),
            label,
            addr,
            line,
            run_id,
            s_down: false,
            s_down_at: None,
            o_down: false,
            published: now,
            script_kill_sent: false,
            server: Server::unknown(now, kind),
            view: View::default(),
        };
        self.instances.insert(id, inst);
        id
    }

    /// Forgets an instance and its part in its line.
    pub(super) fn drop_instance(&mut self, id: InstId) {
        if let Some(inst) = self.instances.remove(&id) {
            self.release(inst.line);
        }
    }
}
