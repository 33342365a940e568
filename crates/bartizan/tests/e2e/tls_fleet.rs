//! A fleet whose links are over TLS, and clients that speak it.

use crate::harness::pki::Pki;
use crate::harness::ports::Ports;
use crate::harness::{Flavor, NAME, Sentinel, Server, eventually};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// One master, its replicas and sentinels, all of one CA. Links are over TLS, and everybody
/// shows a certificate.
pub(crate) struct Fleet {
    pub(crate) servers: Vec<Server>,
    pub(crate) server_ports: Vec<u16>,
    pub(crate) sentinels: Vec<Sentinel>,
    pub(crate) sentinel_ports: Vec<u16>,
    pub(crate) pki: Pki,
    ports: Ports,
    pub(crate) dir: TempDir,
}

impl Fleet {
    pub(crate) fn servers_only(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::make(dir.path());
        let mut fleet = Self {
            servers: Vec::new(),
            server_ports: Vec::new(),
            sentinels: Vec::new(),
            sentinel_ports: Vec::new(),
            pki,
            ports: Ports::reserve().unwrap(),
            dir,
        };
        for index in 0..count {
            let (port, tls_port) = (fleet.port(), fleet.port());
            let home = fleet.home(&format!("server-{index}"));
            let master = fleet.server_ports.first().copied();
            let lines = fleet.pki.lines(tls_port);
            fleet
                .servers
                .push(Server::start(port, home, master, &lines));
            fleet.server_ports.push(tls_port);
        }
        fleet
    }

    pub(crate) fn start(replicas: usize, flavors: &[Flavor]) -> Self {
        let mut fleet = Self::servers_only(replicas + 1);
        let master = fleet.server_ports[0];
        for index in 1..=replicas {
            eventually("the replica is in sync", || {
                fleet.servers[index].follows(master)
            });
        }
        for flavor in flavors {
            fleet.add_sentinel(*flavor, "");
        }
        let peers = (flavors.len() - 1).to_string();
        eventually(
            "every sentinel knows everybody and likes the master",
            || {
                fleet.sentinels.iter().all(|sentinel| {
                    let master = sentinel.master();
                    let is = |name: &str, value: &str| master.field(name).as_deref() == Some(value);
                    is("flags", "master")
                        && is("num-slaves", &replicas.to_string())
                        && is("num-other-sentinels", &peers)
                        && sentinel
                            .replicas()
                            .iter()
                            .chain(&sentinel.peers())
                            .all(|row| {
                                let flags = row.field("flags").unwrap_or_default();
                                flags == "slave" || flags == "sentinel"
                            })
                })
            },
        );
        fleet
    }

    /// One more sentinel, with lines of its own before the monitor line.
    pub(crate) fn add_sentinel(&mut self, flavor: Flavor, lines: &str) -> usize {
        let sentinel = self.prepare(flavor, lines);
        self.sentinels.push(sentinel);
        let last = self.sentinels.len() - 1;
        self.sentinels[last].restart();
        last
    }

    pub(crate) fn prepare(&mut self, flavor: Flavor, lines: &str) -> Sentinel {
        let (port, tls_port) = (self.port(), self.port());
        let home = self.home(&format!("sentinel-{tls_port}"));
        let mut text = self.pki.lines(tls_port).join("\n");
        text.push_str(&format!(
            "\n{lines}\nsentinel monitor {NAME} 127.0.0.1 {} {}\n\
             sentinel down-after-milliseconds {NAME} 2000\n\
             sentinel failover-timeout {NAME} 6000\n",
            self.server_ports[0],
            if self.servers.len() > 1 { 2 } else { 1 }
        ));
        self.sentinel_ports.push(tls_port);
        Sentinel::prepare(flavor, port, home, &text)
    }

    pub(crate) fn port(&mut self) -> u16 {
        self.ports.take().unwrap()
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        let home = self.dir.path().join(name);
        std::fs::create_dir(&home).unwrap();
        home
    }

    /// Waits until all sentinels name the same server other than `old`, and it is a master.
    pub(crate) fn await_new_master(&self, old: usize) -> usize {
        let mut found = old;
        eventually("every sentinel names the same new master", || {
            let mut named = self.sentinels.iter().map(Sentinel::master_port);
            let Some(first) = named.next().flatten() else {
                return false;
            };
            found = self
                .server_ports
                .iter()
                .position(|port| *port == first)
                .unwrap();
            found != old
                && named.all(|port| port == Some(first))
                && self.servers[found].role() == "master"
        });
        found
    }

    /// `redis-cli --tls` with our certificate.
    pub(crate) fn cli(&self, port: u16, words: &[&str]) -> String {
        let (cert, key) = (self.pki.file("own.crt"), self.pki.file("own.key"));
        cli(&self.pki.file("ca.crt"), Some((&cert, &key)), port, words)
    }
}

/// What `redis-cli --tls` prints, errors too.
pub(crate) fn cli(ca: &str, own: Option<(&str, &str)>, port: u16, words: &[&str]) -> String {
    let output = tls_cli(ca, own, port).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

pub(crate) fn tls_cli(ca: &str, own: Option<(&str, &str)>, port: u16) -> Command {
    let mut command = Command::new("timeout");
    command.args([
        "20",
        "redis-cli",
        "--tls",
        "--cacert",
        ca,
        "-p",
        &port.to_string(),
    ]);
    if let Some((cert, key)) = own {
        command.args(["--cert", cert, "--key", key]);
    }
    command
}

/// A client that stays connected over TLS.
pub(crate) struct Guest {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Guest {
    pub(crate) fn connect(fleet: &Fleet, port: u16) -> Self {
        let (cert, key) = (fleet.pki.file("own.crt"), fleet.pki.file("own.key"));
        let mut command = Command::new("redis-cli");
        command.args([
            "--tls",
            "--cacert",
            &fleet.pki.file("ca.crt"),
            "--cert",
            &cert,
        ]);
        command.args(["--key", &key, "-p", &port.to_string()]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Self { child, to, from }
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        let mut reply = String::new();
        self.from.read_line(&mut reply).unwrap();
        reply.trim().to_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
