//! Who listens to what, and the fan-out of events to them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bartizan_wire::resp::Protocol;
use bartizan_wire::{glob, reply};

use super::seat::Seat;
use crate::clock::Clock;

/// Channels and patterns of one client; beyond it a subscription is refused.
pub(crate) const SUBSCRIPTIONS_PER_CLIENT: usize = 10_000;
/// Bytes of their names, each of which is kept twice; beyond it a subscription is refused.
pub(crate) const SUBSCRIBED_BYTES_PER_CLIENT: usize = 1 << 20;

/// The number of a client.
pub(crate) type ClientId = u64;

/// The two ways to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To a channel of this very name.
    Channel,
    /// To all channels that fit a pattern.
    Pattern,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    channels: BTreeMap<Vec<u8>, BTreeMap<ClientId, Rc<Seat>>>,
    patterns: BTreeMap<Vec<u8>, BTreeMap<ClientId, Rc<Seat>>>,
}

impl PubSub {
    /// Channels that somebody listens to.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Patterns that somebody listens to.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Subscribes; a second time changes nothing.
    pub(crate) fn subscribe(&mut self, seat: &Rc<Seat>, kind: Kind, name: &[u8]) {
        if seat.listen(kind, name) {
            self.table(kind)
                .entry(name.to_vec())
                .or_default()
                .insert(seat.id, Rc::clone(seat));
        }
    }

    /// Ends one subscription, if there is one.
    pub(crate) fn unsubscribe(&mut self, seat: &Seat, kind: Kind, name: &[u8]) {
        seat.unlisten(kind, name);
        let table = self.table(kind);
        if let Some(listeners) = table.get_mut(name) {
            listeners.remove(&seat.id);
            if listeners.is_empty() {
                table.remove(name);
            }
        }
    }

    /// Ends all subscriptions of a client.
    pub(crate) fn forget(&mut self, seat: &Seat) {
        for kind in [Kind::Channel, Kind::Pattern] {
            let names: BTreeSet<Vec<u8>> = seat.subscriptions(kind).borrow().clone();
            for name in names {
                self.unsubscribe(seat, kind, &name);
            }
        }
    }

    /// Hands a message to everybody who listens. Each form is encoded once, however many hear it.
    pub(crate) fn publish(&self, channel: &str, payload: &str) {
        let (channel, payload) = (channel.as_bytes(), payload.as_bytes());
        if let Some(listeners) = self.channels.get(channel) {
            deliver(listeners, |protocol, out| {
                reply::message(channel, payload, protocol, out)
            });
        }
        for (pattern, listeners) in &self.patterns {
            if glob::matches(pattern, channel) {
                deliver(listeners, |protocol, out| {
                    reply::pmessage(pattern, channel, payload, protocol, out);
                });
            }
        }
    }

    fn table(&mut self, kind: Kind) -> &mut BTreeMap<Vec<u8>, BTreeMap<ClientId, Rc<Seat>>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }
}

fn deliver(listeners: &BTreeMap<ClientId, Rc<Seat>>, encode: impl Fn(Protocol, &mut Vec<u8>)) {
    let mut forms: BTreeMap<Protocol, Rc<[u8]>> = BTreeMap::new();
    let now = Clock.now();
    for seat in listeners.values() {
        let protocol = seat.protocol.get();
        let bytes = forms.entry(protocol).or_insert_with(|| {
            let mut out = Vec::new();
            encode(protocol, &mut out);
            Rc::from(out)
        });
        seat.deliver(bytes, now);
    }
}
