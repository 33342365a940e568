//! From an election won to a new master (spec §10.1, §10.2, §10.6).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::input::Answer;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{
    Bench, Disk, MASTER, P1, P2, R1, R2, R3, addr, events, field, name, only, run_id, text,
};

const SELECTED: &str = "+selected-slave slave 127.0.0.1:";
const NONE_GOOD: &str = "-failover-abort-no-good-slave master mymaster 127.0.0.1 6379";
const TIMEOUT: &str = "-failover-abort-slave-timeout master mymaster 127.0.0.1 6379";
const SWITCH: &str = "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380";

/// The master dies before peers that agree and vote.
fn lose_master(bench: &mut Bench) {
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.kill(MASTER);
}

/// Which replica is chosen when `arrange` was done to the hosts; `None` if none is.
fn chosen(arrange: impl FnOnce(&mut Bench)) -> Option<u16> {
    let mut bench = Bench::calm(&[R1, R2, R3], 2, 2);
    arrange(&mut bench);
    bench.advance(11_000);
    lose_master(&mut bench);
    let said = bench.advance(6000);
    let line = only(&said, SELECTED).first().copied()?;
    line[SELECTED.len()..][..4].parse().ok()
}

fn master_addr(bench: &Bench) -> String {
    text(&bench.query(&Query::MasterAddr(name())))
}

#[test]
fn failover_of_a_dead_master_goes_through_every_step_in_order() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    lose_master(&mut bench);
    let said = bench.until("+failover-end", 7000);
    let replica = "slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379";
    let master = "master mymaster 127.0.0.1 6379";
    let mut told = events(&said);
    // The former master is judged afresh as a replica; when, is not the point here.
    told.retain(|line| !line.starts_with("+sdown slave 127.0.0.1:6379"));
    assert_eq!(
        told,
        [
            &format!("+sdown {master}"),
            &format!("+odown {master} #quorum 2/2"),
            "+new-epoch 1",
            &format!("+try-failover {master}"),
            "+vote-for-leader me 1",
            &format!("+elected-leader {master}"),
            &format!("+failover-state-select-slave {master}"),
            &format!("+selected-slave {replica}"),
            &format!("+failover-state-send-slaveof-noone {replica}"),
            &format!("+failover-state-wait-promotion {replica}"),
            &format!("-role-change {replica} new reported role is master"),
            &format!("+promoted-slave {replica}"),
            &format!("+failover-state-reconf-slaves {master}"),
            SWITCH,
            "+slave slave 127.0.0.1:6379 127.0.0.1 6379 @ mymaster 127.0.0.1 6380",
            "+failover-end master mymaster 127.0.0.1 6380",
        ]
    );
}

#[test]
fn the_promoted_replica_is_asked_for_its_role_right_behind_the_order() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    lose_master(&mut bench);
    let said = bench.until("6380 SLAVEOF", 7000);
    let at = said.iter().position(|line| line == "6380 SLAVEOF NO ONE");
    assert_eq!(said[at.unwrap() + 1], "6380 INFO");
}

#[test]
fn the_lowest_priority_number_is_chosen() {
    let best = chosen(|bench| {
        bench.host(R2).info.priority = Some(10);
        bench.host(R1).info.offset = Some(9_000_000);
    });
    assert_eq!(best, Some(R2));
}

#[test]
fn among_equal_priorities_the_one_with_most_data_is_chosen() {
    assert_eq!(
        chosen(|bench| bench.host(R3).info.offset = Some(1001)),
        Some(R3)
    );
}

#[test]
fn among_equals_the_smallest_run_id_is_chosen() {
    assert_eq!(
        chosen(|bench| bench.host(R2).info.run_id = Some(run_id(0, 0))),
        Some(R2)
    );
}

#[test]
fn priority_zero_is_never_chosen() {
    let best = chosen(|bench| {
        bench.host(R1).info.priority = Some(0);
        bench.host(R1).info.offset = Some(9_000_000);
    });
    assert_eq!(best, Some(R2));
    let none = chosen(|bench| {
        for port in [R1, R2, R3] {
            bench.host(port).info.priority = Some(0);
        }
    });
    assert_eq!(none, None);
}

