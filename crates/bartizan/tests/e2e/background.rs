//! The process among others: in the background, beside a second one of the same file, before its
//! first write.

use super::startup::Lone;
use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, eventually};
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getsid, mkfifo};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// A daemon that nobody else would end if the test fails.
struct Daemon(Pid);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

fn pid_in(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    text.trim().parse().ok().map(Pid::from_raw)
}

#[test]
fn a_daemon_lives_in_a_session_of_its_own_and_its_pid_is_in_the_file_while_it_does() {
    let lines = "daemonize yes\npidfile s.pid\nlogfile s.log\nsentinel monitor MASTER\n";
    let mut lone = Lone::with_lines(lines);
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel.spawn(&[&program, &conf]);
    let first = lone.sentinel.pid();
    let status = lone.sentinel.wait(Duration::from_secs(60));
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    let path = lone.sentinel.dir().join("s.pid");
    eventually("it has written its pid", || pid_in(&path).is_some());
    let daemon = Daemon(pid_in(&path).unwrap());
    eventually("it answers", || lone.sentinel.answers());

    assert_ne!(daemon.0.as_raw().to_string(), first.to_string());
    assert_eq!(
        getsid(Some(daemon.0)).unwrap(),
        daemon.0,
        "a session of its own"
    );
    assert!(lone.sentinel.client().call(&["SHUTDOWN"]).is_err());
    eventually("the file goes with it", || !path.exists());
    let log = lone.sentinel.dir().join("s.log");
    eventually("it says goodbye", || {
        fs::read_to_string(&log).unwrap().contains("bye bye...")
    });
    assert_eq!(lone.sentinel.log(), "", "nothing on the terminal");
}

#[test]
fn a_second_start_on_the_file_of_a_running_one_touches_nothing_of_it() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel has no temporary files by that name");
        return;
    }
    let mut lone = Lone::with_lines("pidfile s.pid\nunixsocket s.sock\nsentinel monitor MASTER\n");
    lone.sentinel.restart();
    let dir = lone.sentinel.dir().to_owned();
    // The first one is in the middle of writing the file.
    let temporary = dir.join("sentinel.conf.bartizan-0123456789abcdef");
    fs::write(&temporary, "half of it").unwrap();
    let before = fs::read_to_string(dir.join("s.pid")).unwrap();

    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    let second = std::process::Command::new(program)
        .arg(conf)
        .current_dir(&dir)
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("Address already in use"), "{said}");
    assert!(temporary.exists(), "what the first one writes");
    assert_eq!(fs::read_to_string(dir.join("s.pid")).unwrap(), before);
    assert!(dir.join("s.sock").exists());
    assert!(lone.sentinel.answers());
}

#[test]
fn nobody_hears_a_new_id_before_the_file_has_it() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel writes before it listens");
        return;
    }
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    let text = lone.sentinel.conf_text();
    // A pipe in place of the file: it is read at the start, and again by the first write, which
    // waits until somebody says something.
    let path = lone.sentinel.conf.clone();
    fs::remove_file(&path).unwrap();
    mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
    lone.sentinel.spawn(&[&program, &conf]);
    say_into(&path, &text);
    let mut client = None;
    eventually("it listens", || {
        client = Client::connect(lone.sentinel.port).ok();
        client.is_some()
    });
    let mut client = client.unwrap();
    client.send(&["SENTINEL", "MYID"]).unwrap();
    client
        .set_patience(Some(Duration::from_millis(500)))
        .unwrap();
    let early = client.read();
    assert!(early.is_err(), "{early:?}");

    say_into(&path, &text);

    client.set_patience(Some(Duration::from_secs(60))).unwrap();
    let Value::Bulk(id) = client.read().unwrap() else {
        panic!("no id")
    };
    let written = lone.sentinel.conf_value("sentinel myid ");
    assert_eq!(written.as_ref(), Some(&id));
}

/// Writes a text to whoever reads the pipe next.
fn say_into(pipe: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let mut opened = None;
    eventually("somebody reads the file", || {
        opened = options.open(pipe).ok();
        opened.is_some()
    });
    opened.unwrap().write_all(text.as_bytes()).unwrap();
}
