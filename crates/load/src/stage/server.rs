//! What one played server is: its role, its replication, and how it tells of them. No sockets.

use std::fmt::Write as _;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

/// How long a replica needs until it follows a master that is there.
const SYNC: Duration = Duration::from_millis(100);
/// How often it tries again when the master is not there.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes of replication stream in a second: a `PING` now and then, and hellos.
const STREAM_RATE: u64 = 100;

/// A played server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddrV4,
    pub(crate) group: usize,
    pub(crate) role: Role,
    /// Whether it listens.
    pub(crate) alive: bool,
    run_id: String,
    replication_id: String,
    former_id: Option<String>,
    began: Instant,
}

/// What a server is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Master,
    Replica { of: SocketAddrV4, link: Link },
}

/// A replica's link to its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    Down { since: Instant, next_try: Instant },
}

/// A replica, as its master tells of it.
pub(crate) struct Follower {
    pub(crate) addr: SocketAddrV4,
}

impl Server {
    pub(crate) fn new(number: usize, group: usize, addr: SocketAddrV4, role: Role) -> Self {
        Self {
            addr,
            group,
            role,
            alive: true,
            run_id: hex_id("run", number),
            replication_id: hex_id("replication", group),
            former_id: None,
            began: Instant::now(),
        }
    }

    pub(crate) const fn is_master(&self) -> bool {
        matches!(self.role, Role::Master)
    }

    /// Whether it follows the server at `addr`, with its link up.
    pub(crate) fn follows(&self, addr: SocketAddrV4) -> bool {
        self.alive && matches!(self.role, Role::Replica { of, link: Link::Up } if of == addr)
    }

    /// `REPLICAOF NO ONE`. Gives whether that was news.
    pub(crate) fn promote(&mut self) -> bool {
        if self.is_master() {
            return false;
        }
        self.role = Role::Master;
        let next = hex_id(&self.run_id, self.group);
        self.former_id = Some(std::mem::replace(&mut self.replication_id, next));
        true
    }

    /// `REPLICAOF host port`. Gives when to try to connect, if that was news.
    pub(crate) fn follow(&mut self, of: SocketAddrV4, now: Instant) -> Option<Instant> {
        if matches!(self.role, Role::Replica { of: present, .. } if present == of) {
            return None;
        }
        let next_try = now + SYNC;
        let link = Link::Down {
            since: now,
            next_try,
        };
        self.role = Role::Replica { of, link };
        Some(next_try)
    }

    /// Its master is gone. Gives when to try to connect.
    pub(crate) fn lose_master(&mut self, now: Instant) -> Option<Instant> {
        let Role::Replica { link, .. } = &mut self.role else {
            return None;
        };
        if *link != Link::Up {
            return None;
        }
        let next_try = now + RETRY;
        *link = Link::Down {
            since: now,
            next_try,
        };
        Some(next_try)
    }

    /// The server that it waits to connect to at `now`, if the time has come.
    pub(crate) fn wants(&self, now: Instant) -> Option<SocketAddrV4> {
        match self.role {
            Role::Replica {
                of,
                link: Link::Down { next_try, .. },
            } if next_try <= now => Some(of),
            _ => None,
        }
    }

    /// It reached the server that it wanted, whose replication id this is.
    pub(crate) fn connect(&mut self, replication_id: String) {
        if let Role::Replica { link, .. } = &mut self.role {
            *link = Link::Up;
            self.replication_id = replication_id;
        }
    }

    /// It did not reach it. Gives when to try again.
    pub(crate) fn fail_to_connect(&mut self, now: Instant) -> Option<Instant> {
        let Role::Replica {
            link: Link::Down { next_try, .. },
            ..
        } = &mut self.role
        else {
            return None;
        };
        *next_try = now + RETRY;
        Some(*next_try)
    }

    pub(crate) fn replication_id(&self) -> String {
        self.replication_id.clone()
    }

    /// Bytes of the replication stream that it has.
    pub(crate) fn offset(&self, now: Instant) -> u64 {
        let until = match self.role {
            Role::Replica {
                link: Link::Down { since, .. },
                ..
            } => since,
            _ => now,
        };
        1000 + until.saturating_duration_since(self.began).as_secs() * STREAM_RATE
    }

