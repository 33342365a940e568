//! What happens at a model server: calls, replication, its own timer.

use std::rc::Rc;

use bartizan_core::ids::CallId;
use bartizan_core::input::{Answer, LinkError, Talk};
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::report::Role;

use crate::msg::Msg;
use crate::net::{ConnId, Kind, Node, Side};
use crate::replication::{ReplId, StreamItem};
use crate::sched::Ev;
use crate::server::{Attached, Link, Standing, Word, refused};
use crate::world::World;

impl World {
    /// A connection to a server stands; on a subscription the SUBSCRIBE comes with it.
    pub(crate) fn server_accepts(&mut self, s: usize, conn: ConnId, kind: Kind) {
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        if matches!(kind, Kind::PubSub | Kind::Trial) && !self.bytes {
            if server.trouble.noauth || server.trouble.noperm {
                // An error reply to SUBSCRIBE closes the link (spec §5.2).
                return self.net.close(&mut self.sched, conn, Side::Far);
            }
            let talk = match (kind, server.talk) {
                (Kind::Trial, Talk::Both) => Talk::Refuse,
                (Kind::Trial, talk) => talk,
                (_, talk) => {
                    server.subscribers.push(conn);
                    talk
                }
            };
            let msg = Msg::Subscribed(talk);
            self.net.send(&mut self.sched, conn, Side::Near, msg);
        }
    }

    /// Something arrives at a server from whoever connected to it.
    pub(crate) fn server_serves(&mut self, s: usize, conn: ConnId, from: Node, msg: Msg) {
        let Some(msg) = self.unless_paused(s, conn, from, msg) else {
            return;
        };
        match msg {
            Msg::Call(call, what) => self.server_call(s, conn, call, *what),
            Msg::Bytes(bytes) => self.server_reads(s, conn, &bytes),
            Msg::Write(n) => self.server_write(s, conn, n),
            Msg::Psync(id, offset) => self.server_psync(s, conn, from, id, offset),
            Msg::Ack(offset) => {
                let now = self.sched.now();
                let Some(server) = self.servers.get_mut(s) else {
                    return;
                };
                if let Some(replica) = server.attached.iter_mut().find(|a| a.conn == conn) {
                    (replica.acked, replica.heard) = (offset, now);
                }
            }
            Msg::Fin => {
                let Some(server) = self.servers.get_mut(s) else {
                    return;
                };
                server.subscribers.retain(|sub| *sub != conn);
                server.attached.retain(|replica| replica.conn != conn);
                server.transfers.retain(|(_, to, _)| *to != conn);
            }
            _ => {}
        }
    }

