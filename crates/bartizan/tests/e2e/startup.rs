//! Starting and ending: what is said, where, and with which exit code.

use crate::harness::ports::Ports;
use crate::harness::{Flavor, NAME, Sentinel, can_mount, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A sentinel that watches a port on which nobody listens; enough to start and to end.
pub(crate) struct Lone {
    pub(crate) sentinel: Sentinel,
    _dir: TempDir,
    ports: Ports,
}

impl Lone {
    pub(crate) fn with_lines(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::reserve().unwrap();
        let port = ports.take().unwrap();
        let master = ports.take().unwrap();
        let lines = lines.replace("MASTER", &format!("{NAME} 127.0.0.1 {master} 2"));
        let path = PathBuf::from(dir.path());
        let sentinel = Sentinel::prepare(Flavor::UnderTest, port, path, &lines);
        Self {
            sentinel,
            _dir: dir,
            ports,
        }
    }

    /// Starts it and returns its exit code and what it said.
    fn refused(&mut self, args: &[&str]) -> (Option<i32>, String) {
        let program = Flavor::UnderTest.program();
        let mut argv = vec![program.as_str()];
        argv.extend(args);
        self.sentinel.spawn(&argv);
        let status = self
            .sentinel
            .wait(Duration::from_secs(10))
            .expect("it ends by itself");
        (status.code(), self.sentinel.stderr() + &self.sentinel.log())
    }

    pub(crate) fn conf(&self) -> String {
        self.sentinel.conf.display().to_string()
    }
}

#[test]
fn bad_line_is_shown_with_its_number_and_ends_with_exit_code_1() {
    let mut lone =
        Lone::with_lines("sentinel monitor MASTER\nsentinel down-after-milliseconds mymaster 0\n");
    let (code, said) = lone.refused(&[&lone.conf()]);
    assert_eq!(code, Some(1), "{said}");
    let stderr = lone.sentinel.stderr();
    assert!(stderr.contains("*** FATAL CONFIG FILE ERROR"), "{stderr}");
    assert!(stderr.contains("at line 5"), "{stderr}");
    assert!(
        stderr.contains(">>> 'sentinel down-after-milliseconds mymaster 0'"),
        "{stderr}"
    );
    assert!(
        stderr.contains("negative or zero time parameter."),
        "{stderr}"
    );
}

#[test]
fn every_kind_of_bad_line_is_refused_in_redis_own_words() {
    let table = [
        (
            "sentinel nonsense 1",
            "Unrecognized sentinel configuration statement.",
        ),
        ("nonsense 1", "Bad directive or wrong number of arguments"),
        (
            "sentinel monitor mymaster 127.0.0.1 6379 0",
            "Quorum must be 1 or greater.",
        ),
        (
            "sentinel monitor mymaster 127.0.0.1 70000 2",
            "Invalid port number.",
        ),
        (
            "sentinel quorum mymaster 2",
            "Unrecognized sentinel configuration statement.",
        ),
        (
            "sentinel failover-timeout nobody 5",
            "No such master with specified name.",
        ),
        (
            "sentinel myid short",
            "Malformed Sentinel id in myid option.",
        ),
        (
            "sentinel resolve-hostnames maybe",
            "Please specify yes or no for the resolve-hostnames",
        ),
        (
            "proc-title-template \"{title} {nope}\"",
            "template format is invalid or contains unknown variables",
        ),
        (
            "proc-title-template \"\"",
            "template format is invalid or contains unknown variables",
        ),
        (
            "logfile \"unbalanced",
            "Unbalanced quotes in configuration line",
        ),
    ];
    for (line, message) in table {
        let mut lone = Lone::with_lines(&format!("{line}\n"));
        let (code, said) = lone.refused(&[&lone.conf()]);
        assert_eq!(code, Some(1), "{line}: {said}");
        assert!(said.contains(message), "{line}: {said}");
    }
}

#[test]
fn missing_file_is_named_and_ends_with_exit_code_1() {
    let mut lone = Lone::with_lines("");
    let missing = lone
        .sentinel
        .dir()
        .join("missing.conf")
        .display()
        .to_string();
    let (code, said) = lone.refused(&[&missing]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("missing.conf") && said.contains("No such file or directory"),
        "{said}"
    );
}

#[test]
fn no_file_at_all_ends_with_exit_code_1() {
    let mut lone = Lone::with_lines("");
    // Upstream recognises its mode by its name, so a flag that any of them takes is needed here.
    let (code, said) = lone.refused(&["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("needs config file on disk to save state"),
        "{said}"
    );
}

#[test]
fn directory_in_place_of_the_file_ends_with_exit_code_1() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel reads a directory as an empty file");
        return;
    }
    let mut lone = Lone::with_lines("");
    let conf = lone.conf();
    fs::remove_file(&conf).unwrap();
    fs::create_dir(&conf).unwrap();
    let (code, said) = lone.refused(&[&conf]);
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.is_empty());
}

