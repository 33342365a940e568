//! Voting: at most one vote per master and epoch, and none that is not on disk (spec §9.2).

use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::ids::{Epoch, RequestId, RunId};
use crate::model::gate::Promise;
use crate::model::master::Master;
use crate::mutant::Mutant;
use crate::provide::command::Ask;
use crate::provide::reply::Reply;
use crate::time::Span;

/// A leader whose promotion is this young is not voted against.
const LEADERS_GRACE: Span = Span::secs(5);

/// Answers `SENTINEL IS-MASTER-DOWN-BY-ADDR`. `master` is the one at that address, if there is.
pub(crate) fn on_ask(cx: &mut Ctx, master: Option<&mut Master>, request: RequestId, ask: &Ask) {
    let Some(master) = master else {
        // The epoch is news even where the address is not.
        if let (Some(epoch), Some(_)) = (ask.epoch, ask.candidate) {
            cx.hear_epoch(epoch);
        }
        cx.out.push(crate::output::Output::Answer {
            request,
            reply: opinion(false, None, Epoch::ZERO),
        });
        return;
    };
    let down = cx.tilt.is_none()
        && master
            .primary()
            .is_some_and(|server| server.sdown.is_some());
    master.on_hint(cx);
    let (Some(epoch), Some(candidate)) = (ask.epoch, ask.candidate) else {
        if let Some(epoch) = ask.epoch {
            cx.hear_epoch(epoch);
        }
        cx.out.push(crate::output::Output::Answer {
            request,
            reply: opinion(down, None, Epoch::ZERO),
        });
        return;
    };
    cx.hear_epoch(epoch);
    master.consider_vote(cx, epoch, candidate);
    let vote = master.vote;
    let kept = opinion(down, vote.leader, vote.epoch);
    if cx.is_mutant(Mutant::VoteBeforeDisk) {
        cx.out.push(crate::output::Output::Answer {
            request,
            reply: kept,
        });
        return;
    }
    let withheld = opinion(down, None, Epoch::ZERO);
    cx.gate.hold(Promise::Vote {
        request,
        kept,
        withheld,
    });
}

impl Master {
    /// Votes for `candidate` if this master's own epochs allow it.
    ///
    /// They, not the epoch of the whole Sentinel, are what safety needs: one vote per master and
    /// epoch, and none below a configuration that we know. So elections for other masters do not
    /// void this one (hazard D of the architecture notes).
    fn consider_vote(&mut self, cx: &mut Ctx, epoch: Epoch, candidate: RunId) {
        let spent = self.vote.epoch.max(self.latest().epoch);
        let again = cx.is_mutant(Mutant::VoteTwice) && epoch == self.vote.epoch;
        let fresh = epoch > spent && epoch <= cx.epochs.current;
        let free = fresh && !self.has_elected_another(cx, candidate);
        if !(free || again) || self.leads(cx) {
            return;
        }
        self.cast_vote(cx, epoch, candidate);
        if candidate == cx.me {
            return;
        }
        self.defer_to(cx, candidate);
        if matches!(self.failover, Failover::Standing(_)) {
            self.lose_round(cx);
        }
    }

    /// Whether somebody else has been elected by our vote and may be about to use it: with their
    /// own it is all that they need. Were it given again while that round may last, to one who had
    /// not heard of the first in time, both would promote a replica, and what clients wrote to the
    /// first one would have to be rescued. A vote that needs others beside it is not kept: that
    /// would split those that a higher epoch unites (docs/elections.md).
    fn has_elected_another(&self, cx: &Ctx, candidate: RunId) -> bool {
        const VOTES: usize = 2;
        let Some(deferral) = self.prospect.deferring else {
            return false;
        };
        let leader = deferral.leader;
        let elected = self.vote.leader == Some(leader) && self.votes_needed(cx) <= VOTES;
        let unused = self.vote.epoch > self.latest().epoch;
        let there = cx
            .peers
            .get(&leader)
            .is_some_and(|shared| shared.link.is_up());
        let young = cx.now.since(deferral.since) < self.round_length(cx);
        leader != candidate && elected && unused && there && young
    }

    /// Whether we are elected ourselves and may still bring it to its end.
    fn leads(&self, cx: &Ctx) -> bool {
        match &self.failover {
            Failover::Idle | Failover::Standing(_) => false,
            Failover::Selecting(mandate) => cx.now.since(mandate.since) < LEADERS_GRACE,
            Failover::Handover(handover) => cx.now.since(handover.mandate.since) < LEADERS_GRACE,
            Failover::Promoting(promoting) => cx.now.since(promoting.since) < LEADERS_GRACE,
            Failover::Reconfiguring(reconf) => {
                !reconf.is_announced() && cx.now.since(reconf.since) < LEADERS_GRACE
            }
        }
    }
}

/// The same answer without a word about the master being down: it was held while the disk worked,
/// and now we are in TILT.
pub(crate) fn in_tilt(answer: Reply) -> Reply {
    match answer {
        Reply::Array(mut parts) => {
            if let Some(down) = parts.first_mut() {
                *down = Reply::Integer(0);
            }
            Reply::Array(parts)
        }
        other => other,
    }
}

fn opinion(down: bool, leader: Option<RunId>, epoch: Epoch) -> Reply {
    let leader = leader.map_or_else(|| "*".to_owned(), |id| id.to_string());
    Reply::Array(vec![
        Reply::Integer(i64::from(down)),
        Reply::bulk(leader),
        Reply::Integer(i64::try_from(epoch.get()).unwrap_or(i64::MAX)),
    ])
}
