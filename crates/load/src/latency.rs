//! One failover of one real master, measured from outside: how long until a writer writes again,
//! until all Sentinels agree, until subscribers have heard of it, until the replicas follow.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bartizan_wire::resp::Frame;

use crate::ask::{NAME, ask, first_word, follow, given, info, knows, look, pause, until};
use crate::client::{Stop, text};
use crate::live::ports::Ports;
use crate::live::process::{Orphan, Process};
use crate::lost;
use crate::moment::Moment;
use crate::sentinels::{Program, Sentinels};
use crate::watch::{Watcher, events, join};

/// What happens to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// SIGKILL
    Kill,
    /// SIGSTOP: its sockets stay open and nobody answers.
    Stop,
    /// `SENTINEL FAILOVER`
    Manual,
    /// SIGKILL, and the Sentinel that is elected is killed as soon as it says so. Times count
    /// from its death.
    Leader,
    /// SIGKILL while the other Sentinels are frozen, and a quorum of one: the only candidate gets
    /// no majority, gives up, and tries again. See [`crate::lost`].
    Lost,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Kill,
        Self::Stop,
        Self::Manual,
        Self::Leader,
        Self::Lost,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Manual => "manual",
            Self::Leader => "leader",
            Self::Lost => "lost",
        }
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What happens to the master.
    pub mode: Mode,
    /// How many replicas there are.
    pub replicas: usize,
    /// How many Sentinels there are.
    pub sentinels: usize,
    /// `down-after-milliseconds`
    pub down_after: Duration,
    /// `failover-timeout`
    pub failover_timeout: Duration,
    /// How long nothing happens before.
    pub settle: Duration,
    /// How long to wait for the end.
    pub bound: Duration,
    /// More lines for the Sentinels' files.
    pub lines: String,
}

/// What happened when, counted from the break; what did not happen in time is not there. See
/// [`MARKS`].
pub type Marks = BTreeMap<&'static str, Duration>;

/// The names of all marks, in the order of tables.
pub const MARKS: [&str; 11] = [
    "discovery",
    "promoted",
    "write",
    "all agree",
    "first heard",
    "all heard",
    "heard after promotion",
    "agree after write",
    "follow",
    "follow after write",
    "next try",
];

/// One round with servers and Sentinels of its own.
///
/// # Errors
/// When something does not start, nothing is discovered, or it was interrupted.
pub fn round(program: &Program, plan: &Plan, interrupted: &Stop) -> Result<Marks> {
    let Fleet {
        mut servers,
        mut sentinels,
        mut marks,
    } = Fleet::start(program, plan, interrupted)?;
    if plan.mode == Mode::Lost {
        lost::next_try(&mut servers, &sentinels, plan, &mut marks, interrupted)?;
        return Ok(marks);
    }
    let stop = Stop::default();
    let (tell, leaders) = channel();
    let mut listeners = Vec::new();
    for (index, port) in sentinels.ports().into_iter().enumerate() {
        let tell = tell.clone();
        let kinds = &["+switch-master", "+elected-leader"];
        listeners.push(events::start(port, kinds, stop.clone(), move |event| {
            if event.kind == "+elected-leader" {
                // Who wanted to know may have ended.
                let _ = tell.send(index);
            }
        })?);
    }
    // Subscriptions are in place before anything happens.
    pause(Duration::from_millis(200), interrupted)?;
    let (broken, lost) = servers.break_master(plan, &mut sentinels, &leaders)?;
    let watch = Watch::start(&servers, &alive(&sentinels, lost), &stop)?;
    let waited = watch.wait(plan.bound, interrupted);
    let outcome = watch.outcome(&stop, listeners, lost)?;
    waited?;
    outcome.mark(broken, &mut marks);
    Ok(marks)
}

/// Servers and Sentinels that know each other, before anything happens.
struct Fleet {
    servers: Servers,
    sentinels: Sentinels,
    /// How long that took.
    marks: Marks,
}

