//! What comes back on links that we opened, turned into the core's words.

use core::fmt;
use std::collections::VecDeque;
use std::sync::Arc;

use bartizan_core::fencing::MinReplicas;
use bartizan_core::ids::{CallId, Epoch, RunId};
use bartizan_core::input::{Answer, Talk};
use bartizan_core::limits::LARGEST_EPOCH;
use bartizan_core::output::{Call, Greeting, LinkKind};
use bartizan_core::provide::options::Renames;
use bartizan_core::report::{Ballot, Hello, Opinion};

use crate::call::{AnswerKind, Expected, encode_call, encode_greeting};
use crate::resp::{Frame, Limits, ReplyDecoder, ReplyError};
use crate::{hello, info};

/// An error's text is cut to this many bytes before it goes anywhere.
const ERROR_TEXT: usize = 256;

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

impl From<ReplyError> for LinkFault {
    fn from(error: ReplyError) -> Self {
        Self::Reply(error)
    }
}

/// The protocol side of one command link: knows which call the next reply answers.
#[derive(Debug)]
pub struct CommandLink {
    decoder: ReplyDecoder,
    /// Replies of the greeting that have not come yet.
    greeting: usize,
    pending: VecDeque<(CallId, Expected)>,
}

impl CommandLink {
    /// A link that has just connected.
    pub fn new() -> Self {
        let decoder = ReplyDecoder::new(Limits::LINK);
        Self {
            decoder,
            greeting: 0,
            pending: VecDeque::new(),
        }
    }

    /// Appends the greeting, before any call; its replies are dropped as they come.
    pub fn greet(&mut self, greeting: &Greeting, out: &mut Vec<u8>) {
        self.greeting += encode_greeting(greeting, LinkKind::Command, out);
    }

    /// Appends a call.
    pub fn call(&mut self, id: CallId, call: &Call, renames: &Renames, out: &mut Vec<u8>) {
        let expected = encode_call(call, renames, out);
        self.pending.push_back((id, expected));
    }

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
        input: &[u8],
        answers: &mut Vec<(CallId, Answer)>,
    ) -> Result<(), LinkFault> {
        let mut rest = input;
        while !rest.is_empty() {
            let (used, frame) = self.decoder.decode(rest)?;
            rest = rest.get(used..).unwrap_or_default();
            if let Some(frame) = frame {
                answers.extend(self.accept(frame)?);
            }
        }
        Ok(())
    }

    fn accept(&mut self, frame: Frame) -> Result<Option<(CallId, Answer)>, LinkFault> {
        if matches!(frame, Frame::Push(_)) {
            return Ok(None);
        }
        if self.greeting > 0 {
            self.greeting -= 1;
            return Ok(None);
        }
        let (id, expected) = self.pending.front_mut().ok_or(LinkFault::Unasked)?;
        if expected.skip > 0 {
            expected.skip -= 1;
            return Ok(None);
        }
        let answer = (*id, answer(expected.kind, frame));
        self.pending.pop_front();
        Ok(Some(answer))
    }
}

impl Default for CommandLink {
    fn default() -> Self {
        Self::new()
    }
}

/// What a Pub/Sub link delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The subscription stands.
    Subscribed(Talk),
    /// A hello, or `None` for anything else that shows that the link lives.
    Heard(Option<Hello>),
    /// The answer to a call.
    Answer(CallId, Answer),
}

/// The protocol side of one Pub/Sub link: hears hellos and, in RESP3, carries ours.
#[derive(Debug)]
pub struct HelloLink {
    decoder: ReplyDecoder,
    /// Replies of the greeting, before the subscription's, that have not come yet.
    greeting: usize,
    /// By the reply to HELLO.
    talk: Talk,
    is_subscribed: bool,
    pending: VecDeque<(CallId, Expected)>,
}

impl HelloLink {
    /// A link that has just connected.
    pub fn new() -> Self {
        Self {
            decoder: ReplyDecoder::new(Limits::LINK),
            greeting: 0,
            talk: Talk::Listen,
            is_subscribed: false,
            pending: VecDeque::new(),
        }
    }

    /// Appends the greeting and the subscription.
    pub fn greet(&mut self, greeting: &Greeting, out: &mut Vec<u8>) {
        self.greeting += encode_greeting(greeting, LinkKind::PubSub, out);
    }

    /// Appends a call, once `Said::Subscribed` has said that the link takes calls.
    pub fn call(&mut self, id: CallId, call: &Call, renames: &Renames, out: &mut Vec<u8>) {
        let expected = encode_call(call, renames, out);
        self.pending.push_back((id, expected));
    }

    /// Takes bytes that were read and appends one entry for each thing said.
    ///
    /// # Errors
    /// The link has to be closed, because the subscription was refused (spec §5.2) or the bytes
    /// make no sense.
    pub fn receive(&mut self, input: &[u8], said: &mut Vec<Said>) -> Result<(), LinkFault> {
        let mut rest = input;
        while !rest.is_empty() {
            let (used, frame) = self.decoder.decode(rest)?;
            rest = rest.get(used..).unwrap_or_default();
            if let Some(frame) = frame {
                said.extend(self.accept(frame)?);
            }
        }
        Ok(())
    }

