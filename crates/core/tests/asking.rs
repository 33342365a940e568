//! What questions between peers reveal beside their answers (hazard L; quick agreement).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::ids::{Epoch, RequestId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::output::Call;
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::report::Opinion;
use bench::{Bench, Disk, MASTER, P1, P2, R1, R2, Vote, addr, events, hello};

/// A peer asks about the master without wanting a vote.
fn question() -> Input {
    let ask = Ask {
        addr: Some(addr(MASTER)),
        epoch: Some(Epoch::ZERO),
        candidate: None,
    };
    Input::Asked {
        request: RequestId::new(900),
        command: Command::Ask(ask),
    }
}

fn asks(said: &[String]) -> usize {
    said.iter().filter(|line| line.contains(" ASK ")).count()
}

#[test]
fn a_peers_question_makes_us_ask_again() {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.hang(MASTER);
    bench.until("+sdown", 6000);
    bench.settle();
    let said = bench.give(question());
    assert_eq!(asks(&said), 2, "{said:?}");
}

#[test]
fn a_peers_question_about_a_master_that_is_up_makes_us_ask_nobody() {
    let mut bench = Bench::calm(&[], 2, 2);
    let said = bench.give(question());
    assert_eq!(asks(&said), 0, "{said:?}");
}

#[test]
fn questions_that_follow_each_other_do_not_make_us_ask_without_end() {
    let mut bench = Bench::calm(&[], 2, 2);
    bench.hang(MASTER);
    bench.until("+sdown", 6000);
    bench.settle();
    let mut asked = 0;
    for _ in 0..2000 {
        bench.advance(1);
        asked += asks(&bench.give(question()));
    }
    // Two peers; gaps of 5, 10, 20 … 1000 ms and the period of a second.
    assert!(
        (2..=24).contains(&asked),
        "{asked} questions in two seconds"
    );
}

#[test]
fn an_opinion_about_the_former_address_does_not_count() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.host(P1).vote = Vote::Withholds;
    bench.host(P2).vote = Vote::Withholds;
    bench.hang(MASTER);
    loop {
        bench.now = bench.sentinel.next_deadline().unwrap();
        if asks(&bench.timeout()) > 0 {
            break;
        }
        bench.settle();
    }
    // The answers are still on their way when a peer's hello moves the master.
    bench.hear(hello(1, 1, 1, R1));
    bench.disk_done();
    let late = Answer::Opinion(Opinion {
        down: true,
        vote: None,
    });
    bench.reply(P1, |call| matches!(call, Call::Ask { .. }), late);
    // The new master hiccups: our own word alone makes no quorum.
    bench.hang(R1);
    let said = bench.until("+sdown master", 10_000);
    assert!(
        !events(&said)
            .iter()
            .any(|event| event.starts_with("+odown")),
        "{said:?}"
    );
}

#[test]
fn a_leader_is_not_told_that_we_hold_what_could_not_be_saved() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.disk = Disk::Fails;
    let publish = |bench: &mut Bench| {
        let hello = Some(hello(1, 1, 1, R1));
        let mut said = bench.ask(Command::Publish { hello });
        said.extend(bench.settle());
        said
    };
    for _ in 0..2 {
        let said = publish(&mut bench);
        let replies: Vec<_> = said
            .iter()
            .filter(|line| line.starts_with("reply"))
            .collect();
        assert_eq!(replies.len(), 1, "{said:?}");
        assert!(replies[0].contains("could not be saved"), "{said:?}");
    }
    bench.disk = Disk::Works;
    bench.advance(2000);
    let said = publish(&mut bench);
    assert!(
        said.iter()
            .any(|line| line.starts_with("reply") && line.ends_with(":1")),
        "{said:?}"
    );
}

#[test]
fn hellos_tell_only_what_is_on_disk_while_it_fails_and_the_rest_when_it_works_again() {
    let mut bench = Bench::calm(&[R1, R2], 2, 2);
    bench.disk = Disk::Fails;
    bench.hear(hello(1, 1, 1, R1));
    let said = bench.advance(4000);
    let told = |said: &[String], words: &str| said.iter().any(|line| line.contains(words));
    assert!(
        told(
            &said,
            "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380"
        ),
        "{said:?}"
    );
    assert!(told(&said, "mymaster,127.0.0.1,6379,0"), "{said:?}");
    assert!(!told(&said, "mymaster,127.0.0.1,6380,1"), "{said:?}");
    bench.disk = Disk::Works;
    let said = bench.advance(4000);
    assert!(told(&said, "mymaster,127.0.0.1,6380,1"), "{said:?}");
}
