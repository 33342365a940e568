//! The model servers of a small world: a role, whom they follow, and nothing else.

use super::word::{Ans, Facts, Req, SERVERS};

/// One server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// Whether its process runs.
    pub up: bool,
    /// Whom it follows; `None` on a master.
    pub follows: Option<u8>,
}

/// All servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Servers([Server; 3]);

impl Servers {
    /// Server 0 is master, the others follow it.
    pub const fn new() -> Self {
        let replica = Server {
            up: true,
            follows: Some(0),
        };
        let master = Server {
            up: true,
            follows: None,
        };
        Self([master, replica, replica])
    }

    /// One of them.
    pub fn get(&self, n: u8) -> Option<Server> {
        self.0.get(usize::from(n)).copied()
    }

    /// Kills one, or starts it again as what it was.
    pub fn set_up(&mut self, n: u8, up: bool) {
        if let Some(server) = self.0.get_mut(usize::from(n)) {
            server.up = up;
        }
    }

    /// Points one somewhere else.
    pub fn set_follows(&mut self, n: u8, follows: Option<u8>) {
        if let Some(server) = self.0.get_mut(usize::from(n)) {
            server.follows = follows;
        }
    }

    /// The servers that run and call themselves master.
    pub fn masters(&self) -> Vec<u8> {
        self.all()
            .filter(|(_, server)| server.up && server.follows.is_none())
            .map(|(n, _)| n)
            .collect()
    }

    /// Whether every server that runs is this master or follows it.
    pub fn all_follow(&self, master: u8) -> bool {
        self.all().all(|(n, server)| {
            !server.up
                || if n == master {
                    server.follows.is_none()
                } else {
                    server.follows == Some(master)
                }
        })
    }

    /// Whether a request would change what this server is.
    pub fn is_changed_by(&self, n: u8, req: &Req) -> bool {
        match (self.get(n), req) {
            (Some(server), Req::Follow(whom)) => server.follows != *whom,
            _ => false,
        }
    }

    /// Carries a request out.
    pub fn serve(&mut self, n: u8, req: Req) -> Ans {
        match req {
            Req::Ping => Ans::Pong,
            Req::Info => Ans::Info(self.facts(n)),
            Req::Hello(_) => Ans::Done,
            Req::Follow(whom) => {
                self.set_follows(n, whom);
                Ans::Done
            }
            Req::Ask { .. } | Req::ScriptKill => Ans::Refused,
        }
    }

    fn facts(&self, n: u8) -> Facts {
        let follows = self.get(n).and_then(|server| server.follows);
        let replicas = self
            .all()
            .filter(|(_, other)| follows.is_none() && other.up && other.follows == Some(n));
        Facts {
            server: n,
            follows,
            link_up: follows
                .and_then(|master| self.get(master))
                .is_some_and(|master| master.up && master.follows.is_none()),
            replicas: replicas.fold(0, |bits, (n, _)| bits | (1 << n)),
        }
    }

    fn all(&self) -> impl Iterator<Item = (u8, Server)> {
        (0..SERVERS).zip(self.0)
    }
}

impl Default for Servers {
    fn default() -> Self {
        Self::new()
    }
}
