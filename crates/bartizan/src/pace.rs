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
//! There are two queues, that of clients and that of all others (`front.rs`), so the task is two:
//! one in the first, and it has the other come behind what is in the second.
//! A loop that always has something to do never waits, it only glances at its sockets now and
//! then. There whoever finds the time standing still asks for a turn, and our task begins one
//! with such a glance of its own. Such turns take as long as the loop is behind with its work, and
//! each lets the time go on by a little only: the more there is to do, the slower it goes, and the
//! less comes due on top of it. What it is behind the clock then does not count either.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::time::{Mono, Span};
use tokio::sync::Notify;

use crate::clock::Clock;

/// A delay that is nothing out of the ordinary, and what a turn of a loop that never waits lets the
/// time go on by.
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
    /// For how long it was stopped or behind with its work: what the core's time is behind the
    /// clock.
    lost: AtomicU64,
    /// When the process was last seen to run.
    seen: AtomicU64,
    /// Whether an interruption was seen that the core has to know of.
    interrupted: AtomicBool,
    /// Whether the turn was begun because one was wanted.
    busy: AtomicBool,
    /// A turn has to be ended, or one is wanted.
    wanted: Notify,
    /// The clients' share of a turn has been dealt with.
    clients_heard: Notify,
}

impl Pace {
    /// Time goes on from now.
    pub(crate) fn new(clock: Clock) -> Self {
        let turns = Arc::new(Turns::new(clock.now()));
        Self { clock, turns }
    }

    /// The core's time.
    pub(crate) fn now(&self) -> Mono {
        let (now, limit) = (self.turns.count(self.clock.now()), self.turns.limit());
        self.turns.see(now);
        if limit < now && !self.turns.runs.load(Ordering::Relaxed) {
            self.turns.wanted.notify_one();
        }
        now.min(limit)
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

    /// The task among the clients' that begins those turns that no wait begins, and ends the
    /// clients' share of all.
    pub(crate) async fn hear_clients(self) -> Infallible {
        let turns = &self.turns;
        loop {
            turns.wanted.notified().await;
            if turns.begin_busy(turns.count(self.clock.now())) {
                // The runtime looks at the sockets before it goes on with us, and queues what it
                // finds before us.
                tokio::task::yield_now().await;
            }
            // Until the turn has ended nobody wants another, so this is for one turn alone.
            turns.clients_heard.notify_one();
        }
    }

    /// The task among the others that ends turns.
    pub(crate) async fn hear_others(self) -> Infallible {
        let turns = &self.turns;
        loop {
            turns.clients_heard.notified().await;
            let now = turns.count(self.clock.now());
            if turns.busy.load(Ordering::Relaxed) {
                turns.end_busy(now);
            } else {
                turns.end(now);
            }
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
                turns.wanted.notify_one();
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
            seen: now.as_ms().into(),
            interrupted: false.into(),
            busy: false.into(),
            wanted: Notify::new(),
            clients_heard: Notify::new(),
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

    /// The process runs.
    fn see(&self, now: Mono) {
        let seen = Mono::from_ms(self.seen.swap(now.as_ms(), Ordering::Relaxed));
        if now.since(seen) >= INTERRUPTED {
            self.interrupted.store(true, Ordering::Relaxed);
        }
    }

    fn wait(&self, now: Mono) {
        self.see(now);
        self.waited.store(now.as_ms(), Ordering::Relaxed);
    }

    /// A wait returned: whether a turn begins. None does while the last one runs, nor when the
    /// process was stopped meanwhile: such a wait ends without a look at the sockets.
    fn begin(&self, now: Mono) -> bool {
        let moment = |of: &AtomicU64| Mono::from_ms(of.load(Ordering::Relaxed));
        let (began, waited, due) = (moment(&self.began), moment(&self.waited), moment(&self.due));
        self.seen.store(now.as_ms(), Ordering::Relaxed);
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

    /// A turn is wanted in a loop that does not wait: whether one begins, which it does not while
    /// the last one runs.
    fn begin_busy(&self, now: Mono) -> bool {
        self.see(now);
        if self.runs.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.busy.store(true, Ordering::Relaxed);
        self.began.store(now.as_ms(), Ordering::Relaxed);
        self.returned.store(now.as_ms(), Ordering::Relaxed);
        true
    }

    /// What a wanted turn found has been dealt with: the time goes on a little.
    fn end_busy(&self, now: Mono) {
        self.see(now);
        let began = Mono::from_ms(self.began.load(Ordering::Relaxed));
        let behind = began.since(self.limit()).as_ms();
        let lost = if self.interrupted.load(Ordering::Relaxed) {
            0
        } else {
            behind.saturating_sub(USUAL.as_ms())
        };
        self.lost.fetch_add(lost, Ordering::Relaxed);
        let counted = |at: u64| at.saturating_sub(lost);
        for moment in [&self.began, &self.returned, &self.seen, &self.stopped] {
            moment.store(counted(moment.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
        self.end(Mono::from_ms(counted(now.as_ms())));
    }

    fn end(&self, now: Mono) {
        let began = Mono::from_ms(self.began.load(Ordering::Relaxed));
        let is_short = now.since(began) <= USUAL;
        self.allow(if is_short { began + USUAL } else { began });
        self.interrupted.store(false, Ordering::Relaxed);
        self.busy.store(false, Ordering::Relaxed);
        self.runs.store(false, Ordering::Relaxed);
    }

    fn allow(&self, limit: Mono) {
        self.limit.fetch_max(limit.as_ms(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
