//! Votes given, votes counted, and trying again.

use bartizan_core::ids::Epoch;
use bartizan_core::input::Input;

use super::bench::*;

#[test]
fn a_vote_is_granted_once_an_epoch() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    assert_eq!(
        bench.ask_vote(0, 'b'),
        (0, "*".to_owned(), 0),
        "epoch 0 is never voted"
    );
    assert_eq!(
        bench.ask_vote(1, 'b'),
        (0, "b".to_owned(), 1),
        "even if the master is up"
    );
    assert_eq!(bench.ask_vote(1, 'c'), (0, "b".to_owned(), 1));
    assert_eq!(bench.ask_vote(2, 'c'), (0, "c".to_owned(), 2));
    assert_eq!(
        bench.ask_vote(1, 'b'),
        (0, "c".to_owned(), 2),
        "an older epoch gets the old vote"
    );
    let votes = bench
        .event_names()
        .iter()
        .filter(|n| **n == "+vote-for-leader")
        .count();
    assert_eq!(votes, 2);
}

#[test]
fn a_restart_keeps_the_epoch_of_a_vote_but_not_the_leader() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.ask_vote(3, 'b');
    let saved = bench.last_write().clone();
    assert_eq!(saved.masters[0].voted_epoch, Epoch::new(3));
    let mut again = Bench::new(saved);
    assert_eq!(again.ask_vote(3, 'c'), (0, "*".to_owned(), 3));
    assert_eq!(again.ask_vote(4, 'c'), (0, "c".to_owned(), 4));
}

#[test]
fn an_election_not_won_is_given_up_and_tried_again_after_twice_the_timeout() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.run(12_000);
    bench.peers_agree();
    for peer in ['b', 'c'] {
        bench.fake(peer_addr(peer)).votes = false;
    }
    bench.kill(&at(1));
    bench.run_until("+try-failover", 10_000);
    let first = bench.when("+try-failover");
    bench.run_until(
        "-failover-abort-not-elected master mymaster 127.0.0.1 1",
        12_000,
    );
    let lost = bench.when("-failover-abort-not-elected") - first;
    assert!(
        (10_000..=11_200).contains(&lost),
        "given up after {lost} ms"
    );
    bench.run_until("+try-failover", 2 * FAILOVER_TIMEOUT);
    let pause = bench.when("+try-failover") - first;
    let expected = 2 * FAILOVER_TIMEOUT..=2 * FAILOVER_TIMEOUT + 1200;
    assert!(expected.contains(&pause), "tried again after {pause} ms");
    assert!(bench.has_event("+new-epoch 2"));
}

#[test]
fn a_quorum_without_a_majority_elects_nobody() {
    let mut bench = Bench::new(known(1, &['b', 'c', 'd', 'e']));
    bench.run(12_000);
    bench.fake(peer_addr('b')).votes = true;
    bench.kill(&at(1));
    bench.run_until("-failover-abort-not-elected", 20_000);
    assert!(!bench.has_event("+elected-leader"), "two votes of five");
}

#[test]
fn peers_are_asked_each_second_only_while_the_master_seems_down() {
    let mut bench = Bench::new(known(3, &['b', 'c']));
    bench.run(12_000);
    assert!(bench.times(&peer_addr('b'), is_ask).is_empty());
    bench.kill(&at(1));
    bench.run(8000);
    let asked = bench.times(&peer_addr('b'), is_ask);
    assert!(asked.len() >= 4, "{asked:?}");
    for pair in asked.windows(2) {
        assert!((1000..=1100).contains(&(pair[1] - pair[0])), "{asked:?}");
    }
    assert!(!bench.has_event("+odown"), "nobody agreed");
}

#[test]
fn a_vote_answers_before_the_disk_does_and_whatever_the_disk_says() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.disk_works = false;
    assert_eq!(bench.ask_vote(1, 'b').1, "b");
    assert_eq!(bench.ask_vote(2, 'c').1, "c");
    assert_eq!(bench.writes.len(), 1, "one write at a time");
    let seq = bench.writes[0].0;
    bench.give(Input::PersistFailed {
        seq,
        why: disk_full(),
    });
    assert_eq!(
        bench.writes.len(),
        2,
        "what came meanwhile is written in one"
    );
    assert_eq!(bench.last_write().masters[0].voted_epoch, Epoch::new(2));
    let seq = bench.writes[1].0;
    bench.give(Input::PersistFailed {
        seq,
        why: disk_full(),
    });
    bench.run(5000);
    assert_eq!(bench.writes.len(), 2, "a failed write is not tried again");
}