    /// The text of INFO: what Redis 7.0 says, with what matters to a Sentinel filled in.
    pub(crate) fn info(&self, followers: &[Follower], now: Instant, out: &mut String) {
        out.push_str("# Server\r\nredis_version:7.0.15\r\n");
        let uptime = now.saturating_duration_since(self.began).as_secs();
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "run_id:{}\r\ntcp_port:{}\r\nuptime_in_seconds:{uptime}\r\n",
            self.run_id,
            self.addr.port()
        );
        out.push_str(BEFORE);
        self.replication(followers, now, out);
        out.push_str(BEHIND);
    }

    fn replication(&self, followers: &[Follower], now: Instant, out: &mut String) {
        let offset = self.offset(now);
        match &self.role {
            Role::Master => out.push_str("# Replication\r\nrole:master\r\n"),
            Role::Replica { of, link } => {
                let _ = write!(
                    out,
                    "# Replication\r\nrole:slave\r\nmaster_host:{}\r\nmaster_port:{}\r\n",
                    of.ip(),
                    of.port()
                );
                let _ = match link {
                    Link::Up => write!(
                        out,
                        "master_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n\
                         master_sync_in_progress:0\r\n"
                    ),
                    Link::Down { since, .. } => write!(
                        out,
                        "master_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n\
                         master_sync_in_progress:0\r\nmaster_link_down_since_seconds:{}\r\n",
                        now.saturating_duration_since(*since).as_secs()
                    ),
                };
                let _ = write!(
                    out,
                    "slave_read_repl_offset:{offset}\r\nslave_repl_offset:{offset}\r\n\
                     slave_priority:100\r\nslave_read_only:1\r\nreplica_announced:1\r\n"
                );
            }
        }
        let _ = write!(out, "connected_slaves:{}\r\n", followers.len());
        for (number, follower) in followers.iter().enumerate() {
            let _ = write!(
                out,
                "slave{number}:ip={},port={},state=online,offset={offset},lag=0\r\n",
                follower.addr.ip(),
                follower.addr.port()
            );
        }
        let none = "0".repeat(40);
        let _ = write!(
            out,
            "master_failover_state:no-failover\r\nmaster_replid:{}\r\nmaster_replid2:{}\r\n\
             master_repl_offset:{offset}\r\n",
            self.replication_id,
            self.former_id.as_deref().unwrap_or(&none),
        );
    }
}

/// Forty hex digits that differ from server to server and are the same in every run.
fn hex_id(kind: &str, number: usize) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut id = String::with_capacity(48);
    for part in 0..3 {
        let mut hasher = DefaultHasher::new();
        (kind, number, part).hash(&mut hasher);
        let _ = write!(id, "{:016x}", hasher.finish());
    }
    id.truncate(40);
    id
}

/// What Redis 7.0.15 says before its section on replication, shortened by nothing but names.
const BEFORE: &str = include_str!("info_before.txt");
/// What it says behind it.
const BEHIND: &str = include_str!("info_behind.txt");

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_wire::info::parse;

    fn addr(last: u8) -> SocketAddrV4 {
        SocketAddrV4::new([127, 1, 1, last].into(), 7000)
    }

    fn info(server: &Server, followers: &[Follower]) -> bartizan_core::report::Info {
        let mut text = String::new();
        server.info(followers, Instant::now(), &mut text);
        parse(text.as_bytes())
    }

    #[test]
    fn a_master_tells_of_its_replicas_and_a_replica_of_its_master() {
        let master = Server::new(0, 0, addr(1), Role::Master);
        let told = info(
            &master,
            &[Follower { addr: addr(2) }, Follower { addr: addr(3) }],
        );
        assert_eq!(told.replicas.len(), 2);
        assert!(told.run_id.is_some());
        let replica = Server::new(
            1,
            0,
            addr(2),
            Role::Replica {
                of: addr(1),
                link: Link::Up,
            },
        );
        let told = info(&replica, &[]);
        assert!(told.master_link_up);
        assert_eq!(told.master.map(|addr| addr.port), Some(7000));
    }

    #[test]
    fn a_promoted_replica_is_a_master_and_one_that_lost_its_master_says_so() {
        let link = Link::Up;
        let mut replica = Server::new(1, 0, addr(2), Role::Replica { of: addr(1), link });
        assert!(replica.lose_master(Instant::now()).is_some());
        assert!(!info(&replica, &[]).master_link_up);
        assert!(replica.promote());
        assert!(!replica.promote());
        assert_eq!(info(&replica, &[]).master, None);
    }

    #[test]
    fn a_replica_that_is_sent_elsewhere_is_in_sync_a_moment_later() {
        let link = Link::Up;
        let mut replica = Server::new(1, 0, addr(2), Role::Replica { of: addr(1), link });
        let now = Instant::now();
        let at = replica.follow(addr(3), now).unwrap();
        assert_eq!(replica.follow(addr(3), now), None);
        assert_eq!(replica.wants(now), None);
        assert_eq!(replica.wants(at), Some(addr(3)));
        replica.connect("x".to_owned());
        assert!(replica.follows(addr(3)));
    }
}
