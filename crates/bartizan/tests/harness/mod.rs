//! Real redis-servers and real sentinels on loopback, for tests that read like sentences.
//!
//! A [`Fleet`] is one master, its replicas and the sentinels that watch them, each a process of
//! its own in a temporary directory, on ports that nobody else has. Everything is killed by its
//! process id when the fleet is dropped, also when a test panics, and the logs' tails are
//! printed then. Tests wait with [`eventually`] and observe with [`holds_for`]; they never sleep
//! for a guessed time.
//!
//! `BARTIZAN_TEST_BINARY=redis-sentinel` runs the same tests against another implementation,
//! which shows that a test asks for what Sentinel does and not for what we happen to do. Where
//! we differ on purpose, a test asks [`Flavor::is_upstream`].
//! `BARTIZAN_TEST_KEEP=1` leaves the temporary directory of a failed test behind.

pub mod events;
pub mod pki;
pub mod ports;
pub mod process;
pub mod resp;
mod sentinel;
mod server;
mod wait;

pub use sentinel::{Flavor, Sentinel};
pub use server::Server;
pub use wait::{PATIENCE, eventually, holds_for};

use events::Recorder;
use ports::Ports;
use process::tail;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The master's name in every fleet.
pub const NAME: &str = "mymaster";

/// What a fleet consists of. Change what matters to the test and leave the rest.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many replicas the master has.
    pub replicas: usize,
    /// Which programs watch it.
    pub sentinels: Vec<Flavor>,
    /// `quorum` of the monitor line.
    pub quorum: u32,
    /// `down-after-milliseconds`
    pub down_after_ms: u32,
    /// `failover-timeout`
    pub failover_timeout_ms: u32,
    /// `parallel-syncs`
    pub parallel_syncs: u32,
    /// Lines of their own in every sentinel's file, each with its end of line.
    pub sentinel_lines: String,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            replicas: 2,
            sentinels: vec![Flavor::UnderTest; 3],
            quorum: 2,
            down_after_ms: 1_000,
            failover_timeout_ms: 6_000,
            parallel_syncs: 1,
            sentinel_lines: String::new(),
        }
    }
}

/// A running fleet.
pub struct Fleet {
    /// The data servers; the first one starts as the master.
    pub servers: Vec<Server>,
    /// The sentinels.
    pub sentinels: Vec<Sentinel>,
    /// What they have published since all of them knew each other.
    pub events: Recorder,
    /// What the fleet was made from.
    pub plan: Plan,
    ports: Ports,
    root: TempDir,
}

impl Fleet {
    /// Starts everything and waits until everybody knows everybody.
    pub fn start(plan: Plan) -> Self {
        Self::start_with(plan, |_| Vec::new())
    }

    /// Like [`Fleet::start`], with lines of configuration of its own for each server.
    pub fn start_with(plan: Plan, lines: impl Fn(usize) -> Vec<String>) -> Self {
        let mut fleet = Self::servers_only(plan, lines);
        for flavor in fleet.plan.sentinels.clone() {
            fleet.add_sentinel(flavor);
        }
        fleet.await_discovery();
        for sentinel in &fleet.sentinels {
            fleet
                .events
                .listen(sentinel.port)
                .expect("a sentinel takes PSUBSCRIBE");
        }
        fleet
    }

    /// Starts the data servers and waits until every replica is in sync.
    pub fn servers_only(plan: Plan, lines: impl Fn(usize) -> Vec<String>) -> Self {
        let root = tempfile::Builder::new()
            .prefix("bartizan-")
            .tempdir()
            .expect("a directory");
        let mut fleet = Self {
            servers: Vec::new(),
            sentinels: Vec::new(),
            events: Recorder::default(),
            plan,
            ports: Ports::reserve().expect("a free block of ports"),
            root,
        };
        for index in 0..=fleet.plan.replicas {
            fleet.add_server(&lines(index));
        }
        let replicas = fleet.plan.replicas.to_string();
        let master = fleet.servers[0].port;
        eventually("every replica is in sync", || {
            let info = resp::info(master, "replication");
            let online = info
                .iter()
                .filter(|(_, v)| v.contains("state=online"))
                .count();
            info.iter()
                .any(|(k, v)| k == "connected_slaves" && *v == replicas)
                && online.to_string() == replicas
        });
        fleet
    }

