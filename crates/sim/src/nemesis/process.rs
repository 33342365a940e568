//! Processes that die, come back, hang, and lose their connections.

use bartizan_core::output::ReplicaOf;

use crate::fault::Fault;
use crate::msg::Msg;
use crate::net::{Node, Reach};
use crate::rand::{Purpose, Stream};
use crate::sched::{At, Ev};
use crate::server::Data;
use crate::world::{Place, World};

impl World {
    /// A process dies and comes back after this long. `n` tells what is left of a server's data.
    pub(crate) fn crash_for(&mut self, node: Node, ms: u64, n: u64) {
        let now = self.sched.now();
        let Some(condition) = self.nemesis.condition(node) else {
            return;
        };
        if condition.down {
            return;
        }
        (condition.down, condition.data, condition.touched) = (true, n, now);
        let silent = condition.unplugged;
        let place = self.place(node);
        let life = match place {
            Place::Sentinel(h) => {
                let draws = Stream::new(self.plan.seed, Purpose::Crash).of(h as u64);
                let renamed = draws.odds(now.0, 1, 2);
                let reached = u8::try_from(draws.of(1).range(now.0, 0, 256)).unwrap_or(0);
                let Some(host) = self.hosts.get_mut(h) else {
                    return;
                };
                host.die(renamed, reached);
                // Its machine starts again with it.
                host.go_on(now);
                host.hung_until = At(0);
                host.life
            }
            Place::Server(s) => {
                let Some(server) = self.servers.get_mut(s) else {
                    return;
                };
                server.up = false;
                server.hung_until = At(0);
                server.subscribers.clear();
                server.attached.clear();
                server.life
            }
            Place::Client(_) | Place::Nowhere => return,
        };
        self.trace.world(now, &format!("{place:?} dies"));
        self.drop_connections(node, silent);
        self.refresh_reach(node);
        self.sched.after_ms(ms, Ev::Restart(node, life));
    }

    /// A process that was down comes back.
    pub(crate) fn restart(&mut self, node: Node, life: u32) {
        let now = self.sched.now();
        let place = self.place(node);
        let current = match place {
            Place::Sentinel(h) => self.hosts.get(h).map(|host| host.life),
            Place::Server(s) => self.servers.get(s).map(|server| server.life),
            Place::Client(_) | Place::Nowhere => None,
        };
        let Some(condition) = self.nemesis.condition(node) else {
            return;
        };
        if current != Some(life) || !condition.down {
            return;
        }
        (condition.down, condition.unplugged, condition.touched) = (false, false, now);
        let data = match condition.data {
            0 => Data::Saved,
            1 => Data::Kept,
            _ => Data::Empty,
        };
        self.trace.world(now, &format!("{place:?} starts"));
        self.refresh_reach(node);
        match place {
            Place::Sentinel(h) => self.boot_host(h, false),
            Place::Server(s) => self.boot_server(s, data),
            Place::Client(_) | Place::Nowhere => {}
        }
    }

    /// A virtual machine stands still.
    pub(super) fn freeze(&mut self, node: Node, fault: &Fault) {
        if let Some(condition) = self.nemesis.condition(node) {
            condition.frozen += 1;
        }
        if fault.n == 1
            && let Place::Sentinel(h) = self.place(node)
            && let Some(host) = self.hosts.get_mut(h)
        {
            host.stand_still(self.sched.now());
        }
        self.refresh_reach(node);
        self.hang(node, fault.ms);
    }

    /// It goes on.
    pub(super) fn thaw(&mut self, node: Node) {
        if let Some(condition) = self.nemesis.condition(node) {
            condition.frozen = condition.frozen.saturating_sub(1);
        }
        if let Place::Sentinel(h) = self.place(node)
            && let Some(host) = self.hosts.get_mut(h)
        {
            host.go_on(self.sched.now());
        }
        self.refresh_reach(node);
    }

    pub(super) fn hang(&mut self, node: Node, ms: u64) {
        let until = self.sched.now().plus_ms(ms);
        match self.place(node) {
            Place::Sentinel(h) => {
                if let Some(host) = self.hosts.get_mut(h) {
                    host.hung_until = host.hung_until.max(until);
                }
            }
            Place::Server(s) => {
                if let Some(server) = self.servers.get_mut(s) {
                    server.hung_until = server.hung_until.max(until);
                }
            }
            Place::Client(_) | Place::Nowhere => {}
        }
    }

    pub(super) fn drop_connections(&mut self, node: Node, silently: bool) {
        let alive = self.is_up(node);
        for (conn, side) in self.net.of_node(node) {
            let Some(found) = self.net.get(conn) else {
                continue;
            };
            let about = (found.kind, found.tag, found.from, found.to);
            if silently {
                self.net.vanish(conn, side);
            } else {
                self.net.close(&mut self.sched, conn, side);
            }
            // A living process hears of its own end at once, unless the machine forgot silently
            // and only the next retransmission will tell.
            if alive {
                self.deliver(conn, side, about, Msg::Fin);
            }
        }
    }

    /// Whether a process runs.
    pub(crate) fn is_up(&self, node: Node) -> bool {
        self.nemesis
            .conditions
            .get(node)
            .is_some_and(|condition| !condition.down)
    }

    pub(super) fn refresh_reach(&mut self, node: Node) {
        let Some(condition) = self.nemesis.conditions.get(node) else {
            return;
        };
        let reach = if condition.unplugged || condition.frozen > 0 {
            Reach::Dark
        } else if condition.down || condition.rejected > 0 {
            Reach::Refusing
        } else {
            Reach::Listening
        };
        self.net.set_reach(&mut self.sched, node, reach);
    }

    /// The server that has just been promoted was waiting for its death.
    pub(crate) fn armed_promotion(&mut self, s: usize, to: &ReplicaOf) {
        if *to == ReplicaOf::NoOne
            && let Some((ms, n)) = self.nemesis.promoted_dies.take()
            && let Some(node) = self.servers.get(s).map(|server| server.node)
        {
            self.crash_for(node, ms, n);
        }
    }
}
