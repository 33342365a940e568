//! Over which of a server's two connections hellos go.
//!
//! A server whose writes are paused, by whomever, holds back a PUBLISH and everything behind it on
//! the same connection. In front of a PING it would make a server look dead that is well. So it
//! goes over the Pub/Sub link, which in RESP3 takes calls as well, and over the command link only
//! where there is no such link.

use crate::ids::CallId;
use crate::input::Talk;
use crate::provide::options::Periods;
use crate::time::{Mono, Span};

/// When a server is to be told a hello of ours again.
///
/// A replica passes on what is published on its master, so whoever listens there has our hello
/// already, and so have we: it comes back to us. A replica that it keeps coming back from is told
/// none of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HelloDebt {
    due: Mono,
    /// One that it was told itself has not come back yet.
    echo_awaited: bool,
}

impl HelloDebt {
    pub(crate) const fn due_at(now: Mono) -> Self {
        Self {
            due: now,
            echo_awaited: false,
        }
    }

    pub(crate) const fn due(self) -> Mono {
        self.due
    }

    /// The next one is told as soon as it can be.
    pub(crate) const fn hasten(&mut self, now: Mono) {
        self.due = now;
    }

    /// It was told one. The next waits for a PONG, so it is due a little early: a PONG that comes
    /// a moment before the period is over does for it.
    pub(crate) fn on_told(&mut self, now: Mono, periods: &Periods) {
        const SLACK: u64 = 20;
        let period = periods.publish.as_ms();
        self.due = now + Span::ms(period - period / SLACK);
        self.echo_awaited = true;
    }

    /// A hello of ours that tells the newest came back from a replica. Where it was not the one
    /// told there, its master's came through, and the next is given time to do so too.
    pub(crate) fn on_echo(&mut self, now: Mono, periods: &Periods) {
        if !std::mem::take(&mut self.echo_awaited) {
            self.due = self
                .due
                .max(now + periods.publish + periods.publish.over(2));
        }
    }
}

/// Where hellos about a server are said, and the one that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulpit {
    pub(super) place: Place,
    /// The hello on the Pub/Sub link that was not answered yet, and when it was sent. There is
    /// never more than one.
    open: Option<(CallId, Mono)>,
}

/// Which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The Pub/Sub link may still turn out to take calls.
    Awaited,
    /// It does.
    PubSub,
    /// It only listens, or cannot be had.
    Command,
}

impl Pulpit {
    pub(super) const fn new() -> Self {
        Self {
            place: Place::Awaited,
            open: None,
        }
    }

    /// Whether the Pub/Sub link can be given a hello.
    pub(super) const fn is_free(&self) -> bool {
        matches!(self.place, Place::PubSub) && self.open.is_none()
    }

    /// A hello left over the Pub/Sub link.
    pub(super) const fn on_told(&mut self, call: CallId, now: Mono) {
        self.open = Some((call, now));
    }

    /// Whether this call was that hello, which is answered now.
    pub(super) fn on_answer(&mut self, call: CallId) -> bool {
        let ours = self.open.is_some_and(|(open, _)| open == call);
        if ours {
            self.open = None;
        }
        ours
    }

    /// Since when the hello on the Pub/Sub link has not been answered.
    pub(super) fn held_since(&self) -> Option<Mono> {
        self.open.map(|(_, since)| since)
    }

    /// The subscription stands.
    pub(super) const fn on_subscribed(&mut self, talk: Talk) {
        self.place = match talk {
            Talk::Both => Place::PubSub,
            Talk::Listen | Talk::Refuse => Place::Command,
        };
    }

    /// The Pub/Sub link is gone. One that came to nothing is not waited for.
    pub(super) const fn on_pubsub_lost(&mut self) {
        self.open = None;
        self.place = match self.place {
            Place::PubSub => Place::Awaited,
            Place::Awaited | Place::Command => Place::Command,
        };
    }

    /// The server is there again, and may be another one.
    pub(super) const fn on_return(&mut self) {
        self.place = Place::Awaited;
    }
}
