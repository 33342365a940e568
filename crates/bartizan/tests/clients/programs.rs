//! The programs of `tests/clients`, running beside each other.

use crate::harness::process::{Orphan, Process, tail};
use crate::harness::{Fleet, NAME, Server, eventually};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Whose library it is for: how a program is started.
#[derive(Clone, Copy, Debug)]
enum Language {
    Python,
    Node,
    Rust,
}

/// One client library.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
    language: Language,
    has_tls: bool,
}

/// Every program of `tests/clients`.
pub const ALL: &[Program] = &[
    Program {
        name: "redis_py",
        language: Language::Python,
        has_tls: true,
    },
    Program {
        name: "redis_py_asyncio",
        language: Language::Python,
        has_tls: true,
    },
    Program {
        name: "ioredis",
        language: Language::Node,
        has_tls: true,
    },
    Program {
        name: "node_redis",
        language: Language::Node,
        has_tls: true,
    },
    Program {
        name: "redis_rs",
        language: Language::Rust,
        has_tls: false,
    },
    Program {
        name: "fred",
        language: Language::Rust,
        has_tls: false,
    },
];

/// Those whose libraries bring TLS along. The libraries for Rust could, at the price of building
/// a TLS library for each.
pub fn with_tls() -> Vec<Program> {
    ALL.iter().filter(|it| it.has_tls).copied().collect()
}

/// The version of RESP that a program is asked to speak.
#[derive(Clone, Copy, Debug, Default)]
pub enum Protocol {
    /// The older one.
    #[default]
    Resp2,
    /// The one with maps and pushes.
    Resp3,
}

/// A user of the Sentinels.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// Its name.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
}

/// How the programs of one test connect.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    /// RESP2 or RESP3.
    pub protocol: Protocol,
    /// The user on the Sentinels' side, if there is one.
    pub login: Option<Login>,
    /// TLS to everybody, with a certificate of the client's own.
    pub tls: Option<Files>,
}

/// Files for TLS.
#[derive(Clone, Debug)]
pub struct Files {
    /// Whom to trust.
    pub ca: String,
    /// What to show.
    pub cert: String,
    /// Its key.
    pub key: String,
}

/// Where the programs of one test play.
pub struct Stage<'a> {
    /// The data servers; the first one is the master.
    pub servers: &'a [Server],
    /// Where the Sentinels take clients.
    pub sentinels: Vec<u16>,
    /// A directory for the programs' output.
    pub dir: &'a Path,
}

impl<'a> From<&'a Fleet> for Stage<'a> {
    fn from(fleet: &'a Fleet) -> Self {
        Self {
            servers: &fleet.servers,
            sentinels: fleet.sentinels.iter().map(|it| it.port).collect(),
            dir: fleet.root(),
        }
    }
}

/// The running programs of one test.
pub struct Cast {
    actors: Vec<Actor>,
    begin: Instant,
}

struct Actor {
    name: &'static str,
    process: Process,
}

