//! What a server alone has, by its history and the places where others were left (data-safety §3).

use crate::ids::ReplId;
use crate::model::branches::Parting;
use crate::report::{Fork, History};

/// What a history says, compared with the present master's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Divergence {
    /// The server has nothing that the others lack.
    None,
    /// It has bytes of its own, from the fork on.
    From(Fork),
    /// It has, or may have, and they cannot be told any more.
    Unknown(&'static str),
    /// It is not known here which of several promotions counts, of which we heard too late. Another
    /// Sentinel may know. Else what it has from the fork on, if anything, is all that can be had.
    Unsure(Option<Fork>),
}

pub(super) const UNSURE: &str = "it is not known here where its history and the present one parted";
const NOT_KNOWN: &str = "it restarted, or its history is not known here";

impl Divergence {
    /// Of a master's history; `parting` tells where the present one left another.
    pub(super) fn of(history: History, parting: impl Fn(ReplId) -> Option<Parting>) -> Self {
        match parting(history.id) {
            Some(Parting::Sure(fork)) if history.offset < fork.offset => Self::None,
            Some(Parting::Sure(fork)) => Self::From(fork),
            Some(Parting::Guess(fork)) => {
                let has_more = history.offset >= fork.offset;
                Self::Unsure(has_more.then_some(fork))
            }
            // No two masters write one history.
            Some(Parting::Never) | None => Self::by_the_one_before(history, parting),
        }
    }

    /// It restarted with its data, or was promoted itself: the history it had is the one before, and
    /// nobody left the present one.
    fn by_the_one_before(history: History, parting: impl Fn(ReplId) -> Option<Parting>) -> Self {
        let Some(end) = history.before else {
            return Self::Unknown(NOT_KNOWN);
        };
        let fork = match parting(end.id) {
            Some(Parting::Sure(fork)) => Some(fork),
            Some(Parting::Never) => None,
            Some(Parting::Guess(_)) => return Self::Unsure(None),
            None => return Self::Unknown(NOT_KNOWN),
        };
        // A backlog that reaches back over the promotion shows that it has not restarted since, which
        // may lose it writes that no offset counts.
        let goes_on = history.kept_from.is_some_and(|from| from < end.offset);
        match fork.filter(|fork| end.offset > fork.offset) {
            Some(fork) if goes_on => Self::From(fork),
            Some(_) => Self::Unknown("it restarted: its writes behind the fork are in no backlog"),
            None if history.offset < end.offset => Self::None,
            // It left the old history before the others did, and all that is its own came since.
            None if goes_on => Self::From(Fork {
                id: history.id,
                offset: end.offset,
            }),
            None => Self::Unknown(NOT_KNOWN),
        }
    }
}