#[test]
fn a_replica_that_is_down_or_unreachable_is_not_chosen() {
    for lose in [Bench::hang, Bench::kill] {
        let best = chosen(|bench| {
            bench.host(R1).info.offset = Some(9_000_000);
            bench.advance(11_000);
            lose(bench, R1);
        });
        assert_eq!(best, Some(R2));
    }
}

#[test]
fn a_replica_long_without_its_master_is_not_chosen() {
    let cut = |ms| {
        chosen(move |bench| {
            bench.host(R1).info.offset = Some(9_000_000);
            bench.host(R1).info.master_link_up = false;
            bench.host(R1).info.master_link_down_for = Span::ms(ms);
        })
    };
    assert_eq!(cut(49_000), Some(R1), "ten times down-after is allowed");
    assert_eq!(cut(58_000), Some(R2));
}

#[test]
fn an_unannounced_replica_can_be_chosen() {
    let best = chosen(|bench| {
        bench.host(R1).info.offset = Some(9_000_000);
        bench.host(R1).info.announced = Some(false);
    });
    assert_eq!(best, Some(R1));
}

#[test]
fn a_true_replica_is_preferred_to_one_that_calls_itself_master() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.advance(11_000);
    bench.host(R1).lead();
    bench.host(R1).info.offset = Some(9_000_000);
    bench.host(R1).obeys = false;
    lose_master(&mut bench);
    let said = bench.until(SELECTED, 7000);
    assert_eq!(only(&said, SELECTED)[0][SELECTED.len()..][..4], *"6381");
}

#[test]
fn offsets_older_than_the_loss_of_the_master_are_asked_for_again_before_choosing() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.advance(11_000);
    bench.host(R2).info.offset = Some(5000);
    lose_master(&mut bench);
    let said = bench.until(SELECTED, 7000);
    assert_eq!(only(&said, SELECTED)[0][SELECTED.len()..][..4], *"6381");
}

#[test]
fn one_that_answers_again_after_a_long_script_has_its_pong_waited_for() {
    let chosen = |ends: bool| {
        let mut bench = Bench::calm_with(&[R1, R2], 2, 2, |boot| {
            boot.durable.masters[0].options.down_after = Span::secs(20);
        });
        bench.advance(11_000);
        bench.host(R1).info.offset = Some(5000);
        bench.host(R1).ping = Answer::Busy;
        bench.advance(7000);
        if ends {
            bench.host(R1).ping = Answer::Pong;
        }
        let began = bench.now;
        let mut said = bench.ask(Command::Failover { name: name() });
        said.extend(bench.until(SELECTED, 1000));
        let port = only(&said, SELECTED)[0][SELECTED.len()..][..4].to_owned();
        (port, bench.now.since(began).as_ms())
    };
    assert_eq!(chosen(true), ("6380".to_owned(), 0));
    assert_eq!(chosen(false), ("6381".to_owned(), 300), "but not for long");
}

#[test]
fn without_a_good_replica_the_failover_is_aborted_and_tried_again() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(R1).info.priority = Some(0);
    bench.advance(11_000);
    lose_master(&mut bench);
    bench.until(NONE_GOOD, 7000);
    assert_eq!(
        field(&bench.query(&Query::Master(name())), "flags"),
        "s_down,o_down,master,disconnected"
    );
    bench.host(R1).info.priority = Some(100);
    bench.until(SWITCH, 10_000);
}

#[test]
fn a_replica_that_does_not_obey_is_told_again() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(R1).obeys = false;
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    let said = bench.advance(5000);
    let again = only(&said, "6380 SLAVEOF NO ONE").len();
    assert!((2..=5).contains(&again), "{again}");
    bench.host(R1).obeys = true;
    bench.until(SWITCH, 3000);
}

