//! An operator's failover of a master that is well loses no write (data-safety §2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::ids::ReplId;
use bartizan_core::input::{Answer, Input, LinkError};
use bartizan_core::provide::command::{Command, Wish};
use bartizan_core::provide::query::Query;
use bartizan_core::report::History;
use bartizan_core::time::Span;
use bench::{Bench, Disk, MASTER, P1, P2, R1, R2, Reach, addr, events, field, name, text};

const PAUSED: &str = "+writes-paused master mymaster 127.0.0.1 6379";
const RELEASED: &str = "-writes-paused master mymaster 127.0.0.1 6379";
const ABORTED: &str = "-failover-abort-not-in-sync master mymaster 127.0.0.1 6379";
const SWITCH: &str = "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380";

/// Servers that tell their place in history; the replicas have all that the master has.
fn group(replicas: &[u16]) -> Bench {
    let mut bench = Bench::calm(replicas, 2, 2);
    for port in replicas.iter().chain([&MASTER]) {
        tell_offset(&mut bench, *port, 1000);
    }
    bench.advance(11_000);
    bench
}

fn tell_offset(bench: &mut Bench, port: u16, offset: u64) {
    let info = &mut bench.host(port).info;
    info.offset = Some(offset);
    info.history = Some(History {
        id: ReplId::parse(&[b'a'; 40]).unwrap(),
        offset,
        before: None,
        kept_from: Some(1),
    });
}

fn coordinated(bench: &mut Bench, wish: Wish) -> Vec<String> {
    let name = name();
    bench.ask(Command::Switchover { name, wish })
}

/// A process dies; what comes of it at once.
fn lose(bench: &mut Bench, port: u16) -> Vec<String> {
    bench.host(port).reach = Reach::Refused;
    let mut said = Vec::new();
    for link in bench.links_of(port) {
        let why = LinkError::Closed;
        said.extend(bench.give(Input::LinkDown { link, why }));
    }
    said
}

/// The order of the lines that begin with one of `words`.
fn steps<'a>(said: &'a [String], words: &[&str]) -> Vec<&'a str> {
    let is_step = |line: &&String| words.iter().any(|word| line.contains(word));
    said.iter().filter(is_step).map(String::as_str).collect()
}

#[test]
fn a_healthy_master_holds_writes_back_until_the_replica_has_them_and_is_demoted_at_once() {
    let mut bench = group(&[R1]);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until(SWITCH, 3000));
    said.extend(bench.advance(50));
    let calls = steps(&said, &["CLIENT PAUSE", "CLIENT UNPAUSE", "SLAVEOF"]);
    assert!(
        calls[0].contains("6379") && calls[0].ends_with("CLIENT PAUSE 900 WRITE"),
        "{calls:?}"
    );
    assert!(
        calls[1].contains("6380") && calls[1].ends_with("SLAVEOF NO ONE"),
        "{calls:?}"
    );
    assert!(
        calls[2].contains("6379") && calls[2].contains("SLAVEOF 127.0.0.1 6380"),
        "{calls:?}"
    );
    assert!(
        calls[3].contains("6379") && calls[3].ends_with("CLIENT UNPAUSE"),
        "{calls:?}"
    );
    let told = steps(
        &said,
        &[
            "+selected-slave",
            "+writes-paused",
            "+promoted-slave",
            "+switch-master",
        ],
    );
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn nothing_is_paused_before_the_replica_has_shown_that_it_keeps_up() {
    let mut bench = group(&[R1]);
    tell_offset(&mut bench, MASTER, 5000);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.advance(4900));
    assert!(
        steps(&said, &["SLAVEOF", "CLIENT PAUSE"]).is_empty(),
        "{said:?}"
    );
    tell_offset(&mut bench, R1, 5000);
    bench.until(SWITCH, 1000);
}

#[test]
fn nothing_is_promoted_before_the_replica_has_what_the_master_had_when_writes_stopped() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).last_writes = 60;
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.advance(400));
    assert_eq!(steps(&said, &["CLIENT PAUSE"]).len(), 1, "{said:?}");
    assert!(
        steps(&said, &["SLAVEOF"]).is_empty(),
        "60 bytes are missing"
    );
    tell_offset(&mut bench, R1, 1059);
    assert!(
        steps(&bench.advance(100), &["SLAVEOF"]).is_empty(),
        "1 byte is missing"
    );
    tell_offset(&mut bench, R1, 1060);
    bench.until(SWITCH, 500);
}

