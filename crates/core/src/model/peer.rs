//! Other Sentinels: the link to each, and what each thinks of one master.

use crate::ids::Epoch;
use crate::monitor::link::Link;
use crate::report::Ballot;
use crate::time::{Mono, Span};

/// The link to a peer, shared by every master that we watch together (spec §5.2).
#[derive(Clone, Debug)]
pub(crate) struct PeerLink {
    pub(crate) link: Link,
    /// How many masters we share.
    pub(crate) masters: usize,
    /// The shortest `down-after` of those masters.
    pub(crate) down_after: Span,
    /// The silence of which its masters know.
    pub(crate) told_silence: Option<Mono>,
}

/// What a peer is to one master.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The last hello it sent about this master.
    pub(crate) heard_at: Mono,
    /// Our last hello to it; `None` when one is owed at once.
    pub(crate) told_at: Option<Mono>,
    /// Our last question; `None` when one is owed at once.
    pub(crate) asked_at: Option<Mono>,
    /// Its last answer.
    pub(crate) answered_at: Option<Mono>,
    /// It holds the master to be down.
    pub(crate) says_down: bool,
    /// The vote it cast last, as it says.
    pub(crate) vote: Option<Ballot>,
    /// The epoch of the last question that it answered.
    pub(crate) answered_epoch: Epoch,
    /// We hold the peer to be down, since then.
    pub(crate) sdown: Option<Mono>,
}

impl Peer {
    /// A peer that was just heard of.
    pub(crate) const fn new(now: Mono) -> Self {
        Self {
            heard_at: now,
            told_at: None,
            asked_at: None,
            answered_at: None,
            says_down: false,
            vote: None,
            answered_epoch: Epoch::ZERO,
            sdown: None,
        }
    }

    /// Its opinion was about an address that is no longer the master's.
    pub(crate) const fn forget_opinion(&mut self) {
        self.says_down = false;
        self.answered_at = None;
        self.asked_at = None;
        self.vote = None;
    }
}
