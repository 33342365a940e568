//! All that must survive a crash, and nothing else.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::addr::Addr;
use crate::fencing::MinReplicas;
use crate::ids::{Epoch, MasterName, RunId};
use crate::model::branches::Branch;
use crate::model::configuration::Configuration;
use crate::provide::options::{GlobalOptions, MasterOptions, Periods};

/// The state behind every promise: what the configuration file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Our own id.
    pub my_id: RunId,
    /// The newest epoch we have heard of or made.
    pub current_epoch: Epoch,
    /// Process-wide options.
    pub options: GlobalOptions,
    /// The periods in force: the defaults among them decide which options the file leaves out.
    pub periods: Periods,
    /// One entry a master, in the order of their names.
    pub masters: Vec<SharedState>,
}

/// What survives of one master, shared by all writes between which it did not change: of a
/// thousand masters few change between two, and the others are not copied for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedState(Arc<MasterState>);

impl From<MasterState> for SharedState {
    fn from(state: MasterState) -> Self {
        Self(Arc::new(state))
    }
}

impl Deref for SharedState {
    type Target = MasterState;

    fn deref(&self) -> &MasterState {
        &self.0
    }
}

/// What is changed is not shared any more.
impl DerefMut for SharedState {
    fn deref_mut(&mut self) -> &mut MasterState {
        Arc::make_mut(&mut self.0)
    }
}

/// What survives of one master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterState {
    /// Its name.
    pub name: MasterName,
    /// Where it is, and since which epoch (`sentinel monitor`, `config-epoch`).
    pub configuration: Configuration,
    /// Options that the operator can change.
    pub options: MasterOptions,
    /// The epoch of the last vote cast for this master (`leader-epoch`); whom it went to is not
    /// kept, only that it is spent.
    pub voted_epoch: Epoch,
    /// Known replicas.
    pub replicas: Vec<Addr>,
    /// Where histories of writes were left at promotions, and by which, oldest first, at most
    /// [`crate::limits::FORKS`]: what a returned master has behind that it has alone.
    pub branches: Vec<Branch>,
    /// What servers have set as `min-replicas-to-write` and `min-replicas-max-lag` by themselves,
    /// where fencing sets other values: what they get back. In the order of the addresses.
    pub own_values: Vec<(Addr, MinReplicas)>,
    /// Known peers.
    pub sentinels: Vec<(RunId, Addr)>,
}
