//! After the promotion: the other replicas are moved, then the failover ends (spec §10.4, §10.5).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{Bench, MASTER, P1, P2, R1, R2, R3, events, field, name, only, text};

const END: &str = "+failover-end master mymaster 127.0.0.1 6380";
const TIMEOUT: &str = "+failover-end-for-timeout master mymaster 127.0.0.1 6380";

/// `R1` has just been promoted; `R2` and `R3` do not obey.
fn promoted(parallel_syncs: u32) -> Bench {
    let mut bench = Bench::calm_with(&[R1, R2, R3], 2, 2, |boot| {
        let options = &mut boot.durable.masters[0].options;
        options.parallel_syncs = parallel_syncs;
        options.failover_timeout = Span::secs(40);
    });
    bench.host(R1).info.priority = Some(1);
    for port in [R2, R3] {
        bench.host(port).obeys = false;
    }
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.advance(11_000);
    bench.kill(MASTER);
    bench.until("+switch-master", 7000);
    bench
}

fn replica(port: u16) -> String {
    format!("slave 127.0.0.1:{port} 127.0.0.1 {port} @ mymaster 127.0.0.1 6380")
}

fn moved(bench: &Bench, kind: &str) -> usize {
    let lines = bench.history.iter().map(|(_, line)| line);
    lines.filter(|line| line.starts_with(kind)).count()
}

#[test]
fn replicas_are_moved_one_at_a_time_by_default() {
    let mut bench = promoted(1);
    assert_eq!(moved(&bench, "+slave-reconf-sent"), 1);
    assert_eq!(moved(&bench, "6381 SLAVEOF 127.0.0.1 6380"), 1);
    bench.advance(5000);
    assert_eq!(moved(&bench, "+slave-reconf-sent"), 1, "no second one");
}

#[test]
fn as_many_are_moved_together_as_parallel_syncs_says() {
    let bench = promoted(2);
    assert_eq!(moved(&bench, "+slave-reconf-sent"), 2);
    assert_eq!(moved(&bench, "6382 SLAVEOF 127.0.0.1 6380"), 1);
}

#[test]
fn the_next_one_is_moved_when_the_one_before_is_in_sync() {
    let mut bench = promoted(1);
    bench.host(R2).follow(bench::addr(R1));
    bench.host(R2).info.master_link_up = false;
    let said = bench.advance(3000);
    assert_eq!(
        events(&said),
        [format!("+slave-reconf-inprog {}", replica(R2))]
    );
    bench.host(R2).info.master_link_up = true;
    let said = bench.advance(1100);
    assert_eq!(
        events(&said),
        [
            format!("+slave-reconf-done {}", replica(R2)),
            format!("+slave-reconf-sent {}", replica(R3))
        ]
    );
}

#[test]
fn both_steps_can_be_seen_in_one_look() {
    let mut bench = promoted(1);
    bench.host(R2).follow(bench::addr(R1));
    let said = bench.advance(1100);
    assert_eq!(
        events(&said)[..2],
        [
            format!("+slave-reconf-inprog {}", replica(R2)),
            format!("+slave-reconf-done {}", replica(R2))
        ]
    );
}

#[test]
fn the_failover_ends_when_all_are_in_sync() {
    let mut bench = promoted(2);
    for port in [R2, R3] {
        bench.host(port).follow(bench::addr(R1));
    }
    let said = bench.advance(1100);
    assert_eq!(events(&said).last(), Some(&END));
    assert_eq!(only(&said, "+failover-end-for-timeout"), [""; 0]);
    let flags = field(&bench.query(&Query::Master(name())), "flags");
    assert_eq!(flags, "master");
}

#[test]
fn a_replica_that_does_not_follow_is_given_up_though_all_slots_are_taken() {
    let mut bench = promoted(1);
    let said = bench.until("-slave-reconf-sent-timeout", 12_000);
    assert_eq!(
        events(&said),
        [
            format!("-slave-reconf-sent-timeout {}", replica(R2)),
            format!("+slave-reconf-sent {}", replica(R3))
        ]
    );
}

