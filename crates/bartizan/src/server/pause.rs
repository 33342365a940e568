//! `CLIENT PAUSE`: what clients ask waits for a while.
//!
//! Peers are clients too. What they need for agreeing (questions, votes, hellos, PING) is never
//! held back, so that an operator who pauses a Sentinel does not take it out of its fleet.

use std::cell::Cell;
use std::time::Duration;

use bartizan_core::time::{Mono, Span};
use tokio::sync::Notify;

use crate::clock::Clock;

/// What goes on while clients are paused.
const NEVER_HELD: [&str; 5] = [
    "ping",
    "publish",
    "sentinel|is-master-down-by-addr",
    "client|pause",
    "client|unpause",
];

/// Until when clients are paused.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Cell<Option<Mono>>,
    changed: Notify,
}

impl Pause {
    /// Pauses for so long from now on; a shorter pause does not end a longer one.
    pub(super) fn begin(&self, now: Mono, ms: u64) {
        let until = now + Span::ms(ms);
        if self.until.get().is_none_or(|other| other < until) {
            self.until.set(Some(until));
        }
    }

    /// Ends the pause.
    pub(super) fn end(&self) {
        self.until.set(None);
        self.changed.notify_waiters();
    }

    /// Whether clients are paused.
    pub(super) fn is_on(&self, clock: Clock) -> bool {
        self.until.get().is_some_and(|until| clock.now() < until)
    }

    /// Whether a command, by the name that the table has for it, goes on while clients are paused.
    pub(super) fn spares(command: &str) -> bool {
        NEVER_HELD.contains(&command)
    }

    /// Comes when the pause may be over. To be asked again after it.
    pub(super) async fn over(&self, clock: Clock) {
        let Some(until) = self.until.get() else {
            return;
        };
        let rest = Duration::from_millis(until.since(clock.now()).as_ms());
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = self.changed.notified() => {}
        }
    }
}
