//! Keeps `min-replicas-to-write` and `min-replicas-max-lag` right on the master
//! (`sentinel fencing`), and gives servers their own values back.
//!
//! Every Sentinel looks at the servers and knows what is to be done, by what the master itself
//! says of its replicas, so that they agree. The first in the order that all know does it; the
//! next ones step in when it is not done. Nothing is sent where nothing is to be changed.
//!
//! * A master is *tightened* when it has said for [`STEADY`] that enough replicas keep up, and its
//!   own values are on our disk: a new master is not, before somebody follows it.
//! * It is *loosened*, that is has its own values back, when it has said for [`HOLD`] that too few
//!   replicas keep up, and a majority of the Sentinels has answered us in the second half of that
//!   time: whoever is cut off with a master must leave it as it is, and where a majority is with
//!   us, nobody else is promoted behind its back.
//! * Whoever is no master any more gets its own values back when it is a replica, so that it can
//!   be written to when it is promoted again. A former master that knows nothing of it is left.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::failover::forestall::Forestall;
use crate::fencing::{Fencing, MinReplicas};
use crate::input::Answer;
use crate::limits;
use crate::model::gate::Version;
use crate::model::master::{About, Master};
use crate::monitor::link::Pending;
use crate::notify::event::EventKind;
use crate::output::Call;
use crate::permission::{Permission, Permissions};
use crate::report::{Info, Role};
use crate::time::{Mono, Span};

/// Enough replicas keep up for so long before a master is tightened.
const STEADY: Span = Span::secs(3);
/// Too few do for so long before it is loosened.
const HOLD: Span = Span::secs(5);
/// How long one Sentinel has before the next one steps in.
const TURN: Span = Span::secs(3);

/// A server's own values: the loosest that we have seen there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) values: MinReplicas,
    /// The state of ours that has to be on disk before anything else is set there.
    noted: Version,
}

impl Own {
    /// Values that were on the disk when we started.
    pub(crate) fn remembered(values: MinReplicas) -> Self {
        Self {
            values,
            noted: Version::default(),
        }
    }
}

/// What is known of the present master's replicas, as it says itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attendance {
    /// Whose they are.
    master: Option<Addr>,
    /// Whether enough keep up, and since when.
    pub(super) enough: Option<(bool, Mono)>,
    /// An operator has just changed the option: stricter values of ours are replaced too.
    renewed: bool,
    pub(super) forestall: Forestall,
}

/// What is known of a server's values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    /// They are not what they should be, since then.
    astray: Option<Mono>,
    /// It refused to be asked or told; it is left alone until it is connected to again.
    refused: bool,
    /// It was asked then.
    asked: Option<Mono>,
}

impl Watch {
    /// Whether it may be asked again: its replicas are looked at more often than its values.
    fn is_due(&self, now: Mono) -> bool {
        let again = |asked| now.since(asked) >= Span::ms(500);
        self.asked.is_none_or(again)
    }

    /// A new connection: what was refused may be allowed now.
    pub(crate) fn on_link_up(&mut self) {
        *self = Self::default();
    }
}

impl Master {
    /// A server answered INFO: it is asked for its values if anybody is interested in them.
    pub(crate) fn look_after_min_replicas(&mut self, cx: &mut Ctx, addr: &Addr, info: &Info) {
        if self.is_master(addr) {
            self.count_replicas(cx, addr, info);
            self.forestall(cx, addr);
        }
        if self.options.fencing == Fencing::Off && !self.own_values.contains_key(addr) {
            return;
        }
        let renames = self.options.renames.clone();
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        if server.lacks(Permission::FENCING) {
            let lacking = server.link.missing();
            let lacking = lacking.both(Permissions::of(Permission::FENCING));
            let why = format!("our user there lacks {lacking}");
            return self.on_min_replicas_refused(cx, addr, &why);
        }
        if matches!(self.failover, Failover::Idle)
            && !server.min_replicas.refused
            && server.min_replicas.is_due(cx.now)
        {
            server.min_replicas.asked = Some(cx.now);
            let pending = Pending::ReadMinReplicas;
            server
                .link
                .call(Call::ReadMinReplicas, pending, &renames, &mut cx.out);
        }
    }

    /// A server told its values, or why it does not.
    pub(crate) fn on_min_replicas(&mut self, cx: &mut Ctx, addr: &Addr, answer: &Answer) {
        match answer {
            Answer::MinReplicas(values) => {
                self.note_own_values(cx, addr, *values);
                self.note_tightness(addr, *values);
                self.put_right(cx, addr, *values);
            }
            Answer::Error(why) => self.on_min_replicas_refused(cx, addr, why),
            Answer::Unexpected => {
                self.on_min_replicas_refused(cx, addr, "it has no min-replicas-to-write");
            }
            // It is loading, or busy: later.
            _ => {}
        }
    }

    /// A server was told its values.
    pub(crate) fn on_min_replicas_set(&mut self, cx: &mut Ctx, addr: &Addr, answer: &Answer) {
        if let Answer::Error(why) = answer {
            self.on_min_replicas_refused(cx, addr, why);
        }
    }

    /// An operator changed the option.
    pub(crate) fn set_fencing(&mut self, fencing: Fencing) {
        self.options.fencing = fencing;
        self.attendance.renewed = true;
        for server in self.servers.values_mut() {
            server.min_replicas = Watch::default();
            server.info_asked_at = None;
        }
    }

    /// Said once for a connection: everything else goes on.
    fn on_min_replicas_refused(&mut self, cx: &mut Ctx, addr: &Addr, why: &str) {
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        if std::mem::replace(&mut server.min_replicas.refused, true) {
            return;
        }
        let about = if self.is_master(addr) {
            About::Master
        } else {
            About::Replica(addr)
        };
        self.tell_more(cx, EventKind::MinReplicasRefused, about, &format!("#{why}"));
    }

