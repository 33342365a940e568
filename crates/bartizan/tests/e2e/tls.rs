//! TLS both ways: links to servers and peers, and clients (spec §14). What a test asks, it asks
//! over the plain ports, which all processes have as well; `redis-cli --tls` is the client.

use super::tls_fleet::{Fleet, Guest, cli};
use crate::harness::pki::{Pki, replace};
use crate::harness::resp::Client;
use crate::harness::{Flavor, NAME, Server, eventually, holds_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use Flavor::{RedisSentinel, UnderTest};

#[test]
fn a_fleet_with_mutual_tls_fails_over_and_takes_the_old_master_back() {
    fails_over_and_back(&[UnderTest, UnderTest, UnderTest]);
}

#[test]
fn bartizans_and_a_redis_sentinel_fail_over_together_over_tls() {
    fails_over_and_back(&[UnderTest, RedisSentinel, UnderTest]);
}

fn fails_over_and_back(flavors: &[Flavor]) {
    let mut fleet = Fleet::start(2, flavors);
    for sentinel in &fleet.sentinels {
        for peer in sentinel.peers() {
            let port: u16 = peer.field("port").unwrap().parse().unwrap();
            assert!(
                fleet.sentinel_ports.contains(&port),
                "peers are told the TLS port"
            );
        }
    }
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
    let told = fleet.cli(fleet.sentinel_ports[0], &asked);
    assert_eq!(told, format!("127.0.0.1\n{}", fleet.server_ports[new]));

    fleet.servers[0].restart();
    let port = fleet.server_ports[new];
    for replica in (0..fleet.servers.len()).filter(|index| *index != new) {
        eventually("it follows the new master", || {
            fleet.servers[replica].follows(port)
        });
    }
}

#[test]
fn what_a_returned_master_alone_has_is_saved_over_tls() {
    let fleet = Fleet::start(2, &[UnderTest, UnderTest, UnderTest]);
    for server in &fleet.servers {
        // Otherwise it would take no write.
        let refused = server.ask(&["ACL", "SETUSER", "default", "-client|pause"]);
        assert!(refused.is_some_and(|reply| reply.is_ok()));
    }
    let mut client = Client::connect(fleet.servers[0].port).unwrap();
    fleet.servers[0].freeze();
    for n in 0..20 {
        client.send(&["SET", &format!("late:{n}"), "x"]).unwrap();
    }
    let new = fleet.await_new_master(0);
    fleet.servers[0].thaw();
    let port = fleet.server_ports[new];
    eventually("it follows the new master", || {
        fleet.servers[0].follows(port)
    });
    eventually("its writes are in a file", || {
        let dirs = fleet.sentinels.iter().map(|s| s.dir().join("rescue"));
        let files = dirs.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
        let texts = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
        texts
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .any(|text| (0..20).all(|n| text.contains(&format!("late:{n}\r\n"))))
    });
}

#[test]
fn renewed_certificates_are_taken_over_and_no_connection_drops() {
    if UnderTest.is_upstream() {
        return;
    }
    let fleet = Fleet::start(0, &[UnderTest]);
    let (sentinel, port) = (&fleet.sentinels[0], fleet.sentinel_ports[0]);
    let mut guest = Guest::connect(&fleet, port);
    assert_eq!(guest.ask("PING"), "PONG");
    let links = link_ids(&fleet.servers[0]);

    // Rubbish first: all goes on as before, and it is told once.
    let good = std::fs::read_to_string(fleet.pki.file("own.crt")).unwrap();
    replace(fleet.pki.file("own.crt").as_ref(), "rubbish");
    let refusals = || {
        let log = sentinel.log();
        log.matches("cannot be used, the old ones stay in use")
            .count()
    };
    eventually("the bad file is told", || refusals() == 1);
    let ca = fleet.pki.file("ca.crt");
    let old = fleet.dir.path().join("old");
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("own.crt"), good).unwrap();
    std::fs::copy(fleet.pki.file("own.key"), old.join("own.key")).unwrap();
    std::fs::copy(&ca, old.join("ca.crt")).unwrap();
    let old_file = |name: &str| old.join(name).display().to_string();
    let (old_cert, old_key) = (old_file("own.crt"), old_file("own.key"));
    let with_old = || {
        cli(
            &old_file("ca.crt"),
            Some((&old_cert, &old_key)),
            port,
            &["PING"],
        )
    };
    assert_eq!(with_old(), "PONG");
    holds_for(Duration::from_secs(5), "it is told once", || {
        refusals() == 1
    });

    // Then another CA and all that hangs on it.
    Pki::make(fleet.dir.path());
    eventually("the new certificate is in use", || {
        fleet.cli(port, &["PING"]) == "PONG"
    });
    assert_ne!(with_old(), "PONG", "the old CA is no longer trusted");
    assert_eq!(guest.ask("PING"), "PONG", "who was connected still is");
    assert_eq!(link_ids(&fleet.servers[0]), links, "and so are the links");
    assert_eq!(sentinel.master().field("flags").as_deref(), Some("master"));
}

