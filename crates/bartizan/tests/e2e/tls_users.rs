//! `tls-auth-clients-user`: who shows the certificate of a user is that user.

use super::tls_fleet::cli;
use crate::harness::pki::Pki;
use crate::harness::ports::Ports;
use crate::harness::{Flavor, NAME, Sentinel};
use tempfile::TempDir;

/// Who may come in, and what they may do.
const USERS: &str = "requirepass secret\nuser alice on resetpass -@all +ping +acl\n\
    user bob off nopass +@all\nuser urn:app:carol on resetpass -@all +acl|whoami\n";

/// A sentinel that clients reach over TLS.
struct Door {
    sentinel: Sentinel,
    port: u16,
    pki: Pki,
    _dir: TempDir,
    _ports: Ports,
}

impl Door {
    fn open(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::make(dir.path());
        let mut ports = Ports::reserve().unwrap();
        let (plain, port) = (ports.take().unwrap(), ports.take().unwrap());
        let master = ports.take().unwrap();
        let text = format!(
            "{}\n{USERS}{lines}\nsentinel monitor {NAME} 127.0.0.1 {master} 1\n",
            pki.lines(port).join("\n")
        );
        let home = dir.path().to_owned();
        let sentinel = Sentinel::prepare(Flavor::UnderTest, plain, home, &text);
        let mut door = Self {
            sentinel,
            port,
            pki,
            _dir: dir,
            _ports: ports,
        };
        let (program, conf) = (
            Flavor::UnderTest.program(),
            door.sentinel.conf.display().to_string(),
        );
        door.sentinel.spawn(&[&program, &conf]);
        crate::harness::eventually("it answers", || {
            door.sentinel
                .ask(&["PING"])
                .is_some_and(|reply| reply.is_error("NOAUTH"))
        });
        door
    }

    /// What somebody with a certificate for this name, and these URIs, is told.
    fn ask(&self, name: &str, uris: &[&str], words: &[&str]) -> String {
        self.pki.issue("guest", name, uris);
        let (cert, key) = (self.pki.file("guest.crt"), self.pki.file("guest.key"));
        cli(
            &self.pki.file("ca.crt"),
            Some((&cert, &key)),
            self.port,
            words,
        )
    }
}

const WHO: &[&str] = &["ACL", "WHOAMI"];

#[test]
fn who_shows_the_certificate_of_a_user_is_that_user_and_needs_no_password() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: the directive came with Valkey 9");
        return;
    }
    let door = Door::open("tls-auth-clients-user CN");
    assert_eq!(door.ask("alice", &[], WHO), "alice");
    let denied = door.ask("alice", &[], &["SENTINEL", "MASTERS"]);
    assert!(denied.starts_with("NOPERM"), "alice's rules hold: {denied}");
    let stranger = door.ask("mallory", &["urn:app:carol"], WHO);
    assert!(stranger.starts_with("NOAUTH"), "{stranger}");
    let disabled = door.ask("bob", &[], WHO);
    assert!(disabled.starts_with("NOAUTH"), "{disabled}");

    let log = door.ask("alice", &[], &["ACL", "LOG"]);
    let lines: Vec<&str> = log.lines().collect();
    for name in ["mallory", "bob"] {
        assert!(lines.contains(&name), "{log}");
    }
    assert!(lines.contains(&"tls-cert"), "{log}");
}

#[test]
fn the_uris_of_a_certificate_name_a_user_where_that_is_asked_for() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: the directive came with Valkey 9");
        return;
    }
    let door = Door::open("tls-auth-clients-user uri");
    let uris = ["urn:app:nobody", "urn:app:carol"];
    assert_eq!(door.ask("alice", &uris, WHO), "urn:app:carol");
    let stranger = door.ask("alice", &[], WHO);
    assert!(stranger.starts_with("NOAUTH"), "{stranger}");
}

#[test]
fn a_certificate_names_nobody_unless_that_is_asked_for() {
    for lines in ["", "tls-auth-clients-user off"] {
        if Flavor::UnderTest.is_upstream() && !lines.is_empty() {
            continue;
        }
        let door = Door::open(lines);
        let stranger = door.ask("alice", &["urn:app:carol"], WHO);
        assert!(stranger.starts_with("NOAUTH"), "{lines}: {stranger}");
    }
}
