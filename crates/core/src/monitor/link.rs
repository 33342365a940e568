//! The connections to one watched process: a command link, and a Pub/Sub link where there are
//! hellos to hear. They are re-made when they break, and every call on them is accounted for.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::Addr;
use crate::ctx::{Hosts, Outbox};
use crate::ids::{CallId, Epoch, LinkId, MasterName, RunId};
use crate::input::{LinkError, Talk};
use crate::limits;
use crate::monitor::crash::Trace;
use crate::monitor::ping::{PingBook, Rhythm};
use crate::monitor::pulpit::{Place, Pulpit};
use crate::monitor::socket::{Socket, State};
use crate::monitor::trial::Trial;
use crate::output::{Call, Greeting, LinkKind, Output};
use crate::provide::options::{Credentials, Periods, Renames};
use crate::report::Hello;
use crate::rng::Rng;
use crate::time::{Mono, Span};

/// Whose link it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A server of this master's group, by its address.
    Server(MasterName, Addr),
    /// A peer.
    Peer(RunId),
}

/// What a call was for; kept until its answer comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    Ping,
    /// Asked then.
    Info(Mono),
    /// A hello about this master that carried a configuration of this epoch.
    Hello {
        master: MasterName,
        epoch: Epoch,
    },
    /// A question about this master at this address, with a request for a vote in this epoch.
    Ask {
        asked: Mono,
        master: MasterName,
        addr: Addr,
        vote_in: Option<Epoch>,
    },
    Reconfigure,
    ScriptKill,
    Pause,
    Fence,
    Forestall,
    Unpause,
    ReadMinReplicas,
    SetMinReplicas,
    Trial,
}

/// What a link needs to know each time it is looked after.
pub(crate) struct Terms<'a> {
    pub(crate) me: RunId,
    pub(crate) periods: &'a Periods,
    pub(crate) down_after: Span,
    pub(crate) ping_every: Span,
    /// From when on the server is owed a hello; a peer is not: it is told without waiting.
    pub(crate) hello_owed: Option<Mono>,
    pub(crate) auth: &'a Option<Credentials>,
    pub(crate) renames: &'a Arc<Renames>,
    pub(crate) pace: Pace,
}

/// How to go about a server that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Usual,
    /// It is a former master: until it is fenced, its clients write what will be lost.
    Eager,
}

/// The parts of the context that a link uses while it is itself inside the context.
pub(crate) struct Parts<'a> {
    pub(crate) now: Mono,
    pub(crate) hosts: &'a mut Hosts,
    pub(crate) out: &'a mut Outbox,
}

/// Whether a link also listens to hellos.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subscription {
    /// Servers: yes.
    Hellos,
    /// Peers: no.
    None,
}

/// The connections to one process and what is known of its health.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    owner: Owner,
    addr: Addr,
    command: Socket,
    pubsub: Option<Socket>,
    /// Calls without an answer, the oldest first: answers come in this order.
    pending: VecDeque<(CallId, Pending)>,
    local: Option<IpAddr>,
    heard_at: Mono,
    pulpit: Pulpit,
    /// An order that is not confirmed by then must not be carried out any more.
    stale_at: Option<Mono>,
    /// Servers: what our user may do there.
    pub(super) trial: Option<Trial>,
    /// What the command connection's end told.
    pub(crate) trace: Trace,
    pub(crate) ping: PingBook,
}

impl Link {
    /// A link to `addr` that connects when its turn comes: whoever was not asked anything before
    /// that was not silent either.
    pub(crate) fn new(owner: Owner, addr: Addr, listen: Subscription, turn: Mono) -> Self {
        Self {
            owner,
            addr,
            command: Socket::new(turn),
            pubsub: match listen {
                Subscription::Hellos => Some(Socket::new(turn)),
                Subscription::None => None,
            },
            pending: VecDeque::new(),
            local: None,
            heard_at: turn,
            pulpit: Pulpit::new(),
            stale_at: None,
            trial: match listen {
                Subscription::Hellos => Some(Trial::new(turn)),
                Subscription::None => None,
            },
            trace: Trace::None,
            ping: PingBook::new(turn),
        }
    }

    /// The address it leads to.
    pub(crate) const fn addr(&self) -> &Addr {
        &self.addr
    }

    /// Whether this is its command connection.
    pub(crate) fn is_command(&self, link: LinkId) -> bool {
        self.command.id() == Some(link)
    }

