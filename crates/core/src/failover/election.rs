//! Standing for election: when, in which epoch, and whether it was won (spec §9.3, §9.4).
//!
//! All who see a master down could stand at once and split the votes. So they stand in line: the
//! order follows from a hash of the master's name and the Sentinels' ids, which all of them know.
//! The first stands at once, each other only after the one before had time to be heard.
//! `docs/elections.md` has the measurements behind it.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::{Cause, Failover, Mandate, Standing};
use crate::ids::{Epoch, MasterName, RunId};
use crate::model::gate::Promise;
use crate::model::master::{About, Master, Vote};
use crate::mutant::Mutant;
use crate::notify::event::{EventKind, Level};
use crate::report::Opinion;
use crate::time::{Mono, Span};

/// What decides about our next candidacy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prospect {
    /// When to stand, if the master is still down then.
    pub(crate) stand_at: Option<Mono>,
    /// Rounds lost in a row.
    pub(crate) lost: u32,
    /// Somebody else has our vote and gets the time to use it.
    pub(crate) deferring: Option<Deferral>,
    /// How soon a peer's question may make us ask again; doubles, so that two Sentinels that see
    /// a master down do not ask each other without end.
    hint_gap: Span,
    hinted_at: Option<Mono>,
}

/// We voted for somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deferral {
    pub(crate) leader: RunId,
    pub(crate) until: Mono,
}

/// How long a leader that we voted for and that seems alive may take.
const LEADER_PATIENCE: Span = Span::secs(10);
/// No turn in the line, and no pause after a lost round, is shorter than this.
const SHORTEST_TURN: Span = Span::ms(20);
const SHORTEST_PAUSE: Span = Span::ms(100);
/// Nor longer than these.
const LONGEST_TURN: Span = Span::ms(1500);
const LONGEST_PAUSE: Span = Span::secs(30);
/// A round is over after this long, or after some round trips where those are slow.
const SHORTEST_ROUND: Span = Span::ms(500);

impl Master {
    /// The quorum was reached: our turn comes as the line says.
    pub(crate) fn on_odown(&mut self, cx: &mut Ctx) {
        if cx.is_mutant(Mutant::PromoteWithoutElection) && matches!(self.failover, Failover::Idle) {
            let epoch = cx.epochs.current.next();
            cx.raise_epoch(epoch);
            let (since, fresh_from) = (cx.now, cx.now);
            let cause = Cause::Down;
            self.elected(
                cx,
                Mandate {
                    epoch,
                    since,
                    cause,
                    elected: true,
                    fresh_from,
                },
            );
            return;
        }
        self.prospect.stand_at = Some(cx.now + self.turn(cx));
    }

    /// The quorum is gone: nobody stands.
    pub(crate) fn on_odown_end(&mut self) {
        self.prospect.stand_at = None;
        self.prospect.lost = 0;
        self.prospect.hint_gap = Span::ZERO;
    }

    /// A peer that can vote came back: what was out of reach may be in reach now.
    pub(crate) fn on_voter_back(&mut self, cx: &mut Ctx) {
        if self.odown.is_some() && self.prospect.stand_at.is_some_and(|at| at > cx.now) {
            self.prospect.lost = 0;
            let turn = cx.now + self.turn(cx);
            self.prospect.stand_at = self.prospect.stand_at.map(|at| at.min(turn));
        }
    }

    /// Somebody else asks about this master: if we hold it to be down too, their opinion may make
    /// the quorum, so they are asked for it now.
    pub(crate) fn on_hint(&mut self, cx: &Ctx) {
        let sdown = self.primary().is_some_and(|server| server.sdown.is_some());
        if !sdown || self.odown.is_some() {
            return;
        }
        let gap = self.prospect.hint_gap;
        if self
            .prospect
            .hinted_at
            .is_some_and(|at| cx.now.since(at) < gap)
        {
            return;
        }
        self.prospect.hinted_at = Some(cx.now);
        self.prospect.hint_gap = (gap * 2).clamp(Span::ms(5), cx.periods.ask);
        self.ask_at_once();
    }

    /// When to stand, if nothing changes.
    pub(crate) fn stand_due(&self, cx: &Ctx) -> Option<Mono> {
        self.odown?;
        match self.prospect.deferring {
            Some(deferral) if self.is_deferring(cx, deferral) => Some(deferral.until),
            Some(_) => Some(cx.now),
            None => self.prospect.stand_at,
        }
    }

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
        self.tell(cx, EventKind::TryFailover, About::Master);
        let me = cx.me;
        self.cast_vote(cx, epoch, me);
        self.failover = Failover::Standing(Standing {
            epoch,
            since: cx.now,
            cause,
            asking: false,
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
            self.lose_round(cx);
        }
    }