/// The ids of the connections that a server has from sentinels.
fn link_ids(server: &Server) -> Vec<String> {
    let list = server.ask(&["CLIENT", "LIST"]).unwrap();
    let mut ids: Vec<String> = list
        .text()
        .unwrap()
        .lines()
        .filter(|line| line.contains("name=sentinel-"))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(ids.len(), 2, "{list:?}");
    ids
}

#[test]
fn a_server_of_another_ca_is_down_and_the_log_says_why() {
    let mut fleet = Fleet::servers_only(1);
    let elsewhere = fleet.home("elsewhere");
    let other = Pki::make(&elsewhere);
    let lines = format!(
        "tls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}",
        other.file("ca.crt"),
        other.file("own.crt"),
        other.file("own.key")
    );
    let index = fleet.add_sentinel(UnderTest, &lines);
    let sentinel = &fleet.sentinels[index];
    eventually("the master is down", || {
        sentinel
            .master()
            .field("flags")
            .unwrap_or_default()
            .contains("s_down")
    });
    if !UnderTest.is_upstream() {
        let why = format!(
            "TLS connection to 127.0.0.1:{} failed",
            fleet.server_ports[0]
        );
        let told = sentinel.log().matches(&why).count();
        assert_eq!(told, 1, "once: {}", sentinel.log());
        assert!(
            sentinel.log().contains("not signed by a CA of ours"),
            "{}",
            sentinel.log()
        );
    }
}

#[test]
fn tls_auth_clients_decides_who_may_come() {
    for (value, without, with_other) in [
        ("yes", false, false),
        ("optional", true, false),
        ("no", true, true),
    ] {
        let mut fleet = Fleet::servers_only(1);
        let elsewhere = fleet.home("elsewhere");
        let other = Pki::make(&elsewhere);
        fleet.add_sentinel(UnderTest, &format!("tls-auth-clients {value}"));
        let (port, ca) = (fleet.sentinel_ports[0], fleet.pki.file("ca.crt"));
        assert_eq!(fleet.cli(port, &["PING"]), "PONG", "{value}");
        let bare = cli(&ca, None, port, &["PING"]);
        assert_eq!(bare == "PONG", without, "{value}: {bare}");
        let (cert, key) = (other.file("own.crt"), other.file("own.key"));
        let foreign = cli(&ca, Some((&cert, &key)), port, &["PING"]);
        assert_eq!(foreign == "PONG", with_other, "{value}: {foreign}");
    }
}

#[test]
fn certificates_and_keys_of_every_kind_that_openssl_takes_are_taken() {
    let fixture = |name: &str| {
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
        format!("{base}/{name}")
    };
    let sealed = ["ec.pkcs8-aes.pem", "ec.traditional-aes256.pem"];
    let mut fleet = Fleet::servers_only(1);
    let key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(fixture("ec.pem")).unwrap());
    fleet.pki.certify("sealed", &key.unwrap());
    let cert = fleet.pki.file("sealed.crt");
    for name in sealed {
        let lines = format!(
            "tls-cert-file {cert}\ntls-key-file {}\ntls-key-file-pass sesam",
            fixture(name)
        );
        let index = fleet.add_sentinel(UnderTest, &lines);
        let port = fleet.sentinel_ports[index];
        assert_eq!(fleet.cli(port, &["PING"]), "PONG", "{name}");
        assert!(
            !fleet.sentinels[index].log().contains("sesam"),
            "a password is in the log"
        );
    }
    // Version 1, on both sides: the server, which takes it, and whoever watches it.
    let lines = format!(
        "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n",
        fixture("v1.crt"),
        fixture("ec.pem"),
        fixture("v1-ca.crt")
    );
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let (plain, tls_port) = (fleet.port(), fleet.port());
        let home = fleet.home(&format!("server-{protocol}"));
        let text = format!("tls-port {tls_port}\ntls-protocols {protocol}\n{lines}");
        let words: Vec<String> = text.lines().map(str::to_owned).collect();
        let _server = Server::start(plain, home, None, &words);
        let extra = format!("{lines}sentinel monitor v1 127.0.0.1 {tls_port} 1");
        let index = fleet.add_sentinel(UnderTest, &extra);
        eventually("the master with a certificate of version 1 is well", || {
            let row = fleet.sentinels[index].ask(&["SENTINEL", "MASTER", "v1"]);
            row.is_some_and(|row| row.field("runid").is_some_and(|id| id.len() == 40))
        });
    }
}

