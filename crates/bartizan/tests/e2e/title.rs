//! What the process is shown as: its title in place of its command line.

use super::startup::Lone;
use crate::harness::{Flavor, NAME, eventually};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// What the kernel tells of the process: a file under `/proc/PID`.
fn shown(lone: &Lone, what: &str) -> String {
    let path = format!("/proc/{}/{what}", lone.sentinel.pid());
    let text = fs::read_to_string(path).expect("the process is there");
    text.trim_end_matches(['\0', '\n']).to_owned()
}

/// Starts a program under the name `redis-sentinel` and gives its title, with what differs from
/// one start to the next masked.
fn title_of(flavor: Flavor, lines: &str) -> String {
    let lines = format!("sentinel monitor MASTER\n{lines}");
    let mut lone = Lone::with_lines(&lines);
    let dir = lone.sentinel.dir().display().to_string();
    let text = lone.sentinel.conf_text().replace("DIR", &dir);
    fs::write(&lone.sentinel.conf, text).unwrap();
    let conf = lone.conf();
    let link = lone.sentinel.dir().join("redis-sentinel");
    std::os::unix::fs::symlink(program_file(flavor), &link).unwrap();
    lone.sentinel.spawn(&[&link.display().to_string(), &conf]);
    eventually("it answers", || lone.sentinel.answers());
    assert_eq!(shown(&lone, "comm"), "redis-sentinel", "{lines}");
    // Where the title is shorter than the command line was, redis-sentinel leaves odd bytes behind.
    let cmdline = shown(&lone, "cmdline");
    let title = cmdline.split('\0').next().unwrap_or_default();
    title
        .replace(&dir, "DIR")
        .replace(&lone.sentinel.port.to_string(), "PORT")
}

/// Where the program is.
fn program_file(flavor: Flavor) -> String {
    match flavor.program() {
        program if program.contains('/') => program,
        program => format!("/usr/bin/{program}"),
    }
}

#[test]
fn the_process_shows_the_title_that_redis_sentinel_shows() {
    let all = "{title}-{listen-addr}-{server-mode}-{port}-{tls-port}-{unixsocket}-{config-file}";
    let table = [
        "",
        "set-proc-title yes\n",
        "bind ::1 127.0.0.1\n",
        "bind 127.0.0.1 ::1\n",
        "bind * -::*\n",
        "proc-title-template \"a sentinel of ours\"\n",
        "proc-title-template \"  {title} {server-mode} {unixsocket} \"\n",
        "proc-title-template \"{{{port}} {title}\"\n",
        &format!("proc-title-template \"{all}\"\n"),
        &format!("unixsocket DIR/s.sock\nproc-title-template \"{all}|\"\n"),
    ];
    for lines in table {
        let ours = title_of(Flavor::UnderTest, lines);
        let theirs = title_of(Flavor::RedisSentinel, lines);
        assert_eq!(ours, theirs, "{lines}");
    }
}

#[test]
fn without_a_title_the_command_line_stays_as_it_was_written() {
    let mut lone = Lone::with_lines("set-proc-title no\nsentinel monitor MASTER\n");
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel.spawn(&[&program, &conf]);
    eventually("it answers", || lone.sentinel.answers());
    assert_eq!(shown(&lone, "cmdline"), format!("{program}\0{conf}"));
}

#[test]
fn a_title_that_the_kernel_does_not_take_is_done_without() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel cuts it off");
        return;
    }
    let long = "x".repeat(200_000);
    let lines = format!(
        "proc-title-template \"{long}\"\ndir DIR/inner\nlogfile here.log\n\
         sentinel monitor MASTER\n"
    );
    let mut lone = Lone::with_lines(&lines);
    let dir = lone.sentinel.dir().to_owned();
    fs::create_dir(dir.join("inner")).unwrap();
    let text = lone.sentinel.conf_text();
    fs::write(
        &lone.sentinel.conf,
        text.replace("DIR", &dir.display().to_string()),
    )
    .unwrap();
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    lone.sentinel.spawn(&[&program, &conf]);
    eventually("it answers", || lone.sentinel.answers());
    assert_eq!(shown(&lone, "cmdline"), format!("{program}\0{conf}"));
    eventually("it says so in the log of its own directory", || {
        let log = fs::read_to_string(dir.join("inner/here.log")).unwrap_or_default();
        log.contains("The command line stays the title of the process: ")
    });
}

#[test]
fn a_title_may_be_the_name_alone() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel refuses it");
        return;
    }
    let title = title_of(Flavor::UnderTest, "proc-title-template {title}\n");
    assert_eq!(title, "DIR/redis-sentinel");
}

#[test]
fn what_was_said_at_the_start_holds_under_a_title_and_the_process_keeps_its_id() {
    let lone = Lone::with_lines("sentinel monitor MASTER\n");
    let (program, conf) = (Flavor::UnderTest.program(), lone.conf());
    // More configuration than a pipe or one variable of the environment can hold.
    let long = format!("# {}\n", "x".repeat(400_000));
    let mut child = Command::new(program)
        .args([&conf, "--sentinel", "down-after-milliseconds", NAME, "4321"])
        .args(["--loglevel", "debug", "-"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let line = format!("{long}sentinel parallel-syncs {NAME} 7\n");
    pipe.write_all(line.as_bytes()).unwrap();
    drop(pipe);

    eventually("it answers", || lone.sentinel.answers());
    let master = lone.sentinel.master();
    let info = lone.sentinel.call(&["INFO", "server"]);
    let ended = child.kill().and_then(|()| child.wait());

    assert_eq!(
        master.field("down-after-milliseconds").as_deref(),
        Some("4321")
    );
    assert_eq!(master.field("parallel-syncs").as_deref(), Some("7"));
    let id = format!("process_id:{}\r\n", child.id());
    assert!(info.text().unwrap_or_default().contains(&id), "{info:?}");
    ended.unwrap();
}
