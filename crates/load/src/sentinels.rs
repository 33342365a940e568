//! The Sentinels that are measured: their files, their processes, what they cost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::live::ports::Ports;
use crate::live::process::{Orphan, Process, tail};

/// A program that is measured.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is called in tables.
    pub label: String,
    /// What is started, followed by the file.
    pub path: String,
}

/// The Sentinels of one run. They end with this value, and their files are removed.
#[derive(Debug)]
pub struct Sentinels {
    all: Vec<Sentinel>,
    dir: tempfile::TempDir,
    _ports: Ports,
}

/// One of them.
#[derive(Debug)]
pub struct Sentinel {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Its configuration file.
    pub conf: PathBuf,
    process: Process,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time on a processor.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
}

impl Sentinels {
    /// Writes `count` files, each with `lines` behind what is its own, and starts them.
    ///
    /// # Errors
    /// When a file cannot be written or the program cannot be started.
    pub fn start(program: &Program, count: usize, lines: &str) -> Result<Self> {
        let mut ports = Ports::reserve()?;
        let dir = tempfile::Builder::new()
            .prefix("bartizan-load-")
            .tempdir()?;
        let mut places = Vec::new();
        for index in 0..count {
            let home = dir.path().join(format!("sentinel-{index}"));
            fs::create_dir(&home)?;
            let conf = home.join("sentinel.conf");
            let port = ports.take()?;
            let own = format!("port {port}\nbind 127.0.0.1\ndir {}\n", home.display());
            fs::write(&conf, own + lines)?;
            places.push((home, conf, port));
        }
        let mut all = Vec::new();
        for (home, conf, port) in places {
            let argv = [program.path.as_str(), &conf.display().to_string()];
            let process = Process::spawn("sentinel", &argv, &home, Orphan::Dies)
                .with_context(|| format!("starting {}", program.path))?;
            all.push(Sentinel {
                port,
                conf,
                process,
            });
        }
        Ok(Self {
            all,
            dir,
            _ports: ports,
        })
    }

    /// All of them.
    pub fn all(&self) -> &[Sentinel] {
        &self.all
    }

    /// The ports on which they listen.
    pub fn ports(&self) -> Vec<u16> {
        self.all.iter().map(|sentinel| sentinel.port).collect()
    }

    /// Where their files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Kills one.
    pub fn crash(&mut self, index: usize) {
        if let Some(sentinel) = self.all.get_mut(index) {
            sentinel.process.crash();
        }
    }

    /// Stops one (SIGSTOP): its sockets stay open and nobody answers. It dies as well as the
    /// others when this value does.
    pub fn freeze(&self, index: usize) {
        if let Some(sentinel) = self.all.get(index) {
            sentinel.process.freeze();
        }
    }

    /// # Errors
    /// When one of them has ended, with what it said last.
    pub fn check(&mut self) -> Result<()> {
        for sentinel in &mut self.all {
            if !sentinel.process.is_running() {
                let (out, err) = (sentinel.process.stdout(), sentinel.process.stderr());
                bail!(
                    "a Sentinel has ended:\n{}\n{}",
                    tail(&out, 10),
                    tail(&err, 10)
                );
            }
        }
        Ok(())
    }

    /// What each has used so far.
    pub fn usage(&self) -> Vec<Usage> {
        self.all
            .iter()
            .map(|s| usage(s.process.pid()).unwrap_or_default())
            .collect()
    }
}

impl Sentinel {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// What a process has used so far; `None` if it is gone.
pub fn usage(pid: u32) -> Option<Usage> {
    /// What `/proc` counts time in, on every Linux that there is.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may have spaces, but nothing behind the last bracket has.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(Usage {
        cpu: TICK * (user + system),
        memory: kilobytes * 1024,
    })
}