impl Cast {
    /// Starts the programs and waits until each has written to the master and read from a
    /// replica.
    pub fn start<'a>(stage: impl Into<Stage<'a>>, programs: &[Program], variant: &Variant) -> Self {
        let stage = stage.into();
        let home = PathBuf::from(
            std::env::var_os("BARTIZAN_CLIENTS").expect("run this with: cargo xtask clients"),
        );
        let words = arguments(&stage, variant);
        let dir = stage.dir.join("clients");
        fs::create_dir(&dir).expect("a directory");
        let start = |program: &Program| Actor::start(program, &home, &words, &dir);
        let mut cast = Self {
            actors: programs.iter().map(start).collect(),
            begin: Instant::now(),
        };
        let master = stage.servers[0].port;
        let said = cast.await_lines("ready");
        for (name, took, gave) in said {
            assert_eq!(took, master, "{name} writes to the master");
            assert!(
                is_another_server(stage.servers, gave, master),
                "{name} reads from a replica"
            );
        }
        cast.begin = Instant::now();
        cast
    }

    /// Waits until each program has written to another master than the first, and read that
    /// from one of its replicas; the master has to be the one that the fleet agrees on.
    pub fn await_followed(&mut self, servers: &[Server]) {
        let said = self.await_lines("followed");
        let old = servers[0].port;
        let masters: Vec<u16> = said.iter().map(|(_, took, _)| *took).collect();
        for (name, took, gave) in said {
            assert!(is_another_server(servers, took, old), "{name} has followed");
            assert!(
                is_another_server(servers, gave, took),
                "{name} reads from a replica"
            );
        }
        assert!(
            masters.iter().all(|master| Some(master) == masters.first()),
            "all have followed to the same master: {masters:?}"
        );
        let new = servers
            .iter()
            .find(|server| Some(&server.port) == masters.first());
        assert_eq!(new.map(|server| server.role()).as_deref(), Some("master"));
        for actor in &mut self.actors {
            let status = actor.process.wait(crate::harness::PATIENCE);
            assert!(
                status.is_some_and(|it| it.success()),
                "{} ends well",
                actor.name
            );
        }
    }

    /// Waits for a line of every program that starts with `word`; gives the two ports in it.
    fn await_lines(&mut self, word: &str) -> Vec<(&'static str, u16, u16)> {
        let mut said: Vec<(&'static str, u16, u16)> = Vec::new();
        let begin = self.begin;
        eventually(&format!("every client says {word:?}"), || {
            for actor in &mut self.actors {
                let known = said.iter().any(|(name, ..)| *name == actor.name);
                if let Some((master, replica)) = actor.line(word).filter(|_| !known) {
                    let seconds = begin.elapsed().as_secs_f64();
                    println!(
                        "{:<18}{word} {master} {replica} after {seconds:.1} s",
                        actor.name
                    );
                    said.push((actor.name, master, replica));
                }
            }
            said.len() == self.actors.len()
        });
        said
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for actor in &self.actors {
                let (said, complained) = (actor.process.stdout(), actor.process.stderr());
                eprintln!("--- {} said\n{}", actor.name, tail(&said, 5));
                eprintln!("--- and complained\n{}", tail(&complained, 15));
            }
        }
    }
}

impl Actor {
    fn start(program: &Program, home: &Path, words: &[String], dir: &Path) -> Self {
        let name = program.name;
        let path = |relative: String| home.join(relative).display().to_string();
        let mut argv = match program.language {
            Language::Python => vec![
                path("python/venv/bin/python".to_owned()),
                path(format!("python/{name}.py")),
            ],
            Language::Node => vec![
                path("node/program".to_owned()),
                path(format!("node/{name}.js")),
            ],
            Language::Rust => vec![path(format!("rust/debug/{name}"))],
        };
        argv.extend_from_slice(words);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let process = Process::spawn(name, &argv, dir, Orphan::Dies)
            .unwrap_or_else(|error| panic!("{argv:?} cannot be started: {error}"));
        Self { name, process }
    }

    /// The two ports after `word`, once the program has printed them. One that has ended
    /// without is a failure at once.
    fn line(&mut self, word: &str) -> Option<(u16, u16)> {
        let runs = self.process.is_running();
        let said = self.process.stdout();
        let found = said.lines().find_map(|line| {
            let mut words = line.strip_prefix(word)?.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        });
        assert!(
            found.is_some() || runs,
            "{} ended before it was {word}",
            self.name
        );
        found
    }
}

fn arguments(stage: &Stage<'_>, variant: &Variant) -> Vec<String> {
    let addresses = stage
        .sentinels
        .iter()
        .map(|port| format!("127.0.0.1:{port}"));
    let sentinels: Vec<String> = addresses.collect();
    let protocol = match variant.protocol {
        Protocol::Resp2 => "2",
        Protocol::Resp3 => "3",
    };
    let mut words = vec!["--sentinels".to_owned(), sentinels.join(",")];
    words.extend(["--master", NAME, "--resp", protocol].map(str::to_owned));
    if let Some(Files { ca, cert, key }) = &variant.tls {
        words.extend(["--ca", ca, "--cert", cert, "--key", key].map(str::to_owned));
    }
    if let Some(Login { user, password }) = variant.login {
        words.extend(["--user", user, "--password", password].map(str::to_owned));
    }
    words
}

fn is_another_server(servers: &[Server], port: u16, than: u16) -> bool {
    port != than && servers.iter().any(|server| server.port == port)
}
