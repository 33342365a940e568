//! What a master hands to the disk. It is made anew only when something of it has changed: while
//! a thousand masters fail over, every one of them is asked for it at each write.

use core::fmt;

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::ids::{Epoch, RunId};
use crate::model::durable::{MasterState, SharedState};
use crate::model::master::Master;
use crate::mutant::Mutant;

/// What was handed to the disk last. Nothing is decided by it, so it does not show: to the model
/// check, masters that differ in nothing else are the same.
#[derive(Clone, Default)]
pub(crate) struct Memory(Option<SharedState>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Master {
    /// What survives a crash (spec §2.3).
    pub(crate) fn state(&mut self, cx: &Ctx) -> SharedState {
        let known = self.memory.0.take();
        let state = known
            .filter(|known| self.is_as_in(known, cx))
            .unwrap_or_else(|| self.state_anew(cx).into());
        debug_assert_eq!(*state, self.state_anew(cx), "a change was overlooked");
        self.memory.0.insert(state).clone()
    }

    fn state_anew(&self, cx: &Ctx) -> MasterState {
        MasterState {
            name: self.name.clone(),
            configuration: self.latest().clone(),
            options: self.options.clone(),
            voted_epoch: self.voted(cx),
            replicas: self.replicas_to_keep().cloned().collect(),
            branches: self.branches.as_slice().to_vec(),
            own_values: self
                .own_values
                .iter()
                .map(|(addr, own)| (addr.clone(), own.values))
                .collect(),
            sentinels: self
                .peers_to_keep(cx)
                .map(|(id, addr)| (id, addr.clone()))
                .collect(),
        }
    }

    /// Whether [`Self::state_anew`] would be the same again. Every field is named, so that none
    /// can be forgotten.
    fn is_as_in(&self, known: &MasterState, cx: &Ctx) -> bool {
        let MasterState {
            name,
            configuration,
            options,
            voted_epoch,
            replicas,
            branches,
            own_values,
            sentinels,
        } = known;
        let own = self.own_values.iter().map(|(addr, own)| (addr, own.values));
        *voted_epoch == self.voted(cx)
            && *configuration == *self.latest()
            && *name == self.name
            && *options == self.options
            && replicas.iter().eq(self.replicas_to_keep())
            && branches == self.branches.as_slice()
            && own_values
                .iter()
                .map(|(addr, values)| (addr, *values))
                .eq(own)
            && sentinels
                .iter()
                .map(|(id, addr)| (*id, addr))
                .eq(self.peers_to_keep(cx))
    }

    fn voted(&self, cx: &Ctx) -> Epoch {
        if cx.is_mutant(Mutant::ForgetVote) {
            Epoch::ZERO
        } else {
            self.vote.epoch
        }
    }

    fn replicas_to_keep(&self) -> impl Iterator<Item = &Addr> {
        let master = &self.latest().addr;
        self.servers.keys().filter(move |addr| *addr != master)
    }

    fn peers_to_keep<'a>(&'a self, cx: &'a Ctx) -> impl Iterator<Item = (RunId, &'a Addr)> {
        let ids = self.peers.keys();
        ids.filter_map(|id| cx.peers.get(id).map(|peer| (*id, peer.link.addr())))
    }
}