#[test]
fn a_replica_that_is_down_is_not_waited_for() {
    let mut bench = promoted(2);
    bench.host(R2).follow(bench::addr(R1));
    bench.kill(R3);
    let said = bench.until(END, 7000);
    assert!(said.contains(&format!("+sdown {}", replica(R3))));
}

#[test]
fn the_former_master_is_not_waited_for() {
    let mut bench = promoted(2);
    for port in [R2, R3] {
        bench.host(port).follow(bench::addr(R1));
    }
    bench.until(END, 1100);
    assert_eq!(moved(&bench, "6379 SLAVEOF"), 0, "nobody is there");
}

#[test]
fn a_failover_that_takes_too_long_ends_with_what_it_has() {
    let mut bench = promoted(1);
    // It follows, but never gets in sync.
    bench.host(R2).follow(bench::addr(R1));
    bench.host(R2).info.master_link_up = false;
    let began = bench.now;
    let said = bench.until("+failover-end ", 41_000);
    assert_eq!(bench.now.since(began).as_ms(), 40_001);
    let events = events(&said);
    let at = events.iter().position(|line| *line == TIMEOUT).unwrap();
    assert_eq!(
        events[at..],
        [
            TIMEOUT.to_owned(),
            END.to_owned(),
            format!("+slave-reconf-sent-be {}", replica(R3))
        ]
    );
    assert!(said.contains(&"6382 SLAVEOF 127.0.0.1 6380".to_owned()));
}

#[test]
fn replicas_of_priority_zero_are_moved_too() {
    let mut bench = promoted(1);
    bench.host(R2).info.priority = Some(0);
    bench.host(R2).obeys = true;
    bench.host(R3).info.priority = Some(0);
    bench.host(R3).obeys = true;
    bench.until(END, 15_000);
    assert_eq!(moved(&bench, "6382 SLAVEOF 127.0.0.1 6380"), 1);
}

#[test]
fn the_new_masters_death_ends_the_failover_so_that_the_next_can_begin() {
    let mut bench = promoted(1);
    bench.kill(R1);
    let said = bench.until("+elected-leader master mymaster 127.0.0.1 6380", 8000);
    let lines = events(&said);
    let end = lines.iter().position(|line| *line == END).unwrap();
    let next = "+try-failover master mymaster 127.0.0.1 6380";
    let next = lines.iter().position(|line| *line == next).unwrap();
    assert!(end < next);
}

#[test]
fn a_failover_can_end_while_the_promoted_one_is_subjectively_down() {
    let mut bench = promoted(2);
    for port in [P1, P2] {
        bench.host(port).says_down = false;
    }
    for port in [R2, R3] {
        bench.host(port).follow(bench::addr(R1));
    }
    bench.hang(R1);
    bench.until(END, 41_000);
}

#[test]
fn the_flags_of_replicas_tell_how_far_they_are() {
    let mut bench = promoted(1);
    let replicas = |bench: &Bench| text(&bench.query(&Query::Replicas(name())));
    assert!(replicas(&bench).contains("flags=slave,reconf_sent"));
    bench.host(R2).follow(bench::addr(R1));
    bench.host(R2).info.master_link_up = false;
    bench.advance(1100);
    assert!(replicas(&bench).contains("flags=slave,reconf_inprog"));
    bench.host(R2).info.master_link_up = true;
    bench.advance(1100);
    assert!(replicas(&bench).contains("flags=slave,reconf_done"));
    let master = bench.query(&Query::Master(name()));
    assert_eq!(field(&master, "failover-state"), "reconf_slaves");
}

#[test]
fn links_to_the_servers_stay_open_across_a_switch() {
    let mut bench = promoted(2);
    for port in [R2, R3] {
        bench.host(port).follow(bench::addr(R1));
    }
    let before = (bench.links_of(R1), bench.links_of(R2));
    bench.until(END, 1100);
    assert_eq!((bench.links_of(R1), bench.links_of(R2)), before);
    let replicas = text(&bench.query(&Query::Replicas(name())));
    assert!(!replicas.contains("runid= "), "{replicas}");
}
