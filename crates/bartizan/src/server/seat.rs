//! `Seat`: what is known of one connected client, shared between its task and the rest.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bartizan_core::provide::reply::Reply;
use bartizan_core::time::{Mono, Span};
use bartizan_wire::reply;
use bartizan_wire::request::ReplyMode;
use bartizan_wire::resp::Protocol;
use tokio::sync::oneshot;

use super::pubsub::{ClientId, Kind};
use super::tracking::Tracking;
use super::wicket::Loan;

/// Bytes that may wait for a subscriber who does not read; beyond it the client is closed, as by
/// Redis's default `client-output-buffer-limit pubsub`.
const SUBSCRIBER_BYTES: usize = 32 << 20;

/// Bytes that may wait for it no longer than [`BEHIND_FOR`], by the same default.
const BEHIND_BYTES: usize = 8 << 20;
/// See [`BEHIND_BYTES`].
const BEHIND_FOR: Span = Span::secs(60);

/// One connected client.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Its number, never used again.
    pub(crate) id: ClientId,
    /// The other end, `ip:port`, or the path of the Unix socket with `:0`.
    pub(crate) addr: String,
    /// Our end.
    pub(crate) laddr: String,
    /// When it connected.
    pub(crate) since: Mono,
    /// When it last sent something here.
    active: Cell<Mono>,
    /// While it is at the wicket.
    loan: RefCell<Option<Arc<Loan>>>,
    /// Who it is; `None` until it has authenticated.
    pub(crate) user: RefCell<Option<Rc<str>>>,
    /// The dialect it speaks.
    pub(crate) protocol: Cell<Protocol>,
    /// `CLIENT SETNAME`
    pub(crate) name: RefCell<Vec<u8>>,
    /// `CLIENT SETINFO`: library name and version.
    pub(crate) library: RefCell<(Vec<u8>, Vec<u8>)>,
    /// `CLIENT TRACKING`, while it is on.
    pub(crate) tracking: RefCell<Option<Tracking>>,
    /// `CLIENT NO-EVICT`
    pub(crate) no_evict: Cell<bool>,
    /// The last command it gave.
    pub(crate) command: Cell<&'static str>,
    /// `CLIENT REPLY`
    pub(crate) mode: Cell<ReplyMode>,
    channels: RefCell<BTreeSet<Vec<u8>>>,
    patterns: RefCell<BTreeSet<Vec<u8>>>,
    subscribed_bytes: Cell<usize>,
    queue: RefCell<VecDeque<Slot>>,
    queued_bytes: Cell<usize>,
    /// Replies that the core owes.
    owed: Cell<usize>,
    /// Since when more waits than a subscriber may leave unread for long.
    behind_since: Cell<Option<Mono>>,
    /// Whether somebody else's doing needs the client's task, and how that is reached.
    woken: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    killed: Cell<bool>,
}

/// One thing to be sent, in its place in the order.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Bytes.
    Ready(Rc<[u8]>),
    /// A reply that the core owes.
    Waiting(Waiting),
    /// Nothing more: close when all before it is sent.
    Close,
}

/// A reply that the core owes.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Where it comes from. Closed without a reply only when the process ends.
    pub(crate) reply: oneshot::Receiver<Reply>,
    /// What it is part of.
    pub(crate) shape: Shape,
    /// How to encode it.
    pub(crate) protocol: Protocol,
}

/// What the core's reply is part of.
#[derive(Debug)]
pub(crate) enum Shape {
    /// It is the whole reply.
    Whole,
    /// It ends this text, as the last section of `INFO`.
    EndOf(String),
    /// Nobody wants it (`CLIENT REPLY OFF`), but later replies wait for it all the same.
    Dropped,
}

impl Shape {
    /// Appends what a client is sent of the core's reply.
    pub(crate) fn encode(self, core: &Reply, protocol: Protocol, out: &mut Vec<u8>) {
        match (self, core) {
            (Self::Dropped, _) => {}
            (Self::EndOf(mut text), Reply::Bulk(end)) => {
                if !text.is_empty() {
                    text.push_str("\r\n");
                }
                text.push_str(end);
                reply::encode(&Reply::bulk(text), protocol, out);
            }
            (Self::EndOf(_) | Self::Whole, core) => reply::encode(core, protocol, out),
        }
    }
}

impl Seat {
    /// A client that has just connected.
    pub(crate) fn new(id: ClientId, addr: String, laddr: String, now: Mono) -> Self {
        Self {
            id,
            addr,
            laddr,
            since: now,
            active: Cell::new(now),
            loan: RefCell::default(),
            user: RefCell::default(),
            protocol: Cell::default(),
            name: RefCell::default(),
            library: RefCell::default(),
            tracking: RefCell::default(),
            no_evict: Cell::new(false),
            command: Cell::new("NULL"),
            mode: Cell::new(ReplyMode::On),
            channels: RefCell::default(),
            patterns: RefCell::default(),
            subscribed_bytes: Cell::new(0),
            queue: RefCell::default(),
            queued_bytes: Cell::new(0),
            owed: Cell::new(0),
            behind_since: Cell::new(None),
            woken: Cell::new(false),
            waker: RefCell::default(),
            killed: Cell::new(false),
        }
    }

    /// It sent something now.
    pub(crate) fn heard(&self, now: Mono) {
        self.active.set(now);
    }

