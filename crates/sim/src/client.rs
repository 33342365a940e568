//! A model application: asks a Sentinel where the master is, writes numbered values there, and
//! asks again when anything goes wrong.

use std::collections::BTreeSet;

use bartizan_core::addr::Addr;
use bartizan_core::input::LinkError;

use crate::msg::Msg;
use crate::net::{ConnId, Kind, Node, Side};
use crate::sched::{At, Ev};
use crate::world::World;

/// A question or a write without an answer for this long is given up.
const PATIENCE_US: u64 = 1_000_000;

/// An application.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its place among all processes.
    pub node: Node,
    /// The group it writes to.
    pub group: usize,
    /// Numbers whose writing was acknowledged.
    pub acknowledged: BTreeSet<u64>,
    /// When the last one was.
    pub last_ok: At,
    /// The longest time without one, in microseconds.
    pub longest_gap: u64,
    state: State,
    next: u64,
    asked: usize,
}

#[derive(Clone, Debug)]
enum State {
    Lost,
    Asking {
        conn: ConnId,
        since: At,
    },
    Connecting {
        conn: ConnId,
        since: At,
    },
    Writing {
        conn: ConnId,
        waiting: Option<(u64, At)>,
    },
}

impl Client {
    /// An application that knows nothing yet. Its numbers are its own.
    pub const fn new(node: Node, group: usize) -> Self {
        Self {
            node,
            group,
            acknowledged: BTreeSet::new(),
            last_ok: At(0),
            longest_gap: 0,
            state: State::Lost,
            next: (node as u64) << 32,
            asked: 0,
        }
    }

    const fn conn(&self) -> Option<ConnId> {
        match self.state {
            State::Lost => None,
            State::Asking { conn, .. }
            | State::Connecting { conn, .. }
            | State::Writing { conn, .. } => Some(conn),
        }
    }
}

impl World {
    /// A client's timer: write if possible, else find out where.
    pub(crate) fn client_tick(&mut self, c: usize) {
        let now = self.sched.now();
        self.sched
            .after_ms(self.plan.params.write_every_ms, Ev::ClientTick(c));
        let Some(client) = self.clients.get_mut(c) else {
            return;
        };
        let late = |since: At| now.since(since) > PATIENCE_US;
        match &mut client.state {
            State::Lost => self.client_asks(c),
            State::Asking { since, .. } | State::Connecting { since, .. } if late(*since) => {
                self.client_gives_up(c);
            }
            State::Writing {
                waiting: Some((_, since)),
                ..
            } if late(*since) => self.client_gives_up(c),
            State::Writing {
                conn,
                waiting: waiting @ None,
            } => {
                client.next += 1;
                *waiting = Some((client.next, now));
                self.net
                    .send(&mut self.sched, *conn, Side::Far, Msg::Write(client.next));
            }
            State::Asking { .. } | State::Connecting { .. } | State::Writing { .. } => {}
        }
    }

    fn client_asks(&mut self, c: usize) {
        let since = self.sched.now();
        let Some(client) = self.clients.get_mut(c) else {
            return;
        };
        client.asked += 1;
        let to = client.asked % self.hosts.len().max(1);
        let conn = self
            .net
            .open(&mut self.sched, client.node, to, Kind::Query, c as u64);
        client.state = State::Asking { conn, since };
    }

    fn client_gives_up(&mut self, c: usize) {
        let Some(client) = self.clients.get_mut(c) else {
            return;
        };
        if let Some(conn) = client.conn() {
            self.net.close(&mut self.sched, conn, Side::Near);
        }
        client.state = State::Lost;
    }

    /// A client's connection stands, or could not be made.
    pub(crate) fn client_opened(&mut self, c: usize, conn: ConnId, why_not: Option<LinkError>) {
        let Some(client) = self
            .clients
            .get_mut(c)
            .filter(|client| client.conn() == Some(conn))
        else {
            return self.net.close(&mut self.sched, conn, Side::Near);
        };
        match (&mut client.state, why_not) {
            (_, Some(_)) => client.state = State::Lost,
            (State::Asking { .. }, None) => {
                let bytes = self.bytes.then(|| self.where_in_bytes(c)).flatten();
                let msg = bytes.unwrap_or(Msg::Where);
                self.net.send(&mut self.sched, conn, Side::Far, msg);
            }
            (State::Connecting { .. }, None) => {
                client.state = State::Writing {
                    conn,
                    waiting: None,
                }
            }
            (State::Lost | State::Writing { .. }, None) => {}
        }
    }

    /// Something arrives at a client.
    pub(crate) fn client_hears(&mut self, c: usize, conn: ConnId, msg: Msg) {
        let now = self.sched.now();
        let Some(client) = self
            .clients
            .get_mut(c)
            .filter(|client| client.conn() == Some(conn))
        else {
            return;
        };
        let msg = match msg {
            Msg::Bytes(bytes) => Msg::Here(crate::codec::read_addr(&bytes)),
            msg => msg,
        };
        match (msg, &mut client.state) {
            (Msg::Here(Some(addr)), State::Asking { .. }) => self.client_connects(c, conn, &addr),
            (Msg::Wrote(n), State::Writing { waiting, .. }) => {
                if waiting.is_some_and(|(waited, _)| waited == n) {
                    *waiting = None;
                }
                if client.last_ok > At(0) {
                    client.longest_gap = client.longest_gap.max(now.since(client.last_ok));
                }
                client.last_ok = now;
                client.acknowledged.insert(n);
            }
            (Msg::Refused(_) | Msg::Here(None), _) => self.client_gives_up(c),
            (Msg::Fin, _) => client.state = State::Lost,
            _ => {}
        }
    }

    fn client_connects(&mut self, c: usize, old: ConnId, addr: &Addr) {
        let since = self.sched.now();
        self.net.close(&mut self.sched, old, Side::Near);
        let to = self.node_at(addr);
        let Some(client) = self.clients.get_mut(c) else {
            return;
        };
        let conn = self
            .net
            .open(&mut self.sched, client.node, to, Kind::Client, c as u64);
        client.state = State::Connecting { conn, since };
    }
}
