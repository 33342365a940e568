//! Holds the writes of a fenced master back in the last second before it refuses them by itself.
//!
//! Redis counts the replicas that keep up once a second, and their silence in whole seconds: a
//! master that is cut off with clients takes writes for up to a second after its own INFO says that
//! too few replicas hear it. A Sentinel on its side of the cut reads that first. Writes are held
//! back, once and for [`SPAN`], when
//!
//! * `sentinel fencing` is on and the master is tight, so that it refuses them itself by then,
//! * no majority of the Sentinels has answered us for [`QUIET`], and
//! * the master says that too few replicas have been heard of lately.
//!
//! They are let go when it hears of enough replicas again. Nothing is refused that would not be
//! refused a moment later.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::fencing::{Fencing, MinReplicas};
use crate::model::master::{About, Master};
use crate::monitor::link::Pending;
use crate::notify::event::EventKind;
use crate::output::Call;
use crate::time::{Mono, Span};

/// Longer than Redis takes to count its replicas again.
const SPAN: Span = Span::ms(1200);
/// Peers are asked every second.
const QUIET: Span = Span::ms(1200);
/// How often the master is asked meanwhile.
const LOOK: Span = Span::ms(50);

/// What is known of a master that may be about to refuse writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forestall {
    /// It has been seen with values by which it will.
    tight: bool,
    /// Since it last heard of enough replicas, its writes have been held back until then.
    until: Option<Mono>,
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
        if enough {
            let held = self.attendance.forestall.until.take();
            if held.is_some_and(|until| cx.now < until) {
                self.unpause(cx, addr);
            }
            return;
        }
        let quiet = self.majority_quiet_at(cx).is_some_and(|at| at <= cx.now);
        if !quiet || !self.may_forestall(cx) || self.attendance.forestall.until.is_some() {
            return;
        }
        let renames = self.options.renames.clone();
        let pause = Call::Pause { span: SPAN };
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        // What becomes of it decides nothing: the master stops by itself.
        if server
            .link
            .call(pause, Pending::Forestall, &renames, &mut cx.out)
        {
            self.attendance.forestall.until = Some(cx.now + SPAN);
            self.tell(cx, EventKind::Fenced, About::Master);
        }
    }

    /// When the master is to be asked next, if that is sooner than usual. It was asked last at
    /// `asked`.
    pub(crate) fn forestall_due(&self, cx: &Ctx, asked: Mono) -> Option<Mono> {
        let over = self.attendance.forestall.until;
        if !self.may_forestall(cx) || over.is_some_and(|until| until <= cx.now) {
            return None;
        }
        let quiet = self.majority_quiet_at(cx)?;
        Some(quiet.max(asked + LOOK))
    }

    fn may_forestall(&self, cx: &Ctx) -> bool {
        let settled = matches!(self.failover, Failover::Idle) && self.adopting.is_none();
        self.attendance.forestall.tight && settled && cx.tilt.is_none()
    }

    /// When the last of those peers that make a majority with us has been silent for long.
    fn majority_quiet_at(&self, cx: &Ctx) -> Option<Mono> {
        let needed = self.voters() / 2;
        let heard = self.peers.keys().filter_map(|id| cx.peers.get(id));
        let mut heard: Vec<Mono> = heard.map(|shared| shared.link.ping.ok_at).collect();
        heard.sort_unstable();
        let last = heard.iter().rev().nth(needed.checked_sub(1)?)?;
        Some(*last + QUIET)
    }
}