    /// When it last sent something.
    pub(crate) fn active(&self) -> Mono {
        match &*self.loan.borrow() {
            Some(loan) => loan.active(),
            None => self.active.get(),
        }
    }

    /// It goes to the wicket.
    pub(crate) fn lend(&self) -> Arc<Loan> {
        let loan = Arc::new(Loan::new(self.active.get()));
        *self.loan.borrow_mut() = Some(Arc::clone(&loan));
        loan
    }

    /// It is here again.
    pub(crate) fn take_back(&self) {
        self.active.set(self.active());
        self.loan.take();
    }

    /// From now on it is answered nothing at the wicket. It comes back.
    pub(crate) fn recall(&self) {
        if let Some(loan) = &*self.loan.borrow() {
            loan.recall();
        }
    }

    /// The names it listens to.
    pub(crate) fn subscriptions(&self, kind: Kind) -> &RefCell<BTreeSet<Vec<u8>>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
        }
    }

    /// How many channels and patterns it listens to.
    pub(crate) fn subscribed(&self) -> usize {
        self.channels.borrow().len() + self.patterns.borrow().len()
    }

    /// How many bytes their names have.
    pub(crate) const fn subscribed_bytes(&self) -> usize {
        self.subscribed_bytes.get()
    }

    /// Notes that it listens to a name; whether that is new.
    pub(crate) fn listen(&self, kind: Kind, name: &[u8]) -> bool {
        let new = self.subscriptions(kind).borrow_mut().insert(name.to_vec());
        if new {
            let bytes = self.subscribed_bytes.get().saturating_add(name.len());
            self.subscribed_bytes.set(bytes);
        }
        new
    }

    /// Notes that it does not listen to a name any more.
    pub(crate) fn unlisten(&self, kind: Kind, name: &[u8]) {
        if self.subscriptions(kind).borrow_mut().remove(name) {
            let bytes = self.subscribed_bytes.get().saturating_sub(name.len());
            self.subscribed_bytes.set(bytes);
        }
    }

    /// Puts something at the end of what is to be sent.
    pub(crate) fn push(&self, slot: Slot) {
        match &slot {
            Slot::Ready(bytes) => self
                .queued_bytes
                .set(self.queued_bytes.get().saturating_add(bytes.len())),
            Slot::Waiting(_) => self.owed.set(self.owed.get().saturating_add(1)),
            Slot::Close => {}
        }
        self.queue.borrow_mut().push_back(slot);
    }

    /// Whether the core still owes a reply to what was asked before.
    pub(crate) const fn is_owed(&self) -> bool {
        self.owed.get() > 0
    }

    /// The core gave one of the replies that it owed.
    pub(crate) fn settled(&self) {
        self.owed.set(self.owed.get().saturating_sub(1));
    }

    /// A message of somebody else's making. A client that does not read its messages is closed.
    pub(crate) fn deliver(&self, bytes: &Rc<[u8]>, now: Mono) {
        let waiting = self.queued_bytes.get().saturating_add(bytes.len());
        let behind = (waiting > BEHIND_BYTES).then(|| self.behind_since.get().unwrap_or(now));
        self.behind_since.set(behind);
        let too_long = behind.is_some_and(|since| now.since(since) >= BEHIND_FOR);
        if waiting > SUBSCRIBER_BYTES || too_long {
            self.kill();
            return;
        }
        self.push(Slot::Ready(Rc::clone(bytes)));
        self.wake();
    }

    /// Takes the first thing to be sent.
    pub(crate) fn pop(&self) -> Option<Slot> {
        let mut queue = self.queue.borrow_mut();
        let slot = queue.pop_front();
        if let Some(Slot::Ready(bytes)) = &slot {
            self.queued_bytes
                .set(self.queued_bytes.get().saturating_sub(bytes.len()));
        }
        if queue.is_empty() {
            // An idle client holds no memory for what it was once sent.
            *queue = VecDeque::new();
        }
        slot
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Things and bytes that wait to be sent.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        (self.queue.borrow().len(), self.queued_bytes.get())
    }

    /// Comes when somebody else's doing needs the client's task, the only one to ask.
    pub(crate) fn poll_woken(&self, cx: &Context<'_>) -> Poll<()> {
        if self.woken.take() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wake(&self) {
        self.recall();
        self.woken.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Has the client closed at once.
    pub(crate) fn kill(&self) {
        self.killed.set(true);
        self.wake();
    }

    /// Whether it is to be closed at once.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_that_does_not_read_is_closed_at_the_hard_or_after_a_minute_at_the_soft_limit() {
        let at = |secs: u64| Mono::from_ms(secs * 1000);
        let megabyte: Rc<[u8]> = Rc::from(vec![0; 1 << 20]);
        let seat = |megabytes: usize| {
            let seat = Seat::new(1, String::new(), String::new(), at(0));
            (0..megabytes).for_each(|_| seat.deliver(&megabyte, at(0)));
            seat
        };
        assert!(!seat(32).is_killed());
        assert!(seat(33).is_killed());

        let slow = seat(9);
        slow.deliver(&megabyte, at(59));
        assert!(!slow.is_killed());
        slow.deliver(&megabyte, at(60));
        assert!(slow.is_killed());

        let caught_up = seat(9);
        while caught_up.pop().is_some() {}
        caught_up.deliver(&megabyte, at(30));
        (0..8).for_each(|_| caught_up.deliver(&megabyte, at(61)));
        assert!(!caught_up.is_killed());
    }
}
