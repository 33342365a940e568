//! `CLIENT PAUSE … WRITE` at a model server: writes wait, and so does everything behind a write on
//! the same connection.

use bartizan_core::output::Call;
use bartizan_core::time::Span;

use crate::msg::Msg;
use crate::net::{ConnId, Node};
use crate::sched::{At, Ev};
use crate::world::World;

/// What a pause holds back.
#[derive(Clone, Debug, Default)]
pub struct Pause {
    until: At,
    held: Vec<(ConnId, Node, Msg)>,
}

impl Pause {
    /// Whether writes wait.
    pub fn is_on(&self, now: At) -> bool {
        now < self.until
    }
}

impl World {
    /// Gives a message back unless it has to wait for a pause to end.
    pub(crate) fn unless_paused(
        &mut self,
        s: usize,
        conn: ConnId,
        from: Node,
        msg: Msg,
    ) -> Option<Msg> {
        let now = self.sched.now();
        let server = self.servers.get_mut(s)?;
        let pause = &mut server.pause;
        if now >= pause.until {
            return Some(msg);
        }
        // A client that is gone takes its waiting commands with it.
        if matches!(msg, Msg::Fin) {
            pause.held.retain(|(held, ..)| *held != conn);
            return Some(msg);
        }
        let waits = pause.held.iter().any(|(held, ..)| *held == conn) || self.is_write(s, &msg);
        if !waits {
            return Some(msg);
        }
        let server = self.servers.get_mut(s)?;
        server.pause.held.push((conn, from, msg));
        None
    }

    /// Only what would be carried out is held back: a replica refuses a client's write at once.
    fn is_write(&self, s: usize, msg: &Msg) -> bool {
        let is_master = self.servers.get(s).is_some_and(|server| server.is_master());
        match msg {
            Msg::Write(_) => is_master,
            Msg::Call(_, call) => matches!(**call, Call::Publish(_)),
            Msg::Bytes(bytes) => bytes.windows(9).any(|word| word == b"\r\nPUBLISH"),
            _ => false,
        }
    }

    /// Writes wait until then, or longer if they do already.
    pub(crate) fn pause_writes(&mut self, s: usize, span: Span) {
        let until = self.sched.now().plus_ms(span.as_ms());
        if let Some(server) = self.servers.get_mut(s) {
            server.pause.until = server.pause.until.max(until);
            let (until, life) = (server.pause.until, server.life);
            self.sched.at(until, Ev::PauseEnds(s, life));
            self.note_fence(s);
        }
    }

    /// Writes go on.
    pub(crate) fn unpause_writes(&mut self, s: usize) {
        if let Some(server) = self.servers.get_mut(s) {
            server.pause.until = At::default();
            let life = server.life;
            self.pause_ends(s, life);
        }
    }

    /// What was held back is served, in its order.
    pub(crate) fn pause_ends(&mut self, s: usize, life: u32) {
        let now = self.sched.now();
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        if server.life != life || now < server.pause.until || !server.up {
            return;
        }
        if now < server.hung_until {
            let (until, life) = (server.hung_until, server.life);
            return self.sched.at(until, Ev::PauseEnds(s, life));
        }
        for (conn, from, msg) in std::mem::take(&mut server.pause.held) {
            self.server_serves(s, conn, from, msg);
        }
    }
}
