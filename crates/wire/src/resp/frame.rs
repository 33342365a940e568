//! One value of RESP2 or RESP3.

/// Which dialect a client speaks; chosen with `HELLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Flat arrays, `$-1` and `*-1`.
    #[default]
    Resp2,
    /// Maps, sets, pushes, `_`.
    Resp3,
}

/// One value of RESP2 or RESP3. Attributes (`|`) are read and dropped.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// `+text`
    Simple(Vec<u8>),
    /// `-text` or `!n text`
    Error(Vec<u8>),
    /// `:n`
    Integer(i64),
    /// `$n bytes`
    Bulk(Vec<u8>),
    /// `*n`
    Array(Vec<Self>),
    /// `$-1` or `_`
    Null,
    /// `*-1` (RESP2 only; written as `_` in RESP3)
    NullArray,
    /// `%n`
    Map(Vec<(Self, Self)>),
    /// `~n`
    Set(Vec<Self>),
    /// `>n`: sent without being asked for
    Push(Vec<Self>),
    /// `#t` or `#f`
    Bool(bool),
    /// `,1.5`, with `inf` and `nan`
    Double(f64),
    /// `=n txt:…`
    Verbatim {
        /// Three letters, `txt` or `mkd`.
        format: [u8; 3],
        /// The text after the colon.
        text: Vec<u8>,
    },
    /// `(digits`, kept as text
    BigNumber(Vec<u8>),
}

impl Frame {
    /// A simple string from text of ours.
    pub fn simple(text: &str) -> Self {
        Self::Simple(text.as_bytes().to_vec())
    }

    /// A bulk string from text of ours.
    pub fn bulk(text: &str) -> Self {
        Self::Bulk(text.as_bytes().to_vec())
    }
}