#[test]
fn a_replica_that_never_catches_up_ends_the_switchover_and_the_master_goes_on() {
    let mut bench = group(&[R1]);
    tell_offset(&mut bench, MASTER, 5000);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until(ABORTED, 6000));
    assert!(steps(&said, &["SLAVEOF"]).is_empty());
    assert_eq!(
        field(&bench.query(&Query::Master(name())), "flags"),
        "master"
    );
}

#[test]
fn writes_go_on_when_the_replica_does_not_catch_up_within_the_pause() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).last_writes = 60;
    let mut said = coordinated(&mut bench, Wish::default());
    said.extend(bench.advance(674));
    assert!(steps(&said, &["CLIENT UNPAUSE"]).is_empty(), "{said:#?}");
    let end = bench.advance(10);
    let told = steps(
        &end,
        &[ABORTED, "CLIENT UNPAUSE", RELEASED, "FAILOVERABORTED"],
    );
    assert_eq!(told.len(), 4, "{end:#?}");
    assert!(steps(&said, &["SLAVEOF"]).is_empty());
}

#[test]
fn writes_go_on_when_the_replica_is_lost_during_the_pause() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).last_writes = 60;
    coordinated(&mut bench, Wish::default());
    bench.until(PAUSED, 100);
    let said = lose(&mut bench, R1);
    assert_eq!(
        steps(&said, &[ABORTED, "CLIENT UNPAUSE"]).len(),
        2,
        "{said:#?}"
    );
}

#[test]
fn no_hello_goes_to_a_master_whose_writes_are_held_back_or_that_knows_nothing_of_the_switch() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).obeys = false;
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until(SWITCH, 3000));
    said.extend(bench.advance(5000));
    let begin = said
        .iter()
        .position(|line| line.contains("CLIENT PAUSE"))
        .unwrap();
    let hellos = steps(&said[begin..], &["6379 HELLO"]);
    assert!(hellos.is_empty(), "{hellos:?}");
}

#[test]
fn a_promotion_that_outlasts_the_pause_is_taken_back() {
    let mut bench = group(&[R1]);
    bench.host(R1).obeys = false;
    let mut said = coordinated(&mut bench, Wish::default());
    // The old master takes writes again after a second, and the replica has not answered.
    said.extend(bench.advance(1500));
    let told = steps(&said, &["SLAVEOF", ABORTED, "FAILOVERABORTED"]);
    assert_eq!(told.len(), 4, "{said:#?}");
    assert_eq!(
        told[..2],
        ["6380 SLAVEOF NO ONE", "6380 SLAVEOF 127.0.0.1 6379"]
    );
    assert!(steps(&said, &["+switch-master", "+promoted-slave"]).is_empty());
}

#[test]
fn offsets_of_another_history_are_not_compared() {
    let mut bench = group(&[R1]);
    tell_offset(&mut bench, R1, 900_000);
    bench.host(R1).info.history = Some(History {
        id: ReplId::parse(&[b'b'; 40]).unwrap(),
        offset: 900_000,
        before: None,
        kept_from: None,
    });
    let mut said = coordinated(&mut bench, Wish::default());
    said.extend(bench.until(ABORTED, 6000));
    assert!(steps(&said, &["SLAVEOF", "CLIENT PAUSE"]).is_empty());
}

#[test]
fn a_plain_failover_waits_for_a_master_that_is_being_reached_again() {
    let mut bench = group(&[R1]);
    // Nobody answers there for a moment, as when connections were cut.
    lose(&mut bench, MASTER);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.advance(300));
    assert_eq!(steps(&said, &["SLAVEOF", "CLIENT PAUSE"]), [] as [&str; 0]);

    bench.revive(MASTER);
    said.extend(bench.until(SWITCH, 3000));
    let order = steps(&said, &["+writes-paused", "+promoted-slave"]);
    assert!(order[0].contains("+writes-paused"), "{order:?}");
}

#[test]
fn a_plain_failover_waits_no_longer_than_a_second_for_a_master_that_is_gone() {
    let mut bench = group(&[R1]);
    lose(&mut bench, MASTER);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until(SWITCH, 1500));
    assert_eq!(steps(&said, &["+writes-paused"]), [] as [&str; 0]);
}

/// It is back before the second is over, and its clients write to it: they must not be left behind.
#[test]
fn a_master_that_restarts_while_its_failover_waits_for_it_is_found_at_once_and_loses_nothing() {
    let mut bench = group(&[R1]);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(lose(&mut bench, MASTER));
    said.extend(bench.advance(870));
    bench.revive(MASTER);
    said.extend(bench.until(SWITCH, 3000));
    let order = steps(&said, &["+writes-paused", "+promoted-slave"]);
    assert!(order[0].contains("+writes-paused"), "{order:?}");
}

