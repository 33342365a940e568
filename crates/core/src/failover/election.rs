//! Standing for election and counting the votes (spec §9.3, §9.4).

use crate::addr::Addr;
use crate::ctx::{Ctx, Notice};
use crate::failover::{Cause, Failover, Mandate, Standing};
use crate::ids::{Epoch, RunId};
use crate::model::gate::Promise;
use crate::model::master::{About, Master, Vote};
use crate::mutant::Mutant;
use crate::notify::event::{EventKind, Level};
use crate::report::{Ballot, Opinion};

impl Master {
    /// Stands if it is our turn.
    pub(crate) fn consider_standing(&mut self, cx: &mut Ctx) {
        if self.odown.is_none() {
            return;
        }
        if let Some(deferral) = self.prospect.deferring {
            if self.is_deferring(cx, deferral) {
                return;
            }
            self.prospect.deferring = None;
            self.prospect.stand_at = Some(cx.now + self.turn(cx));
        }
        if self.prospect.barren && self.choose_replica(cx, cx.now).best.is_some() {
            self.prospect.barren = false;
            self.prospect.stand_at = Some(cx.now + self.turn(cx));
        }
        if self.prospect.stand_at.is_some_and(|at| at <= cx.now) {
            self.stand(cx, Cause::Down);
        }
    }

    /// Begins a candidacy: a new epoch, our own vote, and both on disk before anybody is asked.
    pub(crate) fn stand(&mut self, cx: &mut Ctx, cause: Cause) {
        let spent = self.vote.epoch.max(self.latest().epoch);
        let epoch = match cx.epochs.shared_term(cx.now).filter(|epoch| *epoch > spent) {
            Some(epoch) if cause == Cause::Down => epoch,
            _ => {
                let epoch = cx.epochs.current.max(spent).next();
                cx.raise_epoch(epoch);
                cx.epochs.term = Some((epoch, cx.now));
                epoch
            }
        };
        self.prospect.stand_at = None;
        self.tell_behind(cx, EventKind::TryFailover, About::Master);
        let me = cx.me;
        self.cast_vote(cx, epoch, me);
        self.failover = Failover::Standing(Standing {
            epoch,
            since: cx.now,
            cause,
            asking: false,
            alone: false,
        });
        self.refresh_replicas();
        if cx.is_mutant(Mutant::StandBeforeDisk) {
            self.on_candidacy_kept(epoch);
        } else {
            cx.gate.hold(Promise::Stand {
                master: self.name.clone(),
                epoch,
            });
        }
    }

    /// Nobody can be asked, and an operator wants it all the same. What the others do meanwhile
    /// is unknown, so the epoch is one that they cannot reach by their own steps, drawn from so
    /// many that no two operators draw the same: when they meet again, one configuration is newer.
    fn stand_alone(&mut self, cx: &mut Ctx) {
        const OUT_OF_REACH: u64 = 1 << 16;
        const CHOICES: u64 = 1 << 24;
        let leap = OUT_OF_REACH + cx.rng.below(CHOICES);
        let epoch = Epoch::new(cx.epochs.current.get().saturating_add(leap));
        cx.raise_epoch(epoch);
        let me = cx.me;
        self.cast_vote(cx, epoch, me);
        if let Failover::Standing(standing) = &mut self.failover {
            standing.epoch = epoch;
            standing.asking = false;
            standing.alone = true;
        }
        cx.gate.hold(Promise::Stand {
            master: self.name.clone(),
            epoch,
        });
    }

    /// Our vote and epoch are on disk: ask for the others.
    pub(crate) fn on_candidacy_kept(&mut self, kept: Epoch) {
        if let Failover::Standing(standing) = &mut self.failover
            && standing.epoch == kept
        {
            standing.asking = true;
            self.ask_at_once();
        }
    }

    /// They could not be written: a promise that is not on disk is not made.
    pub(crate) fn on_candidacy_unwritten(&mut self, cx: &mut Ctx, lost: Epoch) {
        if matches!(&self.failover, Failover::Standing(standing) if standing.epoch == lost) {
            cx.log(
                Level::Warning,
                format!(
                    "Not standing for {}: the vote could not be saved on disk",
                    self.name
                ),
            );
            self.tell(cx, EventKind::AbortNotElected, About::Master);
            self.failover = Failover::Idle;
            self.pause(cx);
        }
    }

