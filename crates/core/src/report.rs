//! What the world says to a Sentinel, parsed once at the edge into types that cannot be wrong.

use std::sync::Arc;

use crate::addr::Addr;
use crate::ids::{Epoch, MasterName, ReplId, RunId};
use crate::model::configuration::Configuration;
use crate::time::Span;

/// The role a server gives itself in `INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `role:master`
    Master,
    /// `role:slave`
    Replica,
}

/// The lines of one `INFO` reply that matter (spec §6). A line that is absent or unreadable is
/// `None`, or the default that the spec gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `run_id:`; changes when the process restarts.
    pub run_id: Option<RunId>,
    /// `role:`
    pub role: Option<Role>,
    /// The `slaveN:` lines, at most [`crate::limits::REPLICAS_PER_MASTER`]; empty on a replica.
    pub replicas: Vec<Addr>,
    /// `lag=` of those that are `state=online`: how long ago the master heard of each.
    pub lags: Vec<Span>,
    /// `master_host:` and `master_port:`, read only after `role:slave`.
    pub master: Option<Addr>,
    /// `master_link_status:up`
    pub master_link_up: bool,
    /// `master_link_down_since_seconds:` × 1000, zero when absent.
    pub master_link_down_for: Span,
    /// `slave_priority:`; a replica of priority 0 is never promoted.
    pub priority: Option<u32>,
    /// `slave_repl_offset:`
    pub offset: Option<u64>,
    /// `replica_announced:`
    pub announced: Option<bool>,
    /// Where it stands in the history of writes; `None` before Redis 4.0.
    pub history: Option<History>,
    /// How long the process has been there; `None` before Redis 6.2.
    pub life: Option<Life>,
    /// Whether it holds any data; `None` where it does not tell, or is still loading them.
    pub has_keys: Option<bool>,
    /// The whole text, for `SENTINEL INFO-CACHE`.
    pub text: PackedText,
}

/// A text as whoever read it packed it: it is kept for each server and seldom asked for. The core
/// hands it back as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedText(pub Arc<[u8]>);

impl Default for Info {
    fn default() -> Self {
        Self {
            run_id: None,
            role: None,
            replicas: Vec::new(),
            lags: Vec::new(),
            master: None,
            master_link_up: false,
            master_link_down_for: Span::ZERO,
            priority: None,
            offset: None,
            announced: None,
            history: None,
            life: None,
            has_keys: None,
            text: PackedText::default(),
        }
    }
}

/// A process by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// `server_time_usec:`, since the epoch.
    pub clock: Span,
    /// `uptime_in_seconds:`
    pub up_for: Span,
}

/// Where a server stands in the history of writes (`INFO replication`, data-safety §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// `master_replid:`, the history that it continues.
    pub id: ReplId,
    /// `master_repl_offset:`, the last byte of it that the server has.
    pub offset: u64,
    /// `master_replid2:` and `second_repl_offset:`, the history that it continued before it was
    /// promoted; `None` if there was none.
    pub before: Option<Fork>,
    /// `repl_backlog_first_byte_offset:`, the first byte that it still keeps; `None` without a
    /// backlog.
    pub kept_from: Option<u64>,
}

/// Where a history was left: its bytes below `offset` are common to those that go on from here,
/// the byte at `offset` and all behind it belong to one master alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Which history.
    pub id: ReplId,
    /// The first byte that is not common any more.
    pub offset: u64,
}

/// A Sentinel's announcement of itself and of one master's configuration (spec §7):
/// `ip,port,id,current_epoch,master_name,master_addr,master_port,config_epoch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Where the sender listens.
    pub from: Addr,
    /// The sender's id.
    pub id: RunId,
    /// The newest epoch that the sender knows.
    pub current_epoch: Epoch,
    /// The master it speaks of.
    pub master: MasterName,
    /// Where that master is, and since which epoch.
    pub configuration: Configuration,
}

/// A peer's answer to `SENTINEL IS-MASTER-DOWN-BY-ADDR` (spec §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The peer holds the master to be down.
    pub down: bool,
    /// The last vote the peer cast for this master; `None` when it says `*`.
    pub vote: Option<Ballot>,
}

/// A vote: this leader, in this epoch. At most one is cast per master and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The epoch the vote was cast in.
    pub epoch: Epoch,
    /// The Sentinel voted for.
    pub leader: RunId,
}
