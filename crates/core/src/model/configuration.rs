//! Where a master is, and since which epoch: one value, replaced whole.

use crate::addr::Addr;
use crate::ids::Epoch;

/// The outcome of the last election for a master.
///
/// Epoch and address are never updated apart: doing so left Sentinels disagreeing for ever
/// (hazards A and B of the architecture notes). A configuration is newer only by its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The epoch of the failover that made it; zero for what the operator wrote.
    pub epoch: Epoch,
    /// The master's address.
    pub addr: Addr,
}

impl Configuration {
    /// Whether this one replaces `other`.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.epoch > other.epoch
    }
}
