//! One sentinel process: the binary under test, or Redis's own.

use super::process::{Orphan, Process};
use super::resp::{Client, Value};
use super::{NAME, eventually, resp};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Which program watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// Bartizan, or what `BARTIZAN_TEST_BINARY` names.
    UnderTest,
    /// Redis's own, as the machine has it installed.
    RedisSentinel,
}

impl Flavor {
    /// The program to start.
    pub fn program(self) -> String {
        match self {
            Self::UnderTest => std::env::var("BARTIZAN_TEST_BINARY")
                .unwrap_or_else(|_| env!("CARGO_BIN_EXE_bartizan").to_owned()),
            Self::RedisSentinel => "redis-sentinel".to_owned(),
        }
    }

    /// Whether it behaves as upstream does where Bartizan differs on purpose.
    pub fn is_upstream(self) -> bool {
        self.program().ends_with("redis-sentinel")
    }
}

/// A sentinel with its file in a directory of its own.
pub struct Sentinel {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Its configuration file.
    pub conf: PathBuf,
    /// Which program it is at the next start.
    pub flavor: Flavor,
    dir: PathBuf,
    process: Option<Process>,
}

impl Sentinel {
    /// Writes its file and starts it.
    pub fn start(flavor: Flavor, port: u16, dir: PathBuf, lines: &str) -> Self {
        let mut sentinel = Self::prepare(flavor, port, dir, lines);
        sentinel.restart();
        sentinel
    }

    /// Writes its file only.
    pub fn prepare(flavor: Flavor, port: u16, dir: PathBuf, lines: &str) -> Self {
        let conf = dir.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n{lines}",
            dir.display()
        );
        fs::write(&conf, text).expect("the file is written");
        Self {
            port,
            conf,
            flavor,
            dir,
            process: None,
        }
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub fn restart(&mut self) {
        let conf = self.conf.display().to_string();
        self.spawn(&[&self.flavor.program(), &conf]);
        eventually("the sentinel answers", || {
            let running = self.process.as_mut().is_some_and(Process::is_running);
            assert!(
                running,
                "the sentinel ended:\n{}\n{}",
                self.log(),
                self.stderr()
            );
            self.answers()
        });
    }

    /// Starts it with a command line of its own, without waiting for anything.
    pub fn spawn(&mut self, argv: &[&str]) {
        self.crash();
        let process = Process::spawn("sentinel", argv, &self.dir, Orphan::Dies)
            .unwrap_or_else(|error| panic!("{argv:?} cannot be started: {error}"));
        self.process = Some(process);
    }

    /// Kills it with SIGKILL, if it runs.
    pub fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.crash();
        }
    }

    /// Stops it with SIGSTOP: connections stay, answers do not come.
    pub fn freeze(&self) {
        self.process.iter().for_each(Process::freeze);
    }

    /// Lets it go on after [`Sentinel::freeze`].
    pub fn thaw(&self) {
        self.process.iter().for_each(Process::thaw);
    }

    /// Asks it to end and waits for that.
    pub fn terminate(&mut self) -> Option<ExitStatus> {
        let mut process = self.process.take()?;
        process.terminate();
        process.wait(super::PATIENCE)
    }

    /// Its exit status, if it ends by itself within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.process
            .as_mut()
            .and_then(|process| process.wait(patience))
    }

    /// Whether it was started and not killed by the test.
    pub fn has_process(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// Its process id, 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// Whether it answers PING.
    pub fn answers(&self) -> bool {
        self.ask(&["PING"]) == Some(Value::Status("PONG".to_owned()))
    }

    /// A connection of its own.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the sentinel takes connections")
    }

    /// Asks it one thing; `None` when it does not answer.
    pub fn ask(&self, args: &[&str]) -> Option<Value> {
        resp::ask(self.port, args)
    }

    /// Asks it one thing that it has to answer.
    pub fn call(&self, args: &[&str]) -> Value {
        self.client()
            .call(args)
            .unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// `SENTINEL MASTER`; a null when it does not answer.
    pub fn master(&self) -> Value {
        self.ask(&["SENTINEL", "MASTER", NAME])
            .unwrap_or(Value::Null)
    }

    /// The rows of `SENTINEL REPLICAS`.
    pub fn replicas(&self) -> Vec<Value> {
        self.rows("REPLICAS")
    }

    /// The rows of `SENTINEL SENTINELS`.
    pub fn peers(&self) -> Vec<Value> {
        self.rows("SENTINELS")
    }

    fn rows(&self, what: &str) -> Vec<Value> {
        let reply = self.ask(&["SENTINEL", what, NAME]).unwrap_or(Value::Null);
        reply.items().map(<[Value]>::to_vec).unwrap_or_default()
    }

    /// The port that it gives to clients as the master's.
    pub fn master_port(&self) -> Option<u16> {
        let reply = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
        reply.items()?.get(1)?.text()?.parse().ok()
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.call(&["SENTINEL", "MYID"])
            .text()
            .unwrap_or("")
            .to_owned()
    }

    /// The payloads of all events of one kind in its log, over all its lives.
    pub fn logged(&self, kind: &str) -> Vec<String> {
        let marks = [format!(" # {kind} "), format!(" * {kind} ")];
        let log = self.log();
        let payload = |line: &str| {
            let found = marks.iter().find_map(|mark| line.split_once(mark.as_str()));
            found.map(|(_, payload)| payload.to_owned())
        };
        log.lines().filter_map(payload).collect()
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("sentinel.log")).unwrap_or_default()
    }

    /// What it wrote to stderr.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.dir.join("sentinel.err")).unwrap_or_default()
    }

    /// Its file as it is now.
    pub fn conf_text(&self) -> String {
        fs::read_to_string(&self.conf).unwrap_or_default()
    }

    /// The rest of the first line of its file that starts with `prefix`.
    pub fn conf_value(&self, prefix: &str) -> Option<String> {
        let text = self.conf_text();
        text.lines()
            .find_map(|line| line.strip_prefix(prefix))
            .map(|rest| rest.trim().to_owned())
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