#[test]
fn a_promotion_that_takes_too_long_is_aborted() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        boot.durable.masters[0].options.failover_timeout = Span::secs(7);
    });
    bench.host(R1).obeys = false;
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    let began = bench.now;
    bench.until(TIMEOUT, 8000);
    assert_eq!(bench.now.since(began).as_ms(), 7001);
}

#[test]
fn a_chosen_replica_that_goes_down_is_given_up_at_once() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.host(R1).info.priority = Some(1);
    bench.host(R1).obeys = false;
    bench.advance(11_000);
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    bench.kill(R1);
    bench.until(TIMEOUT, 6000);
    bench.until(
        "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6381",
        10_000,
    );
}

#[test]
fn a_server_that_says_master_before_it_was_told_to_is_told_all_the_same() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.advance(11_000);
    bench.host(R1).lead();
    lose_master(&mut bench);
    let said = bench.until("+promoted-slave", 7000);
    assert_eq!(only(&said, "6380 SLAVEOF NO ONE").len(), 1);
}

#[test]
fn the_new_configuration_has_the_epoch_of_the_election_and_is_on_disk_before_the_switch() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    let said: Vec<_> = bench.history.iter().map(|(_, line)| line.clone()).collect();
    let persisted = "persist e1, mymaster at 6380 since e1, voted e1".to_owned();
    let switch = said.iter().position(|line| line == SWITCH).unwrap();
    assert!(said[..switch].contains(&persisted));
    assert_eq!(bench.on_disk().configuration.epoch.get(), 1);
    assert_eq!(bench.on_disk().configuration.addr, addr(R1));
    assert_eq!(bench.on_disk().replicas, [addr(MASTER)]);
}

#[test]
fn nothing_is_told_of_the_new_master_before_the_disk_has_it() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(R1).obeys = false;
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    bench.disk = Disk::Slow;
    bench.host(R1).obeys = true;
    bench.until("+promoted-slave", 3000);
    let said = bench.advance(5000);
    assert_eq!(only(&said, "+switch-master"), [""; 0]);
    assert!(
        !said.iter().any(|line| line.ends_with("6380,1")),
        "no hello"
    );
    assert_eq!(master_addr(&bench), "[127.0.0.1 6379]");
    bench.disk_done();
    assert!(bench.settle().contains(&SWITCH.to_owned()));
    assert_eq!(master_addr(&bench), "[127.0.0.1 6380]");
}

#[test]
fn clients_are_told_when_a_majority_of_sentinels_knows() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(P1).listens = false;
    bench.host(P2).listens = false;
    lose_master(&mut bench);
    bench.until("+failover-state-reconf-slaves", 7000);
    assert_eq!(only(&bench.advance(3000), "+switch-master"), [""; 0]);
    assert_eq!(master_addr(&bench), "[127.0.0.1 6379]");
    assert_eq!(field(&bench.query(&Query::Master(name())), "port"), "6379");
    bench.host(P2).listens = true;
    let said = bench.until("+switch-master", 3000);
    assert!(said.contains(&SWITCH.to_owned()));
    assert_eq!(master_addr(&bench), "[127.0.0.1 6380]");
}

#[test]
fn a_new_master_that_dies_before_clients_are_told_of_it_is_told_to_be_down_under_its_own_name() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.host(P1).listens = false;
    bench.host(P2).listens = false;
    lose_master(&mut bench);
    bench.until("+failover-state-reconf-slaves", 7000);
    let promoted = bench.now;
    bench.host(P1).says_down = false;
    bench.host(P2).says_down = false;
    let winner = bench.on_disk().configuration.addr.port;
    bench.hang(winner);
    let said = bench.advance(8000);
    assert_eq!(only(&said, "+switch-master"), [""; 0]);
    assert_eq!(only(&said, "+sdown master"), [""; 0], "since {promoted:?}");
    bench.host(P1).says_down = true;
    let said = bench.until("+odown", 3000);
    let told: Vec<_> = events(&said)
        .into_iter()
        .filter(|line| {
            ["+switch-master", "+sdown master", "+odown"]
                .iter()
                .any(|it| line.starts_with(it))
        })
        .collect();
    let name = format!("master mymaster 127.0.0.1 {winner}");
    assert_eq!(told.len(), 3, "{said:#?}");
    assert!(told[0].starts_with("+switch-master"));
    assert_eq!(told[1], format!("+sdown {name}"));
    assert_eq!(told[2], format!("+odown {name} #quorum 2/2"));
}

