//! A promotion is undone by another one, from the history that it had left: who has what alone is
//! told by the way that the present master's history took (data-safety §3).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::ids::ReplId;
use bartizan_core::model::branches::Branch;
use bartizan_core::report::{Fork, History};
use bartizan_core::rescue::RescueMode;
use bench::{Bench, MASTER, R1, R2, addr, hello, only};

/// A server's place in a history that left `before` there, with the whole of its backlog.
fn place(letter: u8, offset: u64, before: Option<(u8, u64)>) -> History {
    let id = |letter| ReplId::parse(&[letter; 40]).unwrap();
    History {
        id: id(letter),
        offset,
        before: before.map(|(letter, offset)| Fork {
            id: id(letter),
            offset,
        }),
        kept_from: Some(1),
    }
}

/// All Sentinels take this server for the master from now on; whoever was it is not there any more.
fn replace(bench: &mut Bench, epoch: u64, was: u16, port: u16, history: History) {
    bench.hang(was);
    bench.host(port).info.history = Some(history);
    bench.host(port).lead();
    bench.hear(hello(1, epoch, epoch, port));
    bench.revive(port);
    bench.advance(30_000);
}

/// `R1` took over when the first master, `a`, was at 1000, and went on as `b`. `R2` did not hear of
/// it, and took over when the first master was at 5000, as `d`.
fn undone() -> Bench {
    let mut bench = Bench::calm_with(&[R1, R2], 0, 1, |boot| {
        boot.durable.masters[0].options.rescue = RescueMode::Stream;
    });
    for port in [MASTER, R1, R2] {
        bench.host(port).info.history = Some(place(b'a', 1000, None));
    }
    bench.advance(11_000);
    bench.hang(R2);
    replace(
        &mut bench,
        1,
        MASTER,
        R1,
        place(b'b', 1400, Some((b'a', 1001))),
    );
    replace(&mut bench, 2, R1, R2, place(b'd', 5500, Some((b'a', 5001))));
    bench
}

/// What is rescued when this server is there again, as a master.
fn rescued(bench: &mut Bench, port: u16, history: History) -> Vec<String> {
    bench.host(port).info.history = Some(history);
    bench.host(port).lead();
    bench.revive(port);
    let said = bench.advance(9000);
    let refused = only(&said, "-rescue-incomplete");
    assert!(refused.is_empty(), "{refused:?}");
    only(&said, "rescue ")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn who_was_replaced_from_the_history_that_it_had_left_has_all_since_then_alone() {
    let mut bench = undone();
    let history = place(b'b', 1500, Some((b'a', 1001)));
    assert_eq!(
        rescued(&mut bench, R1, history),
        ["rescue 1 127.0.0.1:6380 1001"]
    );
}

#[test]
fn of_a_history_that_was_left_twice_the_place_counts_where_the_present_master_left_it() {
    let mut bench = undone();
    let history = place(b'a', 7000, None);
    assert_eq!(
        rescued(&mut bench, MASTER, history),
        ["rescue 1 127.0.0.1:6379 5001"]
    );

    let mut bench = undone();
    replace(&mut bench, 3, R2, R1, place(b'e', 1500, Some((b'b', 1501))));
    let history = place(b'a', 3000, None);
    assert_eq!(
        rescued(&mut bench, MASTER, history),
        ["rescue 1 127.0.0.1:6379 1001"]
    );
}

#[test]
fn who_took_over_too_late_on_the_way_has_all_behind_the_fork_alone() {
    let mut bench = undone();
    replace(&mut bench, 3, R2, R1, place(b'e', 1500, Some((b'b', 1501))));
    let history = place(b'd', 5600, Some((b'a', 5001)));
    assert_eq!(
        rescued(&mut bench, R2, history),
        ["rescue 1 127.0.0.1:6381 1001"]
    );
}

#[test]
fn of_one_that_restarted_since_nobody_knows_what_it_has() {
    let mut bench = undone();
    let mut history = place(b'e', 1500, Some((b'a', 1001)));
    history.kept_from = Some(1001);
    bench.host(R1).info.history = Some(history);
    bench.host(R1).lead();
    bench.revive(R1);
    let said = bench.advance(9000);
    assert_eq!(only(&said, "-rescue-incomplete").len(), 1, "{said:#?}");
    assert!(only(&said, "rescue ").is_empty(), "{said:#?}");
}

/// The promotion was undone by taking the first master for the master again, which had gone on. We
/// heard nothing of it all.
#[test]
fn who_was_promoted_where_we_did_not_hear_it_is_rescued_before_it_is_demoted() {
    let mut bench = Bench::calm_with(&[R1], 0, 1, |boot| {
        boot.durable.masters[0].options.rescue = RescueMode::Stream;
    });
    bench.host(MASTER).info.history = Some(place(b'a', 2000, None));
    bench.host(R1).follow(addr(MASTER));
    bench.advance(11_000);
    bench.host(R1).info.has_keys = Some(true);
    bench.host(R1).info.history = Some(place(b'b', 1500, Some((b'a', 1001))));
    bench.host(R1).lead();
    let said = bench.advance(25_000);
    assert_eq!(only(&said, "rescue "), ["rescue 1 127.0.0.1:6380 1001"]);
    assert!(only(&said, "6380 SLAVEOF").is_empty(), "{said:#?}");
}

/// It had nothing that the one before lacked, and is asked to follow the present one.
#[test]
fn who_has_nothing_alone_is_compared_again_with_the_next_master() {
    let mut bench = undone();
    bench.host(MASTER).obeys = false;
    let history = place(b'a', 3000, None);
    assert!(rescued(&mut bench, MASTER, history).is_empty());
    bench.hang(R2);
    bench.host(R1).info.history = Some(place(b'e', 1500, Some((b'b', 1501))));
    bench.host(R1).lead();
    bench.revive(R1);
    bench.hear(hello(1, 3, 3, R1));
    let said = bench.advance(9000);
    assert_eq!(only(&said, "rescue "), ["rescue 1 127.0.0.1:6379 1001"]);
}

/// We heard of a promotion too late: its master had been replaced. Whoever did not may know better.
#[test]
fn without_a_way_back_others_go_first_and_then_all_that_can_be_had_is_saved_with_a_word() {
    let fork = |letter, offset| place(b'f', 0, Some((letter, offset))).before.unwrap();
    let unnamed = |left| Branch { left, id: None };
    let mut bench = Bench::calm_with(&[R1], 2, 2, |boot| {
        let master = &mut boot.durable.masters[0];
        master.options.rescue = RescueMode::Stream;
        master.branches = [fork(b'a', 1001), fork(b'a', 5001), fork(b'b', 1501)]
            .map(unnamed)
            .into();
    });
    bench.host(MASTER).info.history = Some(place(b'e', 1500, None));
    bench.host(R1).follow(addr(MASTER));
    bench.advance(11_000);
    bench.host(R1).info.history = Some(place(b'a', 3000, None));
    bench.host(R1).lead();
    bench.until("+fenced slave 127.0.0.1:6380", 12_000);
    let said = bench.advance(5900);
    assert!(only(&said, "rescue ").is_empty(), "{said:#?}");
    let said = bench.advance(20_000);
    let told = only(&said, "-rescue-incomplete slave 127.0.0.1:6380");
    assert!(
        told[0].ends_with("#it is not known here where its history and the present one parted")
    );
    assert_eq!(only(&said, "rescue "), ["rescue 1 127.0.0.1:6380 1001"]);
}
