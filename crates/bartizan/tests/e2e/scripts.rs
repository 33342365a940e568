//! The scripts of users: their words, their surroundings, their second chances (spec §12).

use super::startup::Lone;
use crate::harness::resp::Value;
use crate::harness::{Flavor, Fleet, NAME, Plan, Sentinel, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes a program for `sh`.
fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("script.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Has a Sentinel run this at the next warning, of which there is one at once.
fn notify_by(sentinel: &Sentinel, path: &Path) {
    let path = path.display().to_string();
    let set = ["SENTINEL", "SET", NAME, "notification-script", &path];
    assert!(sentinel.call(&set).is_ok());
}

/// What is written in a file that scripts append to.
fn runs(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("runs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_notification_script_gets_its_words_the_environment_and_no_open_file() {
    let lines = "sentinel deny-scripts-reconfig no\nsentinel monitor MASTER\n";
    let mut lone = Lone::with_lines(lines);
    let dir = lone.sentinel.dir().to_owned();
    let script = dir.join("notify.sh");
    let text = "#!/bin/sh\n{ echo \"$#:$1:$2\"; pwd; env | grep -c -e MARKED=inherited -e BARTIZAN_STARTED; readlink /proc/$$/fd/* | tr '\\n' ' '; } \
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
    assert_eq!(lines[2], "1", "what we were given, and nothing of our own");
    // The shell has files of its own open; sockets and the loop's own files can only be ours.
    for ours in ["socket:", "anon_inode:", "sentinel.conf"] {
        assert!(!lines[3].contains(ours), "{out}");
    }
}

#[test]
fn the_reconfiguration_script_has_seven_words_that_say_who_switches_from_where_to_where() {
    let tools = tempfile::tempdir().unwrap();
    let path = script(tools.path(), "echo \"$#:$*\" >> runs");
    let mut fleet = Fleet::start(Plan {
        sentinel_lines: format!(
            "sentinel client-reconfig-script {NAME} {}\n",
            path.display()
        ),
        ..Plan::default()
    });
    let old = fleet.servers[0].port;

    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);

    let new = fleet.servers[new].port;
    let line = |role: &str| format!("7:{NAME} {role} start 127.0.0.1 {old} 127.0.0.1 {new}");
    let mut told = Vec::new();
    eventually("the script of every sentinel has run", || {
        told = fleet.sentinels.iter().map(|it| runs(it.dir())).collect();
        told.iter().all(|lines| !lines.is_empty())
    });
    told.sort();
    let [leader, observer] = [line("leader"), line("observer")];
    assert_eq!(told, [[leader], [observer.clone()], [observer]]);
}

#[test]
fn a_script_that_hangs_is_killed_at_its_time_limit_and_has_another_chance() {
    let mut lone = Lone::with_lines("sentinel deny-scripts-reconfig no\nsentinel monitor MASTER\n");
    lone.sentinel.restart();
    let dir = lone.sentinel.dir().to_owned();
    let debug = [
        "SENTINEL",
        "DEBUG",
        "script-max-runtime",
        "300",
        "script-retry-delay",
        "200",
    ];
    assert!(lone.sentinel.call(&debug).is_ok());
    let path = script(&dir, "echo $$ >> runs; exec sleep 30");

    notify_by(&lone.sentinel, &path);

    eventually("it has had three chances", || runs(&dir).len() >= 3);
    let first = format!("{} {}", path.display(), runs(&dir)[0]);
    eventually("that the first was killed is told", || {
        lone.sentinel.logged("-script-timeout").contains(&first)
    });
    let pending = lone.sentinel.call(&["SENTINEL", "PENDING-SCRIPTS"]);
    let rows = pending.items().unwrap();
    assert!(
        rows.iter().any(|row| {
            let argv = row.items().and_then(|fields| fields.get(1));
            argv.and_then(Value::items).and_then(|argv| argv[0].text())
                == Some(&path.display().to_string())
        }),
        "{rows:?}"
    );
    // The last of them ends with its time, or the sentinel would leave it behind.
    assert!(lone.sentinel.call(&["SENTINEL", "REMOVE", NAME]).is_ok());
    let gone = |pid: &String| !Path::new(&format!("/proc/{pid}")).exists();
    eventually("the killed ones are gone", || {
        runs(&dir)[..2].iter().all(gone)
    });
}

#[test]
fn a_script_that_exits_with_one_runs_again_and_with_two_it_is_given_up() {
    for (code, again) in [(0, false), (1, true), (2, false)] {
        let mut lone = Lone::with_lines(
            "sentinel deny-scripts-reconfig no\nsentinel monitor MASTER\n\
             sentinel down-after-milliseconds mymaster 3600000\n",
        );
        lone.sentinel.restart();
        let dir = lone.sentinel.dir().to_owned();
        let debug = ["SENTINEL", "DEBUG", "script-retry-delay", "50"];
        assert!(lone.sentinel.call(&debug).is_ok());
        let path = script(&dir, &format!("echo \"$1 $2\" >> runs; exit {code}"));

        notify_by(&lone.sentinel, &path);

        if again {
            eventually("it runs again", || runs(&dir).len() >= 3);
            let runs = runs(&dir);
            assert!(
                runs.iter().all(|run| *run == runs[0]),
                "the same words: {runs:?}"
            );
        } else {
            let done = || {
                let pending = lone.sentinel.call(&["SENTINEL", "PENDING-SCRIPTS"]);
                !runs(&dir).is_empty() && pending == Value::Array(Vec::new())
            };
            eventually("it is done with", done);
            assert_eq!(runs(&dir).len(), 1, "exit {code}");
        }
        let told = Vec::from_iter((code == 2).then(|| format!("{} 0 2", path.display())));
        eventually("that it is given up is told, and nothing else", || {
            lone.sentinel.logged("-script-error") == told
        });
    }
}
