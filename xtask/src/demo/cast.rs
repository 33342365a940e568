//! The processes of the demo: one master, two replicas, three sentinels.

use super::{DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS, Patience};
use crate::live::events::Recorder;
use crate::live::ports::Ports;
use crate::live::process::{Orphan, Process, tail};
use crate::live::resp::{self, Value};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SERVERS: usize = 3;
const SENTINELS: usize = 3;
const NAME: &str = "mymaster";

/// Everything that runs, and the directory in which it lives.
pub(super) struct Cast {
    pub(super) servers: Vec<Actor>,
    pub(super) sentinels: Vec<Actor>,
    pub(super) events: Recorder,
    server_program: &'static str,
    binary: PathBuf,
    orphan: Orphan,
    ports: Ports,
    dir: TempDir,
}

/// One process and its port.
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) port: u16,
    argv: Vec<String>,
    process: Process,
}

impl Cast {
    pub(super) fn new(server_program: &'static str, binary: &Path, keep: bool) -> Result<Self> {
        Ok(Self {
            servers: Vec::new(),
            sentinels: Vec::new(),
            events: Recorder::default(),
            server_program,
            binary: binary.to_path_buf(),
            orphan: if keep { Orphan::Lives } else { Orphan::Dies },
            ports: Ports::reserve()?,
            dir: tempfile::Builder::new()
                .prefix("bartizan-demo-")
                .tempdir()?,
        })
    }

