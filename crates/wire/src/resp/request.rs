//! What clients send: a multibulk or an inline request, in fragments of any size.

use core::fmt;

use super::inline;
use super::limits::{Limits, Role};
use super::number::parse_integer;

/// The words of one request.
pub type Argv = Vec<Vec<u8>>;

/// Why a client has to be disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// Not RESP, or beyond the limits: send [`ProtocolError::reply`], then close.
    Malformed(String),
    /// `POST` or `Host:`: a browser was tricked into speaking to us. Close without a word.
    CrossProtocol,
}

impl ProtocolError {
    /// The bytes to send before closing, if any (spec §3.1).
    pub fn reply(&self) -> Option<Vec<u8>> {
        match self {
            Self::Malformed(what) => Some(format!("-ERR Protocol error: {what}\r\n").into_bytes()),
            Self::CrossProtocol => None,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "Protocol error: {what}"),
            Self::CrossProtocol => f.write_str("HTTP spoken on a Redis port"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// Turns bytes of one client into requests. Keeps what is unfinished, so the caller's read
/// buffer can be shared among clients.
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    state: State,
    /// The unfinished line.
    line: Vec<u8>,
    /// The words read so far.
    argv: Argv,
    /// Words still to come.
    missing: usize,
    /// The unfinished word.
    word: Vec<u8>,
    /// Bytes of the words of this request, announced ones included.
    total: usize,
    failed: Option<ProtocolError>,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The first of a request.
    First,
    /// Of an inline request, up to its line feed.
    Inline,
    /// Of the number behind `*`, up to its carriage return.
    Count,
    /// The line feed after it.
    CountEnd,
    /// The `$` before a word.
    Dollar,
    /// Of the number behind `$`, up to its carriage return.
    Length,
    /// The line feed after it.
    LengthEnd(usize),
    /// Of a word, of which this many bytes are missing.
    Word(usize),
    /// Of the line end after a word. Which bytes they are nobody looks at, as in Redis.
    WordEnd(usize),
}

impl RequestDecoder {
    /// A decoder for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::First,
            line: Vec::new(),
            argv: Vec::new(),
            missing: 0,
            word: Vec::new(),
            total: 0,
            failed: None,
        }
    }

