//! A fleet of real processes, each on a host of its own: one master, two replicas, three Sentinels
//! and two hosts for clients.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::live::process::{Orphan, Process};
use crate::live::resp::{Client, Value};
use crate::net::{Host, Net};

/// The master's name.
pub(crate) const NAME: &str = "mymaster";
/// Data servers: the first starts as the master.
pub(crate) const SERVERS: u8 = 3;
/// Sentinels.
pub(crate) const SENTINELS: u8 = 3;
/// `down-after-milliseconds`
pub(crate) const DOWN_AFTER: Duration = Duration::from_millis(1000);
/// How long anything on the spot may take that is asked from the hub.
const PATIENCE: Duration = Duration::from_secs(1);

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// A process of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// A data server.
    Server(u8),
    /// A Sentinel.
    Sentinel(u8),
}

impl Who {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        servers().chain((0..SENTINELS).map(Self::Sentinel))
    }

    /// Where it runs.
    pub(crate) const fn host(self) -> Host {
        match self {
            Self::Server(index) => Host(index),
            Self::Sentinel(index) => Host(SERVERS + index),
        }
    }

    /// Where it listens.
    pub(crate) fn addr(self) -> SocketAddr {
        let port = match self {
            Self::Server(_) => SERVER_PORT,
            Self::Sentinel(_) => SENTINEL_PORT,
        };
        SocketAddr::from((self.host().ip(), port))
    }

    /// The server with this address.
    pub(crate) fn server_at(ip: &str) -> Option<Self> {
        servers().find(|who| who.addr().ip().to_string() == ip)
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(index) => write!(f, "server {index}"),
            Self::Sentinel(index) => write!(f, "sentinel {index}"),
        }
    }
}

/// The host of clients that are never parted from Sentinels by a fault of a server.
pub(crate) const CLIENTS: Host = Host(SERVERS + SENTINELS);
/// The host of clients that are cut off together with a master.
pub(crate) const NEIGHBOURS: Host = Host(SERVERS + SENTINELS + 1);
const HOSTS: u8 = SERVERS + SENTINELS + 2;

/// All data servers.
pub(crate) fn servers() -> impl Iterator<Item = Who> {
    (0..SERVERS).map(Who::Server)
}

/// Which Sentinel is shown.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// What is started, followed by its file.
    pub(crate) path: String,
    /// `sentinel rescue`, if it is not what is usual.
    pub(crate) rescue: Option<String>,
}

impl Program {
    /// Whether it is redis-sentinel or valkey-sentinel, which know nothing of rescues.
    pub(crate) fn is_upstream(&self) -> bool {
        self.path.ends_with("-sentinel")
    }
}

/// What a process does.
#[derive(Debug)]
enum Life {
    Runs(Process),
    Frozen(Process),
    Dead,
}

#[derive(Debug)]
struct Node {
    who: Who,
    dir: PathBuf,
    argv: Vec<String>,
    life: Life,
}

/// The fleet. Processes, files and namespaces go with it.
#[derive(Debug)]
pub(crate) struct Fleet {
    nodes: Vec<Node>,
    /// What joins the hosts.
    pub(crate) net: Net,
    /// What watches.
    pub(crate) program: Program,
    root: TempDir,
}

impl Fleet {
    /// Builds the network and starts everything.
    ///
    /// # Errors
    /// When a program or a file is not there.
    pub(crate) fn start(program: &Program) -> Result<Self> {
        let net = Net::build(HOSTS).context(NO_NAMESPACES)?;
        let root = tempfile::Builder::new()
            .prefix("bartizan-chaos-")
            .tempdir()?;
        let mut fleet = Self {
            nodes: Vec::new(),
            net,
            program: program.clone(),
            root,
        };
        for who in Who::all() {
            fleet.add(who)?;
        }
        Ok(fleet)
    }

    fn add(&mut self, who: Who) -> Result<()> {
        let dir = self.root.path().join(who.to_string().replace(' ', "-"));
        fs::create_dir(&dir)?;
        let conf = dir.join("node.conf");
        let (program, text) = match who {
            Who::Server(index) => ("redis-server", server_conf(index, &dir)),
            Who::Sentinel(_) => (
                self.program.path.as_str(),
                sentinel_conf(who, &dir, &self.program),
            ),
        };
        fs::write(&conf, text)?;
        let namespace = self.net.namespace(who.host());
        let argv = ["ip", "netns", "exec", &namespace, program];
        let mut argv: Vec<String> = argv.map(str::to_owned).to_vec();
        argv.push(conf.display().to_string());
        self.nodes.push(Node {
            who,
            dir,
            argv,
            life: Life::Dead,
        });
        self.restart(who)
    }

