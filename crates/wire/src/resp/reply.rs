//! What servers and peers send: frames, in fragments of any size.

use core::fmt;
use std::borrow::Cow;

use super::frame::Frame;
use super::limits::Limits;
use super::number::parse_integer;

/// Why a link has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// No RESP: a type byte, a number or a line end is wrong.
    Malformed(&'static str),
    /// Beyond the limits.
    TooLarge(&'static str),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "malformed reply: {what}"),
            Self::TooLarge(what) => write!(f, "reply too large: {what}"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// Turns bytes of one link into frames. Keeps what is unfinished; arrays inside arrays are kept
/// on a stack of its own, not on that of the thread.
#[derive(Debug)]
pub struct ReplyDecoder {
    limits: Limits,
    state: State,
    /// The unfinished line or bulk string.
    partial: Vec<u8>,
    /// Arrays and the like that are not complete, the outermost first.
    open: Vec<Open>,
    /// Items announced so far in this reply.
    items: usize,
    /// Bytes of this reply so far, announced ones included.
    total: usize,
    failed: Option<ReplyError>,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Of a line: type, text, CRLF.
    Line,
    /// Of a bulk string, of which this many bytes, the CRLF included, are missing.
    Bulk { kind: u8, missing: usize },
}

/// An array, or something like one, that is not complete.
#[derive(Debug)]
struct Open {
    kind: u8,
    missing: usize,
    items: Vec<Frame>,
}

/// What one line was.
enum Line {
    /// A whole value.
    Value(Frame),
    /// The header of something longer, which is on its way.
    Header,
}

impl ReplyDecoder {
    /// A decoder for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Line,
            partial: Vec::new(),
            open: Vec::new(),
            items: 0,
            total: 0,
            failed: None,
        }
    }

    /// Reads from `input` up to the end of one frame. Gives the bytes used and the frame; with
    /// `None` all of `input` was used and more is needed.
    ///
    /// # Errors
    /// After an error the stream cannot be read any more; every later call fails alike.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Frame>), ReplyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut rest = input;
        let result = self.run(&mut rest);
        if let Err(error) = result {
            *self = Self {
                failed: Some(error),
                ..Self::new(self.limits)
            };
        }
        Ok((input.len() - rest.len(), result?))
    }

    /// Takes the next frame off the front of `input`; `None` when all of it was used.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn next_in(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, ReplyError> {
        let (used, frame) = self.decode(input)?;
        *input = input.get(used..).unwrap_or_default();
        Ok(frame)
    }

    fn run(&mut self, rest: &mut &[u8]) -> Result<Option<Frame>, ReplyError> {
        while !rest.is_empty() {
            let value = match self.state {
                State::Line => match self.take_line(rest)? {
                    Some(line) => self.on_line(&line)?,
                    None => return Ok(None),
                },
                State::Bulk { kind, missing } => match self.take_bulk(kind, missing, rest)? {
                    Some(value) => Line::Value(value),
                    None => return Ok(None),
                },
            };
            if let Line::Value(value) = value
                && let Some(whole) = self.nest(value)
            {
                (self.items, self.total) = (0, 0);
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// The next line without its CRLF, if it is there. One that came whole is not copied.
    fn take_line<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, ReplyError> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (now, behind) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
        if self.partial.len() + now.len() > self.limits.line {
            return Err(ReplyError::TooLarge("line"));
        }
        *rest = behind;
        if end.is_none() {
            self.partial.extend_from_slice(now);
            return Ok(None);
        }
        self.grow(self.partial.len() + now.len())?;
        let Some(text) = now
            .strip_suffix(b"\r\n")
            .filter(|_| self.partial.is_empty())
        else {
            let mut line = core::mem::take(&mut self.partial);
            line.extend_from_slice(now);
            if !line.ends_with(b"\r\n") {
                return Err(ReplyError::Malformed("line end"));
            }
            line.truncate(line.len() - 2);
            return Ok(Some(Cow::Owned(line)));
        };
        Ok(Some(Cow::Borrowed(text)))
    }

    fn take_bulk(
        &mut self,
        kind: u8,
        missing: usize,
        rest: &mut &[u8],
    ) -> Result<Option<Frame>, ReplyError> {
        let (now, behind) = rest.split_at(missing.min(rest.len()));
        *rest = behind;
        if now.len() < missing {
            self.partial.extend_from_slice(now);
            self.state = State::Bulk {
                kind,
                missing: missing - now.len(),
            };
            return Ok(None);
        }
        self.state = State::Line;
        let text = if self.partial.is_empty() {
            now.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
        } else {
            let mut bytes = core::mem::take(&mut self.partial);
            bytes.extend_from_slice(now);
            bytes.ends_with(b"\r\n").then(|| {
                bytes.truncate(bytes.len() - 2);
                bytes
            })
        };
        long_text(
            kind,
            text.ok_or(ReplyError::Malformed("end of a bulk string"))?,
        )
        .map(Some)
    }

    fn on_line(&mut self, line: &[u8]) -> Result<Line, ReplyError> {
        let (&kind, text) = line
            .split_first()
            .ok_or(ReplyError::Malformed("empty line"))?;
        match kind {
            b'$' | b'!' | b'=' => self.bulk_header(kind, text),
            b'*' | b'%' | b'~' | b'>' | b'|' => self.list_header(kind, text),
            _ => short_value(kind, text).map(Line::Value),
        }
    }

    fn bulk_header(&mut self, kind: u8, text: &[u8]) -> Result<Line, ReplyError> {
        if kind == b'$' && text == b"-1" {
            return Ok(Line::Value(Frame::Null));
        }
        let length = length(text)?;
        if length > self.limits.bulk {
            return Err(ReplyError::TooLarge("bulk string"));
        }
        self.grow(length)?;
        self.state = State::Bulk {
            kind,
            missing: length + 2,
        };
        Ok(Line::Header)
    }

    fn list_header(&mut self, kind: u8, text: &[u8]) -> Result<Line, ReplyError> {
        if kind == b'*' && text == b"-1" {
            return Ok(Line::Value(Frame::NullArray));
        }
        let pairs = matches!(kind, b'%' | b'|');
        let missing = length(text)?.saturating_mul(if pairs { 2 } else { 1 });
        self.items = self.items.saturating_add(missing);
        if self.items > self.limits.items {
            return Err(ReplyError::TooLarge("number of items"));
        }
        if missing == 0 && kind != b'|' {
            return Ok(Line::Value(list(kind, Vec::new())));
        }
        if missing > 0 {
            if self.open.len() >= self.limits.depth {
                return Err(ReplyError::TooLarge("depth"));
            }
            self.open.push(Open {
                kind,
                missing,
                items: Vec::new(),
            });
        }
        Ok(Line::Header)
    }

    /// Puts a value where it belongs; gives the whole frame when it was the last one missing.
    fn nest(&mut self, value: Frame) -> Option<Frame> {
        let mut value = value;
        loop {
            let Some(mut top) = self.open.pop() else {
                return Some(value);
            };
            top.items.push(value);
            top.missing = top.missing.saturating_sub(1);
            if top.missing > 0 {
                self.open.push(top);
                return None;
            }
            if top.kind == b'|' {
                // An attribute says something about the value that follows; nobody here asks.
                return None;
            }
            value = list(top.kind, top.items);
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ReplyError> {
        self.total = self.total.saturating_add(bytes);
        if self.total > self.limits.total {
            Err(ReplyError::TooLarge("reply"))
        } else {
            Ok(())
        }
    }
}

fn length(text: &[u8]) -> Result<usize, ReplyError> {
    let bad = ReplyError::Malformed("length");
    parse_integer(text)
        .ok_or(bad)
        .and_then(|n| usize::try_from(n).map_err(|_| bad))
}

/// A value that fits on its line.
fn short_value(kind: u8, text: &[u8]) -> Result<Frame, ReplyError> {
    match (kind, text) {
        (b'+', _) => Ok(Frame::Simple(text.to_vec())),
        (b'-', _) => Ok(Frame::Error(text.to_vec())),
        (b':', _) => parse_integer(text)
            .map(Frame::Integer)
            .ok_or(ReplyError::Malformed("integer")),
        (b'_', b"") => Ok(Frame::Null),
        (b'#', b"t") => Ok(Frame::Bool(true)),
        (b'#', b"f") => Ok(Frame::Bool(false)),
        (b',', _) => {
            let number = core::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            number
                .map(Frame::Double)
                .ok_or(ReplyError::Malformed("double"))
        }
        (b'(', _) => Ok(Frame::BigNumber(text.to_vec())),
        _ => Err(ReplyError::Malformed("type")),
    }
}

/// A value whose length came first.
fn long_text(kind: u8, bytes: Vec<u8>) -> Result<Frame, ReplyError> {
    match kind {
        b'!' => Ok(Frame::Error(bytes)),
        b'=' => match bytes.as_slice() {
            [a, b, c, b':', text @ ..] => Ok(Frame::Verbatim {
                format: [*a, *b, *c],
                text: text.to_vec(),
            }),
            _ => Err(ReplyError::Malformed("verbatim string")),
        },
        _ => Ok(Frame::Bulk(bytes)),
    }
}

fn list(kind: u8, items: Vec<Frame>) -> Frame {
    match kind {
        b'%' => {
            let mut pairs = Vec::with_capacity(items.len() / 2);
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push((key, value));
            }
            Frame::Map(pairs)
        }
        b'~' => Frame::Set(items),
        b'>' => Frame::Push(items),
        _ => Frame::Array(items),
    }
}