    /// Other limits from here on, say after authentication.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Reads from `input` up to the end of one request. Gives the bytes used and the request; with
    /// `None` all of `input` was used and more is needed. A request is never empty.
    ///
    /// # Errors
    /// After an error the stream cannot be read any more; every later call fails alike.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Argv>), ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut rest = input;
        let result = self.run(&mut rest);
        match &result {
            Err(error) => {
                *self = Self {
                    failed: Some(error.clone()),
                    ..Self::new(self.limits)
                };
            }
            // An idle client holds no buffer.
            Ok(Some(_)) => self.line = Vec::new(),
            Ok(None) => {}
        }
        Ok((input.len() - rest.len(), result?))
    }

    /// Bytes kept for an unfinished request.
    pub fn buffered(&self) -> usize {
        let words: usize = self.argv.iter().map(Vec::len).sum();
        words + self.word.len() + self.line.len()
    }

    fn run(&mut self, rest: &mut &[u8]) -> Result<Option<Argv>, ProtocolError> {
        while let Some((&byte, behind)) = rest.split_first() {
            match self.state {
                State::First if byte == b'*' => {
                    *rest = behind;
                    self.state = State::Count;
                }
                State::First => self.state = State::Inline,
                State::Inline => {
                    if self.line_up_to(b'\n', rest, "too big inline request")? {
                        self.state = State::First;
                        let words = self.inline_words()?;
                        if !words.is_empty() {
                            return not_http(words).map(Some);
                        }
                    }
                }
                State::Count => {
                    if self.line_up_to(b'\r', rest, "too big mbulk count string")? {
                        self.start(parse_integer(&self.line))?;
                    }
                }
                State::CountEnd => {
                    *rest = behind;
                    self.state = if self.missing == 0 {
                        State::First
                    } else {
                        State::Dollar
                    };
                }
                State::Dollar => {
                    if byte != b'$' {
                        return Err(expected_dollar(byte));
                    }
                    *rest = behind;
                    self.state = State::Length;
                }
                State::Length => {
                    if self.line_up_to(b'\r', rest, "too big bulk count string")? {
                        self.start_word(parse_integer(&self.line))?;
                    }
                }
                State::LengthEnd(length) => {
                    *rest = behind;
                    self.state = if length == 0 {
                        State::WordEnd(2)
                    } else {
                        State::Word(length)
                    };
                }
                State::Word(missing) => self.word_bytes(missing, rest),
                State::WordEnd(missing) => {
                    *rest = behind;
                    self.state = State::WordEnd(missing - 1);
                    if missing == 1 && self.end_word() {
                        return not_http(core::mem::take(&mut self.argv)).map(Some);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Moves bytes into `line` up to `end`, which is dropped. Whether it was found.
    fn line_up_to(
        &mut self,
        end: u8,
        rest: &mut &[u8],
        too_big: &str,
    ) -> Result<bool, ProtocolError> {
        let found = rest.iter().position(|byte| *byte == end);
        let (now, behind) = rest.split_at(found.unwrap_or(rest.len()));
        if self.line.len() + now.len() > self.limits.line {
            return Err(malformed(too_big));
        }
        self.line.extend_from_slice(now);
        *rest = if found.is_some() {
            behind.get(1..).unwrap_or_default()
        } else {
            behind
        };
        Ok(found.is_some())
    }

    fn inline_words(&mut self) -> Result<Argv, ProtocolError> {
        let line = core::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let words = inline::split(line).ok_or_else(|| malformed("unbalanced quotes in request"))?;
        if words.len() > self.limits.items {
            return Err(malformed("too big inline request"));
        }
        Ok(words)
    }

    /// A multibulk request begins. One of no words, or fewer, is skipped.
    fn start(&mut self, count: Option<i64>) -> Result<(), ProtocolError> {
        let count = count.ok_or_else(|| malformed("invalid multibulk length"))?;
        self.missing = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
        if self.missing > self.limits.items {
            return Err(malformed(match self.limits.role {
                Role::Stranger => "unauthenticated multibulk length",
                Role::Client | Role::Link => "invalid multibulk length",
            }));
        }
        self.total = 0;
        self.line.clear();
        self.state = State::CountEnd;
        Ok(())
    }

    fn start_word(&mut self, length: Option<i64>) -> Result<(), ProtocolError> {
        let invalid = || malformed("invalid bulk length");
        let length = length
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(invalid)?;
        self.total = self.total.saturating_add(length);
        if length > self.limits.bulk || self.total > self.limits.total {
            return Err(match self.limits.role {
                Role::Stranger => malformed("unauthenticated bulk length"),
                Role::Client | Role::Link => invalid(),
            });
        }
        self.line.clear();
        self.state = State::LengthEnd(length);
        Ok(())
    }

    fn word_bytes(&mut self, missing: usize, rest: &mut &[u8]) {
        let (now, behind) = rest.split_at(missing.min(rest.len()));
        self.word.extend_from_slice(now);
        *rest = behind;
        self.state = match missing - now.len() {
            0 => State::WordEnd(2),
            missing => State::Word(missing),
        };
    }

    /// A word is complete. Whether the request is, too.
    fn end_word(&mut self) -> bool {
        self.argv.push(core::mem::take(&mut self.word));
        self.missing = self.missing.saturating_sub(1);
        let done = self.missing == 0;
        self.state = if done { State::First } else { State::Dollar };
        done
    }
}

fn malformed(what: &str) -> ProtocolError {
    ProtocolError::Malformed(what.to_owned())
}

fn expected_dollar(byte: u8) -> ProtocolError {
    let shown = match byte {
        b' '..=b'~' => char::from(byte),
        b'\r' | b'\n' => ' ',
        _ => '?',
    };
    ProtocolError::Malformed(format!("expected '$', got '{shown}'"))
}

/// A browser that a page tricked into posting here begins with one of these words.
fn not_http(argv: Argv) -> Result<Argv, ProtocolError> {
    let http =
        |word: &Vec<u8>| word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:");
    if argv.first().is_some_and(http) {
        Err(ProtocolError::CrossProtocol)
    } else {
        Ok(argv)
    }
}
