//! Voting: at most one vote per master and epoch, and none that is not on disk (spec §9.2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::ids::Epoch;
use bartizan_core::provide::command::{Ask, Command};
use bench::{Bench, Disk, MASTER, P1, R1, addr, events, hello, id, only};

fn question(bench: &mut Bench, epoch: Option<u64>, candidate: Option<usize>) -> Vec<String> {
    bench.ask(Command::Ask(Ask {
        addr: Some(addr(MASTER)),
        epoch: epoch.map(Epoch::new),
        candidate: candidate.map(id),
    }))
}

fn slow() -> Bench {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.disk = Disk::Slow;
    bench
}

#[test]
fn vote_is_told_to_nobody_before_it_is_on_disk() {
    let mut bench = slow();
    assert_eq!(
        bench.vote_request(1, 1),
        ["persist e1, mymaster at 6379 since e0, voted e1"]
    );
    assert_eq!(
        bench.disk_done(),
        [
            "+new-epoch 1",
            "+vote-for-leader p1 1",
            "reply 1 [:0 p1 :1]"
        ]
    );
}

#[test]
fn vote_goes_to_a_candidate_even_while_the_master_is_up() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.vote_request(1, 1);
    assert_eq!(only(&bench.settle(), "reply"), ["reply 1 [:0 p1 :1]"]);
}

#[test]
fn vote_goes_to_a_candidate_that_is_not_known() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    bench.vote_request(5, 3);
    assert_eq!(only(&bench.settle(), "reply"), ["reply 1 [:0 p5 :3]"]);
}

#[test]
fn vote_is_refused_for_an_epoch_already_voted() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.vote_request(1, 1);
    bench.settle();
    assert_eq!(bench.vote_request(2, 1), ["reply 2 [:0 p1 :1]"]);
}

#[test]
fn vote_of_an_older_epoch_gets_the_last_one_cast() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.vote_request(1, 7);
    bench.settle();
    assert_eq!(bench.vote_request(2, 6), ["reply 2 [:0 p1 :7]"]);
}

#[test]
fn vote_is_never_cast_in_epoch_zero() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    assert_eq!(bench.vote_request(1, 0), ["reply 1 [:0 * :0]"]);
}

#[test]
fn vote_of_a_higher_epoch_goes_to_whoever_asks_first_in_it() {
    let mut bench = Bench::calm(&[R1], 4, 2);
    bench.vote_request(1, 1);
    bench.settle();
    bench.vote_request(2, 2);
    assert_eq!(
        bench.settle(),
        [
            "+new-epoch 2",
            "+vote-for-leader p2 2",
            "reply 2 [:0 p2 :2]"
        ]
    );
}

/// A fleet in which p1 has just got our vote for a master that is down; so many votes elect.
fn voted_for_p1(peers: usize, needed: u32) -> Bench {
    let mut bench = Bench::calm(&[R1], peers, needed);
    bench.kill(MASTER);
    bench.advance(6000);
    bench.vote_request(1, 1);
    bench.settle();
    bench
}

/// What a candidate is answered.
fn asked(bench: &mut Bench, peer: usize, epoch: u64) -> String {
    bench.vote_request(peer, epoch);
    only(&bench.settle(), "reply").concat()
}

#[test]
fn vote_that_elects_is_kept_for_as_long_as_the_round_may_last() {
    let mut bench = voted_for_p1(2, 2);
    bench.advance(450);
    assert_eq!(asked(&mut bench, 2, 2), "reply 2 [:1 p1 :1]", "p1 leads");
    assert_eq!(asked(&mut bench, 1, 3), "reply 3 [:1 p1 :3]", "p1 again");
    bench.advance(550);
    assert_eq!(asked(&mut bench, 2, 4), "reply 4 [:1 p2 :4]", "p1 had time");
}

#[test]
fn vote_that_elects_is_kept_by_who_has_not_seen_the_master_down_yet_too() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    assert_eq!(asked(&mut bench, 1, 1), "reply 1 [:0 p1 :1]");
    assert_eq!(asked(&mut bench, 2, 2), "reply 2 [:0 p1 :1]", "p1 leads");
}

#[test]
fn vote_that_elects_is_not_kept_for_a_leader_that_is_gone() {
    let mut bench = voted_for_p1(2, 2);
    bench.kill(P1);
    assert_eq!(asked(&mut bench, 2, 2), "reply 2 [:1 p2 :2]");
}

#[test]
fn vote_that_needs_others_beside_it_is_not_kept() {
    let mut bench = voted_for_p1(2, 3);
    assert_eq!(asked(&mut bench, 2, 2), "reply 2 [:1 p2 :2]");
    let mut bench = voted_for_p1(4, 2);
    assert_eq!(asked(&mut bench, 2, 2), "reply 2 [:1 p2 :2]", "five vote");
}

#[test]
fn two_who_ask_during_one_write_hear_of_the_same_vote() {
    let mut bench = slow();
    bench.vote_request(1, 1);
    assert_eq!(bench.vote_request(2, 1), [""; 0]);
    assert_eq!(
        only(&bench.disk_done(), "reply"),
        ["reply 1 [:0 p1 :1]", "reply 2 [:0 p1 :1]"]
    );
}

