//! Masters that are known by name, and names that move.

use super::startup::Lone;
use crate::harness::ports::Ports;
use crate::harness::process::{Orphan, Process};
use crate::harness::resp::Value;
use crate::harness::{Flavor, NAME, Sentinel, can_mount, eventually};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A server on an address of its own, all on one port.
fn server(dir: &Path, ip: &str, port: u16) -> Process {
    let home = dir.join(ip);
    fs::create_dir(&home).unwrap();
    let port = port.to_string();
    let argv = ["redis-server", "--port", &port, "--bind", ip, "--save", ""];
    Process::spawn("redis", &argv, &home, Orphan::Dies).unwrap()
}

/// A sentinel with a hosts file of its own, in which `db.test` is 127.0.0.1.
struct Named {
    sentinel: Sentinel,
    hosts: PathBuf,
    servers: Vec<Process>,
    port: u16,
    _ports: Ports,
    dir: TempDir,
}

impl Named {
    fn start(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::reserve().unwrap();
        let (port, own) = (ports.take().unwrap(), ports.take().unwrap());
        let hosts = dir.path().join("hosts");
        let lines = format!(
            "sentinel resolve-hostnames yes\n{lines}sentinel monitor {NAME} db.test {port} 1\n\
             sentinel down-after-milliseconds {NAME} 1000\n"
        );
        let sentinel = Sentinel::prepare(Flavor::UnderTest, own, dir.path().to_owned(), &lines);
        let mut named = Self {
            sentinel,
            hosts,
            servers: vec![server(dir.path(), "127.0.0.1", port)],
            port,
            _ports: ports,
            dir,
        };
        named.point_to("127.0.0.1");
        let script = "mount --bind \"$2\" /etc/hosts && exec \"$0\" \"$1\"";
        let program = Flavor::UnderTest.program();
        let conf = named.sentinel.conf.display().to_string();
        let hosts = named.hosts.display().to_string();
        let argv = [
            "unshare", "--mount", "sh", "-c", script, &program, &conf, &hosts,
        ];
        named.sentinel.spawn(&argv);
        eventually("it is in touch with the master", || named.is_in_touch());
        named
    }

    /// Changes the file as it is, since another one by its name would not be the mounted one.
    fn point_to(&self, ip: &str) {
        fs::write(&self.hosts, format!("{ip} db.test\n")).unwrap();
    }

    fn is_in_touch(&self) -> bool {
        let master = self.sentinel.master();
        let is = |name: &str, value: &str| master.field(name).as_deref() == Some(value);
        is("flags", "master") && !is("runid", "") && !is("info-refresh", "0")
    }

    fn told_address(&self) -> Value {
        let wanted = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        self.sentinel.call(&wanted)
    }

    fn address(&self, host: &str) -> Value {
        let text = |text: &str| Value::Bulk(text.to_owned());
        Value::Array(vec![text(host), text(&self.port.to_string())])
    }

    /// The server dies, and another one at another address takes its name.
    fn move_to(&mut self, ip: &str) {
        let before = self.sentinel.master().field("runid");
        self.servers[0].crash();
        self.servers.push(server(self.dir.path(), ip, self.port));
        self.point_to(ip);
        eventually("it is in touch with the other one", || {
            self.is_in_touch() && self.sentinel.master().field("runid") != before
        });
    }
}

#[test]
fn a_name_that_moves_is_looked_up_again_and_its_new_address_told() {
    if !can_mount() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let mut named = Named::start("");
    assert_eq!(named.told_address(), named.address("127.0.0.1"));
    named.move_to("127.0.0.2");
    assert_eq!(named.told_address(), named.address("127.0.0.2"));
}

#[test]
fn names_are_told_and_saved_as_names_where_that_is_asked_for() {
    if !can_mount() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let mut named = Named::start("sentinel announce-hostnames yes\n");
    assert_eq!(named.told_address(), named.address("db.test"));
    named.move_to("127.0.0.2");
    assert_eq!(named.told_address(), named.address("db.test"));
    assert!(named.sentinel.call(&["SENTINEL", "FLUSHCONFIG"]).is_ok());
    let saved = format!("sentinel monitor {NAME} db.test {} 1", named.port);
    let text = named.sentinel.conf_text();
    assert!(text.contains(&saved), "{text}");

    let set = ["SENTINEL", "CONFIG", "SET", "announce-hostnames", "no"];
    assert!(named.sentinel.call(&set).is_ok());
    assert_eq!(named.told_address(), named.address("127.0.0.2"));
}

#[test]
fn names_mean_nothing_where_they_are_not_resolved() {
    let mut lone = Lone::with_lines("");
    lone.sentinel.restart();
    let monitor = ["SENTINEL", "MONITOR", "other", "localhost", "6379", "2"];
    let refused = lone.sentinel.call(&monitor);
    assert!(
        refused.is_error("ERR Invalid IP address or hostname specified"),
        "{refused:?}"
    );
}