/// Nobody else knows that the master was not told to hold writes back.
#[test]
fn a_master_replaced_without_a_pause_is_fenced_at_once_by_whoever_replaced_it() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).pause = Answer::Busy;
    bench.ask(Command::Failover { name: name() });
    let mut said = bench.until("+promoted-slave", 3000);
    said.extend(bench.advance(50));
    let fenced = steps(&said, &["6379 CLIENT PAUSE 5000"]);
    assert_eq!(fenced.len(), 1, "{said:#?}");
}

#[test]
fn where_writes_cannot_be_paused_a_plain_failover_is_what_it_was() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).pause = Answer::Error(Arc::from("ERR syntax error"));
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until(SWITCH, 3000));
    assert!(steps(&said, &[PAUSED]).is_empty());
}

#[test]
fn a_coordinated_one_is_not_done_there_and_says_why() {
    let mut bench = group(&[R1]);
    let refused = "NOPERM this user has no permissions to run the 'client|pause' command";
    bench.host(MASTER).pause = Answer::Error(Arc::from(refused));
    let mut said = coordinated(&mut bench, Wish::default());
    said.extend(bench.until(ABORTED, 3000));
    said.extend(bench.advance(10));
    let reply = steps(&said, &["FAILOVERABORTED"]);
    assert_eq!(reply.len(), 1, "{said:#?}");
    assert!(
        reply[0].contains("CLIENT PAUSE was refused: NOPERM"),
        "{reply:?}"
    );
    assert!(steps(&said, &["SLAVEOF"]).is_empty());
}

#[test]
fn the_reply_to_a_coordinated_failover_comes_when_clients_are_told() {
    let mut bench = group(&[R1]);
    let mut said = coordinated(&mut bench, Wish::default());
    assert!(steps(&said, &["OK"]).is_empty(), "{said:?}");
    said.extend(bench.until(SWITCH, 3000));
    said.extend(bench.advance(1));
    let order = steps(&said, &["+switch-master", "OK"]);
    assert_eq!(order.len(), 2, "{order:?}");
    assert!(order[0].contains("+switch-master"), "{order:?}");
}

#[test]
fn the_replica_that_is_asked_for_is_taken() {
    let mut bench = group(&[R1, R2]);
    let to = Some(addr(R2));
    coordinated(
        &mut bench,
        Wish {
            to,
            ..Wish::default()
        },
    );
    bench.until(
        "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6381",
        3000,
    );
}

#[test]
fn a_replica_that_cannot_be_promoted_is_refused_by_name_and_reason() {
    let mut bench = group(&[R1, R2]);
    bench.host(R2).info.priority = Some(0);
    bench.advance(11_000);
    let to = Some(addr(R2));
    let said = coordinated(
        &mut bench,
        Wish {
            to,
            ..Wish::default()
        },
    );
    assert_eq!(steps(&said, &["NOGOODSLAVE"]).len(), 1, "{said:?}");
    assert!(
        said.iter().any(|line| line.contains("its priority is 0")),
        "{said:?}"
    );
}

