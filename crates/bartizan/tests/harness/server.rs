//! One redis-server.

use super::process::{Orphan, Process};
use super::{eventually, resp};
use std::path::PathBuf;

/// A redis-server (or valkey-server) in a directory of its own.
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Whether the test means it to be up.
    pub runs: bool,
    dir: PathBuf,
    process: Process,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start(port: u16, dir: PathBuf, master: Option<u16>, lines: &[String]) -> Self {
        let mut conf = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsave \"\"\nappendonly no\n\
             repl-diskless-sync-delay 0\nenable-debug-command local\n",
            dir.display()
        );
        if let Some(master) = master {
            conf.push_str(&format!("replicaof 127.0.0.1 {master}\n"));
        }
        for line in lines {
            conf.push_str(line);
            conf.push('\n');
        }
        std::fs::write(dir.join("redis.conf"), conf).expect("the file is written");
        let process = Self::spawn(&dir);
        let server = Self {
            port,
            runs: true,
            dir,
            process,
        };
        server.await_answer();
        server
    }

    /// Starts it again from its file, after a crash or a shutdown.
    pub fn restart(&mut self) {
        self.process.crash();
        self.process = Self::spawn(&self.dir);
        self.runs = true;
        self.await_answer();
    }

    /// Kills it with SIGKILL.
    pub fn crash(&mut self) {
        self.runs = false;
        self.process.crash();
    }

    /// Stops it with SIGSTOP: connections stay, answers do not come.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    /// Lets it go on after [`Server::freeze`].
    pub fn thaw(&self) {
        self.process.thaw();
    }

    /// Shuts it down in an orderly way and waits until it is gone.
    pub fn shut_down(&mut self) {
        self.runs = false;
        self.process.terminate();
        let status = self.process.wait(super::PATIENCE);
        assert!(status.is_some(), "redis-server ends on SIGTERM");
    }

    /// Asks it one thing; `None` when it does not answer.
    pub fn ask(&self, args: &[&str]) -> Option<resp::Value> {
        resp::ask(self.port, args)
    }

    /// The first word of `ROLE`, or nothing when it does not answer.
    pub fn role(&self) -> String {
        let reply = self.ask(&["ROLE"]);
        let word = reply
            .as_ref()
            .and_then(|r| r.items())
            .and_then(|items| items.first());
        word.and_then(resp::Value::text).unwrap_or("").to_owned()
    }

    /// Whether it is a replica of the server on `master`, with its link up.
    pub fn follows(&self, master: u16) -> bool {
        let info = resp::info(self.port, "replication");
        let is = |name: &str, value: &str| info.iter().any(|(k, v)| k == name && v == value);
        is("role", "slave")
            && is("master_port", &master.to_string())
            && is("master_link_status", "up")
    }

    /// One field of its `INFO`.
    pub fn info_field(&self, name: &str) -> Option<String> {
        resp::info(self.port, "all")
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.process.stdout()
    }

    fn spawn(dir: &std::path::Path) -> Process {
        let program = program();
        Process::spawn("redis", &[program, "redis.conf"], dir, Orphan::Dies)
            .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"))
    }

    fn await_answer(&self) {
        eventually("redis-server answers", || {
            self.ask(&["PING"])
                .and_then(|r| r.text().map(|t| t == "PONG"))
                .unwrap_or(false)
        });
    }
}

fn program() -> &'static str {
    let found = |name: &str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).exists()))
    };
    if found("redis-server") {
        "redis-server"
    } else {
        "valkey-server"
    }
}
