//! Applying an INFO reply to what we know of a server (spec §6).

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::limits;
use crate::model::master::{About, Master};
use crate::model::server::Cached;
use crate::notify::event::EventKind;
use crate::report::{Info, Role};
use crate::time::{Mono, Span};

impl Master {
    /// Takes in what a server says of itself.
    pub(crate) fn on_info(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info, asked: Mono) {
        if !self.servers.contains_key(addr) {
            return;
        }
        self.judge_kin(cx, addr, info, asked);
        self.note_restart(cx, addr, info);
        self.note_role(cx, addr, info);
        self.note_replication(cx, addr, info);
        self.note_history(cx, addr, info);
        if self.is_master(addr) && info.role != Some(Role::Replica) {
            self.find_replicas(cx, &info.replicas);
        }
        if let Some(server) = self.servers.get_mut(addr) {
            server.history = info.history;
            server.has_keys = info.has_keys;
            // It could be asked, so nothing holds it any more that let a PING go without a valid
            // answer: who waits to know it well again need not wait for the next one.
            if server.link.ping.lacks_valid() {
                server.link.ping.hasten();
            }
            server.info = Some(Cached {
                at: cx.now,
                text: info.text.clone(),
            });
        }
        if cx.tilt.is_none() {
            self.on_offset_seen(addr, info);
            self.on_role_seen(cx, addr, info);
            let server = self.servers.get(addr);
            if server.is_some_and(|server| !server.identity.is_stranger()) {
                self.look_after_min_replicas(cx, addr, info);
            }
        }
    }

    fn note_restart(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info) {
        let is_master = self.is_master(addr);
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let known = server.run_id;
        if info.run_id.is_some() {
            server.run_id = info.run_id;
        }
        if known.is_none() || info.run_id.is_none() || known == info.run_id {
            return;
        }
        if is_master && self.options.master_reboot_down_after > Span::ZERO {
            server.rebooted = Some(cx.now);
        }
        let about = if is_master {
            About::Master
        } else {
            About::Replica(addr)
        };
        server.link.on_other_process(cx.now, &mut cx.out);
        self.tell(cx, EventKind::Reboot, about);
    }

    fn note_role(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info) {
        let is_master = self.is_master(addr);
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let Some(role) = info.role else { return };
        let back = role == Role::Replica && server.stale_master;
        let same = server.role == role;
        if back {
            self.end_homecoming(cx, addr);
        }
        let Some(server) = self.servers.get_mut(addr).filter(|_| !same) else {
            return;
        };
        server.role = role;
        server.role_since = cx.now;
        if role == Role::Replica {
            server.replication.follows_since = cx.now;
        }
        let expected = if is_master {
            Role::Master
        } else {
            Role::Replica
        };
        let kind = if role == expected {
            EventKind::RoleChangeGood
        } else {
            EventKind::RoleChangeBad
        };
        let word = match role {
            Role::Master => "master",
            Role::Replica => "slave",
        };
        let about = if is_master {
            About::Master
        } else {
            About::Replica(addr)
        };
        self.tell_more(cx, kind, about, &format!("new reported role is {word}"));
    }

    fn note_replication(&mut self, cx: &Ctx, addr: &Addr, info: &Info) {
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let facts = &mut server.replication;
        facts.link_down_for = info.master_link_down_for;
        if info.master_link_up && !facts.link_up {
            facts.linked_at = cx.now;
        }
        facts.link_up = info.master_link_up;
        facts.priority = info.priority.unwrap_or(facts.priority);
        facts.offset = info.offset.unwrap_or(facts.offset);
        facts.announced = info.announced.unwrap_or(facts.announced);
        if info.role == Some(Role::Replica) && info.master != facts.follows {
            facts.follows.clone_from(&info.master);
            facts.follows_since = cx.now;
        }
    }

    fn find_replicas(&mut self, cx: &mut Ctx, replicas: &[Addr]) {
        for replica in replicas {
            if self.servers.len() > limits::REPLICAS_PER_MASTER {
                return;
            }
            // A name in INFO is only a replica's address where names are resolved at all.
            if replica.host.ip().is_none() && !cx.options.resolve_hostnames {
                continue;
            }
            if self.add_server(cx, replica, Role::Replica) {
                cx.gate.touch();
                self.tell(cx, EventKind::Slave, About::Replica(replica));
            }
        }
    }
}
