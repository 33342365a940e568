//! Promises wait for the disk.
//!
//! Every durable change raises a version. A promise (a vote, a candidacy, a new configuration, an
//! `+OK`) is held with the version it depends on and comes out when that version is synced, or
//! has failed to be. Only one write is under way at a time, so changes that come together share
//! the next one.

use std::collections::VecDeque;

use crate::ctx::Notice;
use crate::ids::{Epoch, MasterName, PersistSeq, RequestId};
use crate::provide::reply::Reply;
use crate::time::{Mono, Span};

/// Something that others may only learn once it is on disk.
#[derive(Clone, Debug)]
pub(crate) enum Promise {
    /// The answer to a vote request for this master. `kept` reveals the vote, `withheld` does not.
    Vote {
        request: RequestId,
        kept: Reply,
        withheld: Reply,
    },
    /// A candidacy: the requests for votes go out.
    Stand { master: MasterName, epoch: Epoch },
    /// A new configuration takes effect.
    Adopt { master: MasterName, epoch: Epoch },
    /// The reply to an operator's change.
    Reply {
        request: RequestId,
        kept: Reply,
        withheld: Reply,
    },
    /// An event that reveals a vote or an epoch. If they cannot be written, nobody hears of them.
    Tell(Notice),
    /// An event whose place is among those, and that is told either way.
    TellAnyway(Notice),
    /// The start of the very first run: nobody hears our id before the file has it.
    Start,
}

/// How far what we know has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u64);

/// The door between a change and whoever is told of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    version: u64,
    synced: u64,
    writes: u64,
    under_way: Option<Write>,
    held: VecDeque<(u64, Promise)>,
    /// The version of the last write that failed, and when to try again.
    failed: Option<(u64, Mono)>,
    /// How long a write takes, smoothed.
    write_time: Span,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    begun: Mono,
    seq: PersistSeq,
    version: u64,
    epoch: Epoch,
}

/// What a finished write means.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    /// The current epoch that is on disk now; `None` if the write failed.
    pub(crate) epoch: Option<Epoch>,
    /// The promises that depended on it.
    pub(crate) promises: Vec<Promise>,
}

impl Gate {
    /// A full disk is tried again this often even if nothing else changes.
    const RETRY: Span = Span::secs(1);

    /// Something durable changed.
    pub(crate) const fn touch(&mut self) {
        self.version += 1;
    }

    /// The state as it is now.
    pub(crate) const fn version(&self) -> Version {
        Version(self.version)
    }

    /// Whether that state, or a later one, is on disk.
    pub(crate) fn has(&self, version: Version) -> bool {
        Version(self.synced) >= version
    }

    /// Holds a promise until everything changed so far is on disk.
    pub(crate) fn hold(&mut self, promise: Promise) {
        self.held.push_back((self.version, promise));
    }

    /// A master is watched no more: what was to happen to it, or to be told of it, does not.
    pub(crate) fn forget(&mut self, name: &MasterName) {
        self.held.retain(|(_, promise)| match promise {
            Promise::Stand { master, .. } | Promise::Adopt { master, .. } => master != name,
            Promise::TellAnyway(notice) => !notice.is_about(name),
            Promise::Vote { .. } | Promise::Reply { .. } | Promise::Tell(_) | Promise::Start => {
                true
            }
        });
    }

    /// How many promises wait.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether the last write failed: what we hold is not what we would remember.
    pub(crate) const fn is_failing(&self) -> bool {
        self.failed.is_some()
    }

    /// How long a write takes, smoothed.
    pub(crate) const fn write_time(&self) -> Span {
        self.write_time
    }

    /// Promises that need no write because everything they depend on is on disk already.
    pub(crate) fn take_kept(&mut self) -> Vec<Promise> {
        let synced = self.synced;
        self.take_up_to(synced)
    }

    /// Begins a write if one is wanted and none is under way.
    pub(crate) fn begin(&mut self, now: Mono, epoch: Epoch) -> Option<PersistSeq> {
        let tried = self
            .failed
            .is_some_and(|(version, retry)| version == self.version && now < retry);
        if self.version == self.synced || self.under_way.is_some() || tried {
            return None;
        }
        self.writes += 1;
        let seq = PersistSeq::new(self.writes);
        self.under_way = Some(Write {
            begun: now,
            seq,
            version: self.version,
            epoch,
        });
        Some(seq)
    }

    /// The write under way is synced. `None` for a number that is not under way.
    pub(crate) fn on_persisted(&mut self, seq: PersistSeq, now: Mono) -> Option<Settled> {
        let write = self.under_way.take_if(|write| write.seq == seq)?;
        let sample = now.since(write.begun).as_ms();
        self.write_time = Span::ms((self.write_time.as_ms() * 3 + sample).div_ceil(4));
        self.synced = write.version;
        self.failed = None;
        Some(Settled {
            epoch: Some(write.epoch),
            promises: self.take_up_to(write.version),
        })
    }

    /// The write under way failed.
    pub(crate) fn on_failed(&mut self, seq: PersistSeq, now: Mono) -> Option<Settled> {
        let write = self.under_way.take_if(|write| write.seq == seq)?;
        self.failed = Some((write.version, now + Self::RETRY));
        Some(Settled {
            epoch: None,
            promises: self.take_up_to(write.version),
        })
    }

    /// When a failed write is tried again.
    pub(crate) fn due(&self) -> Option<Mono> {
        if self.under_way.is_some() || self.version == self.synced {
            return None;
        }
        self.failed.map(|(_, retry)| retry)
    }

    fn take_up_to(&mut self, version: u64) -> Vec<Promise> {
        let ready = self
            .held
            .iter()
            .take_while(|(needs, _)| *needs <= version)
            .count();
        self.held
            .drain(..ready)
            .map(|(_, promise)| promise)
            .collect()
    }
}
