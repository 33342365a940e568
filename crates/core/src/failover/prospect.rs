//! When to stand for election: whose turn it is, and how long to wait after a lost round.
//!
//! All who see a master down could stand at once and split the votes. So they stand in line: the
//! order follows from a hash of the master's name and the Sentinels' ids, which all of them know.
//! The first stands at once, each other only after the one before had time to be heard.
//! `docs/elections.md` has the measurements behind it.

use crate::ctx::Ctx;
use crate::failover::{Cause, Failover, Mandate};
use crate::ids::{MasterName, RunId};
use crate::model::master::Master;
use crate::mutant::Mutant;
use crate::notify::event::Level;
use crate::time::{Mono, Span};

/// What decides about our next candidacy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prospect {
    /// When to stand, if the master is still down then.
    pub(crate) stand_at: Option<Mono>,
    /// Rounds lost in a row.
    pub(crate) lost: u32,
    /// The last failover found no replica to promote.
    pub(crate) barren: bool,
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
    pub(crate) since: Mono,
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
        self.prospect.barren = false;
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

    /// There is nobody to promote: that changes with the replicas, not by trying again soon.
    pub(crate) fn pause_for_replicas(&mut self, cx: &mut Ctx) {
        self.prospect.barren = true;
        self.prospect.lost = self.prospect.lost.max(6);
        self.pause(cx);
        // Who voted for us waits until then, and may know a replica that we do not.
        let patience = self.leader_patience();
        self.prospect.stand_at = self.prospect.stand_at.map(|at| at + patience);
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

    pub(crate) fn is_deferring(&self, cx: &Ctx, deferral: Deferral) -> bool {
        let gone = self
            .peers
            .get(&deferral.leader)
            .is_some_and(|peer| peer.sdown.is_some());
        cx.now < deferral.until && !gone
    }

    /// Somebody else has our vote for this master.
    pub(crate) fn defer_to(&mut self, cx: &Ctx, leader: RunId) {
        self.prospect.deferring = Some(Deferral {
            leader,
            since: cx.now,
            until: cx.now + self.leader_patience(),
        });
    }

    fn leader_patience(&self) -> Span {
        LEADER_PATIENCE.min(self.options.failover_timeout * 2)
    }

    /// Whether we would promote nobody if we were elected now.
    fn is_barren(&self, cx: &Ctx) -> bool {
        let nobody = || self.choose_replica(cx, cx.now).best.is_none();
        self.replicas().next().is_none() || (self.prospect.barren && nobody())
    }

    /// How long to wait for our place in the line. Who has nobody to promote comes after all who
    /// may have.
    pub(crate) fn turn(&self, cx: &mut Ctx) -> Span {
        let mine = place_key(&self.name, cx.me);
        let there = self.peers.iter().filter(|(id, peer)| {
            peer.sdown.is_none() && cx.peers.get(id).is_some_and(|shared| shared.link.is_up())
        });
        let before = if self.is_barren(cx) {
            let places = |id: &RunId| 1 + usize::from(place_key(&self.name, *id) < mine);
            1 + there.map(|(id, _)| places(id)).sum::<usize>()
        } else {
            there
                .filter(|(id, _)| place_key(&self.name, **id) < mine)
                .count()
        };
        let length = self.turn_length(cx);
        let jitter = Span::ms(if before == 0 {
            0
        } else {
            cx.rng.below(length.as_ms() / 2 + 1)
        });
        length * u64::try_from(before).unwrap_or(u64::MAX) + jitter
    }

    /// How many of those that are there come before us in the line.
    pub(crate) fn place(&self, cx: &Ctx) -> usize {
        let mine = place_key(&self.name, cx.me);
        let there = |id: &RunId| cx.peers.get(id).is_some_and(|shared| shared.link.is_up());
        self.peers
            .iter()
            .filter(|(id, peer)| peer.sdown.is_none() && there(id))
            .filter(|(id, _)| place_key(&self.name, **id) < mine)
            .count()
    }

    /// How long the one before us needs to be heard: to write its vote down, and to ask the
    /// slowest peer.
    fn turn_length(&self, cx: &Ctx) -> Span {
        let slowest = self
            .peers
            .keys()
            .filter_map(|id| cx.peers.get(id))
            .filter(|shared| shared.link.is_up())
            .map(|shared| shared.link.ping.round_trip)
            .max()
            .unwrap_or_default();
        (slowest + cx.gate.write_time() + SHORTEST_TURN).min(LONGEST_TURN)
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
