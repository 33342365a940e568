//! `bartizan rescue replay` from outside: what an operator sees who stops it and calls it again.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::resp::Value;
use crate::harness::{Flavor, Fleet, Plan, eventually};

const COMMANDS: usize = 200_000;
const KEYS: usize = 50_000;

#[test]
fn a_replay_that_was_stopped_goes_on_where_it_was() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel rescues nothing
    }
    let fleet = Fleet::start(Plan {
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        replicas: 0,
        ..Plan::default()
    });
    let server = &fleet.servers[0];
    let dir = fleet.sentinels[0].dir();
    let file = dir.join("lost.resp");
    std::fs::write(&file, appends()).expect("the file is written");
    let size = || match server.ask(&["DBSIZE"]) {
        Some(Value::Int(size)) => usize::try_from(size).unwrap_or_default(),
        other => panic!("DBSIZE said {other:?}"),
    };

    let mut first = replay(&file, server.port);
    eventually("some of it has been played", || size() > 100);
    let pid = Pid::from_raw(i32::try_from(first.id()).expect("a process id"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let status = first.wait().expect("it ends");
    let played = size();
    assert_eq!(status.code(), Some(1));
    assert!(played < KEYS, "it was stopped before the end");
    assert!(dir.join("lost.resp.progress").exists());

    let status = replay(&file, server.port).wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(!dir.join("lost.resp.progress").exists());
    assert_eq!(size(), KEYS);
    for key in [0, played, KEYS - 1] {
        let value = server.ask(&["GET", &format!("k{key}")]);
        let text = value.as_ref().and_then(Value::text);
        assert_eq!(text, Some("xxxx"), "k{key}: each command was played once");
    }
}

/// Four commands for each key, one after the other through all keys.
fn appends() -> String {
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".to_owned();
    let append = |n: usize| {
        let key = format!("k{}", n % KEYS);
        format!(
            "*3\r\n$6\r\nAPPEND\r\n${}\r\n{key}\r\n$1\r\nx\r\n",
            key.len()
        )
    };
    std::iter::once(select)
        .chain((0..COMMANDS).map(append))
        .collect()
}

fn replay(file: &Path, port: u16) -> Child {
    Command::new(Flavor::UnderTest.program())
        .args(["rescue", "replay", &file.display().to_string()])
        .args(["--to", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}
