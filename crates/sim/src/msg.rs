//! What travels over connections.

use std::rc::Rc;

use bartizan_core::addr::Addr;
use bartizan_core::ids::CallId;
use bartizan_core::input::{Answer, Talk};
use bartizan_core::output::Call;
use bartizan_core::report::Hello;

use crate::replication::{ReplId, Snapshot, StreamItem};

/// One message. A connection carries them in order.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A Sentinel's call, to a server or a peer.
    Call(CallId, Box<Call>),
    /// The answer to it.
    Answer(CallId, Box<Answer>),
    /// The subscription stands; what the connection is good for.
    Subscribed(Talk),
    /// A Pub/Sub message; `None` is anything that is no hello.
    Heard(Option<Rc<Hello>>),
    /// A piece of the byte stream, on seeds that talk bytes.
    Bytes(Rc<[u8]>),
    /// The other side closed or reset the connection.
    Fin,

    /// Client to Sentinel: where is the master?
    Where,
    /// The Sentinel's word.
    Here(Option<Addr>),
    /// Client to server: write this number.
    Write(u64),
    /// It is written.
    Wrote(u64),
    /// It is not: READONLY, LOADING, NOREPLICAS …
    Refused(u64),

    /// Replica to master: I have this history up to there.
    Psync(ReplId, u64),
    /// Master to replica: go on from there; what follows is the difference.
    Continue(ReplId, Rc<[(u64, u64)]>, u64),
    /// Master to replica: a whole data set, on its way for some time.
    FullSync(Rc<Snapshot>),
    /// Master to replica: the stream goes on up to this offset.
    Stream(u64, Option<StreamItem>),
    /// Replica to master: I have it up to there.
    Ack(u64),
}

impl Msg {
    /// The message as a slow link delivers it: bytes in up to eight pieces, all else whole.
    pub(crate) fn in_pieces(self) -> Vec<Self> {
        const PIECES: usize = 8;
        match self {
            Self::Bytes(bytes) if bytes.len() > 1 => bytes
                .chunks(bytes.len().div_ceil(PIECES))
                .map(|piece| Self::Bytes(Rc::from(piece)))
                .collect(),
            whole => vec![whole],
        }
    }
}
