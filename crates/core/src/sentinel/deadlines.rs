//! Who has to be looked at, and when next.

use crate::addr::Addr;
use crate::ids::{MasterName, RunId};
use crate::model::peer::Peer;
use crate::sentinel::{Key, Sentinel};
use crate::time::{Mono, Span};

impl Sentinel {
    pub(super) fn step_all(&mut self) {
        for name in self.masters.keys().cloned().collect::<Vec<_>>() {
            self.step_master(&name);
        }
        for id in self.cx.peers.keys().copied().collect::<Vec<_>>() {
            self.step_peer(id);
        }
    }

    pub(super) fn step_master(&mut self, name: &MasterName) {
        if self.started
            && let Some(master) = self.masters.get_mut(name)
        {
            master.step(&mut self.cx);
        }
        self.refresh_master(name);
    }

    /// Looks after the link to a peer, and has its masters look when it has been silent too long.
    pub(super) fn step_peer(&mut self, id: RunId) {
        if !self.started {
            return;
        }
        let Some(mut shared) = self.cx.peers.remove(&id) else {
            self.set_due(Key::Peer(id), None);
            return;
        };
        shared.keep(&mut self.cx);
        let silent = shared.silent_at();
        let due = shared.due(&self.cx);
        let now = self.cx.now;
        // Once for each silence: from then on every master has a deadline of its own for it.
        let is_news =
            silent.is_some_and(|at| at <= now) && shared.told_silence != shared.link.silent_since();
        if is_news {
            shared.told_silence = shared.link.silent_since();
        }
        self.cx.peers.insert(id, shared);
        let silent_due = silent.filter(|at| *at > now);
        let due = [due.map(|due| due.max(now + Span::TICK)), silent_due]
            .into_iter()
            .flatten()
            .min();
        self.set_due(Key::Peer(id), due);
        if is_news {
            for name in self.masters_of(id) {
                let unaware = |peer: &Peer| peer.sdown.is_none();
                if self
                    .masters
                    .get(&name)
                    .and_then(|m| m.peers.get(&id))
                    .is_some_and(unaware)
                {
                    self.step_master(&name);
                }
            }
        }
    }

    pub(super) fn refresh_all(&mut self) {
        let known: Vec<Key> = self.due_of.keys().cloned().collect();
        for key in known {
            match &key {
                Key::Master(name) => self.refresh_master(name),
                Key::Peer(id) => self.step_peer(*id),
            }
        }
    }

    /// What follows from whatever was done to a master: its next deadline, and where it is.
    pub(super) fn refresh_master(&mut self, name: &MasterName) {
        if let Some(master) = self.masters.get_mut(name) {
            master.tell_whereabouts(&mut self.cx);
        }
        let due = self
            .masters
            .get(name)
            .filter(|_| self.started)
            .and_then(|m| m.due(&self.cx));
        // Rule 3: whatever is due now was looked at just now.
        let due = due.map(|due| due.max(self.cx.now + Span::TICK));
        self.set_due(Key::Master(name.clone()), due);
    }

    /// Brings a master's deadline forward to that of the link to one of its servers, without
    /// looking at the rest: a deadline may be early, but not late.
    pub(super) fn refresh_server(&mut self, name: &MasterName, addr: &Addr) {
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let link = master.servers.get(addr).and_then(|server| {
            let terms = master.terms(self.cx.me, &self.cx.periods, addr, server);
            server.link.due(&terms)
        });
        let key = Key::Master(name.clone());
        let due = [link, self.due_of.get(&key).copied()]
            .into_iter()
            .flatten()
            .min();
        let due = due.map(|due| due.max(self.cx.now + Span::TICK));
        self.set_due(key, due);
    }

    pub(super) fn set_due(&mut self, key: Key, due: Option<Mono>) {
        if let Some(old) = self.due_of.get(&key).copied() {
            if due == Some(old) {
                return;
            }
            self.dues.remove(&(old, key.clone()));
        }
        match due {
            Some(due) => {
                self.due_of.insert(key.clone(), due);
                self.dues.insert((due, key));
            }
            None => {
                self.due_of.remove(&key);
            }
        }
    }
}
