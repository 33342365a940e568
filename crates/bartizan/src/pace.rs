//! What time it is for the core: never later than what has been read, and without the time in
//! which this process could not run.
//!
//! A Sentinel that is held up, by a busy machine or by a storm of failovers, finds answers waiting
//! in its sockets when it goes on. Were it to look at the clock before it has read them, it would
//! call servers down that answered in time, and start work that holds it up further. So time
//! stands still for the core until everything that came before has been read.
//!
//! Whoever was stopped for a while also sent nothing in that while, though the core had said so:
//! such a time does not count at all. A longer one is the core's to notice (TILT, spec §8).
//!
//! A *turn* begins when a wait for sockets returns. What it found is queued then, and a task of
//! ours behind it: when that task runs, everything that came before the turn has been dealt with.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::time::{Mono, Span};
use tokio::sync::Notify;

use crate::clock::Clock;

/// A delay that is nothing out of the ordinary.
const USUAL: Span = Span::ms(20);
/// Whoever did nothing for so long was stopped.
const STOPPED: Span = Span::ms(200);
/// A process that is stopped more often than that is on a machine that is too busy, where its time
/// has to go on none the less.
const SELDOM: Span = Span::ms(500);
/// From here on it is an interruption that the core has to know of.
const INTERRUPTED: Span = Span::ms(2_000);
/// How often somebody who waits for the core's time to go on looks whether it did.
const GLANCE: Duration = Duration::from_millis(1);
/// Most sockets that one wait finds: enough that hardly any is left for the next.
pub(crate) const SOCKETS_A_TURN: usize = 4096;

/// The core's time.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    clock: Clock,
    turns: Arc<Turns>,
}

/// Moments of the core's time, in ms. The runtime's hooks might be called from any thread, but are not.
#[derive(Debug)]
struct Turns {
    /// When the last turn began.
    began: AtomicU64,
    /// Whether it has not ended.
    runs: AtomicBool,
    /// When the last wait returned.
    returned: AtomicU64,
    /// When the last wait began.
    waited: AtomicU64,
    /// When it was to end at the latest.
    due: AtomicU64,
    /// How far the core's time may go.
    limit: AtomicU64,
    /// When it was last found that the process had been stopped.
    stopped: AtomicU64,
    /// How long it was stopped: what the core's time is behind the clock.
    lost: AtomicU64,
    begins: Notify,
}

impl Pace {
    /// Time goes on from now.
    pub(crate) fn new(clock: Clock) -> Self {
        let turns = Arc::new(Turns::new(clock.now()));
        Self { clock, turns }
    }

    /// The core's time.
    pub(crate) fn now(&self) -> Mono {
        self.turns.count(self.clock.now()).min(self.turns.limit())
    }

    /// Waits until the core's time may have reached the deadline; without one, for ever.
    pub(crate) async fn until(&self, deadline: Option<Mono>) {
        let due = deadline.map_or(u64::MAX, Mono::as_ms);
        self.turns.due.store(due, Ordering::Relaxed);
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        let wait = self.clock.until(deadline + self.turns.lost());
        let held_back = wait.is_zero() && self.turns.limit() < deadline;
        tokio::time::sleep(if held_back { GLANCE } else { wait }).await;
    }

    /// The task that ends turns.
    pub(crate) async fn keep(self) -> Infallible {
        loop {
            self.turns.begins.notified().await;
            self.turns.end(self.turns.count(self.clock.now()));
        }
    }

    /// To be called when the runtime begins to wait for sockets.
    pub(crate) fn on_wait(&self) -> impl Fn() + Send + Sync + 'static {
        let (clock, turns) = (self.clock, Arc::clone(&self.turns));
        move || turns.wait(turns.count(clock.now()))
    }

    /// To be called when that wait has returned.
    pub(crate) fn on_return(&self) -> impl Fn() + Send + Sync + 'static {
        let (clock, turns) = (self.clock, Arc::clone(&self.turns));
        move || {
            if turns.begin(turns.count(clock.now())) {
                turns.begins.notify_one();
            }
        }
    }
}

impl Turns {
    fn new(now: Mono) -> Self {
        Self {
            began: now.as_ms().into(),
            runs: false.into(),
            returned: now.as_ms().into(),
            waited: now.as_ms().into(),
            due: u64::MAX.into(),
            limit: (now + USUAL).as_ms().into(),
            stopped: 0.into(),
            lost: 0.into(),
            begins: Notify::new(),
        }
    }

    /// The time that counts, at a moment of the clock.
    fn count(&self, clock: Mono) -> Mono {
        Mono::from_ms(clock.since(Mono::default() + self.lost()).as_ms())
    }

    fn lost(&self) -> Span {
        Span::ms(self.lost.load(Ordering::Relaxed))
    }

    fn limit(&self) -> Mono {
        Mono::from_ms(self.limit.load(Ordering::Relaxed))
    }

    fn wait(&self, now: Mono) {
        self.waited.store(now.as_ms(), Ordering::Relaxed);
    }

    /// A wait returned: whether a turn begins. None does while the last one runs, nor when the
    /// process was stopped meanwhile: such a wait ends without a look at the sockets.
    fn begin(&self, now: Mono) -> bool {
        let moment = |of: &AtomicU64| Mono::from_ms(of.load(Ordering::Relaxed));
        let (began, waited, due) = (moment(&self.began), moment(&self.waited), moment(&self.due));
        let returned = Mono::from_ms(self.returned.swap(now.as_ms(), Ordering::Relaxed));
        let overslept = now.since(waited.max(due));
        let stopped = overslept.max(waited.since(returned));
        let seldom = now.since(moment(&self.stopped)) >= SELDOM;
        if seldom && (STOPPED..INTERRUPTED).contains(&stopped) {
            self.lost.fetch_add(stopped.as_ms(), Ordering::Relaxed);
            let counted = now.since(Mono::default() + stopped).as_ms();
            self.returned.store(counted, Ordering::Relaxed);
            self.stopped.store(counted, Ordering::Relaxed);
            return false;
        }
        if self.runs.load(Ordering::Relaxed) {
            return false;
        }
        if overslept.max(waited.since(began)) <= USUAL {
            // Whatever there is to read came just now.
            self.allow(now + USUAL);
        }
        self.began.store(now.as_ms(), Ordering::Relaxed);
        self.runs.store(true, Ordering::Relaxed);
        true
    }

    fn end(&self, now: Mono) {
        let began = Mono::from_ms(self.began.load(Ordering::Relaxed));
        let is_short = now.since(began) <= USUAL;
        self.allow(if is_short { began + USUAL } else { began });
        self.runs.store(false, Ordering::Relaxed);
    }

    fn allow(&self, limit: Mono) {
        self.limit.fetch_max(limit.as_ms(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
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
}