    pub(super) fn start_servers(&mut self, patience: &Patience) -> Result<()> {
        for index in 0..SERVERS {
            let port = self.ports.take()?;
            let name = format!("redis-{}", index + 1);
            let dir = self.dir.path().join(&name);
            fs::create_dir(&dir)?;
            let mut conf = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsave \"\"\nrepl-diskless-sync-delay 0\n",
                dir.display()
            );
            if let Some(master) = self.servers.first() {
                conf.push_str(&format!("replicaof 127.0.0.1 {}\n", master.port));
            }
            let path = dir.join("redis.conf");
            fs::write(&path, conf)?;
            let argv = vec![self.server_program.to_owned(), path.display().to_string()];
            let actor = Actor::start(name, port, argv, &dir, self.orphan)?;
            patience.until("redis-server answers", || actor.answers())?;
            self.servers.push(actor);
        }
        let master = self.servers.first().context("a master")?.port;
        patience.until("the replicas are in sync", || {
            (1..SERVERS).all(|index| self.follows_port(index, master))
        })
    }

    pub(super) fn start_sentinels(&mut self, patience: &Patience) -> Result<()> {
        let master = self.servers.first().context("a master")?.port;
        for index in 0..SENTINELS {
            let port = self.ports.take()?;
            let ours = self
                .binary
                .file_name()
                .is_some_and(|name| name == "bartizan");
            let name = format!(
                "{}-{}",
                if ours { "bartizan" } else { "sentinel" },
                index + 1
            );
            let dir = self.dir.path().join(&name);
            fs::create_dir(&dir)?;
            let conf = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n\
                 sentinel monitor {NAME} 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n\
                 sentinel failover-timeout {NAME} {FAILOVER_TIMEOUT_MS}\n",
                dir.display()
            );
            let path = dir.join("sentinel.conf");
            fs::write(&path, conf)?;
            let argv = vec![
                self.binary.display().to_string(),
                path.display().to_string(),
            ];
            let actor = Actor::start(name, port, argv, &dir, self.orphan)?;
            patience.until("the Bartizan answers", || actor.answers())?;
            self.sentinels.push(actor);
        }
        patience.until(
            "the Bartizans have found each other and the replicas",
            || {
                self.sentinels.iter().all(|sentinel| {
                    let row = resp::ask(sentinel.port, &["SENTINEL", "MASTER", NAME]);
                    let field = |name: &str| row.as_ref().and_then(|row| row.field(name));
                    field("num-other-sentinels").as_deref() == Some("2")
                        && field("num-slaves").as_deref() == Some("2")
                        && field("flags").as_deref() == Some("master")
                })
            },
        )?;
        for sentinel in &self.sentinels {
            self.events.listen(sentinel.port)?;
        }
        Ok(())
    }

    pub(super) fn introduce(&self) {
        let list = |actors: &[Actor]| {
            let names = actors
                .iter()
                .map(|actor| format!("{} :{}", actor.name, actor.port));
            names.collect::<Vec<_>>().join(", ")
        };
        println!(
            "\nServers    {}   (the first is the master)",
            list(&self.servers)
        );
        println!("Bartizans  {}", list(&self.sentinels));
        println!(
            "Settings   quorum 2 of 3, down-after {DOWN_AFTER_MS} ms. The Bartizans were told of \
             the master only;\n           replicas and each other they have found by themselves."
        );
    }

    pub(super) fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels
            .iter()
            .map(|sentinel| sentinel.port)
            .collect()
    }

    /// Who the first Bartizan says is the master.
    pub(super) fn master_index(&self) -> Result<usize> {
        let port = self
            .sentinels
            .first()
            .and_then(|sentinel| master_port(sentinel.port));
        let index = self
            .servers
            .iter()
            .position(|server| Some(server.port) == port);
        index.context("the Bartizans name a server that is not ours")
    }

    /// Whether every Bartizan names the same server, and not this one.
    pub(super) fn all_agree_on_another(&self, old: usize) -> bool {
        let mut named = self
            .sentinels
            .iter()
            .map(|sentinel| master_port(sentinel.port));
        let Some(first) = named.next().flatten() else {
            return false;
        };
        Some(first) != self.servers.get(old).map(|server| server.port)
            && named.all(|port| port == Some(first))
    }

    pub(super) fn kill_server(&mut self, index: usize) {
        if let Some(server) = self.servers.get_mut(index) {
            server.process.crash();
        }
    }

    pub(super) fn restart_server(&mut self, index: usize, patience: &Patience) -> Result<()> {
        let orphan = self.orphan;
        let server = self.servers.get_mut(index).context("a server")?;
        let dir = self.dir.path().join(&server.name);
        server.process = spawn(&server.name, &server.argv, &dir, orphan)?;
        let server = &*server;
        patience.until("the old master answers again", || server.answers())
    }

    /// Whether one server is a replica of the other, with its link up.
    pub(super) fn follows(&self, replica: usize, master: usize) -> bool {
        let port = self.servers.get(master).map(|server| server.port);
        port.is_some_and(|port| self.follows_port(replica, port))
    }

    fn follows_port(&self, replica: usize, master: u16) -> bool {
        let Some(server) = self.servers.get(replica) else {
            return false;
        };
        let info = resp::info(server.port, "replication");
        let is = |name: &str, value: &str| info.iter().any(|(k, v)| k == name && v == value);
        is("role", "slave")
            && is("master_port", &master.to_string())
            && is("master_link_status", "up")
    }

    /// The name of whoever has this port.
    pub(super) fn name_of(&self, port: u16) -> String {
        let mut all = self.servers.iter().chain(&self.sentinels);
        let found = all.find(|actor| actor.port == port);
        found.map_or_else(|| format!("port {port}"), |actor| actor.name.clone())
    }

    /// Kills everything. The directory goes when `self` does.
    pub(super) fn end(&mut self) {
        for actor in self.sentinels.iter_mut().chain(&mut self.servers) {
            actor.process.crash();
        }
    }

    pub(super) fn print_log_tails(&self) {
        for actor in self.servers.iter().chain(&self.sentinels) {
            let lines = tail(&actor.process.stdout(), 15);
            eprintln!("--- end of {}'s log\n{lines}", actor.name);
            let said = actor.process.stderr();
            if !said.is_empty() {
                eprintln!("--- its stderr\n{}", tail(&said, 15));
            }
        }
    }

    /// For `--keep`: how to look, and how to end it.
    pub(super) fn explain_how_to_look(&mut self) {
        self.dir.disable_cleanup(true);
        let sentinel = self.sentinels.first().map_or(0, |sentinel| sentinel.port);
        let actors = || self.servers.iter().chain(&self.sentinels);
        let pids: Vec<String> = actors().map(|a| a.process.pid().to_string()).collect();
        println!("\nEverything keeps running. To look at it:");
        println!("  redis-cli -p {sentinel} sentinel master {NAME}");
        println!("  redis-cli -p {sentinel} sentinel replicas {NAME}");
        println!("  redis-cli -p {sentinel} sentinel get-master-addr-by-name {NAME}");
        println!("  redis-cli -p {sentinel} psubscribe '*'        (then, elsewhere:)");
        println!("  redis-cli -p {sentinel} sentinel failover {NAME}");
        println!(
            "  tail -f {}/bartizan-1/bartizan-1.log",
            self.dir.path().display()
        );
        println!("To end it:");
        println!(
            "  kill {}; rm -r {}",
            pids.join(" "),
            self.dir.path().display()
        );
    }
}

impl Actor {
    fn start(
        name: String,
        port: u16,
        argv: Vec<String>,
        dir: &Path,
        orphan: Orphan,
    ) -> Result<Self> {
        let process = spawn(&name, &argv, dir, orphan)?;
        Ok(Self {
            name,
            port,
            argv,
            process,
        })
    }

    fn answers(&self) -> bool {
        resp::ask(self.port, &["PING"]) == Some(Value::Status("PONG".to_owned()))
    }
}

/// The port that the sentinel on `sentinel` gives to clients.
pub(super) fn master_port(sentinel: u16) -> Option<u16> {
    let reply = resp::ask(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
    reply.items()?.get(1)?.text()?.parse().ok()
}

fn spawn(name: &str, argv: &[String], dir: &Path, orphan: Orphan) -> Result<Process> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    Process::spawn(name, &words, dir, orphan).with_context(|| format!("{name} cannot be started"))
}
