//! Voting, counting, and deciding to stand (spec §9).

use std::collections::BTreeMap;

use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::notify::event::{EventKind, Level};
use bartizan_core::report::Ballot;
use bartizan_core::time::Mono;

use super::Upstream;
use super::state::State;

impl Upstream {
    /// Grants a vote if none was cast in this epoch, and says what the last vote was. The answer
    /// does not wait for the disk (hazard E).
    pub(super) fn vote(
        &mut self,
        now: Mono,
        name: &MasterName,
        wanted: Epoch,
        candidate: RunId,
    ) -> Option<(Option<RunId>, Epoch)> {
        if wanted > self.epoch {
            self.epoch = wanted;
            self.flush();
            self.event_as(EventKind::NewEpoch, wanted.to_string(), Some(name.clone()));
        }
        let delay = self.desync();
        let master = self.masters.get_mut(name)?;
        if master.voted < wanted && self.epoch <= wanted {
            master.leader = Some(candidate);
            master.voted = self.epoch;
            if candidate != self.id {
                // Whoever voted waits as long as whoever tried (hazard N).
                master.failover.start = Some(now + delay);
            }
            self.flush();
            let text = format!("{candidate} {}", self.epoch);
            self.event_as(EventKind::VoteForLeader, text, Some(name.clone()));
        }
        let master = self.masters.get(name)?;
        Some((master.leader, master.voted))
    }

    /// Who leads the failover under way, after casting our own vote if it is still ours to cast.
    pub(super) fn leader(&mut self, now: Mono, name: &MasterName) -> Option<RunId> {
        let master = self.masters.get(name)?;
        let (voters, epoch) = (master.peers.len() + 1, master.failover.epoch);
        let quorum = usize::try_from(master.options.quorum.get()).unwrap_or(usize::MAX);
        let peers = master
            .peers
            .values()
            .filter_map(|id| self.instances.get(id));
        let mut votes: BTreeMap<RunId, usize> = BTreeMap::new();
        for Ballot { epoch, leader } in peers.filter_map(|peer| peer.view.vote) {
            // The current epoch, not the epoch of this failover (hazards C and D).
            if epoch == self.epoch {
                *votes.entry(leader).or_default() += 1;
            }
        }
        let favourite = most_voted(&votes).map_or(self.id, |(id, _)| id);
        if let Some((Some(own), voted)) = self.vote(now, name, epoch, favourite)
            && voted == epoch
        {
            *votes.entry(own).or_default() += 1;
        }
        let (winner, count) = most_voted(&votes)?;
        (count > voters / 2 && count >= quorum).then_some(winner)
    }

    /// Starts a failover of a master that is objectively down, unless one was tried, or a vote
    /// for one given, within twice the failover timeout. True if it did.
    pub(super) fn start_if_needed(&mut self, now: Mono, name: &MasterName) -> bool {
        let Some(master) = self.masters.get_mut(name) else {
            return false;
        };
        let o_down = self
            .instances
            .get(&master.inst)
            .is_some_and(|inst| inst.o_down);
        if !o_down || master.failover.state != State::None {
            return false;
        }
        let wait = master.options.failover_timeout * 2;
        if let Some(start) = master.failover.start
            && now.since(start) < wait
        {
            if master.failover.delay_logged != Some(start) {
                master.failover.delay_logged = Some(start);
                let until = (start + wait).as_ms();
                let text =
                    format!("Next failover delay: I will not start a failover before {until} ms");
                self.log(Level::Warning, text);
            }
            return false;
        }
        self.start_failover(now, name);
        true
    }

    /// Takes a new epoch and stands in it.
    pub(super) fn start_failover(&mut self, now: Mono, name: &MasterName) {
        let delay = self.desync();
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        self.epoch = self.epoch.next();
        master.failover.enter(now, State::WaitStart);
        master.failover.epoch = self.epoch;
        master.failover.start = Some(now + delay);
        let inst = master.inst;
        self.event_as(
            EventKind::NewEpoch,
            self.epoch.to_string(),
            Some(name.clone()),
        );
        self.event(EventKind::TryFailover, inst, "");
    }
}

/// The candidate with the most votes; of several, the one with the smallest id.
fn most_voted(votes: &BTreeMap<RunId, usize>) -> Option<(RunId, usize)> {
    let mut best: Option<(RunId, usize)> = None;
    for (id, count) in votes {
        if best.is_none_or(|(_, most)| *count > most) {
            best = Some((*id, *count));
        }
    }
    best
}
