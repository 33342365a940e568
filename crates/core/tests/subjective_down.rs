//! When this Sentinel holds an instance to be down (spec §8).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::input::Answer;
use bartizan_core::output::{Call, LinkKind};
use bartizan_core::provide::query::Query;
use bartizan_core::report::Role;
use bartizan_core::time::Span;
use bench::{
    Bench, MASTER, P1, R1, boot_of, events, field, hello, master_state, name, only, run_id,
};

const DOWN: &str = "+sdown master mymaster 127.0.0.1 6379";
const UP: &str = "-sdown master mymaster 127.0.0.1 6379";

fn flags(bench: &Bench) -> String {
    field(&bench.query(&Query::Master(name())), "flags")
}

/// The events, without what servers say of themselves.
fn verdicts(said: &[String]) -> Vec<&str> {
    let mut found = events(said);
    found.retain(|event| !event.starts_with("+server-state"));
    found
}

#[test]
fn a_healthy_group_says_nothing() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    let said = bench.advance(60_000);
    assert_eq!(verdicts(&said), [""; 0]);
    assert_eq!(flags(&bench), "master");
}

#[test]
fn a_master_that_hangs_is_down_after_down_after() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.hang(MASTER);
    let said = bench.advance(5000);
    assert_eq!(verdicts(&said), [""; 0]);
    // A tenth of down-after may pass before the first PING that stays unanswered.
    let said = bench.advance(510);
    assert_eq!(verdicts(&said), [DOWN]);
    assert_eq!(flags(&bench), "s_down,master");
}

#[test]
fn a_master_whose_process_died_is_down_after_down_after_without_an_answer() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.kill(MASTER);
    let said = bench.advance(4700);
    assert_eq!(verdicts(&said), [""; 0]);
    assert_eq!(verdicts(&bench.advance(600)), [DOWN]);
    assert_eq!(flags(&bench), "s_down,master,disconnected");
}

#[test]
fn a_pong_ends_it_at_once() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.hang(MASTER);
    bench.until(DOWN, 6000);
    let said = bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
    assert_eq!(verdicts(&said), [UP]);
    assert_eq!(flags(&bench), "master");
}

#[test]
fn loading_and_masterdown_are_answers_of_the_living() {
    for answer in [Answer::Loading, Answer::MasterDown] {
        let mut bench = Bench::calm(&[], 1, 2);
        bench.host(MASTER).ping = answer;
        assert_eq!(verdicts(&bench.advance(60_000)), [""; 0]);
    }
}

#[test]
fn errors_and_wrong_shapes_are_not() {
    let errors = [
        Answer::Error(Arc::from("NOAUTH Authentication required.")),
        Answer::Error(Arc::from("MISCONF Errors writing to the AOF file")),
        Answer::Busy,
        Answer::Unexpected,
    ];
    for answer in errors {
        let mut bench = Bench::calm(&[], 1, 2);
        bench.host(MASTER).ping = answer.clone();
        let said = bench.advance(60_000);
        assert_eq!(verdicts(&said), [DOWN], "{answer:?}");
        assert_eq!(only(&said, "close 6379 cmd"), [""; 0], "the link is kept");
    }
}

#[test]
fn a_host_that_never_answered_goes_down_too() {
    let mut boot = boot_of(vec![master_state(&[], 1, 2)]);
    boot.durable.masters[0].configuration.addr.port = 7777;
    let mut bench = Bench::boot(boot);
    bench.host(7777).reach = bench::Reach::Refused;
    assert_eq!(verdicts(&bench.advance(4999)), [""; 0]);
    assert_eq!(
        verdicts(&bench.advance(300)),
        ["+sdown master mymaster 127.0.0.1 7777"]
    );
}

#[test]
fn replicas_and_peers_go_down_and_come_back_under_their_own_names() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.hang(R1);
    bench.hang(P1);
    let mut said = verdicts(&bench.advance(6000)).join("\n");
    let replica = "slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379";
    let peer = "sentinel p1 127.0.0.1 5001 @ mymaster 127.0.0.1 6379";
    assert!(said.contains(&format!("+sdown {replica}")), "{said}");
    assert!(said.contains(&format!("+sdown {peer}")), "{said}");
    bench.revive(R1);
    bench.revive(P1);
    said = verdicts(&bench.settle()).join("\n");
    assert!(said.contains(&format!("-sdown {replica}")), "{said}");
    assert!(said.contains(&format!("-sdown {peer}")), "{said}");
}

#[test]
fn a_master_that_calls_itself_a_replica_is_down_after_two_more_info_periods() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(MASTER).follow(bench::addr(R1));
    let said = bench.until("-role-change", 11_000);
    let change = "-role-change master mymaster 127.0.0.1 6379 new reported role is slave";
    assert_eq!(verdicts(&said), [change]);
    assert_eq!(verdicts(&bench.advance(25_000)), [""; 0]);
    assert_eq!(verdicts(&bench.advance(1)), [DOWN]);
}

