//! What we do: stand for election, promote a replica, re-point the others (spec §9, §10).

mod divergence;
pub(crate) mod election;
pub(crate) mod forestall;
pub(crate) mod handover;
pub(crate) mod heal;
pub(crate) mod homecoming;
pub(crate) mod min_replicas;
pub(crate) mod promote;
pub(crate) mod prospect;
pub(crate) mod reconf;
pub(crate) mod select;
pub(crate) mod switch;
pub(crate) mod vote;

use std::collections::BTreeSet;

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::handover::Handover;
use crate::failover::reconf::Reconfiguring;
use crate::ids::Epoch;
use crate::model::master::Master;
use crate::time::{Mono, Span};

/// How far a failover has come. Each state holds what only it needs.
#[derive(Clone, Debug)]
pub(crate) enum Failover {
    /// None is under way.
    Idle,
    /// We ask for votes.
    Standing(Standing),
    /// We are elected and look for a replica.
    Selecting(Mandate),
    /// An operator's failover of a master that is well: its writes are held back until the chosen
    /// replica has all of them.
    Handover(Handover),
    /// A replica was chosen: it is told, or about to be told, to be master.
    Promoting(Promoting),
    /// It is master; peers, clients and the other replicas are told.
    Reconfiguring(Reconfiguring),
}

/// Why a failover was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The master is objectively down.
    Down,
    /// `SENTINEL FAILOVER`.
    Operator,
}

/// A candidacy.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) epoch: Epoch,
    pub(crate) since: Mono,
    pub(crate) cause: Cause,
    /// Our own vote is on disk, so others may be asked for theirs.
    pub(crate) asking: bool,
    /// An operator's failover that goes on without the others, in an epoch of its own.
    pub(crate) alone: bool,
}

/// The right to fail over in this epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mandate {
    pub(crate) epoch: Epoch,
    pub(crate) since: Mono,
    pub(crate) cause: Cause,
    /// Elected by a majority; else forced by an operator where no majority could be reached.
    pub(crate) elected: bool,
    /// What replicas said before this moment is too old to choose by.
    pub(crate) fresh_from: Mono,
}

/// A promotion under way.
#[derive(Clone, Debug)]
pub(crate) struct Promoting {
    pub(crate) mandate: Mandate,
    pub(crate) replica: Addr,
    /// Since when it has been the chosen one.
    pub(crate) since: Mono,
    /// When the transaction was sent; `None` when it has to be sent (again).
    pub(crate) told: Option<Mono>,
    /// The transaction was sent at least once.
    pub(crate) told_once: bool,
}

impl Failover {
    /// The name of the state in `SENTINEL MASTER` (spec §3.3).
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "none",
            Self::Standing(_) => "wait_start",
            Self::Selecting(_) => "select_slave",
            Self::Handover(_) => "pause_writes",
            Self::Promoting(Promoting {
                told_once: false, ..
            }) => "send_slaveof_noone",
            Self::Promoting(_) => "wait_promotion",
            Self::Reconfiguring(_) => "reconf_slaves",
        }
    }

    /// The epoch in which peers are asked for their votes, if they are.
    pub(crate) const fn asks_for_votes(&self) -> Option<Epoch> {
        match self {
            Self::Standing(standing) if standing.asking => Some(standing.epoch),
            _ => None,
        }
    }

    /// Whether an operator forced it.
    pub(crate) const fn is_forced(&self) -> bool {
        match self {
            Self::Standing(standing) => matches!(standing.cause, Cause::Operator),
            Self::Selecting(mandate) => matches!(mandate.cause, Cause::Operator),
            Self::Handover(_) => true,
            Self::Promoting(promoting) => matches!(promoting.mandate.cause, Cause::Operator),
            Self::Idle | Self::Reconfiguring(_) => false,
        }
    }

    /// The replica that is being promoted, or was.
    pub(crate) const fn promoted(&self) -> Option<&Addr> {
        match self {
            Self::Promoting(promoting) => Some(&promoting.replica),
            Self::Idle
            | Self::Standing(_)
            | Self::Selecting(_)
            | Self::Handover(_)
            | Self::Reconfiguring(_) => None,
        }
    }
}

impl Master {
    /// Takes the failover as far as it can go now.
    pub(crate) fn pursue(&mut self, cx: &mut Ctx) {
        // A configuration on its way to the disk decides what happens next.
        if self.adopting.is_some() {
            return;
        }
        const MOST_STEPS: usize = 6;
        for _ in 0..MOST_STEPS {
            let before = std::mem::discriminant(&self.failover);
            match &self.failover {
                Failover::Idle => self.consider_standing(cx),
                Failover::Standing(_) => self.count_votes(cx),
                Failover::Selecting(_) => self.select_replica(cx),
                Failover::Handover(_) => self.hand_over(cx),
                Failover::Promoting(_) => self.promote(cx),
                Failover::Reconfiguring(_) => self.reconfigure(cx),
            }
            if std::mem::discriminant(&self.failover) == before {
                return;
            }
        }
    }

    /// When time alone would take it further.
    pub(crate) fn pursue_due(&self, cx: &Ctx) -> Option<Mono> {
        if self.adopting.is_some() {
            return None;
        }
        match &self.failover {
            Failover::Idle => self.stand_due(cx),
            Failover::Standing(standing) => standing
                .asking
                .then(|| standing.since + self.round_length(cx)),
            Failover::Selecting(mandate) => Some(mandate.since + select::PATIENCE),
            Failover::Handover(handover) => Some(self.handover_due(cx, handover)),
            Failover::Promoting(promoting) => {
                let limit = promoting.since + self.options.failover_timeout + Span::TICK;
                let pause = self.pause_ends().filter(|end| *end > cx.now);
                Some(pause.map_or(limit, |end| end.min(limit)))
            }
            Failover::Reconfiguring(reconf) => self.reconf_due(cx, reconf),
        }
    }
}

/// The peers that are known to hold a configuration.
pub(crate) type Acks = BTreeSet<crate::ids::RunId>;