    /// Whose link it is.
    pub(super) const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Since when calls can be sent.
    pub(super) const fn up_since(&self) -> Option<Mono> {
        match self.command.state {
            State::Up { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Whether calls can be sent.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.command.state, State::Up { .. })
    }

    /// The `disconnected` flag of spec §5.2: a needed connection is not even being made.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.command.is_closed() || self.pubsub.as_ref().is_some_and(Socket::is_closed)
    }

    /// Calls without an answer.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Our own address on the command link.
    pub(crate) const fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// Since when nothing valid was heard (spec §8): the oldest unanswered PING, else, without a
    /// connection, the last valid reply. `None` while all is well.
    pub(crate) fn silent_since(&self) -> Option<Mono> {
        match self.ping.waiting_since {
            Some(since) => Some(since),
            None if self.is_up() => None,
            None => Some(self.ping.ok_at),
        }
    }

    /// Opens what is closed and due, closes what is stuck, pings. What comes of it comes back as
    /// inputs.
    pub(crate) fn upkeep(&mut self, terms: &Terms<'_>, parts: &mut Parts<'_>) {
        self.close_stuck(terms, parts);
        self.open_due(LinkKind::Command, terms, parts);
        self.open_due(LinkKind::PubSub, terms, parts);
        if self.ping_due(terms).is_some_and(|due| due <= parts.now)
            && self.call(Call::Ping, Pending::Ping, terms.renames, parts.out)
        {
            self.ping.on_sent(parts.now);
        }
        self.keep_trial(terms, parts);
    }