impl Fleet {
    fn start(program: &Program, plan: &Plan, interrupted: &Stop) -> Result<Self> {
        let servers = Servers::start(plan.replicas, interrupted)?;
        let began = Moment::now();
        let quorum = match plan.mode {
            // Who sees it alone may try, and does not get the votes.
            Mode::Lost => 1,
            _ => plan.sentinels / 2 + 1,
        };
        let lines = format!(
            "sentinel monitor {NAME} 127.0.0.1 {} {quorum}\n\
             sentinel down-after-milliseconds {NAME} {}\n\
             sentinel failover-timeout {NAME} {}\n\
             sentinel parallel-syncs {NAME} {}\n{}",
            servers.master(),
            plan.down_after.as_millis(),
            plan.failover_timeout.as_millis(),
            plan.replicas,
            plan.lines,
        );
        let sentinels = Sentinels::start(program, plan.sentinels, &lines)?;
        let known = || sentinels.ports().iter().all(|port| knows(*port, plan));
        until("discovery", interrupted, known)?;
        let marks = Marks::from([("discovery", Moment::now().since(began))]);
        pause(plan.settle, interrupted)?;
        Ok(Self {
            servers,
            sentinels,
            marks,
        })
    }
}

/// One master and its replicas.
pub(crate) struct Servers {
    all: Vec<Server>,
    _dir: tempfile::TempDir,
    _ports: Ports,
}

struct Server {
    port: u16,
    process: Process,
}

impl Servers {
    fn start(replicas: usize, interrupted: &Stop) -> Result<Self> {
        let mut ports = Ports::reserve()?;
        let dir = tempfile::Builder::new()
            .prefix("bartizan-load-")
            .tempdir()?;
        let mut all: Vec<Server> = Vec::new();
        for index in 0..=replicas {
            let port = ports.take()?;
            let home = dir.path().join(format!("redis-{index}"));
            std::fs::create_dir(&home)?;
            let (own, at) = (port.to_string(), home.display().to_string());
            let mut argv = vec![
                "redis-server",
                "--port",
                &own,
                "--bind",
                "127.0.0.1",
                "--dir",
                &at,
            ];
            argv.extend(["--save", "", "--appendonly", "no", "--loglevel", "warning"]);
            argv.extend(["--repl-diskless-sync-delay", "0"]);
            let of = all.first().map(|master| master.port.to_string());
            if let Some(of) = &of {
                argv.extend(["--replicaof", "127.0.0.1", of]);
            }
            let process = Process::spawn("redis", &argv, &home, Orphan::Dies)
                .context("starting redis-server")?;
            all.push(Server { port, process });
        }
        let servers = Self {
            all,
            _dir: dir,
            _ports: ports,
        };
        until("replication", interrupted, || {
            info(servers.master()).get("connected_slaves") == Some(&replicas.to_string())
        })?;
        Ok(servers)
    }

    fn master(&self) -> u16 {
        self.all.first().map_or(0, |server| server.port)
    }

    fn replicas(&self) -> Vec<u16> {
        self.all.iter().skip(1).map(|server| server.port).collect()
    }

    /// Kills the master; gives when.
    pub(crate) fn kill_master(&mut self) -> Result<Moment> {
        let at = Moment::now();
        let master = self.all.first_mut().context("there is a master")?;
        master.process.crash();
        Ok(at)
    }

    /// Breaks the master; gives since when times count, and which Sentinel was lost with it.
    fn break_master(
        &mut self,
        plan: &Plan,
        sentinels: &mut Sentinels,
        leaders: &Receiver<usize>,
    ) -> Result<(Moment, Option<usize>)> {
        let asked = *sentinels.ports().first().context("there is a Sentinel")?;
        let broken = Moment::now();
        let master = self.all.first_mut().context("there is a master")?;
        match plan.mode {
            Mode::Kill | Mode::Lost => master.process.crash(),
            Mode::Stop => master.process.freeze(),
            Mode::Manual => {
                let reply = ask(asked, &["SENTINEL", "FAILOVER", NAME])?;
                if text(&reply) != Some("OK") {
                    bail!("SENTINEL FAILOVER: {reply:?}");
                }
            }
            Mode::Leader => {
                master.process.crash();
                let leader = leaders
                    .recv_timeout(plan.bound)
                    .context("nobody was elected")?;
                sentinels.crash(leader);
                return Ok((Moment::now(), Some(leader)));
            }
        }
        Ok((broken, None))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &self.all {
            // A frozen process has to go on to die tidily.
            server.process.thaw();
        }
    }
}