    fn accept(&mut self, frame: Frame) -> Result<Option<Said>, LinkFault> {
        if self.greeting > 0 && !matches!(frame, Frame::Push(_)) {
            self.greet_back(&frame);
            return Ok(None);
        }
        Ok(Some(match frame {
            Frame::Array(items) | Frame::Push(items) if confirms(&items) => {
                self.is_subscribed = true;
                Said::Subscribed(self.talk)
            }
            Frame::Array(items) | Frame::Push(items) => Said::Heard(message(&items)),
            Frame::Error(text) if !self.is_subscribed => {
                return Err(LinkFault::Refused(error_text(&text)));
            }
            frame => {
                let (id, expected) = self.pending.pop_front().ok_or(LinkFault::Unasked)?;
                Said::Answer(id, answer(expected.kind, frame))
            }
        }))
    }

    /// A reply to a part of the greeting: to CLIENT SETNAME at last, and to HELLO before it.
    fn greet_back(&mut self, frame: &Frame) {
        const HELLO: usize = 2;
        if self.greeting == HELLO && matches!(frame, Frame::Map(_)) {
            self.talk = Talk::Both;
        }
        self.greeting -= 1;
    }
}

impl Default for HelloLink {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether this says that the subscription stands.
pub(crate) fn confirms(items: &[Frame]) -> bool {
    matches!(items, [Frame::Bulk(kind), Frame::Bulk(channel), _]
        if kind == b"subscribe" && channel == hello::CHANNEL.as_bytes())
}

/// The hello in a `message` of the hello channel.
fn message(items: &[Frame]) -> Option<Hello> {
    let [
        Frame::Bulk(kind),
        Frame::Bulk(channel),
        Frame::Bulk(payload),
    ] = items
    else {
        return None;
    };
    let ours = kind == b"message" && channel == hello::CHANNEL.as_bytes();
    ours.then(|| hello::parse(payload)).flatten()
}

/// Reads a reply as the answer to a call of this kind.
fn answer(kind: AnswerKind, frame: Frame) -> Answer {
    match (kind, frame) {
        (_, Frame::Error(text)) => error(&text),
        (AnswerKind::Ping, Frame::Simple(text)) if text.starts_with(b"PONG") => Answer::Pong,
        (AnswerKind::Info, Frame::Bulk(text) | Frame::Verbatim { text, .. }) => {
            Answer::Info(Box::new(info::parse(&text)))
        }
        (AnswerKind::Opinion, Frame::Array(items)) => opinion(&items),
        (AnswerKind::MinReplicas, Frame::Array(items)) => min_replicas(&items),
        (AnswerKind::Transaction, Frame::Array(items)) => match items.into_iter().next() {
            // Of its parts only SLAVEOF matters: CONFIG REWRITE fails on a server that has no
            // file, which is no reason to think that the server was not reconfigured.
            Some(Frame::Error(text)) => error(&text),
            _ => Answer::Done,
        },
        (AnswerKind::Published, Frame::Integer(_)) | (AnswerKind::Ok, Frame::Simple(_)) => {
            Answer::Done
        }
        _ => Answer::Unexpected,
    }
}

/// An error reply by its first word (spec §5.5).
fn error(text: &[u8]) -> Answer {
    let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    match code {
        b"LOADING" => Answer::Loading,
        b"MASTERDOWN" => Answer::MasterDown,
        b"BUSY" => Answer::Busy,
        _ => Answer::Error(Arc::from(error_text(text))),
    }
}

/// Exactly `[int, bulk, int]` (spec §9.2), with a leader and an epoch that can be.
fn opinion(items: &[Frame]) -> Answer {
    let [
        Frame::Integer(down),
        Frame::Bulk(leader),
        Frame::Integer(epoch),
    ] = items
    else {
        return Answer::Unexpected;
    };
    let epoch = u64::try_from(*epoch)
        .ok()
        .filter(|&epoch| epoch <= LARGEST_EPOCH);
    let (Some(epoch), Some(leader)) = (epoch.map(Epoch::new), leader_id(leader)) else {
        return Answer::Unexpected;
    };
    let vote = leader.map(|leader| Ballot { epoch, leader });
    Answer::Opinion(Opinion {
        down: *down != 0,
        vote,
    })
}

/// `min-replicas-to-write` and `min-replicas-max-lag` among names and values in turn.
fn min_replicas(items: &[Frame]) -> Answer {
    let value = |wanted: &[u8]| {
        items.chunks(2).find_map(|pair| match pair {
            [Frame::Bulk(name), Frame::Bulk(value)] if name == wanted => {
                std::str::from_utf8(value).ok()?.parse().ok()
            }
            _ => None,
        })
    };
    match (
        value(b"min-replicas-to-write"),
        value(b"min-replicas-max-lag"),
    ) {
        (Some(to_write), Some(max_lag)) => Answer::MinReplicas(MinReplicas { to_write, max_lag }),
        _ => Answer::Unexpected,
    }
}

/// `Some(None)` for `*`, nobody; `None` for what is no id.
fn leader_id(text: &[u8]) -> Option<Option<RunId>> {
    if text == b"*" {
        Some(None)
    } else {
        RunId::parse(text).map(Some)
    }
}

/// Foreign text for logs: bounded, one line.
pub(crate) fn error_text(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..ERROR_TEXT).unwrap_or(text));
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