#[test]
fn vote_that_could_not_be_written_is_not_told() {
    let mut bench = slow();
    bench.vote_request(1, 1);
    assert_eq!(bench.disk_failed(), ["reply 1 [:0 * :0]"]);
}

#[test]
fn vote_that_could_not_be_written_is_not_given_to_somebody_else_either() {
    let mut bench = slow();
    bench.vote_request(1, 1);
    bench.disk_failed();
    assert_eq!(bench.vote_request(2, 1), [""; 0]);
    bench.disk = Disk::Works;
    assert_eq!(
        only(&bench.advance(1000), "reply"),
        ["reply 2 [:0 p1 :1]"],
        "told once the disk has it"
    );
}

#[test]
fn after_a_restart_the_epoch_is_spent_and_the_leader_forgotten() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        boot.durable.current_epoch = Epoch::new(4);
        boot.durable.masters[0].voted_epoch = Epoch::new(4);
    });
    assert_eq!(bench.vote_request(1, 4), ["reply 1 [:0 * :4]"]);
}

#[test]
fn vote_needs_an_epoch_above_the_masters_own_configuration() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        boot.durable.current_epoch = Epoch::new(9);
        boot.durable.masters[0].configuration.epoch = Epoch::new(6);
    });
    assert_eq!(bench.vote_request(1, 6), ["reply 1 [:0 * :0]"]);
}

#[test]
fn the_epoch_of_other_elections_does_not_void_this_one() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        boot.durable.current_epoch = Epoch::new(9);
    });
    bench.vote_request(1, 7);
    assert_eq!(
        events(&bench.settle()),
        ["+vote-for-leader p1 7"],
        "below the current epoch, above the master's own"
    );
}

#[test]
fn who_does_not_ask_for_a_vote_gets_none() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    assert_eq!(
        question(&mut bench, Some(0), None),
        ["reply 1 [:0 * :0]"],
        "at once: nothing is promised"
    );
}

#[test]
fn who_does_not_ask_for_a_vote_is_not_told_the_last_one() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.vote_request(1, 1);
    bench.settle();
    assert_eq!(question(&mut bench, Some(1), None), ["reply 2 [:0 * :0]"]);
}

#[test]
fn an_unknown_master_gets_no_vote() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    let said = bench.ask(Command::Ask(Ask {
        addr: Some(addr(9999)),
        epoch: Some(Epoch::new(1)),
        candidate: Some(id(1)),
    }));
    assert_eq!(only(&said, "reply"), ["reply 1 [:0 * :0]"]);
    assert_eq!(only(&said, "+vote-for-leader"), [""; 0]);
}

#[test]
fn an_address_that_can_be_no_host_gets_no_vote() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    let said = bench.ask(Command::Ask(Ask {
        addr: None,
        epoch: Some(Epoch::new(1)),
        candidate: Some(id(1)),
    }));
    assert_eq!(only(&said, "reply"), ["reply 1 [:0 * :0]"]);
}

#[test]
fn a_replicas_address_is_not_the_masters() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    let said = bench.ask(Command::Ask(Ask {
        addr: Some(addr(R1)),
        epoch: Some(Epoch::new(1)),
        candidate: Some(id(1)),
    }));
    assert_eq!(only(&said, "reply"), ["reply 1 [:0 * :0]"]);
}

#[test]
fn an_absurd_epoch_gets_no_vote_and_is_not_taken_over() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    assert_eq!(
        question(&mut bench, None, Some(1)),
        ["reply 1 [:0 * :0]"],
        "what the edge could not read"
    );
    for epoch in [u64::MAX, 1 << 63, (1 << 32) + 1] {
        let said = question(&mut bench, Some(epoch), Some(1));
        assert_eq!(events(&said), [""; 0], "{epoch}");
    }
    question(&mut bench, Some(1 << 32), Some(1));
    assert_eq!(
        events(&bench.settle()),
        ["+new-epoch 4294967296", "+vote-for-leader p1 4294967296"]
    );
}

#[test]
fn the_answer_says_that_the_master_is_down_when_it_is() {
    let mut bench = Bench::calm(&[R1], 2, 3);
    bench.hang(MASTER);
    bench.until("+sdown master", 6000);
    assert_eq!(
        only(&question(&mut bench, Some(0), None), "reply"),
        ["reply 1 [:1 * :0]"]
    );
}

#[test]
fn each_master_has_its_own_vote_in_one_epoch() {
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        let mut other = bench::master_state(&[], 2, 2);
        other.name = bartizan_core::ids::MasterName::new("other");
        other.configuration.addr = addr(7000);
        boot.durable.masters.push(other.into());
    });
    bench.vote_request(1, 1);
    bench.settle();
    bench.ask(Command::Ask(Ask {
        addr: Some(addr(7000)),
        epoch: Some(Epoch::new(1)),
        candidate: Some(id(2)),
    }));
    assert_eq!(
        bench.settle(),
        ["+vote-for-leader p2 1", "reply 2 [:0 p2 :1]"]
    );
}

#[test]
fn a_higher_epoch_that_a_hello_brings_costs_no_vote() {
    let mut bench = Bench::calm(&[R1], 2, 2);
    bench.hear(hello(1, 5, 0, MASTER));
    assert_eq!(events(&bench.settle()), ["+new-epoch 5"]);
    bench.vote_request(2, 5);
    assert_eq!(events(&bench.settle()), ["+vote-for-leader p2 5"]);
}