#[test]
fn file_that_cannot_be_written_is_named_and_ends_with_exit_code_1() {
    if !can_mount() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    // Permissions do not bind root; a read-only mount binds everybody.
    let script =
        "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && exec \"$0\" \"$1\"";
    let argv = ["unshare", "--mount", "sh", "-c", script, &program, &conf];
    lone.sentinel.spawn(&argv);
    let status = lone.sentinel.wait(Duration::from_secs(10));
    let said = lone.sentinel.stderr() + &lone.sentinel.log();
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{said}");
    assert!(said.contains("sentinel.conf is not writable"), "{said}");
}

#[test]
fn port_that_is_taken_is_named_and_ends_with_exit_code_1() {
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    let _taken = std::net::TcpListener::bind(("127.0.0.1", lone.sentinel.port)).unwrap();
    let (code, said) = lone.refused(&[&lone.conf()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&lone.sentinel.port.to_string()), "{said}");
    assert!(said.contains("Address already in use"), "{said}");
}

#[test]
fn directives_on_the_command_line_count_after_the_file() {
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    let other = lone.ports.take().unwrap();
    lone.sentinel.port = other;
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel
        .spawn(&[&program, &conf, "--port", &other.to_string()]);
    eventually("it answers on the port of the command line", || {
        lone.sentinel.answers()
    });
}

#[test]
fn the_same_binary_runs_under_the_name_redis_sentinel_and_with_the_flag() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: upstream has two binaries for the two ways");
        return;
    }
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    let link = lone.sentinel.dir().join("redis-sentinel");
    symlink(&program, &link).unwrap();
    lone.sentinel.spawn(&[&link.display().to_string(), &conf]);
    eventually("it answers", || lone.sentinel.answers());
    lone.sentinel.spawn(&[&program, &conf, "--sentinel"]);
    eventually("it answers", || lone.sentinel.answers());
}

#[test]
fn a_terminal_that_goes_away_does_not_end_it_and_an_interrupt_does() {
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    lone.sentinel.restart();
    let pid = Pid::from_raw(i32::try_from(lone.sentinel.pid()).unwrap());
    for _ in 0..3 {
        kill(pid, Signal::SIGHUP).unwrap();
        assert!(lone.sentinel.answers());
    }
    kill(pid, Signal::SIGINT).unwrap();
    let status = lone
        .sentinel
        .wait(Duration::from_secs(60))
        .expect("it ends");
    assert_eq!(status.code(), Some(0));
    let log = lone.sentinel.log();
    assert!(
        log.contains("Received SIGINT scheduling shutdown..."),
        "{log}"
    );
}

#[test]
fn sigterm_ends_it_with_exit_code_0_and_stderr_stayed_empty() {
    let mut lone = Lone::with_lines(
        "sentinel monitor MASTER\nsentinel down-after-milliseconds mymaster 200\n",
    );
    lone.sentinel.restart();
    eventually("it has something to say", || {
        !lone.sentinel.logged("+sdown").is_empty()
    });

    let status = lone.sentinel.terminate().expect("it ends");

    assert_eq!(status.code(), Some(0));
    assert_eq!(lone.sentinel.stderr(), "");
    let log = lone.sentinel.log();
    assert!(
        log.contains("Received SIGTERM scheduling shutdown..."),
        "{log}"
    );
    assert!(log.contains("bye bye..."), "{log}");
}

#[test]
fn log_lines_have_the_shape_that_tools_parse() {
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    lone.sentinel.restart();
    eventually("it has logged that it watches", || {
        !lone.sentinel.logged("+monitor").is_empty()
    });
    let log = lone.sentinel.log();
    let line = log.lines().find(|line| line.contains("+monitor")).unwrap();
    // `<pid>:X <DD Mon YYYY HH:MM:SS.mmm> # +monitor …`
    let (head, rest) = line.split_once(' ').unwrap();
    assert_eq!(head, format!("{}:X", lone.sentinel.pid()));
    let stamp = rest.split(" # ").next().unwrap();
    let shape: String = stamp
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    let month: String = shape.chars().filter(char::is_ascii_alphabetic).collect();
    assert_eq!(month.len(), 3, "{line}");
    assert_eq!(
        shape.replace(&month, "Mmm"),
        "99 Mmm 9999 99:99:99.999",
        "{line}"
    );
}

#[test]
fn shutdown_command_ends_it_with_exit_code_0() {
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    lone.sentinel.restart();
    let reply = lone.sentinel.client().call(&["SHUTDOWN"]);
    assert!(
        reply.is_err(),
        "the connection is closed without a reply: {reply:?}"
    );
    let status = lone
        .sentinel
        .wait(Duration::from_secs(10))
        .expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn systemd_hears_that_it_is_ready_and_then_that_it_lives() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel knows no watchdog");
        return;
    }
    let mut lone = Lone::with_lines("sentinel monitor MASTER\nsupervised systemd\n");
    let path = lone.sentinel.dir().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel
        .spawn(&["env", &notify, "WATCHDOG_USEC=200000", &program, &conf]);
    let hear = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(hear().contains("READY=1"));
    for _ in 0..3 {
        assert!(hear().contains("WATCHDOG=1"));
    }
}