#[test]
fn a_master_that_is_master_again_is_up_again() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(MASTER).follow(bench::addr(R1));
    bench.until(DOWN, 40_000);
    bench.host(MASTER).lead();
    let said = bench.until(UP, 11_000);
    let change = "+role-change master mymaster 127.0.0.1 6379 new reported role is master";
    assert_eq!(verdicts(&said), [change, UP]);
}

#[test]
fn a_restarted_master_that_is_still_loading_is_down_after_the_reboot_period() {
    let mut bench = Bench::calm_with(&[], 1, 2, |boot| {
        boot.durable.masters[0].options.master_reboot_down_after = Span::ms(1500);
    });
    bench.host(MASTER).info.run_id = Some(run_id(MASTER, 1));
    bench.host(MASTER).ping = Answer::Loading;
    let said = bench.until("+reboot", 11_000);
    assert_eq!(verdicts(&said), ["+reboot master mymaster 127.0.0.1 6379"]);
    assert_eq!(flags(&bench), "master,master_reboot");
    assert_eq!(verdicts(&bench.advance(1500)), [""; 0]);
    assert_eq!(verdicts(&bench.advance(1)), [DOWN]);
    bench.host(MASTER).ping = Answer::Pong;
    assert_eq!(verdicts(&bench.advance(1000)), [UP]);
    assert_eq!(flags(&bench), "master");
}

#[test]
fn without_a_reboot_period_a_restart_is_only_news() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.host(MASTER).info.run_id = Some(run_id(MASTER, 1));
    bench.host(MASTER).ping = Answer::Loading;
    let said = bench.advance(60_000);
    assert_eq!(verdicts(&said), ["+reboot master mymaster 127.0.0.1 6379"]);
}

#[test]
fn a_busy_server_has_its_script_killed_once_while_it_is_down() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.host(MASTER).ping = Answer::Busy;
    let said = bench.until(DOWN, 6000);
    assert_eq!(only(&said, "6379 SCRIPT KILL"), [""; 0], "not before");
    let said = bench.advance(20_000);
    assert_eq!(only(&said, "6379 SCRIPT KILL").len(), 1);
    assert_eq!(flags(&bench), "s_down,master,script_kill_sent");
    bench.host(MASTER).ping = Answer::Pong;
    assert_eq!(verdicts(&bench.advance(1000)), [UP]);
    assert_eq!(flags(&bench), "master");
}

#[test]
fn a_killed_script_is_forgotten_with_the_place_that_the_server_had() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(MASTER).follow(bench::addr(R1));
    bench.until(DOWN, 60_000);
    bench.host(MASTER).ping = Answer::Busy;
    bench.until("6379 SCRIPT KILL", 3000);
    bench.host(MASTER).ping = Answer::Pong;
    bench.advance(2000);
    assert_eq!(flags(&bench), "s_down,master,script_kill_sent");
    bench.hear(hello(1, 3, 3, R1));
    bench.settle();
    bench.host(MASTER).lead();
    bench.hear(hello(1, 4, 4, MASTER));
    bench.settle();
    assert_eq!(flags(&bench), "master");
}

#[test]
fn a_server_in_sdown_is_pinged_on() {
    let mut bench = Bench::calm(&[], 1, 2);
    bench.host(MASTER).ping = Answer::Error(Arc::from("ERR"));
    bench.until(DOWN, 6000);
    let said = bench.advance(10_000);
    let pings = only(&said, "6379 PING").len();
    assert!((9..=50).contains(&pings), "{pings}");
}

#[test]
fn a_role_that_info_leaves_out_changes_nothing() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(MASTER).info.role = None;
    assert_eq!(verdicts(&bench.advance(60_000)), [""; 0]);
    let reply = bench.query(&Query::Master(name()));
    assert_eq!(field(&reply, "role-reported"), "master");
    assert_eq!(bench.host(R1).info.role, Some(Role::Replica));
    assert!(bench.link(MASTER, LinkKind::Command).is_some());
}

#[test]
fn a_server_that_waits_to_be_connected_to_is_not_silent() {
    let replicas: Vec<u16> = (10_000..10_900).collect();
    let mut state = master_state(&replicas, 0, 1);
    state.options.down_after = Span::ms(100);
    let mut bench = Bench::boot(boot_of(vec![state]));
    // Three each 5 ms: the last one is connected to after 1495 ms.
    let said = bench.advance(1490);
    assert_eq!(verdicts(&said), [""; 0]);
    assert_eq!(flags(&bench), "master");
    bench.advance(50);
    bench.hang(replicas[899]);
    let said = bench.advance(205);
    assert_eq!(verdicts(&said).len(), 1, "{:?}", verdicts(&said));
}
