//! The time of a loop that waits, is held up, stopped, or never rests.

use std::cell::Cell;
use std::rc::Rc;

use tokio::task::LocalSet;

use super::*;

/// A loop whose last turn began and ended at 1,000 ms.
struct Loop(Turns);

impl Loop {
    fn start() -> Self {
        Self(Turns::new(Mono::from_ms(1_000)))
    }

    /// A wait from `waited`, to end at `due`, returns at `returned`. How far the core's time
    /// may go then.
    fn wait(&self, waited: u64, due: u64, returned: u64) -> u64 {
        self.0.due.store(due, Ordering::Relaxed);
        self.0.wait(Mono::from_ms(waited));
        self.0.begin(Mono::from_ms(returned));
        self.0.limit().as_ms()
    }

    /// A turn that was wanted begins at a moment of the clock, and ends at another.
    fn busy(&self, begins: u64, ends: u64) -> u64 {
        let count = |clock| self.0.count(Mono::from_ms(clock));
        assert!(self.0.begin_busy(count(begins)));
        assert!(!self.0.begin_busy(count(begins)));
        self.0.end_busy(count(ends));
        self.0.limit().as_ms()
    }

    /// What was found has been dealt with at `ended`.
    fn end(&self, ended: u64) -> u64 {
        self.0.end(Mono::from_ms(ended));
        self.0.limit().as_ms()
    }
}

#[test]
fn time_goes_on_after_a_wait_that_ended_when_it_should() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_500, 1_500), 1_520);
    assert_eq!(turns.end(1_501), 1_520);
    assert_eq!(turns.wait(1_501, 9_000, 1_777), 1_797);
}

#[test]
fn time_stands_still_until_all_is_read_that_came_while_the_process_had_to_wait() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_100, 1_250), 1_020);
    // Not everything is read yet when the next wait begins.
    assert_eq!(turns.wait(1_253, 1_100, 1_253), 1_020);
    assert_eq!(turns.end(1_255), 1_270);
}

#[test]
fn the_time_for_which_the_process_was_stopped_does_not_count() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_100, 2_000), 1_020);
    assert_eq!(turns.0.count(Mono::from_ms(2_001)).as_ms(), 1_101);
    assert_eq!(turns.wait(1_101, 1_150, 1_110), 1_020);
    assert_eq!(turns.end(1_111), 1_130);

    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_002, 1_002), 1_022);
    assert_eq!(turns.end(1_902), 1_022);
    assert_eq!(turns.wait(1_902, 1_002, 1_903), 1_022);
    assert_eq!(turns.0.count(Mono::from_ms(1_904)).as_ms(), 1_004);
}

#[test]
fn the_time_of_a_process_that_is_stopped_all_the_time_goes_on() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_100, 2_000), 1_020);
    assert_eq!(turns.wait(1_101, 1_150, 1_450), 1_020);
    assert_eq!(turns.end(1_451), 1_470);
}

#[test]
fn time_goes_on_in_a_loop_that_never_waits() {
    const BUSY: Duration = Duration::from_millis(600);
    let pace = Pace::new(Clock);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(pace.on_wait())
        .on_thread_unpark(pace.on_return())
        .build()
        .expect("a runtime");
    let behind = LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(pace.clone().hear_clients());
        tokio::task::spawn_local(pace.clone().hear_others());
        let (began, mut behind) = (Clock.now(), Span::ZERO);
        std::future::poll_fn(|cx| {
            let now = Clock.now();
            behind = behind.max(now.since(pace.now()));
            if Duration::from_millis(now.since(began).as_ms()) >= BUSY {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        behind
    });
    // It stood still from the start on: 580 ms.
    assert!(behind < Span::ms(300), "{behind:?} behind");
}

/// How many of those that a turn found, in either queue, had not had their turn when it ended.
fn unheard(clients: u32, others: u32) -> u32 {
    let pace = Pace::new(Clock);
    let (came, unheard) = (Rc::new(Notify::new()), Rc::new(Cell::new(clients + others)));
    let somebody = || {
        let (came, unheard) = (Rc::clone(&came), Rc::clone(&unheard));
        async move {
            came.notified().await;
            unheard.set(unheard.get() - 1);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let queue = LocalSet::new();
        queue.spawn_local(pace.clone().hear_clients());
        tokio::task::spawn_local(pace.clone().hear_others());
        for _ in 0..clients {
            queue.spawn_local(somebody());
        }
        for _ in 0..others {
            tokio::task::spawn_local(somebody());
        }
        crate::front::serve(queue, async {
            // All have begun to wait.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            pace.turns.runs.store(true, Ordering::Relaxed);
            came.notify_waiters();
            pace.turns.wanted.notify_one();
            while pace.turns.runs.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            unheard.get()
        })
        .await
    })
}

#[test]
fn a_turn_lasts_until_clients_and_all_others_have_been_heard() {
    assert_eq!(unheard(10, 400), 0);
    assert_eq!(unheard(400, 10), 0);
}

#[test]
fn the_time_of_a_loop_goes_the_slower_the_more_it_is_behind() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_002, 1_002), 1_022);
    assert_eq!(turns.end(1_100), 1_022);
    // Turns of 100 ms. Of each that comes after it, 20 ms count.
    for (clock, counted) in [
        (1_110, 1_042),
        (1_210, 1_062),
        (1_310, 1_082),
        (1_410, 1_102),
    ] {
        assert_eq!(turns.busy(clock, clock + 100), counted);
    }
    // The loop waits again, and the time is that of the clock but for what did not count.
    assert_eq!(turns.0.lost(), Span::ms(308));
    assert_eq!(turns.wait(1_203, 1_250, 1_250), 1_102);
    assert_eq!(turns.end(1_251), 1_270);
}

#[test]
fn the_time_of_a_loop_that_is_never_behind_goes_on_with_the_clock() {
    let turns = Loop::start();
    for clock in [1_040, 1_060, 1_080, 1_100] {
        assert_eq!(turns.busy(clock, clock + 2), clock + 20);
    }
    assert_eq!(turns.0.lost(), Span::ZERO);
}

#[test]
fn a_long_interruption_of_a_busy_loop_counts() {
    let turns = Loop::start();
    assert_eq!(turns.busy(1_040, 1_140), 1_040);
    turns.0.see(Mono::from_ms(1_150));
    turns.0.see(Mono::from_ms(4_150));
    assert_eq!(turns.busy(4_151, 4_251), 4_151);
    // Only that one.
    assert_eq!(turns.busy(4_351, 4_451), 4_171);
}

#[test]
fn a_long_interruption_counts() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_100, 9_000), 1_020);
    assert_eq!(turns.end(9_002), 9_020);
}

#[test]
fn time_follows_a_turn_behind_while_every_turn_is_long() {
    let turns = Loop::start();
    assert_eq!(turns.wait(1_001, 1_002, 1_002), 1_022);
    assert_eq!(turns.end(1_100), 1_022);
    assert_eq!(turns.wait(1_101, 1_002, 1_101), 1_022);
    assert_eq!(turns.end(1_200), 1_101);
    assert_eq!(turns.wait(1_201, 1_002, 1_201), 1_101);
    assert_eq!(turns.end(1_203), 1_221);
}
