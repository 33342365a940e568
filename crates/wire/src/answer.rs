//! What comes back on links that we opened, turned into the core's words.

use core::fmt;
use std::collections::VecDeque;

use bartizan_core::ids::CallId;
use bartizan_core::input::Answer;
use bartizan_core::output::{Call, Greeting};
use bartizan_core::provide::options::Renames;
use bartizan_core::report::Hello;

use crate::call::Expected;
use crate::resp::{ReplyDecoder, ReplyError};

/// Why a link has to be closed; `Display` is the text for `LinkError::Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// The bytes were no RESP or beyond the limits.
    Reply(ReplyError),
    /// A reply came that nothing was asked for.
    Unasked,
    /// SUBSCRIBE was refused, with this error.
    Refused(String),
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(error) => error.fmt(f),
            Self::Unasked => f.write_str("a reply came that nothing was asked for"),
            Self::Refused(why) => write!(f, "SUBSCRIBE refused: {why}"),
        }
    }
}

impl std::error::Error for LinkFault {}

/// The protocol side of one command link: knows which call the next reply answers.
#[derive(Debug)]
pub struct CommandLink {
    decoder: ReplyDecoder,
    pending: VecDeque<(Option<CallId>, Expected)>,
}

impl CommandLink {
    /// A link that has just connected.
    #[allow(clippy::new_without_default, reason = "skeleton")]
    pub fn new() -> Self {
        Self {
            decoder: ReplyDecoder::new(crate::resp::Limits::LINK),
            pending: VecDeque::new(),
        }
    }

    /// Appends the greeting; its replies are dropped as they come.
    pub fn greet(&mut self, _greeting: &Greeting, _out: &mut Vec<u8>) {}

    /// Appends a call.
    pub fn call(&mut self, _id: CallId, _call: &Call, _renames: &Renames, _out: &mut Vec<u8>) {}

    /// Calls that await their answer.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes bytes that were read and appends the answers found in them, in order.
    ///
    /// # Errors
    /// The link has to be closed; answers appended before the fault are good.
    pub fn receive(
        &mut self,
        _input: &[u8],
        _answers: &mut Vec<(CallId, Answer)>,
    ) -> Result<(), LinkFault> {
        let _ = &mut self.decoder;
        Ok(())
    }
}

/// The protocol side of one Pub/Sub link.
#[derive(Debug)]
pub struct HelloLink {
    decoder: ReplyDecoder,
}

impl HelloLink {
    /// A link that has just connected.
    #[allow(clippy::new_without_default, reason = "skeleton")]
    pub fn new() -> Self {
        Self {
            decoder: ReplyDecoder::new(crate::resp::Limits::LINK),
        }
    }

    /// Appends the greeting and the subscription.
    pub fn greet(&mut self, _greeting: &Greeting, _out: &mut Vec<u8>) {}

    /// Takes bytes that were read and appends one entry for each thing heard: a hello, or `None`
    /// for anything else that shows that the link lives.
    ///
    /// # Errors
    /// The link has to be closed.
    pub fn receive(
        &mut self,
        _input: &[u8],
        _heard: &mut Vec<Option<Hello>>,
    ) -> Result<(), LinkFault> {
        let _ = &mut self.decoder;
        Ok(())
    }
}