    fn server_call(&mut self, s: usize, conn: ConnId, call: CallId, what: Call) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let answer = match server.refusal(now, Word::of(&what)) {
            // On its connection nothing is done, so that nothing but the ACL matters.
            Some(_) if matches!(what, Call::TryPermissions) => {
                Answer::Lacking(server.trouble.lacking())
            }
            Some(refusal) => refused(refusal),
            None => match what {
                Call::Ping => Answer::Pong,
                Call::Info => {
                    let mut info = server.info(now, |node| self.addresses.get(node).cloned());
                    if info.role == Some(Role::Replica) {
                        info.replicas.clear();
                        info.lags.clear();
                    }
                    Answer::Info(Box::new(info))
                }
                Call::Publish(hello) => {
                    self.publish(s, StreamItem::Hello(Rc::new(hello)));
                    Answer::Done
                }
                Call::Reconfigure(to) => {
                    self.reconfigure(s, &to, Some(conn));
                    Answer::Done
                }
                Call::ScriptKill => {
                    server.trouble.busy_until = now;
                    Answer::Done
                }
                Call::Pause { span } => {
                    self.pause_writes(s, span);
                    Answer::Done
                }
                Call::Unpause => {
                    self.unpause_writes(s);
                    Answer::Done
                }
                Call::TryPermissions => Answer::Lacking(server.trouble.lacking()),
                Call::ReadMinReplicas => Answer::MinReplicas(server.min_replicas),
                Call::SetMinReplicas(to) => {
                    server.min_replicas = to;
                    Answer::Done
                }
                Call::Ask { .. } => Answer::Unexpected,
            },
        };
        let msg = Msg::Answer(call, Box::new(answer));
        self.net.send(&mut self.sched, conn, Side::Near, msg);
    }

    /// A PUBLISH: to the server's own subscribers, and on a master into the stream.
    pub(crate) fn publish(&mut self, s: usize, item: StreamItem) {
        let Some(server) = self.servers.get(s) else {
            return;
        };
        let is_master = server.is_master();
        self.tell_subscribers(s, &item);
        if is_master {
            self.stream(s, item);
        }
    }

    fn tell_subscribers(&mut self, s: usize, item: &StreamItem) {
        let Some(server) = self.servers.get(s) else {
            return;
        };
        for sub in &server.subscribers {
            let protocol = self.net.ends(*sub).map(|ends| ends.protocol);
            if let Some(msg) = item.heard(protocol.unwrap_or_default()) {
                self.net.send(&mut self.sched, *sub, Side::Near, msg);
            }
        }
    }

    /// Something is added to the stream of a server and goes down to its replicas.
    fn stream(&mut self, s: usize, item: StreamItem) {
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        server.history.push(&item);
        for replica in &server.attached {
            let msg = Msg::Stream(server.history.offset, Some(item.clone()));
            self.net
                .send(&mut self.sched, replica.conn, Side::Near, msg);
        }
    }

    fn server_write(&mut self, s: usize, conn: ConnId, n: u64) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let trouble = &server.trouble;
        let able = server.is_master()
            && now >= trouble.loading_until
            && now >= trouble.busy_until
            && !(trouble.misconf || trouble.noauth || trouble.noperm)
            && server.has_enough_replicas(now);
        let msg = if able { Msg::Wrote(n) } else { Msg::Refused(n) };
        if able {
            self.stream(s, StreamItem::Write(n));
        }
        self.net.send(&mut self.sched, conn, Side::Near, msg);
    }

    /// A server takes a new place in replication, and its clients are killed (spec §10.3).
    pub(crate) fn reconfigure(&mut self, s: usize, to: &ReplicaOf, by: Option<ConnId>) {
        let now = self.sched.now();
        let fresh = self.fresh_id();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let node = server.node;
        let old_link = match &server.standing {
            Standing::Replica {
                link: Link::Up { conn, .. },
                ..
            } => Some(*conn),
            Standing::Replica {
                link: Link::Down { conn, .. },
                ..
            } => conn.map(|(conn, _)| conn),
            Standing::Master => None,
        };
        let before = (server.history.id, server.history.offset);
        let turned = server.turn(now, to, fresh);
        let what = match to {
            ReplicaOf::NoOne => "becomes a master".to_owned(),
            ReplicaOf::Master(addr) => format!("follows {addr}"),
        };
        if turned {
            self.stats.turned += u64::from(server.trouble.stranger.is_some());
            self.trace.server(now, s, &what);
            // The stream changes its id, so everybody below has to ask again.
            server.attached.clear();
            server.transfers.clear();
            if let Some(conn) = old_link {
                self.net.close(&mut self.sched, conn, Side::Near);
            }
        }
        server.subscribers.clear();
        for (conn, side) in self.net.of_node(node) {
            let Some(kind) = self.net.get(conn).map(|c| c.kind) else {
                continue;
            };
            let killed = match kind {
                Kind::Command | Kind::Client | Kind::PubSub | Kind::Trial => Some(conn) != by,
                Kind::Replication => turned,
                Kind::Query => false,
            };
            if killed && side == Side::Far {
                self.net.close(&mut self.sched, conn, side);
            }
        }
        if turned && *to == ReplicaOf::NoOne {
            self.note_fork(s, before, by.is_some());
            if by.is_some() {
                self.note_successor(s);
            }
        }
        self.armed_promotion(s, to);
    }

    fn server_psync(&mut self, s: usize, conn: ConnId, from: Node, id: ReplId, offset: u64) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let linked = match &server.standing {
            Standing::Master => true,
            Standing::Replica { link, .. } => matches!(link, Link::Up { .. }),
        };
        if !linked || now < server.trouble.loading_until || server.trouble.noauth {
            return self.net.close(&mut self.sched, conn, Side::Far);
        }
        if let Some(items) = server.history.difference(id, offset) {
            let msg = Msg::Continue(server.history.id, items, server.history.offset);
            server.attached.push(Attached {
                conn,
                node: from,
                acked: offset,
                heard: now,
            });
            self.stats.partial_syncs += 1;
            return self.net.send(&mut self.sched, conn, Side::Near, msg);
        }
        server.transfer += 1;
        server.transfers.push((server.transfer, conn, from));
        let slow = server.trouble.slow_sync_ms;
        let ev = Ev::SyncDone(s, server.life, server.transfer);
        self.sched
            .after_ms(self.plan.params.full_sync_ms + slow, ev);
    }

    /// The transfer of a full resync ends; the replica throws away what it had.
    pub(crate) fn server_transferred(&mut self, s: usize, life: u32, transfer: u32) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s).filter(|server| server.life == life) else {
            return;
        };
        let Some(at) = server.transfers.iter().position(|(n, _, _)| *n == transfer) else {
            return;
        };
        let (_, conn, node) = server.transfers.swap_remove(at);
        let snapshot = Rc::new(server.history.snapshot());
        server.attached.push(Attached {
            conn,
            node,
            acked: 0,
            heard: now,
        });
        self.stats.full_syncs += 1;
        self.net
            .send(&mut self.sched, conn, Side::Near, Msg::FullSync(snapshot));
    }

    /// A server's connection to its master stands, or could not be made.
    pub(crate) fn server_opened(&mut self, s: usize, conn: ConnId, why_not: Option<LinkError>) {
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let Standing::Replica {
            link: Link::Down { conn: ours, .. },
            ..
        } = &mut server.standing
        else {
            return self.net.close(&mut self.sched, conn, Side::Near);
        };
        if ours.is_none_or(|(waiting, _)| waiting != conn) {
            return self.net.close(&mut self.sched, conn, Side::Near);
        }
        if why_not.is_some() {
            *ours = None;
            return;
        }
        let msg = Msg::Psync(server.history.id, server.history.offset);
        self.net.send(&mut self.sched, conn, Side::Far, msg);
    }

    /// Something arrives at a replica from its master.
    pub(crate) fn replica_hears(&mut self, s: usize, conn: ConnId, msg: Msg) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let Standing::Replica { link, .. } = &mut server.standing else {
            return;
        };
        let ours = match link {
            Link::Down { conn: waiting, .. } => waiting.is_some_and(|(waiting, _)| waiting == conn),
            Link::Up { conn: current, .. } => *current == conn,
        };
        if !ours {
            return;
        }
        match msg {
            Msg::Continue(id, items, offset) => {
                *link = Link::Up { conn, heard: now };
                server.history.catch_up(id, &items, offset);
            }
            Msg::FullSync(snapshot) => {
                *link = Link::Up { conn, heard: now };
                server.history.replace(&snapshot);
                // Replicas of this one have to start over with the new data set.
                let below: Vec<ConnId> = server.attached.drain(..).map(|a| a.conn).collect();
                for conn in below {
                    self.net.close(&mut self.sched, conn, Side::Far);
                }
            }
            Msg::Stream(offset, item) => {
                *link = Link::Up { conn, heard: now };
                self.pass_down(s, offset, item);
            }
            Msg::Fin => {
                *link = Link::Down {
                    since: now,
                    conn: None,
                }
            }
            _ => {}
        }
    }

    fn pass_down(&mut self, s: usize, offset: u64, item: Option<StreamItem>) {
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        if let Some(item) = &item {
            server.history.push(item);
        }
        server.history.offset = offset;
        for replica in &server.attached {
            let msg = Msg::Stream(offset, item.clone());
            self.net
                .send(&mut self.sched, replica.conn, Side::Near, msg);
        }
        if let Some(item) = &item {
            self.tell_subscribers(s, item);
        }
    }
}
