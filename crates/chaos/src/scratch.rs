//! Servers outside of the fleet, at the hub, to look at data with.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::live::process::{Orphan, Process};
use crate::live::resp::{Client, Value};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that loaded what was in a directory.
#[derive(Debug)]
pub(crate) struct Scratch {
    port: u16,
    _process: Process,
}

impl Scratch {
    /// Starts it on its snapshot, or with `appendonly` `yes` on its log, and waits until it has
    /// loaded that.
    pub(crate) fn start(dir: &Path, appendonly: &str) -> Result<Self> {
        // The hub's loopback is ours alone, so a port that is free now stays free.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = free.local_addr()?.port();
        drop(free);
        let (number, place) = (port.to_string(), dir.display().to_string());
        let argv = [
            "redis-server",
            "--port",
            &number,
            "--dir",
            &place,
            "--appendonly",
            appendonly,
            "--save",
            "",
            "--enable-debug-command",
            "yes",
        ];
        let process = Process::spawn("scratch", &argv, dir, Orphan::Dies)?;
        let scratch = Self {
            port,
            _process: process,
        };
        let end = Instant::now() + PATIENCE;
        while !scratch.has_loaded() {
            ensure!(Instant::now() < end, "a server did not load {place}");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(scratch)
    }

    /// Plays a file of commands into it, as a person would.
    pub(crate) fn play(&mut self, file: &Path) -> Result<()> {
        let mut child = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--pipe"])
            .stdin(File::open(file)?)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        if let Some(mut output) = child.stdout.take() {
            output.read_to_string(&mut said)?;
        }
        ensure!(
            child.wait()?.success() && said.contains("errors: 0"),
            "redis-cli --pipe: {said}"
        );
        Ok(())
    }

    /// What its whole data set comes to.
    pub(crate) fn digest(&self) -> Result<String> {
        match self.ask(&["DEBUG", "DIGEST"])? {
            Value::Status(digest) => Ok(digest),
            other => bail!("DEBUG DIGEST: {other:?}"),
        }
    }

    /// Which of these keys it has.
    pub(crate) fn which_of(&self, keys: &[String]) -> Result<BTreeSet<String>> {
        let mut words = vec!["MGET"];
        words.extend(keys.iter().map(String::as_str));
        let reply = self.ask(&words)?;
        let values = reply.items().context("MGET answers an array")?;
        let there = keys.iter().zip(values);
        let there = there.filter(|(_, value)| value.text().is_some());
        Ok(there.map(|(key, _)| key.clone()).collect())
    }

    fn has_loaded(&self) -> bool {
        self.ask(&["PING"])
            .is_ok_and(|reply| reply.text() == Some("PONG"))
    }

    fn ask(&self, words: &[&str]) -> Result<Value> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        Ok(Client::connect_within(addr, PATIENCE)?.call(words)?)
    }
}