#[test]
fn a_start_without_what_tls_needs_says_what_is_missing() {
    let mut fleet = Fleet::servers_only(1);
    let wrong_key = fleet.pki.file("other.key");
    fleet.pki.renew("other");
    let sealed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/tls/ec.traditional-des3.pem"
    );
    let table = [
        (
            "tls-cert-file \"\"".to_owned(),
            "No tls-cert-file configured!",
        ),
        (
            "tls-key-file \"\"".to_owned(),
            "No tls-key-file configured!",
        ),
        (
            "tls-ca-cert-file \"\"".to_owned(),
            "tls-ca-cert-file or tls-ca-cert-dir",
        ),
        ("tls-cert-file /missing".to_owned(), "/missing"),
        (format!("tls-key-file {wrong_key}"), wrong_key.as_str()),
        (
            format!("tls-key-file {sealed}\ntls-key-file-pass surely-wrong"),
            sealed,
        ),
        ("tls-ca-cert-file /missing".to_owned(), "/missing"),
        ("tls-protocols SSLv3".to_owned(), "tls-protocols"),
        ("tls-ciphers nonsense".to_owned(), "nonsense"),
        ("tls-ciphersuites nonsense".to_owned(), "nonsense"),
    ];
    for (lines, wanted) in table {
        let mut sentinel = fleet.prepare(UnderTest, &lines);
        let conf = sentinel.conf.display().to_string();
        sentinel.spawn(&[&UnderTest.program(), &conf]);
        let status = sentinel
            .wait(Duration::from_secs(30))
            .expect("it ends by itself");
        let said = sentinel.log() + &sentinel.stderr();
        assert_eq!(status.code(), Some(1), "{lines}: {said}");
        assert!(said.contains(wanted), "{lines}: {said}");
        assert!(
            said.contains("Failed to configure TLS. Check logs for more info."),
            "{said}"
        );
        assert!(
            !said.contains("surely-wrong"),
            "a password is in the log: {said}"
        );
    }
}

#[test]
fn plain_text_and_tls_at_the_wrong_port_are_told_and_closed() {
    if UnderTest.is_upstream() {
        return;
    }
    let mut fleet = Fleet::servers_only(1);
    fleet.add_sentinel(UnderTest, "");
    let (sentinel, tls_port) = (&fleet.sentinels[0], fleet.sentinel_ports[0]);
    let mut plain = TcpStream::connect(("127.0.0.1", tls_port)).unwrap();
    plain
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    plain.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    eventually("plain text is told", || {
        sentinel
            .log()
            .contains("does not speak TLS, but plain text")
    });
    eventually("TLS is told", || {
        assert_ne!(fleet.cli(sentinel.port, &["PING"]), "PONG");
        sentinel
            .log()
            .contains("it speaks TLS, and this port does not")
    });
}

#[test]
fn handshakes_that_never_end_hold_up_nobody_and_are_given_up() {
    if UnderTest.is_upstream() {
        return;
    }
    let mut fleet = Fleet::servers_only(1);
    fleet.add_sentinel(UnderTest, "maxclients 30");
    let port = fleet.sentinel_ports[0];
    let half = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let stalled = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&half).unwrap();
        stream
    };
    let some: Vec<TcpStream> = (0..20).map(stalled).collect();
    assert_eq!(
        fleet.cli(port, &["PING"]),
        "PONG",
        "others are served meanwhile"
    );
    let more: Vec<TcpStream> = (0..20).map(stalled).collect();
    eventually("they count as clients", || {
        fleet.cli(port, &["PING"]) != "PONG"
    });
    eventually("they are given up", || fleet.cli(port, &["PING"]) == "PONG");
    drop((some, more));
}

#[test]
fn whoever_a_certificate_of_the_directory_has_signed_is_trusted() {
    let mut fleet = Fleet::servers_only(1);
    // Names as `openssl rehash` makes them; what is called otherwise is not looked at.
    let trusted = fleet.home("trusted");
    let ca = fleet.pki.file("ca.crt");
    std::fs::copy(&ca, trusted.join("ca.crt")).unwrap();
    let hashed = trusted.join(format!("{}.0", subject_hash(&ca)));
    std::os::unix::fs::symlink("ca.crt", hashed).unwrap();
    let elsewhere = fleet.home("elsewhere");
    let other = Pki::make(&elsewhere);
    let unlooked = trusted.join("other.crt");
    std::fs::copy(other.file("ca.crt"), unlooked).unwrap();
    let lines = format!(
        "tls-ca-cert-file \"\"\ntls-ca-cert-dir {}\ntls-auth-clients yes",
        trusted.display()
    );
    let index = fleet.add_sentinel(UnderTest, &lines);
    eventually("it trusts its master", || {
        let row = fleet.sentinels[index].master();
        row.field("runid").is_some_and(|id| id.len() == 40)
    });

    let port = fleet.sentinel_ports[index];
    assert_eq!(fleet.cli(port, &["PING"]), "PONG");
    let (cert, key) = (other.file("own.crt"), other.file("own.key"));
    let foreign = cli(&ca, Some((&cert, &key)), port, &["PING"]);
    assert_ne!(foreign, "PONG", "signed by whom nobody names");
}

/// What OpenSSL names a CA's file by.
fn subject_hash(file: &str) -> String {
    let words = ["x509", "-noout", "-subject_hash", "-in", file];
    let hash = Command::new("openssl").args(words).output();
    // Bartizan looks at the form of the name only.
    hash.ok()
        .filter(|output| output.status.success())
        .map_or_else(
            || "0123abcd".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
}