#[test]
fn a_dry_run_changes_nothing_and_tells_about_each_replica() {
    let mut bench = group(&[R1, R2]);
    bench.host(R2).info.priority = Some(0);
    bench.advance(11_000);
    let dry_run = true;
    let said = coordinated(
        &mut bench,
        Wish {
            dry_run,
            ..Wish::default()
        },
    );
    let all = said.join(" ");
    for part in [
        "lossless",
        "yes",
        "127.0.0.1:6380",
        "taken",
        "127.0.0.1:6381",
        "its priority is 0",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(events(&bench.advance(2000)).is_empty());
}

#[test]
fn a_master_that_is_not_well_is_not_switched_over_by_a_coordinated_failover() {
    let mut bench = group(&[R1]);
    bench.hang(MASTER);
    // Its link was given up, and is not tried again yet.
    bench.advance(3500);
    let said = coordinated(&mut bench, Wish::default());
    assert_eq!(steps(&said, &["NOTSAFE"]).len(), 1, "{said:?}");
}

#[test]
fn a_master_lost_on_the_way_fails_a_coordinated_failover() {
    let mut bench = group(&[R1]);
    tell_offset(&mut bench, MASTER, 5000);
    let mut said = coordinated(&mut bench, Wish::default());
    said.extend(bench.advance(100));
    said.extend(lose(&mut bench, MASTER));
    assert!(
        said.iter().any(|line| line.contains("FAILOVERABORTED")),
        "{said:#?}"
    );
}

#[test]
fn a_server_can_be_drained_when_it_is_the_master_and_is_well_drained_when_it_is_not() {
    let mut bench = group(&[R1]);
    let replica = Command::Drain {
        name: name(),
        server: Some(addr(R1)),
    };
    assert!(bench.ask(replica).iter().any(|line| line.contains("OK")));
    let master = Command::Drain {
        name: name(),
        server: Some(addr(MASTER)),
    };
    let mut said = bench.ask(master);
    said.extend(bench.until(SWITCH, 3000));
    said.extend(bench.advance(1));
    assert!(steps(&said, &["OK"]).len() == 1, "{said:#?}");
    assert!(text(&bench.query(&Query::MasterAddr(name()))).contains("6380"));
}

#[test]
fn a_pause_that_redis_ends_late_is_no_longer_than_half_of_down_after_nor_than_the_timeout() {
    for (down_after, timeout, pause) in [
        (1000, 5000, 400),
        (30_000, 5000, 900),
        (30_000, 400, 300),
        (30_000, 200, 100),
        (30_000, 90, 45),
    ] {
        let mut bench = group(&[R1]);
        bench.set(&["down-after-milliseconds", &down_after.to_string()]);
        let timeout = Some(Span::ms(timeout));
        let mut said = coordinated(
            &mut bench,
            Wish {
                timeout,
                ..Wish::default()
            },
        );
        said.extend(bench.until(PAUSED, 3000));
        let calls = steps(&said, &["CLIENT PAUSE"]);
        assert!(
            calls[0].ends_with(&format!("CLIENT PAUSE {pause} WRITE")),
            "{calls:?}"
        );
    }
}

#[test]
fn writes_go_on_when_an_operator_resets_the_master_in_the_middle() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).last_writes = 60;
    coordinated(&mut bench, Wish::default());
    bench.until(PAUSED, 100);
    let mut said = bench.ask(Command::Reset {
        pattern: Arc::from("*"),
    });
    said.extend(bench.advance(100));
    let done = steps(&said, &["CLIENT UNPAUSE", "FAILOVERABORTED"]);
    assert_eq!(done.len(), 2, "{said:#?}");
}

#[test]
fn the_former_master_is_not_demoted_while_the_new_one_cannot_be_written_down() {
    let mut bench = group(&[R1]);
    bench.disk = Disk::Slow;
    bench.ask(Command::Failover { name: name() });
    bench.disk_done();
    bench.until("+promoted-slave", 3000);
    bench.disk = Disk::Fails;
    let mut said = bench.disk_failed();
    said.extend(bench.advance(5000));
    assert!(steps(&said, &["6379 SLAVEOF"]).is_empty(), "{said:#?}");
    // The pause of the switchover is over: what it took since then is saved first.
    let fenced = steps(&said, &["6379 CLIENT PAUSE 5000 WRITE"]);
    assert!(!fenced.is_empty(), "{said:#?}");
    bench.disk = Disk::Works;
    bench.ask(Command::FlushConfig);
    bench.until("6379 SLAVEOF 127.0.0.1 6380", 3000);
}

#[test]
fn a_demotion_that_is_not_answered_while_writes_are_held_back_is_not_delivered_later() {
    let mut bench = group(&[R1]);
    // The leader's word of the promotion does not reach its peers.
    for port in [P1, P2] {
        bench.host(port).listens = false;
    }
    bench.ask(Command::Failover { name: name() });
    bench.until("+promoted-slave", 3000);
    let paused = bench.now;
    bench.hang(MASTER);
    bench.until("6379 SLAVEOF 127.0.0.1 6380", 2000);
    bench.until("close 6379 cmd", 2000);
    assert!(bench.now <= paused + Span::ms(1000));
}

#[test]
fn a_former_master_that_did_not_hold_writes_back_is_fenced_before_it_is_demoted() {
    let mut bench = group(&[R1]);
    bench.host(MASTER).pause = Answer::Busy;
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until(SWITCH, 3000));
    bench.host(MASTER).pause = Answer::Done;
    said.extend(bench.advance(5000));
    let told = steps(&said, &["6379 CLIENT PAUSE 5000", "6379 SLAVEOF"]);
    assert!(told[0].contains("CLIENT PAUSE 5000"), "{told:#?}");
}
