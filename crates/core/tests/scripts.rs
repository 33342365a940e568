//! Users' scripts: queued, bounded, retried, killed when they hang (spec §12).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::ids::JobId;
use bartizan_core::input::{Input, ScriptEnd};
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bench::{Bench, MASTER, P1, P2, R1, events, hello, only, text};

fn watched(notify: bool, reconfig: bool) -> Bench {
    Bench::calm_with(&[R1], 2, 2, |boot| {
        let options = &mut boot.durable.masters[0].options;
        options.notification_script = notify.then(|| Arc::from("/bin/notify"));
        options.client_reconfig_script = reconfig.then(|| Arc::from("/bin/reconfig"));
    })
}

/// One notification script has just been started, as job 2 (`+monitor` was job 1).
fn one_job() -> Bench {
    let mut bench = watched(true, false);
    end(&mut bench, 1, ScriptEnd::Exited(0));
    let said = bench.set(&["quorum", "2"]);
    assert_eq!(
        only(&said, "run"),
        ["run 2 /bin/notify +set master mymaster 127.0.0.1 6379 quorum 2"]
    );
    bench.settle();
    bench
}

fn end(bench: &mut Bench, job: u64, how: ScriptEnd) -> Vec<String> {
    let job = JobId::new(job);
    bench.give(Input::ScriptEnded { job, how })
}

fn pending(bench: &Bench) -> String {
    text(&bench.query(&Query::PendingScripts))
}

#[test]
fn warnings_about_a_master_run_its_notification_script() {
    let mut bench = watched(true, false);
    bench.hang(MASTER);
    let said = bench.until("+sdown master", 6000);
    assert_eq!(
        only(&said, "run"),
        ["run 2 /bin/notify +sdown master mymaster 127.0.0.1 6379"]
    );
}

#[test]
fn lesser_events_run_nothing() {
    let mut bench = watched(true, false);
    bench.hear(hello(3, 0, 0, MASTER));
    let said = bench.settle();
    assert_eq!(only(&said, "run"), [""; 0]);
}

#[test]
fn the_leaders_reconfiguration_script_runs_when_a_majority_knows_before_clients_are_told() {
    let mut bench = watched(false, true);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
        bench.host(port).listens = false;
    }
    bench.kill(MASTER);
    let said = bench.until("+failover-state-reconf-slaves", 8000);
    assert_eq!(only(&said, "run"), [""; 0]);
    for port in [P1, P2] {
        bench.host(port).listens = true;
    }
    let said = bench.until("run", 3000);
    assert_eq!(
        only(&said, "run"),
        ["run 1 /bin/reconfig mymaster leader start 127.0.0.1 6379 127.0.0.1 6380"]
    );
    assert_eq!(
        only(&bench.advance(1000), "run"),
        [""; 0],
        "and no second one"
    );
}

#[test]
fn an_observers_reconfiguration_script_runs_after_its_switch() {
    let mut bench = watched(false, true);
    bench.hear(hello(1, 3, 3, R1));
    let said = bench.settle();
    assert_eq!(
        only(&said, "run"),
        ["run 1 /bin/reconfig mymaster observer start 127.0.0.1 6379 127.0.0.1 6380"]
    );
}

#[test]
fn a_script_that_succeeds_is_done() {
    let mut bench = one_job();
    let job = JobId::new(2);
    let said = bench.give(Input::ScriptStarted { job, pid: 4711 });
    assert_eq!(events(&said), ["+script-child 4711"]);
    let said = end(&mut bench, 2, ScriptEnd::Exited(0));
    assert_eq!(events(&said), ["-script-child 4711 0 0"]);
    assert_eq!(pending(&bench), "[]");
}

#[test]
fn a_script_that_exits_with_one_or_is_killed_runs_again_later() {
    for how in [ScriptEnd::Exited(1), ScriptEnd::Signaled(9)] {
        let mut bench = one_job();
        let said = end(&mut bench, 2, how);
        assert_eq!(only(&said, "-script-error"), [""; 0]);
        assert_eq!(only(&bench.advance(29_999), "run"), [""; 0]);
        assert_eq!(only(&bench.advance(1), "run 2").len(), 1);
    }
}

