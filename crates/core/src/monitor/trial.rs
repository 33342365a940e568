//! What our user on a server may do is found out by a connection of its own, which is in the way
//! of nothing (`LinkKind::Trial`).
//!
//! In RESP2 a subscribed connection refuses every command, and says by that whether the ACL would
//! have been the reason. So nothing is carried out, whatever is asked. It is done once for a
//! process and a user; again while something is missing, and when something that we sent was
//! denied.

use std::sync::Arc;

use crate::addr::Addr;
use crate::ctx::{Ctx, Outbox};
use crate::failover::min_replicas::Watch;
use crate::fencing::Fencing;
use crate::ids::{CallId, LinkId};
use crate::input::{Answer, LinkError, Talk};
use crate::model::master::{About, Master};
use crate::monitor::link::{Link, Parts, Terms, greeting};
use crate::notify::event::EventKind;
use crate::output::{Call, LinkKind, Output};
use crate::permission::{Permission, Permissions};
use crate::provide::options::Renames;
use crate::rescue::RescueMode;
use crate::time::{Mono, Span};

/// What is known of our rights at a server, and the connection that asks for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) stage: Stage,
    missing: Permissions,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// To be asked, not before then.
    Due(Mono),
    /// The connection is being made, or waits for its answers.
    Open {
        link: LinkId,
        since: Mono,
        call: Option<CallId>,
    },
    /// Nothing is missing, as far as can be found out.
    Content,
    /// Something was missing then.
    Lacking(Mono),
}

/// A connection that has told nothing after this long is given up.
const PATIENCE: Span = Span::secs(5);
/// What could not be found out, or was missing, is asked again after this long.
const AGAIN: Span = Span::secs(60);
/// What was denied is looked into no more often.
const SOON: Span = Span::secs(10);

/// In an error reply: the ACL was the reason. In front, or behind `EXECABORT`.
const DENIED: &str = "NOPERM";

impl Trial {
    pub(super) fn new(now: Mono) -> Self {
        Self {
            stage: Stage::Due(now),
            missing: Permissions::default(),
        }
    }