    /// A port that is free and stays ours.
    pub fn free_port(&mut self) -> u16 {
        self.ports.take().expect("a free port")
    }

    /// The directory in which everything is.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Starts one more data server; all but the first are replicas of the first.
    pub fn add_server(&mut self, lines: &[String]) -> usize {
        let port = self.free_port();
        let dir = self.new_dir(&format!("server-{}", self.servers.len()));
        let master = self.servers.first().map(|first| first.port);
        self.servers.push(Server::start(port, dir, master, lines));
        self.servers.len() - 1
    }

    /// Starts one more sentinel, with the plan's settings and the original master.
    pub fn add_sentinel(&mut self, flavor: Flavor) -> usize {
        let port = self.free_port();
        let dir = self.new_dir(&format!("sentinel-{}", self.sentinels.len()));
        let conf = self.monitor_lines(self.servers[0].port);
        self.sentinels
            .push(Sentinel::start(flavor, port, dir, &conf));
        self.sentinels.len() - 1
    }

    /// The configuration lines of the plan, for a master on `port`.
    pub fn monitor_lines(&self, port: u16) -> String {
        let Plan {
            quorum,
            down_after_ms,
            failover_timeout_ms,
            parallel_syncs,
            sentinel_lines,
            ..
        } = &self.plan;
        format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} {quorum}\n\
             sentinel down-after-milliseconds {NAME} {down_after_ms}\n\
             sentinel failover-timeout {NAME} {failover_timeout_ms}\n\
             sentinel parallel-syncs {NAME} {parallel_syncs}\n\
             {sentinel_lines}"
        )
    }

    /// Waits until every running sentinel knows all replicas and all peers, and likes the master.
    pub fn await_discovery(&mut self) {
        let replicas = (self.servers.len() - 1).to_string();
        let peers = (self.sentinels.len() - 1).to_string();
        eventually("every sentinel knows every replica and every peer", || {
            self.sentinels.iter().all(|sentinel| {
                let master = sentinel.master();
                let rows = sentinel.replicas();
                let liked = |row: &resp::Value| row.field("flags").as_deref() == Some("sentinel");
                master.field("num-slaves").as_ref() == Some(&replicas)
                    && master.field("num-other-sentinels").as_ref() == Some(&peers)
                    && master.field("flags").as_deref() == Some("master")
                    && sentinel.peers().iter().all(liked)
                    && rows.iter().all(|row| {
                        row.field("flags").as_deref() == Some("slave")
                            && row.field("master-link-status").as_deref() == Some("ok")
                    })
            })
        });
    }

    /// Waits until every running sentinel names one and the same server other than `old`, and
    /// that server says that it is a master. Returns its index.
    pub fn await_new_master(&self, old: usize) -> usize {
        let old_port = self.servers[old].port;
        let mut found = old;
        eventually("every sentinel names the same new master", || {
            let mut named = self.running_sentinels().map(Sentinel::master_port);
            let Some(first) = named.next().flatten() else {
                return false;
            };
            let agreed = first != old_port && named.all(|port| port == Some(first));
            let Some(index) = self.servers.iter().position(|server| server.port == first) else {
                return false;
            };
            found = index;
            agreed && self.servers[index].role() == "master"
        });
        found
    }

    /// Waits until `replica` follows `master` with its link up.
    pub fn await_replica_of(&self, replica: usize, master: usize) {
        let port = self.servers[master].port;
        eventually("the replica follows the master, link up", || {
            self.servers[replica].follows(port)
        });
    }

    /// Waits until the fleet is at rest: every running sentinel names the same server, that one
    /// is a master, and every other running server follows it. Returns its index.
    pub fn await_settled(&self) -> usize {
        let mut found = 0;
        eventually("one master, named by all, followed by all", || {
            let mut named = self.running_sentinels().map(Sentinel::master_port);
            let Some(port) = named.next().flatten() else {
                return false;
            };
            let agreed = named.all(|other| other == Some(port));
            let others = self
                .servers
                .iter()
                .filter(|server| server.runs && server.port != port);
            found = self
                .servers
                .iter()
                .position(|server| server.port == port)
                .unwrap_or(found);
            agreed
                && self.servers[found].role() == "master"
                && others.into_iter().all(|server| server.follows(port))
        });
        found
    }

    /// Waits until every running sentinel has published an event of this kind.
    pub fn await_event_everywhere(&self, kind: &str) {
        eventually(&format!("every sentinel publishes {kind}"), || {
            self.running_sentinels()
                .all(|sentinel| self.events.has(sentinel.port, kind))
        });
    }

    /// Waits for the first event of this kind on any sentinel; returns that sentinel's index.
    pub fn await_event_anywhere(&self, kind: &str) -> usize {
        let mut found = 0;
        eventually(&format!("some sentinel publishes {kind}"), || {
            let Some(event) = self.events.of_kind(kind).into_iter().next() else {
                return false;
            };
            let index = self
                .sentinels
                .iter()
                .position(|sentinel| sentinel.port == event.port);
            found = index.unwrap_or(found);
            index.is_some()
        });
        found
    }

    /// No sentinel has ever published two leaders in one epoch, by its log over all its lives.
    pub fn assert_one_vote_per_epoch(&self) {
        for sentinel in &self.sentinels {
            let votes = sentinel.logged("+vote-for-leader");
            let pairs = votes.iter().filter_map(|vote| vote.split_once(' '));
            assert_one_leader_per_epoch(pairs.map(|(leader, epoch)| (epoch, leader)));
        }
        self.assert_peers_heard_one_vote_per_epoch();
    }

    /// No sentinel has ever given two candidates its vote in one epoch, by what the candidates
    /// heard. This is what safety rests on: it has to hold whatever crashes when.
    pub fn assert_peers_heard_one_vote_per_epoch(&self) {
        let logs: Vec<String> = self.sentinels.iter().map(Sentinel::log).collect();
        let lines: Vec<Vec<&str>> = logs
            .iter()
            .flat_map(|log| log.lines())
            .map(|line| line.split(' ').collect())
            .collect();
        // `… <voter> voted for <leader> <epoch>`
        let heard = lines.iter().filter_map(|words| match words.as_slice() {
            [.., voter, "voted", "for", leader, epoch] => Some((*voter, *leader, *epoch)),
            _ => None,
        });
        let keyed: Vec<(String, &str)> = heard
            .map(|(voter, leader, epoch)| (format!("{voter} {epoch}"), leader))
            .collect();
        assert_one_leader_per_epoch(keyed.iter().map(|(key, leader)| (key.as_str(), *leader)));
    }

    /// The sentinels whose process runs.
    pub fn running_sentinels(&self) -> impl Iterator<Item = &Sentinel> {
        self.sentinels
            .iter()
            .filter(|sentinel| sentinel.has_process())
    }

    fn new_dir(&self, name: &str) -> PathBuf {
        let dir = self.root.path().join(name);
        std::fs::create_dir(&dir).expect("a directory");
        dir
    }

    fn print_tails(&self) {
        for event in self.events.all() {
            eprintln!("[{}] {} {}", event.port, event.kind, event.payload);
        }
        for server in &self.servers {
            eprintln!(
                "--- server on {}, end of its log\n{}",
                server.port,
                tail(&server.log(), 12)
            );
        }
        for sentinel in &self.sentinels {
            eprintln!(
                "--- sentinel on {}, its log\n{}",
                sentinel.port,
                tail(&sentinel.log(), 60)
            );
            eprintln!("--- its stderr\n{}", tail(&sentinel.stderr(), 20));
            eprintln!("--- its file\n{}", sentinel.conf_text());
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_tails();
            if std::env::var_os("BARTIZAN_TEST_KEEP").is_some() {
                eprintln!("left behind: {}", self.root.path().display());
                self.root.disable_cleanup(true);
            }
            return;
        }
        for sentinel in &self.sentinels {
            assert_eq!(
                sentinel.stderr(),
                "",
                "a running sentinel says nothing on stderr"
            );
        }
    }
}

fn assert_one_leader_per_epoch<'a>(votes: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut first = BTreeMap::new();
    for (epoch, leader) in votes {
        let known = first.entry(epoch).or_insert(leader);
        assert_eq!(*known, leader, "two votes in epoch {epoch}");
    }
}

/// Whether a process may mount things in a namespace of its own: root, mostly.
pub fn can_mount() -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let argv = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        "touch f && mount --bind f f",
    ];
    let probe = process::Process::spawn("probe", &argv, dir.path(), process::Orphan::Dies);
    probe
        .ok()
        .and_then(|mut probe| probe.wait(Duration::from_secs(5)))
        .is_some_and(|status| status.success())
}
