//! A model server's own timer: pings, replicas that fell silent, the link to the master; and its
//! start.

use bartizan_core::ids::RunId;

use crate::msg::Msg;
use crate::net::{Kind, Side};
use crate::rand::{Purpose, Stream, id_bytes};
use crate::sched::Ev;
use crate::server::{Attached, Data, Link, Sort, Standing};
use crate::world::World;

/// `repl-timeout`
const REPL_TIMEOUT_US: u64 = 60_000_000;
/// `repl-ping-replica-period`, in ticks of a second.
const PING_EVERY: u64 = 10;
/// Bytes of a PING in the stream.
const PING_SIZE: u64 = 14;

impl World {
    /// A server's timer, once a second.
    pub(crate) fn server_tick(&mut self, s: usize, life: u32) {
        const PERIOD_US: u64 = 1_000_000;
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        if server.life != life || !server.up {
            return;
        }
        if now < server.hung_until {
            return self.sched.at(server.hung_until, Ev::ServerTick(s, life));
        }
        self.sched.after_us(PERIOD_US, Ev::ServerTick(s, life));
        server.ticks += 1;
        if server.is_master() && server.ticks % PING_EVERY == 0 {
            server.history.offset += PING_SIZE;
            for replica in &server.attached {
                let msg = Msg::Stream(server.history.offset, None);
                self.net
                    .send(&mut self.sched, replica.conn, Side::Near, msg);
            }
        }
        let silent = |a: &Attached| now.since(a.heard) > REPL_TIMEOUT_US;
        for gone in server.attached.iter().filter(|a| silent(a)) {
            self.net.close(&mut self.sched, gone.conn, Side::Far);
        }
        server.attached.retain(|a| !silent(a));
        self.replica_tick(s);
    }

    fn replica_tick(&mut self, s: usize) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let offset = server.history.offset;
        let held = server.trouble.no_replication || now < server.trouble.loading_until;
        let Standing::Replica { of, link } = &mut server.standing else {
            return;
        };
        match *link {
            Link::Up { conn, heard } if held || now.since(heard) > REPL_TIMEOUT_US => {
                *link = Link::Down {
                    since: now,
                    conn: None,
                };
                self.net.close(&mut self.sched, conn, Side::Near);
            }
            Link::Up { conn, .. } => {
                self.net
                    .send(&mut self.sched, conn, Side::Far, Msg::Ack(offset))
            }
            Link::Down { conn: None, since } if !held => {
                let (node, of) = (server.node, of.clone());
                let to = self.node_at(&of);
                let conn = self
                    .net
                    .open(&mut self.sched, node, to, Kind::Replication, s as u64);
                self.set_link(
                    s,
                    Link::Down {
                        since,
                        conn: Some((conn, now)),
                    },
                );
            }
            Link::Down {
                conn: Some((conn, tried)),
                since,
            } if held || now.since(tried) > REPL_TIMEOUT_US => {
                *link = Link::Down { since, conn: None };
                self.net.close(&mut self.sched, conn, Side::Near);
            }
            Link::Down { .. } => {}
        }
    }

    fn set_link(&mut self, s: usize, new: Link) {
        if let Some(Standing::Replica { link, .. }) =
            self.servers.get_mut(s).map(|s| &mut s.standing)
        {
            *link = new;
        }
    }

    /// Starts a server's process.
    pub(crate) fn boot_server(&mut self, s: usize, data: Data) {
        let now = self.sched.now();
        let fresh = self.fresh_id();
        let ids = Stream::new(self.plan.seed, Purpose::Ids).of(1 << 32 | s as u64);
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        server.life += 1;
        let before = (server.history.id, server.history.offset);
        let grows_out = server.is_master() && data == Data::Saved;
        // Its new process is no older than any other.
        if server.trouble.stranger == Some(Sort::Older) {
            server.trouble.stranger = Some(Sort::Younger);
        }
        let run_id = RunId::from_random(id_bytes(ids, u64::from(server.life)));
        server.start(now, run_id, data, fresh);
        let load = Stream::new(self.plan.seed, Purpose::Replication).of(s as u64);
        let load_ms = load.range(u64::from(server.life), 5, 800);
        server.trouble.loading_until = now.plus_ms(load_ms).max(server.trouble.loading_until);
        self.sched.after_ms(load_ms, Ev::ServerTick(s, server.life));
        if grows_out {
            self.note_fork(s, before, false);
        }
    }
}