    /// Casts our vote; whatever reveals it is held back until it is on disk.
    pub(crate) fn cast_vote(&mut self, cx: &mut Ctx, epoch: Epoch, leader: RunId) {
        self.vote = Vote {
            epoch,
            leader: Some(leader),
        };
        cx.gate.touch();
        let payload = format!("{leader} {epoch}");
        let kind = EventKind::VoteForLeader;
        let notice = Notice::of_master(kind, payload, &self.name, &self.options);
        cx.gate.hold(Promise::Tell(notice));
    }

    /// Whether the candidacy is won, lost, or still open.
    pub(crate) fn count_votes(&mut self, cx: &mut Ctx) {
        let Failover::Standing(standing) = &self.failover else {
            return;
        };
        let (epoch, since, cause) = (standing.epoch, standing.since, standing.cause);
        let alone = standing.alone;
        if !standing.asking {
            return;
        }
        if cause == Cause::Down && self.odown.is_none() {
            self.lose_round(cx);
            return;
        }
        let votes = 1 + self.votes_for(cx, epoch, cx.me);
        let sdown = self.primary().and_then(|server| server.sdown);
        let fresh_from = sdown.filter(|_| cause == Cause::Down).unwrap_or(since);
        let mandate = Mandate {
            epoch,
            since: cx.now,
            cause,
            elected: true,
            fresh_from,
        };
        if votes >= self.votes_needed(cx) {
            self.elected(cx, mandate);
            return;
        }
        let open = self
            .peers
            .iter()
            .filter(|(id, peer)| {
                peer.answered_epoch != epoch
                    && cx.peers.get(id).is_some_and(|shared| shared.link.is_up())
            })
            .count();
        let over = cx.now.since(since) >= self.round_length(cx);
        if votes + open >= self.votes_needed(cx) && !over && !alone {
            return;
        }
        // An operator's word stands in for votes that nobody can give; not against the word of a
        // peer that was asked and gave its vote to another, or to nobody: it may know of a
        // configuration in this very epoch.
        let refused = self.peers.values().any(|peer| {
            let granted = peer.vote
                == Some(Ballot {
                    epoch,
                    leader: cx.me,
                });
            peer.answered_epoch == epoch && !granted
        });
        match cause {
            Cause::Operator if !refused && alone => {
                self.elected(
                    cx,
                    Mandate {
                        elected: false,
                        ..mandate
                    },
                );
            }
            Cause::Operator if !refused => self.stand_alone(cx),
            Cause::Operator | Cause::Down => self.lose_round(cx),
        }
    }

    /// A peer says whether the master is down, and whom it voted for. An answer about an address
    /// that is not the master's any more counts for nothing (hazard L).
    pub(crate) fn on_opinion(
        &mut self,
        cx: &mut Ctx,
        id: RunId,
        about: &Addr,
        vote_in: Option<Epoch>,
        opinion: Opinion,
    ) {
        let stale = *about != self.configuration.addr;
        if stale && !cx.is_mutant(Mutant::StaleOpinions) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.answered_at = Some(cx.now);
        peer.says_down = opinion.down;
        peer.answered_epoch = vote_in.unwrap_or(peer.answered_epoch);
        let Some(vote) = opinion.vote else { return };
        let known = peer.vote.replace(vote).map(|vote| vote.epoch);
        if known != Some(vote.epoch) {
            cx.log(
                Level::Notice,
                format!("{id} voted for {} {}", vote.leader, vote.epoch),
            );
        }
    }

    /// Peers whose vote in this epoch went to `leader`.
    fn votes_for(&self, cx: &Ctx, epoch: Epoch, leader: RunId) -> usize {
        let any = cx.is_mutant(Mutant::CountAnyEpoch);
        self.peers
            .values()
            .filter_map(|peer| peer.vote)
            .filter(|vote| (vote.epoch == epoch || any) && vote.leader == leader)
            .count()
    }

    /// Gives this round up; the next one comes after a short random pause that grows with every
    /// round lost.
    pub(crate) fn lose_round(&mut self, cx: &mut Ctx) {
        let begun = matches!(&self.failover, Failover::Standing(standing) if standing.asking);
        if begun {
            self.tell(cx, EventKind::AbortNotElected, About::Master);
        } else {
            // Behind the event of its beginning, which still waits for the disk.
            self.tell_behind(cx, EventKind::AbortNotElected, About::Master);
        }
        self.failover = Failover::Idle;
        self.pause(cx);
    }
}
