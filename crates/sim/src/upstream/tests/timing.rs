//! The tick, the cadence of what is sent, and when something is down.

use bartizan_core::input::{Answer, Input};
use bartizan_core::time::Span;

use super::bench::*;

#[test]
fn ticks_come_10_to_19_times_a_second_at_uneven_distances() {
    let mut bench = Bench::new(known(2, &[]));
    assert_eq!(
        bench.sut.next_deadline(),
        Some(bench.now + Span::TICK),
        "the first at once"
    );
    bench.run(1);
    let mut gaps = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let due = bench.sut.next_deadline().unwrap();
        let gap = due.since(bench.now).as_ms();
        assert!((52..=100).contains(&gap), "{gap}");
        gaps.insert(gap);
        bench.run(gap);
    }
    assert_eq!(gaps.len(), 10);
    let due = bench.sut.next_deadline();
    bench.sut.handle_timeout(bench.now);
    assert_eq!(
        bench.sut.next_deadline(),
        due,
        "an early call changes nothing"
    );
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || {
        let mut bench = Bench::new(known(2, &['b', 'c']));
        bench.run(12_000);
        bench.peers_agree();
        bench.kill(&at(1));
        bench.run(30_000);
        format!("{:?} {:?}", bench.events, bench.calls)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_quiet_fleet_is_pinged_each_second_and_asked_for_info_each_ten() {
    let mut bench = Bench::new(known(2, &['b']));
    bench.run(60_000);
    for addr in [at(1), at(2), at(3), peer_addr('b')] {
        let pings = bench.times(&addr, is_ping).len();
        assert!((54..=60).contains(&pings), "{addr}: {pings}");
    }
    assert_eq!(bench.times(&at(1), is_info).len(), 6);
    assert_eq!(bench.times(&at(2), is_info).len(), 6);
    assert!(bench.times(&peer_addr('b'), is_info).is_empty());
    assert_eq!(bench.event_names(), ["+monitor"]);
    assert!(bench.writes.is_empty(), "nothing new, nothing to save");
}

#[test]
fn info_is_asked_for_each_second_while_the_failover_runs() {
    let mut bench = Bench::new(known(1, &[]));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.run_until("+odown", 5000);
    bench.fake(at(2)).mute = true;
    bench.fake(at(3)).mute = false;
    let since = bench.now.as_ms();
    bench.run(1900);
    let asked = bench
        .times(&at(3), is_info)
        .into_iter()
        .filter(|when| *when > since)
        .count();
    assert!((1..=2).contains(&asked), "{asked}");
}

#[test]
fn an_unanswered_info_and_hello_are_sent_again_each_tick_up_to_the_limit() {
    let mut bench = Bench::new(known(2, &[]));
    bench.run(3000);
    bench.fake(at(1)).mute = true;
    let since = bench.now.as_ms();
    bench.run(3000);
    let later = |times: Vec<u64>| times.into_iter().filter(|when| *when > since).count();
    let hellos = later(bench.times(&at(1), is_publish));
    assert!(hellos > 20, "{hellos}");
    bench.run(8000);
    let all = bench
        .calls
        .iter()
        .filter(|(when, to, _)| *to == at(1) && when.as_ms() > since);
    assert!(all.count() <= 103, "a hundred pending calls and no more");
}

#[test]
fn a_host_that_was_never_reached_is_down_after_down_after() {
    let mut state = known(2, &[]);
    state.masters[0].configuration.addr = at(99);
    let mut bench = Bench::new(state);
    let start = bench.now.as_ms();
    bench.run_until("+sdown master mymaster 127.0.0.1 99", 5000);
    let took = bench.when("+sdown") - start;
    assert!((DOWN_AFTER..DOWN_AFTER + 101).contains(&took), "{took}");
    let tries = bench
        .connects
        .iter()
        .filter(|(_, to, _)| *to == at(99))
        .count();
    assert_eq!(tries, 4, "both sides, once a second");
}

#[test]
fn a_mute_master_goes_down_and_comes_back() {
    let mut bench = Bench::new(known(2, &['b']));
    bench.run(5000);
    bench.fake(at(1)).mute = true;
    let start = bench.now.as_ms();
    bench.run_until("+sdown", 5000);
    let took = bench.when("+sdown") - start;
    assert!((DOWN_AFTER..=DOWN_AFTER + 1300).contains(&took), "{took}");
    bench.fake(at(1)).mute = false;
    bench.run_until("-sdown", 3000);
    assert!(!bench.has_event("+odown"), "the peer did not agree");
}

#[test]
fn a_mute_link_that_is_no_longer_young_is_closed_and_made_anew() {
    let mut bench = Bench::new(known(2, &[]));
    bench.run(20_000);
    let before = bench.connects.len();
    bench.fake(at(1)).mute = true;
    bench.run(4000);
    assert!(bench.connects.len() > before);
}

#[test]
fn errors_show_life_but_not_health() {
    let mut bench = Bench::new(known(2, &[]));
    bench.run(3000);
    bench.fake(at(1)).mute = true;
    bench.ping_answer = Some(Answer::Error(std::sync::Arc::from("NOAUTH")));
    bench.run_until("+sdown master", 5000);
    bench.ping_answer = Some(Answer::Loading);
    bench.run_until("-sdown master", 5000);
}

#[test]
fn a_late_tick_is_tilt_in_which_nothing_acts() {
    let mut bench = Bench::new(known(1, &['b']));
    bench.run(12_000);
    bench.kill(&at(1));
    bench.now += Span::ms(5000);
    bench.run(5000);
    let tilted = bench.when("+tilt #tilt mode entered");
    assert_eq!(
        bench.ask_vote(1, 'b'),
        (0, "b".to_owned(), 1),
        "it still votes"
    );
    bench.run(24_000);
    assert!(!bench.has_event("+sdown"));
    bench.run_until("-tilt #tilt mode exited", 3000);
    assert!(bench.when("-tilt") - tilted >= 30_000);
    assert_eq!(
        bench.when("+sdown master"),
        bench.when("-tilt"),
        "it acts in the same tick"
    );
}

#[test]
fn a_master_that_says_slave_for_long_is_down() {
    let mut bench = Bench::new(known(1, &[]));
    bench.run(5000);
    bench.fake(at(1)).info.role = Some(bartizan_core::report::Role::Replica);
    bench.run_until("-role-change master mymaster", 11_000);
    let since = bench.when("-role-change");
    bench.run_until("+sdown master", 30_000);
    assert!(bench.when("+sdown") - since > DOWN_AFTER + 20_000);
}

#[test]
fn a_write_that_ended_is_nothing_to_wait_for() {
    let mut bench = Bench::new(known(2, &[]));
    bench.disk_works = false;
    bench.hello('b', 1, 0, 1);
    bench.hello('c', 2, 0, 1);
    assert_eq!(bench.writes.len(), 1);
    let seq = bench.writes[0].0;
    bench.disk_works = true;
    bench.give(Input::Persisted { seq });
    assert_eq!(bench.writes.len(), 2);
    assert_eq!(bench.last_write().masters[0].sentinels.len(), 2);
    bench.give(Input::Persisted { seq });
    assert_eq!(bench.writes.len(), 2, "an old number means nothing");
}
