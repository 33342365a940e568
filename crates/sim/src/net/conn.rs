//! One connection: its two ends, and what is under way in each direction.

use std::collections::VecDeque;

use super::Node;
use crate::codec::Ends;
use crate::msg::Msg;
use crate::sched::At;

/// A connection; the generation tells it from a later one in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId {
    pub(super) slot: usize,
    pub(super) generation: u32,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who opened it.
    Near,
    /// Who was called.
    Far,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Sentinel's calls.
    Command,
    /// A Sentinel's subscription.
    PubSub,
    /// Its subscription that asks what it may do.
    Trial,
    /// A replica's link to its master.
    Replication,
    /// An application's link to a server.
    Client,
    /// An application's question to a Sentinel.
    Query,
}

/// How an attempt to connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It stands.
    Up,
    /// Nobody listens.
    Refused,
    /// Nobody answered for minutes.
    TimedOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Opening,
    Open,
}

/// One direction: towards the side that it is named after.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) moving: VecDeque<Msg>,
    pub(super) stalled: VecDeque<Msg>,
    pub(super) stalled_since: At,
    pub(super) last: At,
    /// The receiving end has forgotten the connection without telling anyone.
    pub(super) gone: bool,
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    /// Who opened it.
    pub from: Node,
    /// Who was called.
    pub to: Node,
    /// What it carries.
    pub kind: Kind,
    /// Whatever its opener wants to remember: a Sentinel's link id, a client's number.
    pub tag: u64,
    pub(super) state: State,
    pub(super) lanes: [Lane; 2],
    pub(super) ends: Ends,
}

impl Conn {
    pub(super) fn lane(&mut self, towards: Side) -> &mut Lane {
        let [near, far] = &mut self.lanes;
        match towards {
            Side::Near => near,
            Side::Far => far,
        }
    }

    /// Whether who was called has closed or forgotten it: what is sent there reaches nobody.
    pub(crate) const fn is_left(&self) -> bool {
        let [_, far] = &self.lanes;
        far.gone
    }

    /// The process at this end.
    pub const fn node(&self, side: Side) -> Node {
        match side {
            Side::Near => self.from,
            Side::Far => self.to,
        }
    }
}