    /// How many of its replicas the master has heard of lately.
    fn count_replicas(&mut self, cx: &Ctx, addr: &Addr, info: &Info) {
        let Fencing::MinReplicas { lag } = self.options.fencing else {
            self.attendance.enough = None;
            self.attendance.forestall = Forestall::default();
            return;
        };
        if self.attendance.master.as_ref() != Some(addr) || info.role != Some(Role::Master) {
            self.attendance.master = Some(addr.clone());
            self.attendance.enough = None;
            self.attendance.forestall = Forestall::default();
        }
        if info.role != Some(Role::Master) {
            return;
        }
        let wanted = self.tight_values(addr, lag);
        let there = info.lags.iter().filter(|it| **it <= wanted.patience());
        let enough = there.count() >= usize::try_from(wanted.to_write).unwrap_or(usize::MAX);
        match &mut self.attendance.enough {
            Some((known, _)) if *known == enough => {}
            other => *other = Some((enough, cx.now)),
        }
    }

    /// Remembers the loosest values that a server was seen with, and forgets what is of no use.
    fn note_own_values(&mut self, cx: &mut Ctx, addr: &Addr, values: MinReplicas) {
        let known = self.own_values.get(addr).map(|own| own.values);
        match (self.options.fencing, known) {
            // It has its own values, or looser ones that somebody gave it since.
            (Fencing::Off, Some(own)) if own.covers(values) => {
                self.own_values.remove(addr);
                cx.gate.touch();
            }
            (Fencing::Off, _) => {}
            (Fencing::MinReplicas { .. }, Some(own)) if own == values || !own.covers(values) => {}
            // With these it is as tight as we would make it: nobody knows whose they are.
            (Fencing::MinReplicas { lag }, None) if values.covers(values.within(lag)) => {}
            (Fencing::MinReplicas { .. }, _) => {
                if known.is_none() && self.own_values.len() > limits::REPLICAS_PER_MASTER {
                    return;
                }
                cx.gate.touch();
                let noted = cx.gate.version();
                self.own_values.insert(addr.clone(), Own { values, noted });
            }
        }
    }

    /// What the master is to have when it is tight.
    pub(super) fn tight_values(&self, addr: &Addr, lag: u32) -> MinReplicas {
        let none = MinReplicas {
            to_write: 0,
            max_lag: 0,
        };
        let own = self.own_values.get(addr).map_or(none, |own| own.values);
        own.within(lag)
    }

    /// Sets a server's values if they are not what they should be and it is our turn.
    fn put_right(&mut self, cx: &mut Ctx, addr: &Addr, values: MinReplicas) {
        let wanted = self.wanted_values(cx, addr, values);
        let turn = TURN * u64::try_from(self.place(cx)).unwrap_or(u64::MAX).min(10);
        let renames = self.options.renames.clone();
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let Some(wanted) = wanted.filter(|wanted| *wanted != values) else {
            server.min_replicas.astray = None;
            return;
        };
        let since = *server.min_replicas.astray.get_or_insert(cx.now);
        if cx.now < since + turn {
            return;
        }
        let call = Call::SetMinReplicas(wanted);
        if !server
            .link
            .call(call, Pending::SetMinReplicas, &renames, &mut cx.out)
        {
            return;
        }
        server.min_replicas.astray = None;
        let about = if self.is_master(addr) {
            About::Master
        } else {
            About::Replica(addr)
        };
        let is_own = self
            .own_values
            .get(addr)
            .is_some_and(|own| own.values == wanted);
        let kind = if is_own {
            EventKind::MinReplicasEnd
        } else {
            EventKind::MinReplicas
        };
        self.tell_more(cx, kind, about, &wanted.to_string());
    }

    /// What a server is to have, if that can be said now.
    fn wanted_values(&mut self, cx: &Ctx, addr: &Addr, values: MinReplicas) -> Option<MinReplicas> {
        let own = self.own_values.get(addr).copied();
        let given_back = own.map(|own| own.values).filter(|own| !own.covers(values));
        let Fencing::MinReplicas { lag } = self.options.fencing else {
            return given_back;
        };
        let server = self.servers.get(addr)?;
        if !self.is_master(addr) {
            return given_back.filter(|_| server.role == Role::Replica && !server.stale_master);
        }
        let well = server.role == Role::Master && server.sdown.is_none();
        let settled = matches!(self.failover, Failover::Idle) && self.adopting.is_none();
        if !well || !settled || self.odown.is_some() || cx.tilt.is_some() {
            return None;
        }
        let (enough, since) = self.attendance.enough?;
        if !enough {
            let alone = !self.hears_majority(cx, since + HOLD.over(2));
            return given_back.filter(|_| cx.now >= since + HOLD && !alone);
        }
        let tight = self.tight_values(addr, lag);
        let renewed = self.attendance.renewed;
        if values == tight {
            self.attendance.renewed = false;
        }
        if cx.now < since + STEADY || (values.covers(tight) && !renewed) {
            return None;
        }
        own.filter(|own| cx.gate.has(own.noted)).map(|_| tight)
    }

    /// Whether a majority of the Sentinels, with us, has answered since.
    fn hears_majority(&self, cx: &Ctx, since: Mono) -> bool {
        let heard = self.peers.keys().filter(|id| {
            let shared = cx.peers.get(id);
            shared.is_some_and(|it| it.link.is_up() && it.link.ping.ok_at >= since)
        });
        heard.count() + 1 > self.voters() / 2
    }
}
