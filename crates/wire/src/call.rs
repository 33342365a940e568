//! What we send on links that we opened: greetings and calls, with `rename-command` applied.

use bartizan_core::output::{Call, Greeting, LinkKind};
use bartizan_core::provide::options::Renames;

/// What comes back for something sent: how many replies, and how the last one is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Replies that are dropped before the one that counts.
    pub(crate) skip: u8,
    /// How the one that counts is read.
    pub(crate) kind: AnswerKind,
}

/// How a reply is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    Ping,
    Info,
    Opinion,
    Transaction,
    Done,
}

/// Appends a call and says what to expect (spec §5.2, §7, §9.1, §10.3).
pub fn encode_call(_call: &Call, _renames: &Renames, _out: &mut Vec<u8>) -> Expected {
    Expected {
        skip: 0,
        kind: AnswerKind::Done,
    }
}

/// Appends what is said first on a new link (spec §5.2). Gives the number of replies that are of
/// no interest: those to AUTH and CLIENT SETNAME.
pub fn encode_greeting(_greeting: &Greeting, _kind: LinkKind, _out: &mut Vec<u8>) -> usize {
    0
}
