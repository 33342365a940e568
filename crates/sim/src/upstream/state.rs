//! What a redis-sentinel remembers: masters, watched instances, a failover under way.

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::provide::options::MasterOptions;
use bartizan_core::report::{Ballot, Role};
use bartizan_core::time::{Mono, Span};

/// A watched instance; never used again after the instance is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InstId(pub(super) u64);

/// The pair of connections to an instance; peers known under several masters share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineId(pub(super) u64);

/// What an instance is configured to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The master of its name.
    Master,
    /// A replica of it.
    Replica,
    /// Another sentinel that watches it.
    Peer,
}

impl Kind {
    /// The first word of an event about such an instance (spec §4).
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "slave",
            Self::Peer => "sentinel",
        }
    }
}

/// A monitored master and all that is known under its name.
#[derive(Debug)]
pub(super) struct Master {
    /// The master instance itself.
    pub(super) inst: InstId,
    /// What the operator set.
    pub(super) options: MasterOptions,
    /// The epoch of the configuration, kept apart from the address: that is hazard A.
    pub(super) config_epoch: Epoch,
    /// The epoch of the last vote (`leader-epoch`); survives a restart.
    pub(super) voted: Epoch,
    /// Who got it; does not survive.
    pub(super) leader: Option<RunId>,
    /// Known replicas.
    pub(super) replicas: BTreeMap<Addr, InstId>,
    /// Known peers.
    pub(super) peers: BTreeMap<RunId, InstId>,
    /// The failover under way, or the memory of the last.
    pub(super) failover: Failover,
}

/// The states of spec §10.1, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// No failover.
    None,
    /// Standing for election.
    WaitStart,
    /// About to choose a replica.
    SelectSlave,
    /// About to promote it.
    SendSlaveofNoOne,
    /// Waiting for it to say that it is a master.
    WaitPromotion,
    /// Re-pointing the others.
    ReconfSlaves,
    /// To be switched at the end of a tick.
    UpdateConfig,
}

/// A failover as one master sees it.
#[derive(Debug)]
pub(super) struct Failover {
    /// Where it stands.
    pub(super) state: State,
    /// The epoch it was started in.
    pub(super) epoch: Epoch,
    /// When it was started, or a vote given to somebody else; a little in the future at first.
    /// `None` lets the next one start at once.
    pub(super) start: Option<Mono>,
    /// When `state` last changed.
    pub(super) changed: Mono,
    /// Asked for by an operator: goes on without votes.
    pub(super) forced: bool,
    /// The replica chosen.
    pub(super) promoted: Option<InstId>,
    /// The start time for which the delay was already logged.
    pub(super) delay_logged: Option<Mono>,
}

impl Failover {
    /// None under way, none remembered.
    pub(super) const fn idle(now: Mono) -> Self {
        Self {
            state: State::None,
            epoch: Epoch::ZERO,
            start: None,
            changed: now,
            forced: false,
            promoted: None,
            delay_logged: None,
        }
    }

    /// Goes to `state`, now.
    pub(super) fn enter(&mut self, now: Mono, state: State) {
        self.state = state;
        self.changed = now;
    }

    /// Gives up; the start time stays, so that the next try waits (hazard N).
    pub(super) fn abort(&mut self, now: Mono) {
        self.enter(now, State::None);
        self.forced = false;
        self.promoted = None;
    }
}

/// A watched instance of any kind.
#[derive(Debug)]
pub(super) struct Instance {
    /// What it is configured to be.
    pub(super) kind: Kind,
    /// Under which master.
    pub(super) master: MasterName,
    /// Its name in events, frozen at creation.
    pub(super) label: String,
    /// Where it is.
    pub(super) addr: Addr,
    /// Its connections.
    pub(super) line: LineId,
    /// The id of a server, or of a peer.
    pub(super) run_id: Option<RunId>,
    /// Held to be down.
    pub(super) s_down: bool,
    /// When it last went down; kept after it came back.
    pub(super) s_down_at: Option<Mono>,
    /// A quorum holds it to be down; masters only.
    pub(super) o_down: bool,
    /// When a PUBLISH to it last succeeded.
    pub(super) published: Mono,
    /// SCRIPT KILL was sent in this down period.
    pub(super) script_kill_sent: bool,
    /// What a server says of itself.
    pub(super) server: Server,
    /// What a peer says of the master.
    pub(super) view: View,
}

/// What is known of a server from its INFO.
#[derive(Debug)]
pub(super) struct Server {
    /// When INFO was last parsed.
    pub(super) info_at: Option<Mono>,
    /// The role it reports; `None` after an INFO without a role line.
    pub(super) role: Option<Role>,
    /// Since when.
    pub(super) role_since: Mono,
    /// When its role or master last changed.
    pub(super) conf_changed: Mono,
    /// Whom it follows.
    pub(super) follows: Option<Addr>,
    /// For how long its link to its master is down.
    pub(super) link_down_for: Span,
    /// Its link to its master is up.
    pub(super) link_up: bool,
    /// `slave-priority`.
    pub(super) priority: u32,
    /// Its replication offset.
    pub(super) offset: u64,
    /// It came back with another run id at this time and has not answered PONG since.
    pub(super) rebooted: Option<Mono>,
    /// How far it is re-pointed in this failover.
    pub(super) reconf: Reconf,
    /// When it was told.
    pub(super) reconf_at: Mono,
}

/// How far a replica is re-pointed (spec §10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reconf {
    /// Not yet told.
    None,
    /// Told.
    Sent,
    /// Says that it follows.
    InProgress,
    /// Its link is up, or it was given up.
    Done,
}

/// A peer's last answers about the master. Kept over a switch of the master: hazard L.
#[derive(Debug, Default)]
pub(super) struct View {
    /// When it last answered.
    pub(super) answered: Option<Mono>,
    /// It holds the master to be down.
    pub(super) down: bool,
    /// Its last vote.
    pub(super) vote: Option<Ballot>,
}

impl Server {
    /// What is believed of a server that has not spoken yet.
    pub(super) const fn unknown(now: Mono, kind: Kind) -> Self {
        Self {
            info_at: None,
            role: Some(match kind {
                Kind::Master => Role::Master,
                Kind::Replica | Kind::Peer => Role::Replica,
            }),
            role_since: now,
            conf_changed: now,
            follows: None,
            link_down_for: Span::ZERO,
            link_up: false,
            priority: 100,
            offset: 0,
            rebooted: None,
            reconf: Reconf::None,
            reconf_at: now,
        }
    }
}

/// Whether more than `span` passed since `then`; always, if it never was.
pub(super) fn older(now: Mono, then: Option<Mono>, span: Span) -> bool {
    then.is_none_or(|then| now.since(then) > span)
}
