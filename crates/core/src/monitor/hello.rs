//! Hellos: how peers are found, epochs spread and new configurations are heard of (spec §7).

use std::collections::BTreeMap;

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::ids::{MasterName, RunId};
use crate::limits;
use crate::model::configuration::Configuration;
use crate::model::gate::Promise;
use crate::model::master::{About, Adoption, Master, Source};
use crate::model::peer::{Peer, PeerLink};
use crate::monitor::link::{Link, Owner, Subscription};
use crate::mutant::Mutant;
use crate::notify::event::EventKind;
use crate::provide::options::MasterOptions;
use crate::report::Hello;
use crate::time::Mono;

/// Every master by name.
pub(crate) type Masters = BTreeMap<MasterName, Master>;

/// How a hello came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over a server's Pub/Sub, where every client of that server can publish.
    PubSub,
    /// From the peer, which connected to us.
    Peer,
}

/// Takes in a hello; false if it was no news. Our own, which come back over Pub/Sub, teach
/// nothing.
pub(crate) fn on_hello(masters: &mut Masters, cx: &mut Ctx, hello: &Hello, way: Way) -> bool {
    if hello.id == cx.me || is_no_news(masters, cx, hello) {
        return false;
    }
    meet(masters, cx, hello);
    if cx.is_mutant(Mutant::EpochDown) {
        cx.epochs.current = hello.current_epoch;
        cx.gate.touch();
    }
    if cx.is_mutant(Mutant::BelieveAnyEpoch) && hello.current_epoch > cx.epochs.current {
        cx.raise_epoch(hello.current_epoch);
    }
    cx.hear_epoch(hello.current_epoch);
    let Some(master) = masters.get_mut(&hello.master) else {
        return false;
    };
    if let Some(peer) = master.peers.get_mut(&hello.id) {
        peer.heard_at = cx.now;
        master.on_configuration_heard(cx, &hello.configuration, hello.id, way);
    }
    true
}

/// Most hellos say what is known: then only their time is noted. They are so many that looking at
/// the whole master for each would be most of the work.
fn is_no_news(masters: &mut Masters, cx: &Ctx, hello: &Hello) -> bool {
    let Some(master) = masters.get_mut(&hello.master) else {
        return true;
    };
    let addr = cx.peers.get(&hello.id).map(|peer| peer.link.addr());
    let known = addr == Some(&hello.from)
        && hello.current_epoch == cx.epochs.current
        && hello.configuration == *master.latest();
    match master.peers.get_mut(&hello.id) {
        Some(peer) if known => {
            peer.heard_at = cx.now;
            true
        }
        _ => false,
    }
}

/// Makes sure that the sender is known under the address that it gives.
fn meet(masters: &mut Masters, cx: &mut Ctx, hello: &Hello) {
    let Some(master) = masters.get(&hello.master) else {
        return;
    };
    let known = cx.peers.get(&hello.id).map(|peer| peer.link.addr().clone());
    match known {
        Some(addr) if cx.hosts.same(&addr, &hello.from) => {
            if !master.peers.contains_key(&hello.id) {
                befriend(masters, cx, hello);
            }
        }
        Some(_) => move_peer(masters, cx, hello),
        None => {
            evict_squatter(masters, cx, hello);
            befriend(masters, cx, hello);
        }
    }
}

fn befriend(masters: &mut Masters, cx: &mut Ctx, hello: &Hello) {
    let Some(master) = masters.get_mut(&hello.master) else {
        return;
    };
    if master.peers.len() >= limits::PEERS_PER_MASTER {
        return;
    }
    master.add_peer(cx, hello.id, &hello.from);
    cx.gate.touch();
    master.tell(cx, EventKind::Sentinel, About::Peer(hello.id));
}

/// A known id with a new address: every master that knows it follows.
fn move_peer(masters: &mut Masters, cx: &mut Ctx, hello: &Hello) {
    let Some(master) = masters.get_mut(&hello.master) else {
        return;
    };
    let words = format!(
        "ip {} port {} for {}",
        cx.shown(&hello.from.host),
        hello.from.port,
        hello.id
    );
    master.tell_more(cx, EventKind::SentinelAddressSwitch, About::Master, &words);
    let now = cx.now;
    if let Some(shared) = cx.peers.get_mut(&hello.id) {
        shared.link.redirect(hello.from.clone(), now, &mut cx.out);
    }
    if !master.peers.contains_key(&hello.id) && master.peers.len() < limits::PEERS_PER_MASTER {
        master.add_peer(cx, hello.id, &hello.from);
    }
    let others = masters
        .values()
        .filter(|other| other.name != hello.master && other.peers.contains_key(&hello.id))
        .count();
    if others > 0
        && let Some(master) = masters.get(&hello.master)
    {
        let words = format!("{others} additional matching instances");
        master.tell_more(
            cx,
            EventKind::SentinelAddressUpdate,
            About::Peer(hello.id),
            &words,
        );
    }
    cx.gate.touch();
}

