//! What every decision may use: the moment, randomness, options, and the way out.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::{Addr, Host};
use crate::ids::{CallId, Epoch, LinkId, MasterName, RescueId, RunId};
use crate::limits;
use crate::model::gate::{Gate, Promise};
use crate::model::peer::PeerLink;
use crate::monitor::link::Owner;
use crate::mutant::Mutant;
use crate::notify::event::{Event, EventKind, Level};
use crate::notify::script::Scripts;
use crate::output::Output;
use crate::provide::options::{Credentials, GlobalOptions, MasterOptions, Periods};
use crate::report::Role;
use crate::rng::Rng;
use crate::time::{Mono, Span};

/// The part of a Sentinel that all its masters share.
#[derive(Clone, Debug)]
pub(crate) struct Ctx {
    pub(crate) now: Mono,
    pub(crate) me: RunId,
    pub(crate) port: u16,
    pub(crate) own_password: Option<Credentials>,
    pub(crate) options: GlobalOptions,
    pub(crate) periods: Periods,
    pub(crate) rng: Rng,
    pub(crate) epochs: Epochs,
    pub(crate) hosts: Hosts,
    pub(crate) out: Outbox,
    pub(crate) gate: Gate,
    /// One link per peer, whatever number of masters it watches with us.
    pub(crate) peers: BTreeMap<RunId, PeerLink>,
    pub(crate) scripts: Scripts,
    pub(crate) tilt: Option<Mono>,
    pub(crate) crash: CrashPlan,
    pub(crate) mutant: Option<Mutant>,
}

/// Where `SENTINEL SIMULATE-FAILURE` wants the process to die (spec §10.9).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CrashPlan {
    pub(crate) after_election: bool,
    pub(crate) after_promotion: bool,
}

impl Ctx {
    /// Emits an event that concerns a master, and runs its notification script for a warning.
    pub(crate) fn master_event(
        &mut self,
        kind: EventKind,
        payload: String,
        name: &MasterName,
        options: &MasterOptions,
    ) {
        self.tell(Notice::of_master(kind, payload, name, options));
    }

    /// Emits an event that is tied to no instance.
    pub(crate) fn event(&mut self, kind: EventKind, payload: String) {
        self.tell(Notice::new(kind, payload));
    }

    /// Emits an event that was made ready before.
    pub(crate) fn tell(&mut self, notice: Notice) {
        if let Some(argv) = notice.script {
            self.scripts.queue(argv, self.now);
        }
        self.out.push(Output::Event(notice.event));
    }

    /// Writes a line to the log alone.
    pub(crate) fn log(&mut self, level: Level, text: String) {
        self.out.push(Output::Log { level, text });
    }

    /// Takes over a newer epoch that a peer told us. What nobody could have reached is ignored:
    /// one shouted number must not use up the future (spec §17, epoch −1).
    pub(crate) fn hear_epoch(&mut self, epoch: Epoch) {
        let current = self.epochs.current.get();
        let believable = epoch.get() <= limits::LARGEST_EPOCH
            && epoch.get() - current.min(epoch.get()) <= limits::EPOCH_LEAP;
        if epoch > self.epochs.current && believable {
            self.raise_epoch(epoch);
        }
    }

    /// Makes `epoch` the current one, which is higher.
    pub(crate) fn raise_epoch(&mut self, epoch: Epoch) {
        self.epochs.current = epoch;
        self.gate.touch();
        // A shower of epochs during one slow write is told in part.
        if self.gate.held() < limits::HELD_REPLIES {
            let notice = Notice::new(EventKind::NewEpoch, epoch.to_string());
            self.gate.hold(Promise::Tell(notice));
        }
    }

    /// Whether a deliberate bug is switched on; never in the product.
    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        cfg!(feature = "mutants") && self.mutant == Some(mutant)
    }

    /// What to authenticate with on peers: `sentinel-pass`, else our own password (spec §5.2).
    pub(crate) fn peer_credentials(&self) -> Option<Credentials> {
        match &self.options.sentinel_pass {
            Some(password) => Some(Credentials {
                user: self.options.sentinel_user.clone(),
                password: password.clone(),
            }),
            None => self.own_password.clone(),
        }
    }

    /// The form in which an address is told to others: the IP, or the name where that is wanted.
    pub(crate) fn shown(&self, host: &Host) -> String {
        match (host, self.hosts.ip(host)) {
            (Host::Name(name), Some(ip)) if !self.options.announce_hostnames => {
                let _ = name;
                ip.to_string()
            }
            (host, _) => host.to_string(),
        }
    }

    /// `ip port` in the form in which it is told to others.
    pub(crate) fn shown_pair(&self, addr: &Addr) -> String {
        format!("{} {}", self.shown(&addr.host), addr.port)
    }

    /// The address in the form in which it is told to others.
    pub(crate) fn shown_addr(&self, addr: &Addr) -> Addr {
        match self.hosts.ip(&addr.host) {
            Some(ip) if !self.options.announce_hostnames => Addr::new(Host::Ip(ip), addr.port),
            _ => addr.clone(),
        }
    }
}

