//! Directives that are about the process: each does what it says, here and in redis-sentinel.

use super::startup::Lone;
use crate::harness::resp::Value;
use crate::harness::{Flavor, Fleet, PATIENCE, Plan, eventually};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[test]
fn a_unix_socket_is_listened_on_with_its_mode() {
    let mut lone = Lone::with_lines("unixsocket s.sock\nunixsocketperm 700\n");
    lone.sentinel.restart();
    let path = lone.sentinel.dir().join("s.sock");
    let mut stream = UnixStream::connect(&path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut pong = [0; 7];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn renamed_commands_answer_to_their_new_name_only() {
    let mut lone =
        Lone::with_lines("rename-command SHUTDOWN \"\"\nrename-command role whoareyou\n");
    lone.sentinel.restart();
    let call = |words: &[&str]| lone.sentinel.call(words);
    assert!(call(&["SHUTDOWN"]).is_error("ERR unknown command 'SHUTDOWN'"));
    assert!(call(&["ROLE"]).is_error("ERR unknown command 'ROLE'"));
    assert!(call(&["WHOAREYOU"]).items().is_some());
}

#[test]
fn a_pause_holds_renamed_commands_back_as_well() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: its pause holds back the end of the pause too");
        return;
    }
    let mut lone = Lone::with_lines("rename-command role whoareyou\nrename-command ping pung\n");
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel.spawn(&[&program, &conf]);
    eventually("it answers", || {
        lone.sentinel.ask(&["PUNG"]) == Some(Value::Status("PONG".to_owned()))
    });
    let [mut paused, mut other] = [(); 2].map(|()| lone.sentinel.client());
    assert!(other.call(&["CLIENT", "PAUSE", "3600000"]).unwrap().is_ok());
    paused.send(&["WHOAREYOU"]).unwrap();
    paused
        .set_patience(Some(Duration::from_millis(500)))
        .unwrap();
    let early = paused.read();
    assert!(early.is_err(), "{early:?}");
    let pong = other.call(&["PUNG"]).unwrap();
    assert_eq!(
        pong,
        Value::Status("PONG".to_owned()),
        "what peers need goes on"
    );
    assert!(other.call(&["CLIENT", "UNPAUSE"]).unwrap().is_ok());
    paused.set_patience(Some(Duration::from_secs(60))).unwrap();
    assert!(paused.read().unwrap().items().is_some());
}

#[test]
fn an_included_file_counts_where_it_is_included() {
    let mut lone = Lone::with_lines("include more.conf\nmaxclients 77\n");
    let more = "maxclients 55\nsentinel monitor included 127.0.0.1 1 2\n";
    fs::write(lone.sentinel.dir().join("more.conf"), more).unwrap();
    lone.sentinel.restart();
    let address = lone
        .sentinel
        .call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "included"]);
    assert!(address.items().is_some(), "{address:?}");
    let info = lone.sentinel.call(&["INFO", "clients"]);
    assert!(
        info.text().unwrap().contains("maxclients:77\r\n"),
        "{info:?}"
    );
}

#[test]
fn an_ipv6_address_is_listened_on() {
    let mut lone = Lone::with_lines("bind 127.0.0.1 ::1\n");
    lone.sentinel.restart();
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, lone.sentinel.port)).is_ok());
}

#[test]
fn an_idle_client_is_closed_after_the_timeout() {
    let mut lone = Lone::with_lines("timeout 1\n");
    lone.sentinel.restart();
    let mut client = lone.sentinel.client();
    client.set_patience(Some(Duration::from_secs(60))).unwrap();
    let gone = client.read().unwrap_err();
    assert_ne!(gone.kind(), std::io::ErrorKind::WouldBlock, "{gone}");
}

#[test]
fn the_log_goes_to_its_file_from_its_level_on() {
    let mut lone = Lone::with_lines("logfile my.log\nloglevel warning\nsentinel monitor MASTER\n");
    lone.sentinel.restart();
    let path = lone.sentinel.dir().join("my.log");
    let log = || fs::read_to_string(&path).unwrap_or_default();
    eventually("the watch is logged", || log().contains(" # +monitor "));
    assert!(!log().contains(" * "), "{}", log());
    assert_eq!(lone.sentinel.log(), "", "nothing on standard output");
}

#[test]
fn the_pid_file_has_the_pid_and_goes_with_the_process() {
    let mut lone = Lone::with_lines("pidfile s.pid\n");
    let path = lone.sentinel.dir().join("s.pid");
    lone.sentinel.restart();
    let pid = fs::read_to_string(&path).unwrap();
    assert_eq!(pid.trim(), lone.sentinel.pid().to_string());
    lone.sentinel.terminate().expect("it ends");
    assert!(!path.exists());
}