/// Another id that was known at this address is not there any more.
fn evict_squatter(masters: &mut Masters, cx: &mut Ctx, hello: &Hello) {
    let squatter = cx
        .peers
        .iter()
        .find(|(_, peer)| cx.hosts.same(peer.link.addr(), &hello.from))
        .map(|(id, _)| *id);
    let Some(squatter) = squatter else { return };
    if let Some(master) = masters.get(&hello.master) {
        master.tell(cx, EventKind::SentinelInvalidAddr, About::Peer(squatter));
    }
    for master in masters.values_mut() {
        master.drop_peer(cx, squatter);
    }
    cx.gate.touch();
}

impl Master {
    /// Knows a peer from now on, and shares the link to it.
    pub(crate) fn add_peer(&mut self, cx: &mut Ctx, id: RunId, addr: &Addr) {
        if id == cx.me || self.peers.contains_key(&id) {
            return;
        }
        let (now, down_after) = (cx.now, self.options.down_after);
        let shared = cx.peers.entry(id).or_insert_with(|| PeerLink {
            link: Link::new(Owner::Peer(id), addr.clone(), Subscription::None, now),
            masters: 0,
            down_after,
            told_silence: None,
        });
        shared.masters += 1;
        shared.down_after = shared.down_after.min(down_after);
        self.peers.insert(id, Peer::new(now));
    }

    /// Forgets a peer; the link goes with the last master that shares it.
    pub(crate) fn drop_peer(&mut self, cx: &mut Ctx, id: RunId) {
        if self.peers.remove(&id).is_none() {
            return;
        }
        let Some(shared) = cx.peers.get_mut(&id) else {
            return;
        };
        shared.masters = shared.masters.saturating_sub(1);
        if shared.masters == 0 {
            shared.link.close(cx.now, &mut cx.out);
            cx.peers.remove(&id);
        }
    }

    /// A peer speaks of a configuration: a newer one is adopted whole, once it is on disk.
    ///
    /// An epoch that was not believed is no reason to believe the address that comes with it.
    fn on_configuration_heard(
        &mut self,
        cx: &mut Ctx,
        heard: &Configuration,
        from: RunId,
        way: Way,
    ) {
        if cx.is_mutant(Mutant::SplitConfiguration) && heard.is_newer_than(&self.configuration) {
            self.configuration.epoch = heard.epoch;
        }
        let newer = heard.is_newer_than(self.latest()) && heard.epoch <= cx.epochs.current;
        let mistaken = cx.is_mutant(Mutant::BelieveOlderConfiguration)
            && heard.addr != self.latest().addr
            && !matches!(self.latest().epoch.get(), 0);
        if !newer && !mistaken {
            return;
        }
        if heard.addr.host.ip().is_none() && !cx.options.resolve_hostnames {
            return;
        }
        if way == Way::PubSub && self.find_server(cx, &heard.addr).is_none() {
            self.doubt(cx, heard, from);
            return;
        }
        self.adopt(
            cx,
            Adoption {
                configuration: heard.clone(),
                source: Source::Peer(from),
            },
        );
    }

    /// A master of whom the group never heard is not believed in on the word of who can publish on
    /// a server, which every application can. Nothing is lost if it is true: who made it so tells
    /// us over a connection of its own at the same time, and every peer that believes it does
    /// within the period of hellos.
    fn doubt(&mut self, cx: &mut Ctx, heard: &Configuration, from: RunId) {
        let recent = |at: Mono| cx.now.since(at) < cx.periods.info;
        if self.doubted_at.is_some_and(recent) {
            return;
        }
        self.doubted_at = Some(cx.now);
        let words = format!("{} epoch {}", cx.shown_pair(&heard.addr), heard.epoch);
        self.tell_more(cx, EventKind::ConfigDoubted, About::Peer(from), &words);
    }

    /// Sends a configuration to the disk; it takes effect from there.
    pub(crate) fn adopt(&mut self, cx: &mut Ctx, adoption: Adoption) {
        let epoch = adoption.configuration.epoch;
        self.adopting = Some(adoption);
        cx.gate.touch();
        cx.gate.hold(Promise::Adopt {
            master: self.name.clone(),
            epoch,
        });
    }
}

/// The shortest `down-after` among the masters that share a peer, after one of them changed.
pub(crate) fn refresh_peer_terms(masters: &Masters, cx: &mut Ctx) {
    let shortest = |id: &RunId, of: fn(&MasterOptions) -> crate::time::Span| {
        masters
            .values()
            .filter(|m| m.peers.contains_key(id))
            .map(|m| of(&m.options))
            .min()
    };
    for (id, shared) in &mut cx.peers {
        if let Some(down_after) = shortest(id, |options| options.down_after) {
            shared.down_after = down_after;
        }
    }
}
