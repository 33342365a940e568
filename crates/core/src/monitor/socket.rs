//! One connection that is wanted: when it is tried, and how long to wait when it fails.

use crate::ctx::Outbox;
use crate::ids::LinkId;
use crate::monitor::link::RESOLVE_PATIENCE;
use crate::rng::Rng;
use crate::time::{Mono, Span};

const SHORTEST_RETRY: Span = Span::ms(50);
/// A connection that held this long counts as a good one.
const LASTING: Span = Span::secs(1);

/// A connection that is wanted: made, or to be made again.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) state: State,
    /// Attempts in a row that did not connect.
    failures: u32,
    /// Connections in a row that did not last.
    short_lives: u32,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Closed { retry_at: Mono },
    Resolving { since: Mono },
    Connecting { id: LinkId, since: Mono },
    Up { id: LinkId, since: Mono },
}

impl Socket {
    pub(super) const fn new(now: Mono) -> Self {
        Self {
            state: State::Closed { retry_at: now },
            failures: 0,
            short_lives: 0,
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether the last attempt failed and none has come about since.
    pub(super) const fn is_refused(&self) -> bool {
        self.failures > 0 && !self.is_up()
    }

    /// The connection, when it stands.
    pub(super) const fn up(&self) -> Option<LinkId> {
        match self.state {
            State::Up { id, .. } => Some(id),
            _ => None,
        }
    }

    pub(super) const fn id(&self) -> Option<LinkId> {
        match self.state {
            State::Connecting { id, .. } | State::Up { id, .. } => Some(id),
            State::Closed { .. } | State::Resolving { .. } => None,
        }
    }

    pub(super) fn due(&self, port: u16) -> Option<Mono> {
        match self.state {
            State::Closed { .. } | State::Resolving { .. } if port == 0 => None,
            State::Closed { retry_at } => Some(retry_at),
            State::Resolving { since } => Some(since + RESOLVE_PATIENCE),
            State::Connecting { .. } | State::Up { .. } => None,
        }
    }

    pub(super) fn on_up(&mut self, link: LinkId, now: Mono) -> bool {
        match self.state {
            State::Connecting { id, .. } if id == link => {
                self.state = State::Up { id, since: now };
                true
            }
            _ => false,
        }
    }

    pub(super) fn on_down(
        &mut self,
        link: LinkId,
        now: Mono,
        longest: Span,
        rng: &mut Rng,
    ) -> bool {
        if self.id() != Some(link) {
            return false;
        }
        // A connection that lasted is made again at once; one that fails, or breaks again and
        // again, waits longer each time.
        match self.state {
            State::Up { since, .. } => {
                let lasted = now.since(since) >= LASTING;
                self.failures = 0;
                self.short_lives = if lasted {
                    0
                } else {
                    self.short_lives.saturating_add(1)
                };
            }
            _ => self.failures = self.failures.saturating_add(1),
        }
        let wait = match self.failures.max(self.short_lives) {
            0 => Span::ZERO,
            n => (SHORTEST_RETRY * (1 << (n - 1).min(10))).min(longest),
        };
        let jitter = Span::ms(rng.below(wait.as_ms() / 8 + 1));
        self.state = State::Closed {
            retry_at: now + wait + jitter,
        };
        true
    }

    pub(super) fn retry_now(&mut self, now: Mono) {
        if let State::Closed { retry_at } = &mut self.state {
            *retry_at = now.min(*retry_at);
        }
    }

    pub(super) fn close(&mut self, now: Mono, out: &mut Outbox) {
        self.close_after(now, Span::ZERO, out);
    }

    pub(super) fn close_after(&mut self, now: Mono, wait: Span, out: &mut Outbox) {
        if let Some(id) = self.id() {
            out.close(id);
        }
        self.state = State::Closed {
            retry_at: now + wait,
        };
    }
}
