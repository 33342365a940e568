//! One watched Redis process: a member of a master's group, whatever its role is at the moment.
//!
//! Which server is the master is said by the configuration alone, so a switch moves no links and
//! forgets nothing (hazard H of the architecture notes).

use crate::addr::Addr;
use crate::failover::homecoming::Homecoming;
use crate::failover::min_replicas::Watch;
use crate::ids::RunId;
use crate::monitor::kin::Identity;
use crate::monitor::link::{Link, Pace};
use crate::monitor::pulpit::HelloDebt;
use crate::monitor::state::Condition;
use crate::permission::{Permission, Permissions};
use crate::report::{History, PackedText, Role};
use crate::time::{Mono, Span};

/// A server of the group.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// `addr:port`, as it was when the server was found.
    pub(crate) name: String,
    pub(crate) link: Link,
    pub(crate) run_id: Option<RunId>,
    /// Whether that is a process of the group.
    pub(crate) identity: Identity,
    pub(crate) info: Option<Cached>,
    /// Where it stands in the history of writes, by its last INFO.
    pub(crate) history: Option<History>,
    /// Whether it has any data, by its last INFO.
    pub(crate) has_keys: Option<bool>,
    /// Our last INFO; `None` when one is owed at once.
    pub(crate) info_asked_at: Option<Mono>,
    /// From when on it is owed a hello, which follows its next PONG.
    pub(crate) hello: HelloDebt,
    /// The role it reports, and since when. Assumed to be the configured one until it speaks.
    pub(crate) role: Role,
    pub(crate) role_since: Mono,
    pub(crate) replication: Replication,
    pub(crate) sdown: Option<Mono>,
    /// When it went down last, whether or not it came back.
    pub(crate) last_sdown: Option<Mono>,
    /// What its answers say of it.
    pub(crate) condition: Condition,
    /// What was last told of our rights there.
    pub(crate) told_missing: Permissions,
    pub(crate) script_killed: bool,
    /// It restarted while it was the master, and has not answered PONG since.
    pub(crate) rebooted: Option<Mono>,
    /// It was the master until the last switch and has not shown itself as a replica since: what
    /// it says of being a master is out of date, whoever else might be promoting.
    pub(crate) stale_master: bool,
    /// How far its return as a former master has come.
    pub(crate) homecoming: Homecoming,
    /// Whether its `min-replicas-to-write` is right.
    pub(crate) min_replicas: Watch,
    /// When it was last told whom to follow.
    pub(crate) directed_at: Option<Mono>,
}

/// The last INFO.
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    pub(crate) at: Mono,
    pub(crate) text: PackedText,
}

/// What a replica says of its replication.
#[derive(Clone, Debug)]
pub(crate) struct Replication {
    pub(crate) follows: Option<Addr>,
    /// When `follows`, or the role, changed last.
    pub(crate) follows_since: Mono,
    pub(crate) link_up: bool,
    /// When its link came up last, as far as we saw.
    pub(crate) linked_at: Mono,
    pub(crate) link_down_for: Span,
    pub(crate) priority: u32,
    pub(crate) offset: u64,
    pub(crate) announced: bool,
}

/// The priority of a replica that has not told its own (spec §5.3).
const DEFAULT_PRIORITY: u32 = 100;

impl Server {
    /// A server that was just heard of, expected to be in `role`.
    pub(crate) fn new(name: String, link: Link, role: Role, now: Mono) -> Self {
        Self {
            name,
            link,
            run_id: None,
            identity: Identity::default(),
            info: None,
            history: None,
            has_keys: None,
            info_asked_at: None,
            hello: HelloDebt::due_at(now),
            role,
            role_since: now,
            replication: Replication {
                follows: None,
                follows_since: now,
                link_up: false,
                linked_at: Mono::default(),
                link_down_for: Span::ZERO,
                priority: DEFAULT_PRIORITY,
                offset: 0,
                announced: true,
            },
            sdown: None,
            last_sdown: None,
            condition: Condition::default(),
            told_missing: Permissions::default(),
            script_killed: false,
            rebooted: None,
            stale_master: false,
            homecoming: Homecoming::default(),
            min_replicas: Watch::default(),
            directed_at: None,
        }
    }

    /// Whether another PONG changes nothing about it.
    pub(crate) const fn is_well(&self) -> bool {
        self.sdown.is_none() && self.rebooted.is_none()
    }

    /// It takes another place in the group: what was held against it in the old one is over, and
    /// so is the order to take that place.
    pub(crate) const fn judge_afresh(&mut self) {
        self.sdown = None;
        self.directed_at = None;
        self.script_killed = false;
        self.rebooted = None;
    }

    /// Whether it can be sent a hello now. One is sent only on the heels of a PONG: what a hung
    /// server is sent it would carry out when it goes on, and a PUBLISH is a write, which makes a
    /// former master's history differ from everybody's.
    pub(crate) fn takes_hello(&self) -> bool {
        self.link.takes_hello() && self.link.ping.is_answered_since(self.hello.due())
    }

    /// How to go about it while it is away.
    pub(crate) const fn pace(&self) -> Pace {
        if self.stale_master {
            Pace::Eager
        } else {
            Pace::Usual
        }
    }

    /// Whether its last INFO is no older than that.
    pub(crate) fn spoke_since(&self, then: Mono) -> bool {
        self.info.as_ref().is_some_and(|info| info.at >= then)
    }

    /// Whether our user there is known not to be allowed one of these.
    pub(crate) fn lacks(&self, any: &[Permission]) -> bool {
        !self.link.missing().both(Permissions::of(any)).is_empty()
    }

    /// The age of the last INFO; `None` when there was none.
    pub(crate) fn info_age(&self, now: Mono) -> Option<Span> {
        self.info.as_ref().map(|info| now.since(info.at))
    }
}