    /// When there is something to do: at a server that answers, or with the connection.
    pub(super) fn due(&self, server_answers: bool) -> Option<Mono> {
        match self.stage {
            Stage::Open { since, .. } => Some(since + PATIENCE),
            Stage::Due(at) => server_answers.then_some(at),
            Stage::Lacking(at) => server_answers.then_some(at + AGAIN),
            Stage::Content => None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    pub(super) fn is(&self, wanted: LinkId) -> bool {
        matches!(self.stage, Stage::Open { link, .. } if link == wanted)
    }

    /// Another process or user: what was known says nothing of it.
    pub(super) fn begin_anew(&mut self, now: Mono, out: &mut Outbox) {
        self.missing = Permissions::default();
        self.end(Stage::Due(now), out);
    }

    /// It has told nothing in time.
    pub(super) fn give_up(&mut self, now: Mono, out: &mut Outbox) {
        self.end(Stage::Due(now + AGAIN), out);
    }

    fn end(&mut self, stage: Stage, out: &mut Outbox) {
        if let Stage::Open { link, .. } = self.stage {
            out.close(link);
        }
        self.stage = stage;
    }
}

impl Link {
    /// Opens the connection when it is due, at a server that answers, and gives it up when it
    /// tells nothing.
    pub(super) fn keep_trial(&mut self, terms: &Terms<'_>, parts: &mut Parts<'_>) {
        if self.trial_due().is_none_or(|due| due > parts.now) {
            return;
        }
        let (owner, ip) = (self.owner().clone(), parts.hosts.ip(&self.addr().host));
        let port = self.addr().port;
        let Some(trial) = &mut self.trial else { return };
        let Some(ip) = ip.filter(|_| !trial.is_open()) else {
            return trial.give_up(parts.now, parts.out);
        };
        let link = parts.out.open(owner);
        trial.stage = Stage::Open {
            link,
            since: parts.now,
            call: None,
        };
        parts.out.push(Output::Connect {
            link,
            kind: LinkKind::Trial,
            ip,
            port,
            greeting: greeting(LinkKind::Trial, terms),
        });
    }

    /// When it has something to do.
    pub(super) fn trial_due(&self) -> Option<Mono> {
        let answers = self
            .up_since()
            .is_some_and(|since| self.ping.is_answered_since(since));
        self.trial.and_then(|trial| trial.due(answers))
    }

    /// What our user is known not to be allowed.
    pub(crate) fn missing(&self) -> Permissions {
        self.trial
            .as_ref()
            .map_or_else(Permissions::default, |trial| trial.missing)
    }

    /// The connection for it is subscribed: nothing that is asked there is done, or else nothing
    /// is asked.
    pub(super) fn on_trial_subscribed(
        &mut self,
        talk: Talk,
        renames: &Arc<Renames>,
        now: Mono,
        out: &mut Outbox,
    ) {
        let open = self.trial.as_mut().map(|trial| &mut trial.stage);
        match open {
            Some(Stage::Open { link, call, .. }) if talk == Talk::Refuse && call.is_none() => {
                let id = out.next_call();
                *call = Some(id);
                out.push(Output::Call {
                    link: *link,
                    call: id,
                    what: Call::TryPermissions,
                    renames: Arc::clone(renames),
                });
            }
            _ => self.on_tried(Permissions::default(), now, out),
        }
    }

    /// Whether this answers what was asked on it.
    pub(super) fn is_trial_call(&self, wanted: CallId) -> bool {
        let asked = self.trial.and_then(|trial| match trial.stage {
            Stage::Open { call, .. } => call,
            Stage::Due(_) | Stage::Content | Stage::Lacking(_) => None,
        });
        asked == Some(wanted)
    }

    /// The connection for it is gone. That its subscription was denied is an answer as well.
    pub(super) fn on_trial_down(&mut self, why: &LinkError, now: Mono) {
        let Some(trial) = &mut self.trial else { return };
        let denied = matches!(why, LinkError::Failed(why) if why.contains(DENIED));
        trial.stage = if denied {
            trial.missing = Permissions::of(&[Permission::Subscribe]);
            Stage::Lacking(now)
        } else {
            Stage::Due(now + AGAIN)
        };
    }

    /// Where something that we sent was denied, what is known may be out of date.
    pub(crate) fn heed_denial(&mut self, answer: &Answer, now: Mono) {
        let denied = matches!(answer, Answer::Error(why) if why.contains(DENIED));
        if let Some(trial) = self.trial.as_mut().filter(|_| denied) {
            trial.stage = match trial.stage {
                Stage::Content => Stage::Due(now),
                Stage::Lacking(at) if now.since(at) >= SOON => Stage::Due(now),
                other => other,
            };
        }
    }

    /// The process behind it is another one.
    pub(crate) fn on_other_process(&mut self, now: Mono, out: &mut Outbox) {
        if let Some(trial) = &mut self.trial {
            trial.begin_anew(now, out);
        }
    }

    /// It is known what is missing.
    pub(crate) fn on_tried(&mut self, missing: Permissions, now: Mono, out: &mut Outbox) {
        if let Some(trial) = &mut self.trial {
            trial.missing = missing;
            let stage = if missing.is_empty() {
                Stage::Content
            } else {
                Stage::Lacking(now)
            };
            trial.end(stage, out);
        }
    }
}

impl Master {
    /// It is known what our user at a server lacks: told when that has changed.
    pub(crate) fn on_tried(&mut self, cx: &mut Ctx, addr: &Addr, answer: &Answer) {
        let missing = match answer {
            Answer::Lacking(missing) => *missing,
            _ => Permissions::default(),
        };
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let fencing = Permissions::of(Permission::FENCING);
        let barred = !server.link.missing().both(fencing).is_empty();
        server.link.on_tried(missing, cx.now, &mut cx.out);
        if barred && missing.both(fencing).is_empty() {
            server.min_replicas = Watch::default();
        }
        self.tell_missing(cx, addr);
    }

    /// An option has changed, and with it what is needed.
    pub(crate) fn tell_all_missing(&mut self, cx: &mut Ctx) {
        let known: Vec<Addr> = self.servers.keys().cloned().collect();
        for addr in known {
            self.tell_missing(cx, &addr);
        }
    }

    /// Tells what our user at a server lacks of what it needs, once, and when that is over.
    pub(crate) fn tell_missing(&mut self, cx: &mut Ctx, addr: &Addr) {
        let needed = self.needed(addr);
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let missing = server.link.missing().both(needed);
        if std::mem::replace(&mut server.told_missing, missing) == missing {
            return;
        }
        let about = if self.is_master(addr) {
            About::Master
        } else {
            About::Replica(addr)
        };
        if missing.is_empty() {
            self.tell(cx, EventKind::MissingPermissionsEnd, about);
        } else {
            let more = missing.to_string();
            self.tell_more(cx, EventKind::MissingPermissions, about, &more);
        }
    }

    /// What is of use there, by what is switched on.
    fn needed(&self, addr: &Addr) -> Permissions {
        let mut useless = Permissions::default();
        if self.options.fencing == Fencing::Off && !self.own_values.contains_key(addr) {
            useless.insert(Permission::ConfigGet);
            useless.insert(Permission::ConfigSet);
        }
        if self.options.rescue == RescueMode::Off {
            useless.insert(Permission::Psync);
            useless.insert(Permission::Replconf);
        }
        Permissions::of(Permission::ALL).without(useless)
    }
}