fn alive(sentinels: &Sentinels, lost: Option<usize>) -> Vec<u16> {
    let ports = sentinels.ports().into_iter().enumerate();
    ports
        .filter(|(index, _)| Some(*index) != lost)
        .map(|(_, port)| port)
        .collect()
}

/// The threads that look.
struct Watch {
    promoted: Watcher<Option<Moment>>,
    write: Watcher<Option<Moment>>,
    agree: Watcher<Option<Moment>>,
    follow: Watcher<Option<Moment>>,
}

struct Seen {
    promoted: Option<Moment>,
    write: Option<Moment>,
    agree: Option<Moment>,
    follow: Option<Moment>,
    /// When each living Sentinel published the switch, if all did.
    heard: Option<Vec<Moment>>,
}

impl Watch {
    fn start(servers: &Servers, sentinels: &[u16], stop: &Stop) -> Result<Self> {
        let (old, replicas) = (servers.master(), servers.replicas());
        let ports = sentinels.to_vec();
        let theirs = (stop.clone(), replicas.clone());
        let promoted = look("promoted", stop, move |_| {
            let is_master = |port: &u16| first_word(*port, &["ROLE"]).as_deref() == Some("master");
            let (_, replicas) = &theirs;
            replicas.iter().any(is_master)
        })?;
        let asked = ports.clone();
        let write = look("write", stop, move |turn| {
            let port = asked
                .get(turn % asked.len().max(1))
                .copied()
                .unwrap_or_default();
            let given = given(port).filter(|given| *given != old);
            given.is_some_and(|master| {
                matches!(ask(master, &["SET", "k", "v"]), Ok(Frame::Simple(ok)) if ok == b"OK")
            })
        })?;
        let agree = look("agree", stop, move |_| {
            let mut all = ports.iter().map(|port| given(*port));
            let first = all.next().flatten();
            first.is_some_and(|first| first != old) && all.all(|other| other == first)
        })?;
        let follow = look("follow", stop, move |_| follow(&replicas))?;
        Ok(Self {
            promoted,
            write,
            agree,
            follow,
        })
    }

    fn wait(&self, bound: Duration, interrupted: &Stop) -> Result<()> {
        let all = [&self.promoted, &self.write, &self.agree, &self.follow];
        let deadline = Instant::now() + bound;
        while Instant::now() < deadline && !all.iter().all(|watcher| watcher.is_finished()) {
            pause(Duration::from_millis(10), interrupted)?;
        }
        // The leader's subscribers may hear of it a moment later; redis-sentinel's do.
        pause(Duration::from_millis(1500), interrupted)
    }

    fn outcome(
        self,
        stop: &Stop,
        listeners: Vec<Watcher<Vec<events::Event>>>,
        lost: Option<usize>,
    ) -> Result<Seen> {
        stop.set();
        let mut heard = Some(Vec::new());
        for (index, listener) in listeners.into_iter().enumerate() {
            let events = join(listener)?;
            let switch = events.iter().find(|event| event.kind == "+switch-master");
            if Some(index) == lost {
                continue;
            }
            heard = heard.zip(switch).map(|(mut heard, switch)| {
                heard.push(switch.at);
                heard
            });
        }
        Ok(Seen {
            promoted: join(self.promoted)?,
            write: join(self.write)?,
            agree: join(self.agree)?,
            follow: join(self.follow)?,
            heard,
        })
    }
}

impl Seen {
    fn mark(&self, broken: Moment, marks: &mut Marks) {
        let mut mark = |name, at: Option<Moment>| {
            marks.extend(at.map(|at| (name, at.since(broken))));
        };
        mark("promoted", self.promoted);
        mark("write", self.write);
        mark("all agree", self.agree);
        mark("follow", self.follow);
        let heard = self.heard.as_deref().unwrap_or_default();
        let last = heard.iter().max().copied();
        mark("first heard", heard.iter().min().copied());
        mark("all heard", last);
        let mut between = |name, from: Option<Moment>, to: Option<Moment>| {
            marks.extend(from.zip(to).map(|(from, to)| (name, to.since(from))));
        };
        between("heard after promotion", self.promoted, last);
        between("agree after write", self.write, self.agree);
        between("follow after write", self.write, self.follow);
    }
}