    /// Kills a process with SIGKILL.
    pub(crate) fn kill(&mut self, who: Who) {
        if let Some(node) = self.node(who)
            && let Life::Runs(mut process) | Life::Frozen(mut process) =
                std::mem::replace(&mut node.life, Life::Dead)
        {
            process.crash();
        }
    }

    /// Starts a process that was killed; nothing if it is there.
    pub(crate) fn restart(&mut self, who: Who) -> Result<()> {
        let Some(node) = self.node(who) else {
            return Ok(());
        };
        if matches!(node.life, Life::Dead) {
            let argv: Vec<&str> = node.argv.iter().map(String::as_str).collect();
            let process = Process::spawn("node", &argv, &node.dir, Orphan::Dies)
                .with_context(|| format!("starting {}", argv.join(" ")))?;
            node.life = Life::Runs(process);
        }
        Ok(())
    }

    /// Removes the data of a server that was killed.
    pub(crate) fn wipe(&self, who: Who) -> Result<()> {
        let dir = self.dir(who);
        let log = dir.join("appendonlydir");
        if log.exists() {
            fs::remove_dir_all(&log)?;
        }
        let dump = dir.join("dump.rdb");
        if dump.exists() {
            fs::remove_file(&dump)?;
        }
        Ok(())
    }

    /// Stops a process where it stands.
    pub(crate) fn freeze(&mut self, who: Who) {
        self.turn(who, |life| match life {
            Life::Runs(process) => {
                process.freeze();
                Life::Frozen(process)
            }
            other => other,
        });
    }

    /// Lets a frozen process go on.
    pub(crate) fn thaw(&mut self, who: Who) {
        self.turn(who, |life| match life {
            Life::Frozen(process) => {
                process.thaw();
                Life::Runs(process)
            }
            other => other,
        });
    }

    /// Everything runs and reaches everything.
    pub(crate) fn heal(&mut self) -> Result<()> {
        self.net.heal()?;
        for who in Who::all() {
            self.thaw(who);
            self.restart(who)?;
        }
        Ok(())
    }

    /// # Errors
    /// When a process that nobody killed is gone, with the end of what it said.
    pub(crate) fn check(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if let Life::Runs(process) = &mut node.life
                && !process.is_running()
            {
                let said = [process.stdout(), process.stderr()].concat();
                let end = crate::live::process::tail(&said, 10);
                bail!("{} has ended by itself:\n{end}", node.who);
            }
        }
        Ok(())
    }

    /// Where its files are.
    pub(crate) fn dir(&self, who: Who) -> PathBuf {
        let dir = self.nodes.iter().find(|node| node.who == who);
        dir.map_or_else(PathBuf::new, |node| node.dir.clone())
    }

    /// Where all files are.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Leaves the files behind.
    pub(crate) fn keep_files(&mut self) {
        self.root.disable_cleanup(true);
    }

    fn node(&mut self, who: Who) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.who == who)
    }

    fn turn(&mut self, who: Who, turned: impl FnOnce(Life) -> Life) {
        if let Some(node) = self.node(who) {
            node.life = turned(std::mem::replace(&mut node.life, Life::Dead));
        }
    }
}

/// Said where the system does not let us build a network.
pub(crate) const NO_NAMESPACES: &str = "network namespaces cannot be made here";

/// Appends synchronously to its file before it answers, as far as a kill can tell: what a killed
/// process acknowledged is on its disk, and whether it is in the group is another question.
fn server_conf(index: u8, dir: &Path) -> String {
    let master = Who::Server(0).addr();
    let mut text = format!(
        "port {SERVER_PORT}\nbind 0.0.0.0\nprotected-mode no\ndir {}\nsave \"\"\n\
         appendonly yes\nappendfsync everysec\nenable-debug-command yes\n\
         repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\nrepl-timeout 5\n",
        dir.display()
    );
    if index > 0 {
        text += &format!("replicaof {} {}\n", master.ip(), master.port());
    }
    text
}