#[test]
fn a_name_that_cannot_be_resolved_yet_is_pending_and_not_fatal() {
    let mut lone = Lone::with_lines(
        "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n\
         sentinel monitor later no-such-host.invalid 6379 2\nsentinel monitor MASTER\n",
    );
    lone.sentinel.restart();
    let row = lone.sentinel.call(&["SENTINEL", "MASTER", "later"]);
    assert_eq!(
        row.field("ip").as_deref(),
        Some("no-such-host.invalid"),
        "{row:?}"
    );
    assert_eq!(
        lone.sentinel.call(&["SENTINEL", "RESET", "nobody"]),
        Value::Int(0)
    );
}

#[test]
fn the_address_that_peers_are_told_is_the_one_that_was_announced() {
    let mut fleet = Fleet::start(Plan {
        replicas: 0,
        sentinels: vec![Flavor::UnderTest],
        ..Plan::default()
    });
    // A peer that says it is at 127.0.0.2, where nobody is, at a port that it has not.
    fleet.plan.sentinel_lines =
        "sentinel announce-ip 127.0.0.2\nsentinel announce-port 4321\n".to_owned();
    fleet.add_sentinel(Flavor::UnderTest);
    eventually("the other one knows it by what it announced", || {
        let peers = fleet.sentinels[0].peers();
        peers.iter().any(|peer| {
            peer.field("ip").as_deref() == Some("127.0.0.2")
                && peer.field("port").as_deref() == Some("4321")
        })
    });
}

#[test]
fn links_come_from_the_address_that_was_asked_for() {
    let plan = Plan {
        replicas: 0,
        sentinels: vec![Flavor::UnderTest],
        sentinel_lines: "bind-source-addr 127.0.0.3\n".to_owned(),
        ..Plan::default()
    };
    // To a server in protected mode this address is abroad.
    let fleet = Fleet::start_with(plan, |_| vec!["protected-mode no".to_owned()]);
    let clients = fleet.servers[0].ask(&["CLIENT", "LIST"]).unwrap();
    let list = clients.text().unwrap();
    for end in ["-cmd", "-pubsub"] {
        let mut links = list.lines().filter(|line| line.contains("name=sentinel-"));
        let link = links.find(|line| line.contains(&format!("{end} ")));
        assert!(
            link.is_some_and(|link| link.contains(" addr=127.0.0.3:")),
            "{list}"
        );
    }
}

#[test]
fn the_log_has_the_form_that_was_asked_for() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel 7.0 has one form only");
        return;
    }
    let lines = "log-format logfmt\nlog-timestamp-format milliseconds\nsentinel monitor MASTER\n";
    let mut lone = Lone::with_lines(lines);
    lone.sentinel.restart();
    // The log has a writer of its own, which may come a moment later.
    let mut line = String::new();
    eventually("the first lines are written", || {
        let log = lone.sentinel.log();
        let found = log.lines().find(|line| line.contains("Running mode"));
        line = found.unwrap_or_default().to_owned();
        !line.is_empty()
    });
    let begin = format!("pid={} role=sentinel timestamp=\"1", lone.sentinel.pid());
    assert!(line.starts_with(&begin), "{line}");
    assert!(
        line.contains(" level=notice message=\"Running mode=sentinel"),
        "{line}"
    );
}

#[test]
fn a_crash_that_was_asked_for_ends_the_process_with_its_own_code() {
    let mut fleet = Fleet::start(Plan {
        replicas: 1,
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        ..Plan::default()
    });
    let simulate = ["SENTINEL", "SIMULATE-FAILURE", "crash-after-election"];
    assert!(fleet.sentinels[0].call(&simulate).is_ok());
    fleet.servers[0].crash();
    let status = fleet.sentinels[0]
        .wait(PATIENCE)
        .expect("it ends by itself");
    assert_eq!(status.code(), Some(99));
}

#[test]
fn every_directive_of_a_redis_server_is_read() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel has no --check-config");
        return;
    }
    let plan = Plan {
        replicas: 0,
        sentinels: Vec::new(),
        ..Plan::default()
    };
    let fleet = Fleet::servers_only(plan, |_| Vec::new());
    let all = fleet.servers[0].ask(&["CONFIG", "GET", "*"]).unwrap();
    // Those that take several words are written without quotes, where they have any.
    let lists = [
        "save",
        "client-output-buffer-limit",
        "oom-score-adj-values",
        "bind",
    ];
    let mut text = String::new();
    for (name, value) in all.pairs() {
        if lists.contains(&name.as_str()) && !value.is_empty() {
            text.push_str(&format!("{name} {value}\n"));
        } else if !["save", "replicaof", "slaveof"].contains(&name.as_str()) {
            text.push_str(&format!("{name} \"{value}\"\n"));
        }
    }
    assert!(text.lines().count() > 150, "{text}");
    let conf = fleet.root().join("all.conf");
    fs::write(
        &conf,
        text + "replicaof 127.0.0.1 1\nsave 1 1\nslaveof no one\n",
    )
    .unwrap();
    let program = Flavor::UnderTest.program();
    let mut command = std::process::Command::new(program);
    let checked = command.arg("--check-config").arg(&conf).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}