#[test]
fn one_of_which_a_peer_tells_first_is_told_to_be_down_too() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(P1).listens = false;
    bench.host(P2).listens = false;
    lose_master(&mut bench);
    bench.until("+failover-state-reconf-slaves", 7000);
    bench.host(P1).says_down = false;
    bench.host(P2).says_down = false;
    bench.hang(R1);
    let said = bench.advance(8000);
    assert_eq!(only(&said, "+sdown master"), [""; 0]);
    let hello = Some(bench::hello(1, 2, 2, R1));
    let mut said = bench.ask(Command::Publish { hello });
    said.extend(bench.settle());
    assert!(said.contains(&SWITCH.to_owned()), "{said:#?}");
    let down = only(&said, "+sdown master");
    assert_eq!(down, ["+sdown master mymaster 127.0.0.1 6380"]);
}

#[test]
fn clients_are_told_of_a_switch_when_a_reset_ends_the_wait_for_a_majority() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(P1).listens = false;
    bench.host(P2).listens = false;
    lose_master(&mut bench);
    bench.until("+failover-state-reconf-slaves", 7000);
    let pattern = "mymaster".into();
    let mut said = bench.ask(Command::Reset { pattern });
    said.extend(bench.settle());
    assert!(said.contains(&SWITCH.to_owned()), "{said:#?}");
    assert_eq!(master_addr(&bench), "[127.0.0.1 6380]");
}

#[test]
fn every_peer_and_server_hears_of_it_at_once() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    lose_master(&mut bench);
    let said = bench.until("+failover-state-reconf-slaves", 7000);
    for port in [P1, P2, R1, R2] {
        let hello = format!("{port} HELLO 127.0.0.1,5000,me,1,mymaster,127.0.0.1,6380,1");
        assert!(said.contains(&hello), "{port}");
    }
}

#[test]
fn a_newer_configuration_of_a_peer_ends_our_own_failover() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    for port in [R1, R2] {
        bench.host(port).obeys = false;
    }
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    let link = bench.link(R1, bartizan_core::output::LinkKind::PubSub);
    bench.give(bartizan_core::input::Input::Heard {
        link: link.unwrap(),
        hello: Some(bench::hello(1, 2, 2, R2)),
    });
    let said = bench.settle();
    assert_eq!(
        events(&said)[..3],
        [
            "+new-epoch 2",
            "+config-update-from sentinel p1 127.0.0.1 5001 @ mymaster 127.0.0.1 6379",
            "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6381"
        ]
    );
    let flags = field(&bench.query(&Query::Master(name())), "flags");
    assert_eq!(flags, "master");
}

#[test]
fn the_state_names_follow_the_promotion() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.host(R1).obeys = false;
    lose_master(&mut bench);
    bench.until("+failover-state-wait-promotion", 7000);
    let master = bench.query(&Query::Master(name()));
    assert_eq!(field(&master, "failover-state"), "wait_promotion");
    let replicas = text(&bench.query(&Query::Replicas(name())));
    assert!(replicas.contains("flags=slave,promoted"), "{replicas}");
}

#[test]
fn the_crash_that_an_operator_asked_for_comes_after_the_promotion() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.ask(Command::SimulateFailure {
        words: vec!["crash-after-promotion".into()],
    });
    lose_master(&mut bench);
    let said = bench.until("crash", 7000);
    let at = said.iter().position(|line| line == "crash 99").unwrap();
    assert!(said[at - 1].starts_with("+promoted-slave"));
}
