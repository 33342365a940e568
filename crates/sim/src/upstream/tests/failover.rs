//! A whole failover, as leader, as observer, and by force.

use bartizan_core::ids::{Epoch, MasterName};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::provide::command::Command;
use bartizan_core::provide::reply::Reply;

use super::bench::*;

#[test]
fn the_leader_tells_its_failover_in_the_order_observed() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.run(12_000);
    bench.peers_agree();
    bench.kill(&at(1));
    bench.run_until("+switch-master", 15_000);
    assert_eq!(
        bench.event_names(),
        [
            "+monitor",
            "+sdown",
            "+odown",
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "+elected-leader",
            "+failover-state-select-slave",
            "+selected-slave",
            "+failover-state-send-slaveof-noone",
            "+failover-state-wait-promotion",
            "-role-change",
            "+promoted-slave",
            "+failover-state-reconf-slaves",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
            "+failover-end",
            "+switch-master",
            "+slave",
            "+slave",
        ]
    );
    let texts: Vec<&str> = bench.events.iter().map(|(_, text)| text.as_str()).collect();
    for expected in [
        "+monitor master mymaster 127.0.0.1 1 quorum 2",
        "+sdown master mymaster 127.0.0.1 1",
        "+odown master mymaster 127.0.0.1 1 #quorum 3/2",
        "+new-epoch 1",
        "+selected-slave slave 127.0.0.1:2 127.0.0.1 2 @ mymaster 127.0.0.1 1",
        "-role-change slave 127.0.0.1:2 127.0.0.1 2 @ mymaster 127.0.0.1 1 new reported role is master",
        "+switch-master mymaster 127.0.0.1 1 127.0.0.1 2",
        "+slave slave 127.0.0.1:1 127.0.0.1 1 @ mymaster 127.0.0.1 2",
    ] {
        assert!(texts.contains(&expected), "{expected} is not in {texts:#?}");
    }
    let vote = format!("+vote-for-leader {} 1", id('a'));
    assert!(texts.contains(&vote.as_str()));
    let saved = &bench.last_write().masters[0];
    assert_eq!(
        saved.configuration,
        Configuration {
            epoch: Epoch::new(1),
            addr: at(2)
        }
    );
    assert_eq!(saved.replicas, [at(1), at(3)]);
    assert_eq!(bench.fake(at(3)).info.master, Some(at(2)));
}

#[test]
fn every_step_of_a_failover_costs_a_tick() {
    let mut bench = Bench::new(known(1, &[]));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+switch-master", 15_000);
    assert_eq!(bench.when("+try-failover"), bench.when("+elected-leader"));
    let steps = [
        "+elected-leader",
        "+selected-slave",
        "+failover-state-wait-promotion",
    ];
    for pair in steps.windows(2) {
        let step = bench.when(pair[1]) - bench.when(pair[0]);
        assert!((52..=100).contains(&step), "{pair:?} took {step} ms");
    }
}

#[test]
fn an_observer_votes_and_then_follows_the_leaders_hello() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+sdown master", 5000);
    assert_eq!(bench.ask_vote(1, 'b'), (1, "b".to_owned(), 1));
    bench.run(1000);
    bench.hello('b', 1, 1, 3);
    let names = bench.event_names();
    assert_eq!(
        names,
        [
            "+monitor",
            "+sdown",
            "+new-epoch",
            "+vote-for-leader",
            "+config-update-from",
            "+switch-master",
            "+slave",
            "+slave",
        ]
    );
    assert!(bench.has_event("+switch-master mymaster 127.0.0.1 1 127.0.0.1 3"));
    let from = format!(
        "+config-update-from sentinel {} 127.0.0.1 20001 @ mymaster 127.0.0.1 1",
        id('b')
    );
    assert!(bench.has_event(&from));
    assert_eq!(bench.master_addr(), "3");
    assert_eq!(bench.last_write().masters[0].replicas, [at(1), at(2)]);
    assert_eq!(
        bench.last_write().masters[0].sentinels.len(),
        2,
        "peers are kept"
    );
}

#[test]
fn a_switch_hangs_up_and_makes_all_replicas_anew() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.run(12_000);
    let before = bench.connects.len();
    bench.hello('b', 1, 1, 3);
    bench.run(1100);
    let mut ports: Vec<u16> = bench.connects[before..]
        .iter()
        .map(|(_, a, _)| a.port)
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [1, 1, 2, 2, 3, 3], "peers keep their connections");
}

