//! What is known of a process from PING and its answers (spec §5.4, §5.5, §8).

use crate::time::{Mono, Span};

/// The times that decide whether a process counts as alive.
#[derive(Clone, Debug)]
pub(crate) struct PingBook {
    /// Since when a valid answer is owed; begins with the link itself, so that a host that never
    /// answered goes down too.
    pub(crate) waiting_since: Option<Mono>,
    /// The last valid answer.
    pub(crate) ok_at: Mono,
    /// The last answer to PING of any kind.
    pub(crate) pong_at: Mono,
    /// How long an answer takes, smoothed.
    pub(crate) round_trip: Span,
    sent_at: Option<Mono>,
    outstanding: bool,
    replied_at: Mono,
}

/// How often to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// After the last sign of life.
    pub(crate) every: Span,
    /// After the last PING, whatever other signs there are.
    pub(crate) when_heard: Span,
    /// From then on a hello waits for the next PONG.
    pub(crate) hello_owed: Option<Mono>,
    /// Where between two moments of the grid this Sentinel has its own.
    pub(crate) offset: u64,
}

/// Moments of the grid in a period of PING.
const GRAINS: u64 = 50;

impl Rhythm {
    /// By how much a PING that a hello waits for goes ahead of others. The hello is a sign of life
    /// to every Sentinel that listens, and those that would have asked a moment later need not:
    /// they all count from the same last hello, and would otherwise all ask at once.
    const fn lead(self) -> Span {
        self.every.over(20)
    }

    /// When to ask, after a last sign of life, if nothing more is heard.
    fn after(self, sign: Mono) -> Mono {
        let usual = sign + self.every;
        let ahead = Mono::from_ms(usual.as_ms() - self.lead().as_ms());
        let due = self
            .hello_owed
            .map_or(usual, |owed| ahead.max(owed).min(usual));
        self.on_grid(due)
    }

    /// The last moment of a fine grid that is not after `due`: so that many servers are asked in
    /// one go, which costs the kernel much less than as many single goes. The grid of each
    /// Sentinel lies elsewhere, so that two on one machine do not ask all the same servers at once.
    fn on_grid(self, due: Mono) -> Mono {
        let grain = self.every.over(GRAINS).as_ms().max(1);
        let past = (due.as_ms() + grain - self.offset % grain) % grain;
        Mono::from_ms(due.as_ms().saturating_sub(past))
    }
}

impl PingBook {
    pub(crate) const fn new(now: Mono) -> Self {
        Self {
            waiting_since: Some(now),
            ok_at: now,
            pong_at: now,
            round_trip: Span::ZERO,
            sent_at: None,
            outstanding: false,
            replied_at: now,
        }
    }

    /// When the next PING goes out over a connection that is up since `up`: one at a time, and
    /// the first at once. Whoever was heard of lately, at `heard` or by an answer, is left alone
    /// for as long as the rhythm allows: a hang is noticed as early as if it were not.
    pub(crate) fn next_due(&self, up: Mono, rhythm: Rhythm, heard: Option<Mono>) -> Option<Mono> {
        match self.sent_at {
            _ if self.outstanding => None,
            Some(sent) => {
                let sign = heard.map_or(self.replied_at, |heard| heard.max(self.replied_at));
                let latest = sent + rhythm.when_heard.max(rhythm.every);
                Some(up.max(rhythm.after(sign.max(sent)).min(latest)))
            }
            None => Some(up),
        }
    }

    /// Whether it answered a PING at `since` or later, and owes no answer.
    pub(crate) fn is_answered_since(&self, since: Mono) -> bool {
        !self.outstanding && self.pong_at >= since
    }

    /// Whether the last PING had an answer that was not valid.
    pub(crate) const fn lacks_valid(&self) -> bool {
        self.waiting_since.is_some() && !self.outstanding
    }

    /// The next PING goes out at once, unless one is under way.
    pub(crate) const fn hasten(&mut self) {
        if !self.outstanding {
            self.sent_at = None;
        }
    }

    /// Since when a PING is unanswered and nothing else was said either.
    pub(crate) fn unheard_since(&self) -> Option<Mono> {
        let sent = self.sent_at.filter(|_| self.outstanding)?;
        Some(sent.max(self.replied_at))
    }

    pub(crate) fn on_sent(&mut self, now: Mono) {
        self.sent_at = Some(now);
        self.outstanding = true;
        self.waiting_since.get_or_insert(now);
    }

    /// An answer that shows the process to be alive.
    pub(crate) fn on_valid(&mut self, now: Mono) {
        self.on_invalid(now);
        self.ok_at = now;
        self.waiting_since = None;
    }

    /// An answer that shows only that somebody is there.
    pub(crate) fn on_invalid(&mut self, now: Mono) {
        if let Some(sent) = self.sent_at {
            self.on_round_trip(now.since(sent));
        }
        self.outstanding = false;
        self.pong_at = now;
    }

    /// An answer took this long.
    pub(crate) fn on_round_trip(&mut self, sample: Span) {
        let sum = self.round_trip.as_ms() * 3 + sample.as_ms();
        self.round_trip = Span::ms(sum.div_ceil(4));
    }

    /// An answer to anything.
    pub(crate) const fn on_reply(&mut self, now: Mono) {
        self.replied_at = now;
    }

    pub(crate) const fn on_link_up(&mut self) {
        self.outstanding = false;
        self.sent_at = None;
    }

    pub(crate) const fn on_link_lost(&mut self) {
        self.outstanding = false;
    }
}
