//! What one side may make the other keep in memory.

/// Bounds of a decoder. Each is checked before memory is taken, and memory is taken only for
/// bytes that have arrived, whatever length was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of a request, or items of one array, map (pairs), set or push.
    pub items: usize,
    /// Bytes of one bulk string.
    pub bulk: usize,
    /// Bytes of one line: an inline request, a simple string, an error, a length.
    pub line: usize,
    /// Arrays inside arrays; unused for requests, which do not nest.
    pub depth: usize,
    /// Bytes of one whole request or reply.
    pub total: usize,
}

impl Limits {
    /// A client that has not authenticated yet although it has to.
    pub const UNAUTHENTICATED: Self = Self {
        items: 10,
        bulk: 16 << 10,
        line: 64 << 10,
        depth: 0,
        total: 256 << 10,
    };
    /// A client that may give commands.
    pub const CLIENT: Self = Self {
        items: 1024,
        bulk: 1 << 20,
        line: 64 << 10,
        depth: 0,
        total: 4 << 20,
    };
    /// A server or peer that we connected to.
    pub const LINK: Self = Self {
        items: 64 << 10,
        bulk: 4 << 20,
        line: 64 << 10,
        depth: 16,
        total: 16 << 20,
    };
}