/// An event that is ready to be told, with the script that it runs.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    event: Event,
    script: Option<Vec<String>>,
}

impl Notice {
    fn new(kind: EventKind, payload: String) -> Self {
        let event = Event {
            kind,
            payload: cut(payload),
            master: None,
        };
        Self {
            event,
            script: None,
        }
    }

    /// An event about a master; a warning runs the master's notification script.
    pub(crate) fn of_master(
        kind: EventKind,
        payload: String,
        name: &MasterName,
        options: &MasterOptions,
    ) -> Self {
        let mut notice = Self::new(kind, payload);
        notice.event.master = Some(name.clone());
        if let (Level::Warning, Some(path)) = (kind.level(), &options.notification_script) {
            let payload = notice.event.payload.clone();
            notice.script = Some(vec![path.to_string(), kind.name().to_owned(), payload]);
        }
        notice
    }

    /// Whether it is about this master.
    pub(crate) fn is_about(&self, name: &MasterName) -> bool {
        self.event.master.as_ref() == Some(name)
    }
}

fn cut(mut payload: String) -> String {
    if payload.len() > limits::EVENT_PAYLOAD {
        let end = (0..=limits::EVENT_PAYLOAD)
            .rev()
            .find(|&i| payload.is_char_boundary(i));
        payload.truncate(end.unwrap_or(0));
    }
    payload
}

/// The epochs that all masters share.
#[derive(Clone, Debug)]
pub(crate) struct Epochs {
    /// The newest that we know of.
    pub(crate) current: Epoch,
    /// The newest that is on our disk: the only one that others hear of.
    pub(crate) synced: Epoch,
    /// The epoch we opened last by standing, and when. Masters that are lost together stand
    /// together under one epoch, so that the votes for one do not outdate those for another.
    pub(crate) term: Option<(Epoch, Mono)>,
}

impl Epochs {
    /// How long an epoch that we opened serves further elections.
    const TERM: Span = Span::ms(1000);

    /// Our own running term, if nobody has gone beyond it.
    pub(crate) fn shared_term(&self, now: Mono) -> Option<Epoch> {
        self.term
            .filter(|(epoch, opened)| *epoch == self.current && now.since(*opened) < Self::TERM)
            .map(|(epoch, _)| epoch)
    }
}

/// Outputs waiting to be polled, the counters that number them, and who owns which link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    links: u64,
    calls: u64,
    rescues: u64,
    /// Attempts made in haste, and since when they are counted.
    hasty: (Mono, u32),
    trials: Turns,
    first_to_masters: Turns,
    first_to_replicas: Turns,
    pub(crate) routes: BTreeMap<LinkId, Owner>,
}

/// Turns at connecting, where only some may begin at one moment.
#[derive(Clone, Debug, Default)]
struct Turns {
    /// The last that was given out.
    last: Mono,
    /// How many share it.
    taken: u32,
}

impl Turns {
    /// The next turn: `at_once` of them fall together, and the next ones `every` later.
    fn next(&mut self, now: Mono, at_once: u32, every: Span) -> Mono {
        if now >= self.last + every {
            (self.last, self.taken) = (now, 0);
        }
        if self.taken >= at_once {
            (self.last, self.taken) = (self.last + every, 0);
        }
        self.taken += 1;
        now.max(self.last)
    }
}

impl Outbox {
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    pub(crate) fn open(&mut self, owner: Owner) -> LinkId {
        self.links += 1;
        let link = LinkId::new(self.links);
        self.routes.insert(link, owner);
        link
    }

    /// Whether one more attempt to connect may be made sooner than is usual: not more of them than
    /// the limit in a second, so that a thousand that are gone cost no more than some.
    pub(crate) fn may_hasten(&mut self, now: Mono) -> bool {
        let (since, count) = &mut self.hasty;
        if now.since(*since) >= Span::secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= limits::HASTY_TRIES
    }

    /// When one more trial connection may be made. Thousands of servers that are found together
    /// would else cost as many connections at once, of our open files and of our time, where
    /// nobody waits for what they tell.
    pub(crate) fn turn_to_try(&mut self, now: Mono) -> Mono {
        self.trials.next(now, 1, limits::TRIAL_EVERY)
    }

    /// When a server that was just heard of may be connected to. Were thousands that are found
    /// together all greeted at once, their answers would keep clients waiting. Masters do not wait
    /// for replicas.
    pub(crate) fn turn_to_connect(&mut self, role: Role, now: Mono) -> Mono {
        let turns = match role {
            Role::Master => &mut self.first_to_masters,
            Role::Replica => &mut self.first_to_replicas,
        };
        turns.next(now, limits::SERVERS_A_TURN, limits::CONNECT_EVERY)
    }

