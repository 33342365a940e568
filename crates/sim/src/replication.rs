//! What a server's data set is: a history with an id, an offset, and the writes in it.

use std::rc::Rc;

use bartizan_core::ids;
use bartizan_core::report::{Fork, Hello, History as Place};
use bartizan_wire::resp::Protocol;

use crate::msg::Msg;

/// A replication id: names one history of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplId(pub u64);

/// One thing in the replication stream.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// A client's write.
    Write(u64),
    /// A PUBLISH of a hello, which replicas pass to their own subscribers.
    Hello(Rc<Hello>),
    /// The same as text, on seeds that talk bytes.
    Text(Rc<[u8]>),
}

impl StreamItem {
    /// Bytes it takes in the stream, about what a real one does.
    pub const fn size(&self) -> u64 {
        match self {
            Self::Write(_) => 60,
            Self::Hello(_) | Self::Text(_) => 170,
        }
    }

    /// What a subscriber of a server hears of it, in the dialect that it speaks.
    pub fn heard(&self, protocol: Protocol) -> Option<Msg> {
        match self {
            Self::Write(_) => None,
            Self::Hello(hello) => Some(Msg::Heard(Some(Rc::clone(hello)))),
            Self::Text(text) => Some(crate::codec::heard(text, protocol)),
        }
    }
}

/// A whole data set, as a full resync carries it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The history it belongs to.
    pub id: ReplId,
    /// Up to where.
    pub offset: u64,
    /// The writes in it, with the offset after each.
    pub writes: Vec<(u64, u64)>,
}

/// A server's data set and its place in history.
#[derive(Clone, Debug)]
pub struct History {
    /// `master_replid`
    pub id: ReplId,
    /// `master_repl_offset`
    pub offset: u64,
    /// `master_replid2` and `second_repl_offset`: the history that this one grew out of, and
    /// how far both agree.
    pub second: Option<(ReplId, u64)>,
    /// The first offset that the backlog still holds.
    pub backlog_from: u64,
    /// The writes, oldest first, with the offset after each.
    pub writes: Vec<(u64, u64)>,
}

impl History {
    /// An empty data set.
    pub const fn empty(id: ReplId) -> Self {
        Self {
            id,
            offset: 0,
            second: None,
            backlog_from: 0,
            writes: Vec::new(),
        }
    }

    /// The place in history as INFO tells it: offsets there count from the first byte that is
    /// meant, here from the last one before it.
    pub fn place(&self) -> Option<Place> {
        let id = |ReplId(n): ReplId| ids::ReplId::parse(format!("{n:040x}").as_bytes());
        let fork = |(before, agreed): (ReplId, u64)| {
            let offset = agreed + 1;
            id(before).map(|id| Fork { id, offset })
        };
        Some(Place {
            id: id(self.id)?,
            offset: self.offset,
            before: self.second.and_then(fork),
            kept_from: Some(self.backlog_from + 1),
        })
    }

    /// One thing more.
    pub fn push(&mut self, item: &StreamItem) {
        self.offset += item.size();
        if let StreamItem::Write(n) = item {
            self.writes.push((self.offset, *n));
        }
    }

    /// The writes that lie whole between the byte `from` and the byte `end`.
    pub fn whole_writes(&self, from: u64, end: u64) -> impl Iterator<Item = u64> {
        let size = StreamItem::Write(0).size();
        let within = move |(at, _): &&(u64, u64)| *at + 1 >= from + size && *at <= end;
        self.writes.iter().filter(within).map(|(_, n)| *n)
    }

    /// The server became a master: a new history begins here, grown out of the old one.
    pub fn fork(&mut self, id: ReplId) {
        self.second = Some((self.id, self.offset));
        self.id = id;
    }

    /// The writes that a replica that has `id` up to `offset` lacks, with the offset after each;
    /// `None` when it needs everything.
    pub fn difference(&self, id: ReplId, offset: u64) -> Option<Rc<[(u64, u64)]>> {
        let ours = id == self.id && offset <= self.offset;
        let before = self
            .second
            .is_some_and(|(old, fork)| id == old && offset <= fork);
        if !(ours || before) || offset < self.backlog_from {
            return None;
        }
        let missing = self.writes.iter().filter(|(end, _)| *end > offset);
        Some(missing.copied().collect())
    }

    /// The data set as a full resync carries it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.id,
            offset: self.offset,
            writes: self.writes.clone(),
        }
    }

    /// Everything is replaced by what the master sent. What was only here is lost.
    pub fn replace(&mut self, snapshot: &Snapshot) {
        *self = Self {
            id: snapshot.id,
            offset: snapshot.offset,
            second: None,
            backlog_from: snapshot.offset,
            writes: snapshot.writes.clone(),
        };
    }

    /// A partial resync: the difference is added and the master's id taken over.
    pub fn catch_up(&mut self, id: ReplId, writes: &[(u64, u64)], offset: u64) {
        if id != self.id {
            self.second = Some((self.id, self.offset));
            self.id = id;
        }
        self.writes.extend_from_slice(writes);
        self.offset = offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_behind_gets_what_it_lacks() {
        let mut master = History::empty(ReplId(1));
        (0..10).for_each(|n| master.push(&StreamItem::Write(n)));
        let diff = master.difference(ReplId(1), 300).unwrap();
        assert_eq!(diff.len(), 5);
    }

    #[test]
    fn after_a_promotion_the_others_resync_in_part_and_the_diverged_in_full() {
        let mut promoted = History::empty(ReplId(1));
        (0..10).for_each(|n| promoted.push(&StreamItem::Write(n)));
        let fork = promoted.offset;
        promoted.fork(ReplId(2));
        promoted.push(&StreamItem::Write(11));
        assert!(promoted.difference(ReplId(1), fork).is_some());
        assert!(promoted.difference(ReplId(1), fork + 60).is_none());
    }
}
