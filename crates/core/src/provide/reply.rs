//! Typed replies; the wire crate turns them into RESP2 or RESP3.

use std::borrow::Cow;

use crate::addr::Addr;
use crate::report::PackedText;

/// A reply to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+text`
    Status(Cow<'static, str>),
    /// `-text`; the text begins with its code (`ERR …`, `NOQUORUM …`).
    Error(Cow<'static, str>),
    /// `:n`
    Integer(i64),
    /// A bulk string.
    Bulk(Cow<'static, str>),
    /// A bulk string, still packed.
    Packed(PackedText),
    /// `*-1` in RESP2, `_` in RESP3.
    NullArray,
    /// `$-1` in RESP2, `_` in RESP3.
    Null,
    /// An array.
    Array(Vec<Self>),
    /// Field names and values in order: a flat array of 2N in RESP2, a map in RESP3.
    Map(Vec<(Cow<'static, str>, Self)>),
}

impl Reply {
    /// `+OK`
    pub const OK: Self = Self::Status(Cow::Borrowed("OK"));
    /// What every command answers that names an unknown master.
    pub const NO_SUCH_MASTER: Self =
        Self::Error(Cow::Borrowed("ERR No such master with that name"));

    /// Host and port, as clients are told where a master is.
    pub fn address(addr: &Addr) -> Self {
        Self::Array(vec![
            Self::bulk(addr.host.to_string()),
            Self::bulk(addr.port.to_string()),
        ])
    }

    /// A bulk string.
    pub fn bulk(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Bulk(text.into())
    }

    /// An error.
    pub fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Error(text.into())
    }
}