#[test]
fn the_pauses_between_runs_double_and_the_tenth_failure_is_the_last() {
    let mut bench = one_job();
    // Without a master there is nothing else to do in all that time.
    let name = bench::name();
    bench.ask(Command::Remove { name });
    bench.settle();
    end(&mut bench, 3, ScriptEnd::Exited(0));
    let mut pause = 30_000;
    for _ in 1..10 {
        assert_eq!(end(&mut bench, 2, ScriptEnd::Exited(1)).len(), 1);
        assert_eq!(only(&bench.advance(pause - 1), "run"), [""; 0]);
        assert_eq!(only(&bench.advance(1), "run").len(), 1);
        pause *= 2;
    }
    let said = end(&mut bench, 2, ScriptEnd::Exited(1));
    assert_eq!(
        events(&said),
        ["-script-child 0 1 0", "-script-error /bin/notify 0 1"]
    );
    assert_eq!(pending(&bench), "[]");
}

#[test]
fn a_script_that_exits_with_more_than_one_is_given_up() {
    for (how, exit) in [(ScriptEnd::Exited(2), 2), (ScriptEnd::Exited(126), 126)] {
        let mut bench = one_job();
        let said = end(&mut bench, 2, how);
        let error = format!("-script-error /bin/notify 0 {exit}");
        assert_eq!(only(&said, "-script-error"), [error]);
        assert_eq!(pending(&bench), "[]");
    }
}

#[test]
fn a_script_that_cannot_be_started_is_given_up() {
    let mut bench = one_job();
    let said = end(&mut bench, 2, ScriptEnd::NotStarted);
    assert_eq!(only(&said, "-script-error").len(), 1);
    assert_eq!(pending(&bench), "[]");
}

#[test]
fn a_script_that_hangs_is_killed_once_after_a_minute() {
    let mut bench = one_job();
    let job = JobId::new(2);
    bench.give(Input::ScriptStarted { job, pid: 4711 });
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "kill"), [""; 0]);
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "kill"), ["kill 2"]);
    assert_eq!(
        only(&said, "-script-timeout"),
        ["-script-timeout /bin/notify 4711"]
    );
    end(&mut bench, 2, ScriptEnd::Signaled(9));
    assert_eq!(
        only(&bench.advance(30_000), "run 2").len(),
        1,
        "tried again"
    );
}

#[test]
fn sixteen_run_at_once_and_the_others_wait_in_line() {
    let mut bench = one_job();
    for n in 0..20 {
        bench.set(&["quorum", &(n + 1).to_string()]);
    }
    let info = text(&bench.query(&Query::InfoSection));
    assert!(info.contains("sentinel_running_scripts:16\r\n"), "{info}");
    assert!(
        info.contains("sentinel_scripts_queue_length:21\r\n"),
        "{info}"
    );
    let said = end(&mut bench, 2, ScriptEnd::Exited(0));
    let next = "run 18 /bin/notify +set master mymaster 127.0.0.1 6379 quorum 16";
    assert_eq!(only(&said, "run"), [next], "first come, first served");
}

#[test]
fn a_full_line_drops_the_oldest_that_does_not_run() {
    let mut bench = one_job();
    for n in 0..300 {
        bench.set(&["quorum", &(n + 1).to_string()]);
    }
    let info = text(&bench.query(&Query::InfoSection));
    assert!(
        info.contains("sentinel_scripts_queue_length:256\r\n"),
        "{info}"
    );
    assert!(!pending(&bench).contains(" quorum 20]"));
    assert!(pending(&bench).contains(" quorum 300]"));
}

#[test]
fn pending_scripts_are_told_with_their_state() {
    let mut bench = one_job();
    let job = JobId::new(2);
    bench.give(Input::ScriptStarted { job, pid: 4711 });
    bench.advance(1500);
    assert_eq!(
        pending(&bench),
        "[{argv=[/bin/notify +set master mymaster 127.0.0.1 6379 quorum 2] flags=running \
         pid=4711 run-time=1500 retry-num=1}]"
    );
    end(&mut bench, 2, ScriptEnd::Exited(1));
    bench.advance(1000);
    assert!(pending(&bench).contains("flags=scheduled pid=0 run-delay=29000 retry-num=1}"));
}

#[test]
fn scripts_outlive_the_master_they_were_for() {
    let mut bench = one_job();
    bench.ask(Command::Remove {
        name: bench::name(),
    });
    bench.settle();
    assert!(pending(&bench).contains("+set"));
    assert!(pending(&bench).contains("-monitor"));
}

#[test]
fn the_end_of_an_unknown_script_is_ignored() {
    let mut bench = one_job();
    assert_eq!(end(&mut bench, 999, ScriptEnd::Exited(1)), [""; 0]);
}
