//! Whether a stream of writes can be had, and where to begin (data-safety §3). A server that is
//! asked for bytes it does not keep would begin a full resync, so nothing is asked for on trial.

use bartizan_core::ids::ReplId;
use bartizan_core::report::{Fork, History};
use bartizan_core::rescue::Rescue;

/// The most that is read before the fork, to learn which database it found selected. A longer
/// backlog is begun in its middle, as one that has wrapped.
const LONGEST_LEAD: u64 = 64 << 20;

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The history's id.
    pub(super) id: ReplId,
    /// The first byte that is read.
    pub(super) from: u64,
    /// The first byte that is wanted.
    pub(super) fork: u64,
    /// The last one.
    pub(super) end: u64,
}

impl Range {
    /// What lies behind the fork on a server that says `now` of its history; else why it cannot
    /// be had, for people.
    pub(super) fn of(order: &Rescue, now: Option<&History>) -> Result<Self, String> {
        let now = now.ok_or(NO_HISTORY)?;
        let fork = order
            .fork
            .ok_or("nobody knows where its history was left")?;
        is_continued(now, fork)?;
        let end = if now.id == order.history.id {
            now.offset.max(order.history.offset)
        } else {
            now.offset
        };
        if end > now.offset {
            return Err(format!(
                "the server said that it has {end} bytes of history, and now only {}",
                now.offset
            ));
        }
        Self::kept(fork, now)
    }

    /// Everything that a server has behind a fork, by what it says `now` of its history; else why
    /// it cannot be had, for people.
    pub(super) fn since(fork: Fork, now: Option<&History>) -> Result<Self, String> {
        let now = now.ok_or(NO_HISTORY)?;
        is_continued(now, fork)?;
        Self::kept(fork, now)
    }

    /// The same, of a history that goes through the fork.
    fn kept(fork: Fork, now: &History) -> Result<Self, String> {
        let Fork { id, offset: fork } = fork;
        let kept_from = now.kept_from.ok_or("the server keeps no backlog")?;
        if kept_from > fork {
            return Err(format!(
                "the backlog begins at {kept_from}, behind the fork at {fork}: \
                 repl-backlog-size is too small for what was written, or the server was \
                 restarted"
            ));
        }
        Ok(Self {
            id,
            from: kept_from.max(fork.saturating_sub(LONGEST_LEAD)).max(1),
            fork,
            end: now.offset,
        })
    }

    /// How many bytes stand before the fork.
    pub(super) const fn lead(&self) -> u64 {
        self.fork.saturating_sub(self.from)
    }

    /// How many bytes are wanted; none when the server stands at the fork.
    pub(super) const fn wanted(&self) -> u64 {
        (self.end + 1).saturating_sub(self.fork)
    }
}

const NO_HISTORY: &str = "the server tells no replication id";

/// A history has to be the one that was left at the fork, or to have grown out of it behind the
/// fork.
fn is_continued(now: &History, fork: Fork) -> Result<(), String> {
    let Fork { id, offset } = fork;
    let grew = |before: Fork| before.id == id && before.offset >= offset;
    if now.id == id || now.before.is_some_and(grew) {
        return Ok(());
    }
    Err(match &now.before {
        Some(before) if before.id == id => format!(
            "the server left history {id} at {}, before the fork at {offset}",
            before.offset
        ),
        _ => format!(
            "the server's history is {} and not {id}: it was restarted, or has lost its backlog",
            now.id
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bartizan_core::addr::{Addr, Host};
    use bartizan_core::ids::MasterName;
    use bartizan_core::rescue::RescueMode;

    use super::*;

    fn id(digit: &str) -> ReplId {
        ReplId::parse(digit.repeat(40).as_bytes()).unwrap()
    }

    fn history(offset: u64, kept_from: Option<u64>) -> History {
        History {
            id: id("a"),
            offset,
            before: None,
            kept_from,
        }
    }

    fn order() -> Rescue {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Rescue {
            master: MasterName::new("m"),
            addr: Addr::new(Host::Ip(ip), 6379),
            ip,
            heir: Addr::new(Host::Ip(ip), 6380),
            auth: None,
            fork: Some(Fork {
                id: id("a"),
                offset: 3697,
            }),
            history: history(5254, Some(1)),
            mode: RescueMode::Stream,
            dir: None,
            max_bytes: 0,
        }
    }

    #[test]
    fn what_lies_behind_the_fork_is_wanted_to_the_last_byte() {
        let range = Range::of(&order(), Some(&history(5254, Some(1)))).unwrap();
        assert_eq!((range.from, range.fork, range.end), (1, 3697, 5254));
        assert_eq!((range.lead(), range.wanted()), (3696, 1558));
    }

    #[test]
    fn what_was_written_since_the_fence_is_wanted_too() {
        let range = Range::of(&order(), Some(&history(6000, Some(3697)))).unwrap();
        assert_eq!((range.from, range.end), (3697, 6000));
    }

    #[test]
    fn a_server_at_the_fork_has_nothing() {
        let mut order = order();
        order.history.offset = 3696;
        let range = Range::of(&order, Some(&history(3696, Some(1)))).unwrap();
        assert_eq!(range.wanted(), 0);
    }

    #[test]
    fn a_history_that_grew_out_of_the_one_left_behind_the_fork_still_has_it() {
        let before = |offset| History {
            id: id("b"),
            before: Some(Fork {
                id: id("a"),
                offset,
            }),
            ..history(7000, Some(3000))
        };
        let range = Range::of(&order(), Some(&before(3697))).unwrap();
        assert_eq!((range.id, range.end), (id("a"), 7000));
        assert!(Range::of(&order(), Some(&before(3696))).is_err());
    }

    #[test]
    fn what_would_make_a_full_resync_is_not_asked_for() {
        let other = History {
            id: id("c"),
            ..history(5254, Some(1))
        };
        for (now, why) in [
            (None, "no replication id"),
            (Some(history(5254, None)), "no backlog"),
            (Some(history(5254, Some(3698))), "begins at 3698"),
            (Some(history(5000, Some(1))), "only 5000"),
            (Some(other), "restarted"),
        ] {
            let refused = Range::of(&order(), now.as_ref()).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