    /// Casts our vote; the caller holds back whatever reveals it until it is on disk.
    pub(crate) fn cast_vote(&mut self, cx: &mut Ctx, epoch: Epoch, leader: RunId) {
        self.vote = Vote {
            epoch,
            leader: Some(leader),
        };
        cx.gate.touch();
        let payload = format!("{leader} {epoch}");
        cx.master_event(EventKind::VoteForLeader, payload, &self.name, &self.options);
    }

    /// Whether the candidacy is won, lost, or still open.
    pub(crate) fn count_votes(&mut self, cx: &mut Ctx) {
        let Failover::Standing(standing) = &self.failover else {
            return;
        };
        let (epoch, since, cause) = (standing.epoch, standing.since, standing.cause);
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
        if votes + open >= self.votes_needed(cx) && !over {
            return;
        }
        // An operator's word stands in for votes that nobody can give; not against votes that
        // were given to somebody else.
        let rivals = self.peers.values().any(|peer| {
            peer.vote
                .is_some_and(|vote| vote.epoch == epoch && vote.leader != cx.me)
        });
        if cause == Cause::Operator && !rivals {
            self.elected(
                cx,
                Mandate {
                    elected: false,
                    ..mandate
                },
            );
        } else {
            self.lose_round(cx);
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
        self.tell(cx, EventKind::AbortNotElected, About::Master);
        self.failover = Failover::Idle;
        self.pause(cx);
    }

    /// The next candidacy comes after a random pause.
    pub(crate) fn pause(&mut self, cx: &mut Ctx) {
        self.prospect.lost = self.prospect.lost.saturating_add(1);
        let longest = LONGEST_PAUSE.min(self.options.failover_timeout * 2);
        let window = (self.turn_length(cx).max(SHORTEST_PAUSE) * (1 << self.prospect.lost.min(12)))
            .min(longest);
        let pause = window.over(4) + Span::ms(cx.rng.below(window.as_ms()));
        if !cx.is_mutant(Mutant::NoRetry) {
            self.prospect.stand_at = Some(cx.now + pause);
        }
        cx.log(
            Level::Notice,
            format!(
                "Next failover delay: I will not start a failover of {} for {} ms",
                self.name,
                pause.as_ms()
            ),
        );
    }

    /// How long a round stays open: long enough for an answer over the slowest link.
    pub(crate) fn round_length(&self, cx: &Ctx) -> Span {
        (self.turn_length(cx) * 3)
            .max(SHORTEST_ROUND)
            .min(cx.periods.election)
            .min(self.options.failover_timeout)
    }

    fn is_deferring(&self, cx: &Ctx, deferral: Deferral) -> bool {
        let gone = self
            .peers
            .get(&deferral.leader)
            .is_some_and(|peer| peer.sdown.is_some());
        cx.now < deferral.until && !gone
    }

    /// Somebody else has our vote for this master.
    pub(crate) fn defer_to(&mut self, cx: &Ctx, leader: RunId) {
        let patience = LEADER_PATIENCE.min(self.options.failover_timeout * 2);
        self.prospect.deferring = Some(Deferral {
            leader,
            until: cx.now + patience,
        });
    }

    /// How long to wait for our place in the line.
    fn turn(&self, cx: &mut Ctx) -> Span {
        let mine = place_key(&self.name, cx.me);
        let before = self
            .peers
            .iter()
            .filter(|(id, peer)| {
                peer.sdown.is_none() && cx.peers.get(id).is_some_and(|shared| shared.link.is_up())
            })
            .filter(|(id, _)| place_key(&self.name, **id) < mine)
            .count();
        let length = self.turn_length(cx);
        let jitter = Span::ms(if before == 0 {
            0
        } else {
            cx.rng.below(length.as_ms() / 2 + 1)
        });
        length * u64::try_from(before).unwrap_or(u64::MAX) + jitter
    }

    /// How long the one before us needs to be heard: a round trip to the slowest peer.
    fn turn_length(&self, cx: &Ctx) -> Span {
        let slowest = self
            .peers
            .keys()
            .filter_map(|id| cx.peers.get(id))
            .filter(|shared| shared.link.is_up())
            .map(|shared| shared.link.ping.round_trip)
            .max()
            .unwrap_or_default();
        (slowest + SHORTEST_TURN).min(LONGEST_TURN)
    }
}

/// The same number at every Sentinel, different for every master and id (FNV-1a, then mixed).
fn place_key(name: &MasterName, id: RunId) -> u64 {
    let bytes = name.as_str().bytes().chain([0]).chain(id.as_str().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