    pub(crate) fn close(&mut self, link: LinkId) {
        self.routes.remove(&link);
        self.push(Output::Close { link });
    }

    pub(crate) fn next_rescue(&mut self) -> RescueId {
        self.rescues += 1;
        RescueId::new(self.rescues)
    }

    pub(crate) fn next_call(&mut self) -> CallId {
        self.calls += 1;
        CallId::new(self.calls)
    }
}

/// What is known of host names: the last good answer, and when we asked and heard last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(BTreeMap<Arc<str>, Lookup>);

#[derive(Clone, Debug, Default)]
struct Lookup {
    ip: Option<IpAddr>,
    asked: Option<Mono>,
    answered: Option<Mono>,
}

impl Hosts {
    /// A question is not repeated sooner than this while it is open.
    const PATIENCE: Span = Span::secs(5);

    /// The address of a host, if it is one or its name was ever resolved.
    pub(crate) fn ip(&self, host: &Host) -> Option<IpAddr> {
        match host {
            Host::Ip(ip) => Some(*ip),
            Host::Name(name) => self.0.get(name).and_then(|lookup| lookup.ip),
        }
    }

    /// Whether two addresses are the same place: by resolved IP, else by spelling (spec §6).
    pub(crate) fn same(&self, a: &Addr, b: &Addr) -> bool {
        if a.port != b.port {
            return false;
        }
        match (&a.host, &b.host) {
            (Host::Ip(x), Host::Ip(y)) => x == y,
            (x, y) => match (self.ip(x), self.ip(y)) {
                (Some(x), Some(y)) => x == y,
                _ => x.to_string().eq_ignore_ascii_case(&y.to_string()),
            },
        }
    }

    /// Whether any host was ever looked up by name: then the file holds names too.
    pub(crate) fn any_named(&self) -> bool {
        !self.0.is_empty()
    }

    /// Asks for a name unless the question is open already.
    pub(crate) fn ask(&mut self, host: &Host, now: Mono, out: &mut Outbox) {
        let Host::Name(name) = host else { return };
        let lookup = self.0.entry(name.clone()).or_default();
        let open = lookup.asked.is_some_and(|asked| {
            lookup.answered.is_none_or(|answered| answered < asked)
                && now.since(asked) < Self::PATIENCE
        });
        if !open {
            lookup.asked = Some(now);
            out.push(Output::Resolve { host: host.clone() });
        }
    }

    /// Whether a name was answered at or after `since`.
    pub(crate) fn is_answered(&self, host: &Host, since: Mono) -> bool {
        match host {
            Host::Ip(_) => true,
            Host::Name(name) => self
                .0
                .get(name)
                .and_then(|lookup| lookup.answered)
                .is_some_and(|at| at >= since),
        }
    }

    /// Takes an answer; a failed one keeps the last good address.
    pub(crate) fn answer(&mut self, host: &Host, ip: Option<IpAddr>, now: Mono) {
        if let Host::Name(name) = host
            && let Some(lookup) = self.0.get_mut(name)
        {
            lookup.answered = Some(now);
            lookup.ip = ip.or(lookup.ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_made_in_haste_are_bounded_in_each_second() {
        let mut out = Outbox::default();
        for second in 1..4 {
            let granted = (0..1000)
                .filter(|ms| out.may_hasten(Mono::from_ms(second * 1000 + ms)))
                .count();
            assert_eq!(granted, 400);
        }
    }

    #[test]
    fn trial_connections_take_turns() {
        let mut out = Outbox::default();
        let at = |ms| Mono::from_ms(ms);
        let turns: Vec<Mono> = (0..4).map(|_| out.turn_to_try(at(1000))).collect();
        assert_eq!(turns, [at(1000), at(1005), at(1010), at(1015)]);
        assert_eq!(out.turn_to_try(at(1020)), at(1020));
        assert_eq!(out.turn_to_try(at(9000)), at(9000));
    }

    #[test]
    fn servers_that_are_found_together_are_connected_to_a_few_at_a_time() {
        let mut out = Outbox::default();
        let at = |ms| Mono::from_ms(ms);
        let mut turns = |now, servers| {
            let turn = |_| out.turn_to_connect(Role::Replica, at(now));
            (0..servers).map(turn).collect::<Vec<Mono>>()
        };
        assert_eq!(turns(1000, 3), [at(1000); 3]);
        assert_eq!(
            turns(1002, 4),
            [[at(1005); 3].as_slice(), &[at(1010)]].concat()
        );
        assert_eq!(turns(1020, 3), [at(1020); 3]);
        assert_eq!(turns(9000, 600).last(), Some(&at(9995)));
        let master = out.turn_to_connect(Role::Master, at(9001));
        assert_eq!(master, at(9001), "behind no replica");
    }
}
