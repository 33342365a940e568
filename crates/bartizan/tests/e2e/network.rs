//! What a Sentinel does with connections by where they come from.

use super::startup::Lone;
use crate::harness::process::{Orphan, Process};
use crate::harness::{Flavor, eventually};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// An address that no network has (RFC 5737), given to the loopback device of a namespace.
const FOREIGN: &str = "192.0.2.1";

/// Whether a process may have a network of its own: root, mostly.
fn can_have_a_network() -> bool {
    let dir = tempfile::tempdir().unwrap();
    let argv = ["unshare", "--net", "ip", "link", "set", "lo", "up"];
    let probe = Process::spawn("probe", &argv, dir.path(), Orphan::Dies);
    probe
        .ok()
        .and_then(|mut probe| probe.wait(Duration::from_secs(10)))
        .is_some_and(|status| status.success())
}

/// Starts a program in a network of its own, and asks it for PING over loopback and from abroad.
fn asked_from_both_sides(flavor: Flavor, lines: &str) -> [String; 2] {
    let mut lone = Lone::with_lines(&format!("{lines}\nsentinel monitor MASTER\n"));
    let text = lone.sentinel.conf_text().replace("bind 127.0.0.1\n", "");
    fs::write(&lone.sentinel.conf, text).unwrap();
    let script =
        format!("ip link set lo up && ip addr add {FOREIGN}/32 dev lo && exec \"$0\" \"$1\"");
    let (program, conf) = (flavor.program(), lone.conf());
    let argv = ["unshare", "--net", "sh", "-c", &script, &program, &conf];
    lone.sentinel.spawn(&argv);
    let (pid, port) = (
        lone.sentinel.pid().to_string(),
        lone.sentinel.port.to_string(),
    );
    let ask = |host: &str| {
        let output = Command::new("timeout")
            .args(["20", "nsenter", "--target", &pid, "--net"])
            .args(["redis-cli", "-h", host, "-p", &port, "PING"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    eventually("it answers in its network", || {
        let reply = ask("127.0.0.1");
        reply.contains("PONG") || reply.contains("NOAUTH")
    });
    ["127.0.0.1", FOREIGN].map(ask)
}

#[test]
fn protected_mode_turns_strangers_from_abroad_away_as_redis_sentinel_does() {
    if !can_have_a_network() {
        eprintln!("skipped: a network namespace needs root");
        return;
    }
    let first_sentence = "DENIED Redis is running in protected mode because protected mode is \
                          enabled and no password is set for the default user. ";
    for flavor in [Flavor::UnderTest, Flavor::RedisSentinel] {
        let [here, abroad] = asked_from_both_sides(flavor, "protected-mode yes");
        assert_eq!(here.trim(), "PONG");
        assert!(abroad.contains(first_sentence), "{flavor:?}: {abroad}");
        assert_eq!(abroad.trim().lines().count(), 1, "{flavor:?}: {abroad}");
    }
}

#[test]
fn strangers_from_abroad_are_let_in_where_protected_mode_is_off_or_a_password_is_asked_for() {
    if !can_have_a_network() {
        eprintln!("skipped: a network namespace needs root");
        return;
    }
    for flavor in [Flavor::UnderTest, Flavor::RedisSentinel] {
        let [_, abroad] = asked_from_both_sides(flavor, "protected-mode no");
        assert_eq!(abroad.trim(), "PONG", "{flavor:?}");
        let lines = "protected-mode yes\nrequirepass secret";
        let [_, abroad] = asked_from_both_sides(flavor, lines);
        assert!(abroad.starts_with("NOAUTH "), "{flavor:?}: {abroad}");
    }
}

/// The timer of our end of a connection, as the kernel shows it: its kind (2: keepalive) and when
/// it fires, in hundredths of a second.
fn timer(local: u16, remote: u16) -> Option<(u32, u64)> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let port = |end: &str| u16::from_str_radix(end.split_once(':')?.1, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ends = (port(words.get(1)?)?, port(words.get(2)?)?);
        let (kind, when) = words.get(5)?.split_once(':')?;
        let timer = (
            u32::from_str_radix(kind, 16).ok()?,
            u64::from_str_radix(when, 16).ok()?,
        );
        (ends == (local, remote)).then_some(timer)
    })
}

#[test]
fn silent_clients_are_probed_as_tcp_keepalive_has_it() {
    for (line, secs) in [
        ("", 300),
        ("tcp-keepalive 77\n", 77),
        ("tcp-keepalive 0\n", 0),
    ] {
        let mut lone = Lone::with_lines(&format!("{line}sentinel monitor MASTER\n"));
        lone.sentinel.restart();
        let ours = SocketAddr::from((Ipv4Addr::LOCALHOST, lone.sentinel.port));
        let client = TcpStream::connect(ours).unwrap();
        let theirs = client.local_addr().unwrap().port();
        let timer = || timer(ours.port(), theirs);
        if secs == 0 {
            eventually("the connection is there", || timer().is_some());
            lone.sentinel.call(&["PING"]);
            assert_eq!(timer().map(|(kind, _)| kind), Some(0), "{line}");
        } else {
            eventually("its probes are set", || {
                let most = secs * 100;
                timer().is_some_and(|(kind, when)| kind == 2 && when <= most && when > most / 2)
            });
        }
    }
}
