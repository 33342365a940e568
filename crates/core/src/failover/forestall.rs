//! Holds the writes of a fenced master back in the last second before it refuses them by itself.
//!
//! Redis counts the replicas that keep up once a second, and their silence in whole seconds: a
//! master that is cut off with clients takes writes for up to a second after its own INFO says that
//! too few replicas hear it. A Sentinel on its side of the cut reads that first. Writes are held
//! back, once and for [`SPAN`] at most, when
//!
//! * `sentinel fencing` is on and the master is tight, so that it refuses them itself by then,
//! * so many of the other Sentinels have been silent for [`QUIET`] that they could promote a replica
//!   without us, and
//! * the master says that too few replicas have been heard of lately.
//!
//! Nothing is refused that would not be refused a moment later. It is done in pauses of [`SLICE`],
//! each of which the server ends by itself, and never by CLIENT UNPAUSE: when a replica is heard of
//! again nothing is renewed, and a pause that somebody else has asked for meanwhile, for a
//! switchover as soon as the network is whole, is not taken back by us.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::fencing::{Fencing, MinReplicas};
use crate::model::master::{About, Master};
use crate::monitor::link::Pending;
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::output::Call;
use crate::permission::Permission;
use crate::time::{Mono, Span};

/// Longer than Redis takes to count its replicas again.
const SPAN: Span = Span::ms(1200);
/// Of this, held back at a time, and how often that is renewed.
const SLICE: Span = Span::ms(300);
const RENEW: Span = Span::ms(100);
/// Peers are asked every second.
const QUIET: Span = Span::ms(1200);
/// How often the master is asked meanwhile.
const LOOK: Span = Span::ms(50);

/// What is known of a master that may be about to refuse writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forestall {
    /// It has been seen with values by which it will.
    tight: bool,
    /// Its writes were first held back then, since it last heard of enough replicas.
    since: Option<Mono>,
    /// And last then.
    renewed: Option<Mono>,
}

impl Master {
    /// The master told its values.
    pub(crate) fn note_tightness(&mut self, addr: &Addr, values: MinReplicas) {
        if let Fencing::MinReplicas { lag } = self.options.fencing
            && self.is_master(addr)
        {
            self.attendance.forestall.tight = values.covers(self.tight_values(addr, lag));
        }
    }

    /// The master told whether enough of its replicas keep up.
    pub(crate) fn forestall(&mut self, cx: &mut Ctx, addr: &Addr) {
        let Some((enough, _)) = self.attendance.enough else {
            return;
        };
        let told = self.attendance.forestall;
        if enough {
            let forestall = &mut self.attendance.forestall;
            (forestall.since, forestall.renewed) = (None, None);
            return;
        }
        let rivals = self.rivals_quiet_at(cx).is_some_and(|at| at <= cx.now);
        let over = told.since.is_some_and(|at| at + SPAN.less(SLICE) < cx.now)
            && !cx.is_mutant(Mutant::HoldForEver);
        let early = told.renewed.is_some_and(|at| cx.now < at + RENEW);
        if !rivals || over || early || !self.may_forestall(cx) {
            return;
        }
        let renames = self.options.renames.clone();
        let pause = Call::Pause { span: SLICE };
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        // What becomes of it decides nothing: the master stops by itself.
        if !server.lacks(&[Permission::Pause])
            && server
                .link
                .call(pause, Pending::Forestall, &renames, &mut cx.out)
        {
            let forestall = &mut self.attendance.forestall;
            forestall.renewed = Some(cx.now);
            if told.since.is_none() {
                forestall.since = Some(cx.now);
                self.tell(cx, EventKind::Fenced, About::Master);
            }
        }
    }

    /// When the master is to be asked next, if that is sooner than usual. It was asked last at
    /// `asked`.
    pub(crate) fn forestall_due(&self, cx: &Ctx, asked: Mono) -> Option<Mono> {
        let over = |since: Mono| since + SPAN <= cx.now && !cx.is_mutant(Mutant::HoldForEver);
        if !self.may_forestall(cx) || self.attendance.forestall.since.is_some_and(over) {
            return None;
        }
        let quiet = self.rivals_quiet_at(cx)?;
        Some(quiet.max(asked + LOOK))
    }

    fn may_forestall(&self, cx: &Ctx) -> bool {
        let settled = matches!(self.failover, Failover::Idle) && self.adopting.is_none();
        self.attendance.forestall.tight && settled && cx.tilt.is_none()
    }

    /// When so many peers have been silent for long that they could promote a replica without us.
    /// `None` where there are not so many.
    fn rivals_quiet_at(&self, cx: &Ctx) -> Option<Mono> {
        let heard = self.peers.keys().filter_map(|id| cx.peers.get(id));
        let mut heard: Vec<Mono> = heard.map(|shared| shared.link.ping.ok_at).collect();
        heard.sort_unstable();
        let last = heard.get(self.votes_needed(cx).checked_sub(1)?)?;
        Some(*last + QUIET)
    }
}