fn sentinel_conf(who: Who, dir: &Path, program: &Program) -> String {
    let master = Who::Server(0).addr();
    let down_after = DOWN_AFTER.as_millis();
    let rescue = program.rescue.iter();
    let rescue: String = rescue
        .map(|mode| format!("sentinel rescue {NAME} {mode}\n"))
        .collect();
    format!(
        "port {SENTINEL_PORT}\nbind {}\nprotected-mode no\ndir {}\n\
         sentinel monitor {NAME} {} {} 2\n\
         sentinel down-after-milliseconds {NAME} {down_after}\n\
         sentinel failover-timeout {NAME} 6000\nsentinel parallel-syncs {NAME} 1\n{rescue}",
        who.addr().ip(),
        dir.display(),
        master.ip(),
        master.port()
    )
}

/// A connection from where the calling thread is.
pub(crate) fn connect(who: Who) -> io::Result<Client> {
    Client::connect_within(who.addr(), PATIENCE)
}

/// One question from the hub; `None` when it is not answered.
pub(crate) fn ask(who: Who, words: &[&str]) -> Option<Value> {
    connect(who).and_then(|mut client| client.call(words)).ok()
}

/// The fields of a server's `INFO replication`; none when it does not answer.
pub(crate) fn replication(server: Who) -> Vec<(String, String)> {
    let reply = ask(server, &["INFO", "replication"]);
    let text = reply.as_ref().and_then(Value::text).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(key, value)| (key.to_owned(), value.trim_end().to_owned()))
        .collect()
}

/// One field of them.
pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

/// The server that a Sentinel names.
pub(crate) fn named_by(sentinel: Who) -> Option<Who> {
    let reply = ask(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
    Who::server_at(reply.items()?.first()?.text()?)
}

/// The server that all Sentinels name, if they agree.
pub(crate) fn named_by_all() -> Option<Who> {
    let first = named_by(Who::Sentinel(0))?;
    let agreed = (1..SENTINELS).all(|index| named_by(Who::Sentinel(index)) == Some(first));
    agreed.then_some(first)
}

/// Why the fleet is not at rest, or which server is its master.
pub(crate) fn at_rest() -> Result<Who, String> {
    let master = named_by_all().ok_or("the Sentinels do not name the same server")?;
    let fields = replication(master);
    if field(&fields, "role") != "master" {
        return Err(format!("{master}, named by all, does not say master"));
    }
    for server in servers().filter(|server| *server != master) {
        let fields = replication(server);
        let follows = field(&fields, "master_host") == master.addr().ip().to_string();
        if !follows || field(&fields, "master_link_status") != "up" {
            return Err(format!("{server} does not follow {master}"));
        }
    }
    for sentinel in (0..SENTINELS).map(Who::Sentinel) {
        let row = ask(sentinel, &["SENTINEL", "MASTER", NAME]).unwrap_or(Value::Null);
        let has = |name: &str, value: &str| row.field(name).as_deref() == Some(value);
        let peers = (SENTINELS - 1).to_string();
        let replicas = (SERVERS - 1).to_string();
        if !has("flags", "master") {
            return Err(format!("{sentinel} does not hold the master to be well"));
        }
        if !has("num-slaves", &replicas) || !has("num-other-sentinels", &peers) {
            return Err(format!(
                "{sentinel} does not know everybody: {} replicas of {replicas}, {} others of {peers}; {}",
                row.field("num-slaves").unwrap_or_default(),
                row.field("num-other-sentinels").unwrap_or_default(),
                all_known_by(sentinel)
            ));
        }
        let replicas = ask(sentinel, &["SENTINEL", "REPLICAS", NAME]).unwrap_or(Value::Null);
        let rows = replicas.items().unwrap_or_default();
        if rows
            .iter()
            .any(|row| row.field("flags").as_deref() != Some("slave"))
        {
            return Err(format!("{sentinel} does not hold every replica to be well"));
        }
    }
    Ok(master)
}

/// Whom a Sentinel knows, and what it thinks of each.
fn all_known_by(sentinel: Who) -> String {
    let lists = ["REPLICAS", "SENTINELS"].map(|what| {
        let rows = ask(sentinel, &["SENTINEL", what, NAME]).unwrap_or(Value::Null);
        let rows = rows.items().unwrap_or_default().iter();
        let rows: Vec<String> = rows.map(summary).collect();
        format!("{what}: {}", rows.join(", "))
    });
    lists.join("; ")
}

fn summary(row: &Value) -> String {
    let words = ["ip", "port", "runid", "flags"].map(|name| row.field(name).unwrap_or_default());
    words.join(" ")
}
