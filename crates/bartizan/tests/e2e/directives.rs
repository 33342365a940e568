//! Directives that are about the process: each does what it says, here and in redis-sentinel.

use super::startup::Lone;
use crate::harness::resp::Value;
use crate::harness::{Flavor, eventually};
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
fn a_notification_script_gets_its_words_the_environment_and_no_open_file() {
    let lines = "sentinel deny-scripts-reconfig no\nsentinel monitor MASTER\n";
    let mut lone = Lone::with_lines(lines);
    let dir = lone.sentinel.dir().to_owned();
    let script = dir.join("notify.sh");
    let text = "#!/bin/sh\n{ echo \"$#:$1:$2\"; pwd; echo \"$MARKED\"; readlink /proc/$$/fd/* | tr '\\n' ' '; } \
                > out.tmp && mv out.tmp out.txt\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel
        .spawn(&["env", "MARKED=inherited", &program, &conf]);
    eventually("it answers", || lone.sentinel.answers());
    let path = script.display().to_string();
    let set = ["SENTINEL", "SET", "mymaster", "notification-script", &path];
    assert!(lone.sentinel.call(&set).is_ok());

    let out = || fs::read_to_string(dir.join("out.txt")).unwrap_or_default();
    eventually("the script has run", || !out().is_empty());

    let out = out();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("2:+"), "{out}");
    assert!(lines[0].contains(":master mymaster 127.0.0.1 "), "{out}");
    assert_eq!(lines[1], dir.display().to_string());
    assert_eq!(lines[2], "inherited");
    // The shell has files of its own open; sockets and the loop's own files can only be ours.
    for ours in ["socket:", "anon_inode:", "sentinel.conf"] {
        assert!(!lines[3].contains(ours), "{out}");
    }
}