#[test]
fn a_forced_failover_asks_nobody_and_takes_an_epoch() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.run(12_000);
    let command = Command::Failover { name: mymaster() };
    assert_eq!(bench.ask(command.clone()), Reply::OK);
    assert_eq!(
        bench.ask(command),
        Reply::error("INPROG Failover already in progress")
    );
    bench.run_until("+switch-master", 10_000);
    assert!(bench.times(&peer_addr('b'), is_ask).is_empty());
    assert_eq!(
        bench.event_names()[1..7],
        [
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "+elected-leader",
            "+failover-state-select-slave",
            "+selected-slave",
        ]
    );
    assert_eq!(
        bench.last_write().masters[0].configuration.epoch,
        Epoch::new(1)
    );
}

#[test]
fn a_forced_failover_needs_a_replica_and_a_known_master() {
    let mut bench = Bench::new(known(1, &[]));
    let reply = bench.ask(Command::Failover { name: mymaster() });
    assert_eq!(
        reply,
        Reply::error("NOGOODSLAVE No suitable replica to promote")
    );
    let reply = bench.ask(Command::Failover {
        name: MasterName::new("other"),
    });
    assert_eq!(reply, Reply::NO_SUCH_MASTER);
}

#[test]
fn the_best_replica_is_the_one_with_the_most_data_and_never_one_of_priority_zero() {
    let mut bench = Bench::new(known(1, &[]));
    bench.fake(at(3)).info.offset = Some(5);
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+selected-slave slave 127.0.0.1:3", 10_000);

    let mut bench = Bench::new(known(1, &[]));
    bench.fake(at(3)).info.offset = Some(5);
    bench.fake(at(3)).info.priority = Some(0);
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+selected-slave slave 127.0.0.1:2", 10_000);
}

#[test]
fn without_a_good_replica_it_gives_up_and_waits() {
    let mut bench = Bench::new(known(1, &[]));
    bench.fake(at(2)).info.priority = Some(0);
    bench.fake(at(3)).info.priority = Some(0);
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("-failover-abort-no-good-slave", 10_000);
    let first = bench.when("+try-failover");
    bench.run_until("+try-failover", 2 * FAILOVER_TIMEOUT + 2000);
    assert!(bench.when("+try-failover") - first >= 2 * FAILOVER_TIMEOUT);
}

#[test]
fn a_promotion_that_does_not_happen_is_given_up_without_being_sent_again() {
    let mut bench = Bench::new(known(1, &[]));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+selected-slave", 10_000);
    bench.fake(at(2)).mute = true;
    bench.run_until(
        "-failover-abort-slave-timeout master",
        FAILOVER_TIMEOUT + 2000,
    );
    let no_one = |call: &Call| *call == Call::Reconfigure(ReplicaOf::NoOne);
    assert_eq!(bench.times(&at(2), no_one).len(), 1);
}

#[test]
fn replicas_are_repointed_one_at_a_time_and_the_end_does_not_wait_for_ever() {
    let mut bench = Bench::new(known(1, &[]));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+slave-reconf-sent slave 127.0.0.1:3", 10_000);
    // It obeys, but its link stays down: the end comes by time.
    bench.fake(at(3)).info.master_link_up = false;
    bench.run_until("+failover-end-for-timeout", FAILOVER_TIMEOUT + 2000);
    assert!(bench.has_event("+slave-reconf-inprog slave 127.0.0.1:3"));
    assert!(
        !bench.has_event("-slave-reconf-sent-timeout"),
        "all slots were taken"
    );
    assert!(bench.has_event("+switch-master mymaster 127.0.0.1 1 127.0.0.1 2"));
}
/// Event, and milliseconds since the first +sdown, as a lone redis-sentinel 7.0.15 logged them
/// with the options of the bench: kill -9 of the master, its restart 8 s later.
const RECORDED: [(&str, u64); 9] = [
    ("+odown", 0),
    ("+try-failover", 0),
    ("+selected-slave", 92),
    ("+failover-state-wait-promotion", 144),
    ("+promoted-slave", 1085),
    ("+slave-reconf-sent", 1135),
    ("+slave-reconf-done", 2114),
    ("+switch-master", 2197),
    ("+sdown slave 127.0.0.1:1", 4265),
];

#[test]
fn a_failover_takes_as_long_as_one_recorded_from_the_original() {
    let mut bench = Bench::new(known(1, &[]));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run(8000);
    let since = bench.when("+sdown master");
    for (event, recorded) in RECORDED {
        let took = bench.when(event) - since;
        assert!(
            took.abs_diff(recorded) <= 150,
            "{event}: {took} ms, not {recorded}"
        );
    }
    bench.fake(at(1)).up = true;
    bench.run_until("+convert-to-slave slave 127.0.0.1:1", 15_000);
    let took = bench.when("+convert-to-slave") - bench.when("-sdown");
    assert!(took.abs_diff(9955) <= 150, "{took}");
}
