//! Every bound of the core in one place. What comes from outside is cut to these.

use crate::time::Span;

/// Replicas kept for one master; further `slaveN:` lines are ignored.
pub const REPLICAS_PER_MASTER: usize = 1000;
/// Peers kept for one master; further hellos are ignored.
pub const PEERS_PER_MASTER: usize = 250;
/// Attempts a second, of all masters together, to reach former masters sooner than is usual.
pub const HASTY_TRIES: u32 = 400;
/// Masters, or replicas, of all groups together, that are connected to for the first time at one
/// moment, and how long after it the next ones are.
pub const SERVERS_A_TURN: u32 = 3;
/// See [`SERVERS_A_TURN`].
pub const CONNECT_EVERY: Span = Span::ms(5);
/// Between two connections that find out what our user may do, of all masters together.
pub const TRIAL_EVERY: Span = Span::ms(5);
/// Calls awaiting an answer on one link, per master that shares it (spec §5.3).
pub const PENDING_CALLS: usize = 100;
/// Scripts waiting or running (spec §12).
pub const SCRIPT_QUEUE: usize = 256;
/// Scripts running at once.
pub const SCRIPTS_RUNNING: usize = 16;
/// Runs of one script before it is given up.
pub const SCRIPT_TRIES: u32 = 10;
/// An event's payload is cut to this many bytes (spec §4).
pub const EVENT_PAYLOAD: usize = 1023;
/// Replies to clients that wait for the disk or a vote; above it requests are refused.
pub const HELD_REPLIES: usize = 10_000;
/// The largest epoch that is believed: what a signed 64-bit reader can hold.
pub const LARGEST_EPOCH: u64 = i64::MAX as u64;
/// How far above our own an epoch may be to be believed. A real fleet moves by ones; one shouted
/// number must not use up the epochs of the future.
pub const EPOCH_LEAP: u64 = 1 << 32;
/// The same on a link to a peer, which all masters share.
pub const PENDING_CALLS_OF_PEER: usize = 20_000;

/// Promotions that are remembered for each master, for the writes of those that return late.
pub const FORKS: usize = 32;
/// Histories that are known to be a group's, beside those: masters that restart name new ones.
pub const LINEAGE: usize = 32;