    /// When `upkeep` has something to do.
    pub(crate) fn due(&self, terms: &Terms<'_>) -> Option<Mono> {
        [
            self.command.due(self.addr.port),
            self.pubsub
                .as_ref()
                .filter(|_| !self.command.is_refused())
                .and_then(|socket| socket.due(self.addr.port)),
            self.stuck_due(terms),
            self.silent_due(terms),
            self.ping_due(terms),
            self.trial_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Sends a call; false if the link is not up or has too many calls without an answer.
    pub(crate) fn call(
        &mut self,
        what: Call,
        pending: Pending,
        renames: &Arc<Renames>,
        out: &mut Outbox,
    ) -> bool {
        let State::Up { id, .. } = self.command.state else {
            return false;
        };
        if self.pending.len() >= self.most_pending() {
            return false;
        }
        let call = out.next_call();
        self.pending.push_back((call, pending));
        out.push(Output::Call {
            link: id,
            call,
            what,
            renames: Arc::clone(renames),
        });
        true
    }

    /// Whether a hello about a server can be sent: not before the one before it was answered, nor
    /// while it is not known yet over which connection.
    pub(crate) fn takes_hello(&self) -> bool {
        let waits = |pending: &Pending| matches!(pending, Pending::Hello { .. });
        match self.pulpit.place {
            Place::Awaited => false,
            Place::PubSub => self.is_up() && self.pulpit.is_free(),
            Place::Command => self.is_up() && !self.pending.iter().any(|(_, call)| waits(call)),
        }
    }

    /// Since when a hello has had no answer that holds up no PING.
    pub(crate) fn hello_held_since(&self) -> Option<Mono> {
        self.pulpit.held_since()
    }

    /// Sends a hello to a server, over the connection that is right for it.
    pub(crate) fn tell(
        &mut self,
        hello: Hello,
        pending: Pending,
        renames: &Arc<Renames>,
        now: Mono,
        out: &mut Outbox,
    ) {
        let pubsub = self.pubsub.as_ref().and_then(Socket::up);
        let Some(link) = pubsub.filter(|_| self.pulpit.is_free()) else {
            self.call(Call::Publish(hello), pending, renames, out);
            return;
        };
        let call = out.next_call();
        self.pulpit.on_told(call, now);
        out.push(Output::Call {
            link,
            call,
            what: Call::Publish(hello),
            renames: Arc::clone(renames),
        });
    }

    /// Everything that was sent has to be answered by then, or the connection is closed: what is
    /// still on its way must not arrive when it is not meant any more.
    pub(crate) fn expire(&mut self, at: Mono) {
        let earlier = self.stale_at.is_some_and(|known| known <= at);
        if !earlier && !self.pending.is_empty() {
            self.stale_at = Some(at);
        }
    }

    /// A connection is ready. Returns which, `None` if it is none of ours any more.
    pub(crate) fn on_up(&mut self, link: LinkId, local: IpAddr, now: Mono) -> Option<LinkKind> {
        if self.command.on_up(link, now) {
            self.local = Some(local);
            self.trace = Trace::None;
            self.ping.on_link_up();
            if !self.pubsub.as_ref().is_some_and(Socket::is_up) {
                self.pulpit.on_return();
            }
            return Some(LinkKind::Command);
        }
        let up = self
            .pubsub
            .as_mut()
            .is_some_and(|socket| socket.on_up(link, now));
        if up {
            self.heard_at = now;
        }
        up.then_some(LinkKind::PubSub)
    }

    /// Its command connection is wanted more than it was: it is tried at once, if it is closed.
    pub(crate) fn retry_now(&mut self, now: Mono) {
        self.command.retry_now(now);
    }

    /// A connection is gone; it is tried again at once if it had been up, else after a while, but
    /// not after more than `longest`. Returns which it was.
    pub(crate) fn on_down(
        &mut self,
        link: LinkId,
        why: &LinkError,
        now: Mono,
        longest: Span,
        rng: &mut Rng,
    ) -> Option<LinkKind> {
        let was_up = self.is_up();
        if self.command.on_down(link, now, longest, rng) {
            if was_up {
                self.trace.on_lost(why);
            } else {
                self.trace.on_attempt_failed(why, now);
            }
            self.forget_calls();
            return Some(LinkKind::Command);
        }
        if self.trial.is_some_and(|trial| trial.is(link)) {
            self.on_trial_down(why, now);
            return Some(LinkKind::Trial);
        }
        let socket = self.pubsub.as_mut()?;
        let ours = socket.on_down(link, now, longest, rng);
        if ours {
            self.pulpit.on_pubsub_lost();
        }
        ours.then_some(LinkKind::PubSub)
    }

    /// A subscription stands: on the Pub/Sub link, or on the one that asks for our rights.
    pub(crate) fn on_subscribed(
        &mut self,
        link: LinkId,
        talk: Talk,
        renames: &Arc<Renames>,
        now: Mono,
        out: &mut Outbox,
    ) {
        if self.trial.is_some_and(|trial| trial.is(link)) {
            return self.on_trial_subscribed(talk, renames, now, out);
        }
        self.heard_at = now;
        self.pulpit.on_subscribed(talk);
    }

    /// The Pub/Sub link delivered something.
    pub(crate) const fn on_heard(&mut self, now: Mono) {
        self.heard_at = now;
    }

    /// The answer to `call` came: what the call was for. A hello over the Pub/Sub link was for
    /// nothing that an answer could tell.
    pub(crate) fn on_answer(&mut self, call: CallId, now: Mono) -> Option<Pending> {
        if self.pulpit.on_answer(call) {
            return None;
        }
        if self.is_trial_call(call) {
            return Some(Pending::Trial);
        }
        let at = self.pending.iter().position(|(id, _)| *id == call)?;
        let (_, pending) = self.pending.remove(at)?;
        if pending == Pending::Reconfigure {
            self.stale_at = None;
        }
        self.ping.on_reply(now);
        Some(pending)
    }

    /// Closes both connections; they are made again at once unless the owner drops the link.
    pub(crate) fn close(&mut self, now: Mono, out: &mut Outbox) {
        self.command.close(now, out);
        if let Some(socket) = &mut self.pubsub {
            socket.close(now, out);
        }
        if let Some(trial) = &mut self.trial {
            trial.begin_anew(now, out);
        }
        self.pulpit = Pulpit::new();
        self.forget_calls();
    }

    /// Leads elsewhere from now on.
    pub(crate) fn redirect(&mut self, addr: Addr, now: Mono, out: &mut Outbox) {
        self.close(now, out);
        self.trace = Trace::None;
        self.addr = addr;
    }

    fn forget_calls(&mut self) {
        self.pending.clear();
        self.stale_at = None;
        self.ping.on_link_lost();
    }

    /// Peers carry the calls of all masters that they share with us.
    const fn most_pending(&self) -> usize {
        match self.owner {
            Owner::Server(..) => limits::PENDING_CALLS,
            Owner::Peer(_) => limits::PENDING_CALLS_OF_PEER,
        }
    }

    fn close_stuck(&mut self, terms: &Terms<'_>, parts: &mut Parts<'_>) {
        if self.stuck_due(terms).is_some_and(|due| due <= parts.now) {
            let connecting = matches!(self.command.state, State::Connecting { .. });
            let eager = terms.pace == Pace::Eager && connecting;
            let wait = if eager && parts.out.may_hasten(parts.now) {
                Span::ZERO
            } else {
                terms.periods.ping
            };
            self.command.close_after(parts.now, wait, parts.out);
            self.forget_calls();
        }
        if self.silent_due(terms).is_some_and(|due| due <= parts.now)
            && let Some(socket) = &mut self.pubsub
        {
            socket.close_after(parts.now, terms.periods.ping, parts.out);
            self.pulpit.on_pubsub_lost();
        }
    }

    /// A command link whose PING stays unanswered is re-made (spec §5.4 a), and so is one that
    /// does not come about.
    fn stuck_due(&self, terms: &Terms<'_>) -> Option<Mono> {
        match self.command.state {
            State::Up { since, .. } => {
                let old = since + terms.periods.min_link_reconnect;
                let quiet = self.ping.unheard_since();
                let stuck =
                    quiet.map(|quiet| old.max(quiet + terms.down_after.over(2)) + Span::TICK);
                [stuck, self.stale_at].into_iter().flatten().min()
            }
            State::Connecting { since, .. } => Some(since + connect_timeout(terms)),
            State::Closed { .. } | State::Resolving { .. } => None,
        }
    }

    /// A Pub/Sub link on which not even our own hellos come back is re-made (spec §5.4 b).
    fn silent_due(&self, terms: &Terms<'_>) -> Option<Mono> {
        match self.pubsub.as_ref()?.state {
            State::Up { since, .. } => {
                let old = since + terms.periods.min_link_reconnect;
                Some(old.max(self.heard_at + terms.periods.publish * 3) + Span::TICK)
            }
            State::Connecting { since, .. } => Some(since + connect_timeout(terms)),
            State::Closed { .. } | State::Resolving { .. } => None,
        }
    }

    fn ping_due(&self, terms: &Terms<'_>) -> Option<Mono> {
        let State::Up { since, .. } = self.command.state else {
            return None;
        };
        let listens = self.pubsub.as_ref().is_some_and(Socket::is_up);
        let rhythm = Rhythm {
            every: terms.ping_every,
            when_heard: terms.periods.ping.max(terms.periods.publish),
            hello_owed: terms.hello_owed,
            offset: terms.me.spread(),
        };
        self.ping
            .next_due(since, rhythm, listens.then_some(self.heard_at))
    }

    fn open_due(&mut self, kind: LinkKind, terms: &Terms<'_>, parts: &mut Parts<'_>) {
        let socket = match kind {
            LinkKind::Command => &mut self.command,
            // Where nobody takes the one, nobody takes the other.
            LinkKind::PubSub if self.command.is_refused() => return,
            LinkKind::PubSub => match &mut self.pubsub {
                Some(socket) => socket,
                None => return,
            },
            // It is no lasting one: `keep_trial` makes it.
            LinkKind::Trial => return,
        };
        if self.addr.port == 0 {
            return;
        }
        if matches!(socket.state, State::Closed { retry_at } if retry_at <= parts.now) {
            parts.hosts.ask(&self.addr.host, parts.now, parts.out);
            socket.state = State::Resolving { since: parts.now };
        }
        let State::Resolving { since } = socket.state else {
            return;
        };
        let overdue = parts.now.since(since) >= RESOLVE_PATIENCE;
        if !parts.hosts.is_answered(&self.addr.host, since) && !overdue {
            return;
        }
        let Some(ip) = parts.hosts.ip(&self.addr.host) else {
            socket.state = State::Closed {
                retry_at: parts.now + terms.periods.ping,
            };
            return;
        };
        let id = parts.out.open(self.owner.clone());
        socket.state = State::Connecting {
            id,
            since: parts.now,
        };
        parts.out.push(Output::Connect {
            link: id,
            kind,
            ip,
            port: self.addr.port,
            greeting: greeting(kind, terms),
        });
    }
}

pub(super) const RESOLVE_PATIENCE: Span = Span::secs(3);

fn connect_timeout(terms: &Terms<'_>) -> Span {
    // A host that is back answers at once; the kernel would ask it again only after a second.
    const EAGER: Span = Span::ms(300);
    if terms.pace == Pace::Eager {
        return EAGER;
    }
    terms
        .down_after
        .max(Span::secs(1))
        .min(terms.periods.min_link_reconnect)
}

pub(super) fn greeting(kind: LinkKind, terms: &Terms<'_>) -> Greeting {
    let role = match kind {
        LinkKind::Command => "cmd",
        LinkKind::PubSub => "pubsub",
        LinkKind::Trial => "trial",
    };
    let id = terms.me.as_str().get(..8).unwrap_or_default();
    Greeting {
        auth: terms.auth.clone(),
        client_name: format!("sentinel-{id}-{role}"),
        renames: Arc::clone(terms.renames),
    }
}
