//! What one side may make the other keep in memory.

/// Who is at the other end; decides the words of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A client that has not authenticated yet although it has to.
    Stranger,
    /// A client that may give commands.
    Client,
    /// A server or peer that we connected to.
    Link,
}

/// Bounds of a decoder. Each is checked before memory is taken, and memory is taken only for
/// bytes that have arrived, whatever length was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whom they are for.
    pub role: Role,
    /// Arguments of a request, or items of a reply, those of all its arrays together.
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
        role: Role::Stranger,
        items: 10,
        bulk: 16 << 10,
        line: 64 << 10,
        depth: 0,
        total: 256 << 10,
    };
    /// A client that may give commands.
    pub const CLIENT: Self = Self {
        role: Role::Client,
        items: 1024,
        bulk: 1 << 20,
        line: 64 << 10,
        depth: 0,
        total: 4 << 20,
    };
    /// A server or peer that we connected to.
    pub const LINK: Self = Self {
        role: Role::Link,
        items: 64 << 10,
        bulk: 4 << 20,
        line: 64 << 10,
        depth: 16,
        total: 16 << 20,
    };
}
