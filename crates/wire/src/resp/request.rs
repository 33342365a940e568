//! What clients send: a multibulk or an inline request, in fragments of any size.

use core::fmt;

use super::limits::Limits;

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
}

impl RequestDecoder {
    /// A decoder for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Other limits from the next request on, say after authentication.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Reads from `input` up to the end of one request. Gives the bytes used and the request; with
    /// `None` all of `input` was used and more is needed. A request is never empty.
    ///
    /// # Errors
    /// After an error the stream cannot be read any more; every later call fails alike.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Argv>), ProtocolError> {
        Ok((input.len(), None))
    }

    /// Bytes kept for an unfinished request.
    pub fn buffered(&self) -> usize {
        0
    }
}
