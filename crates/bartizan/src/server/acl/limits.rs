//! Bounds of what is kept of users: whoever may change them could otherwise fill the memory.

/// Users.
pub(super) const USERS: usize = 10_000;
/// Passwords of one user.
pub(super) const PASSWORDS: usize = 100;
/// Selectors of one user.
pub(super) const SELECTORS: usize = 100;
/// Patterns of one kind, and rules for commands, of one selector.
pub(super) const RULES: usize = 1_000;
/// Bytes of a name, a pattern, or a selector.
pub(super) const BYTES: usize = 4_096;
/// Entries of the log, whatever `acllog-max-len` says.
pub(super) const LOG_ENTRIES: usize = 10_000;
/// Bytes of what an entry of the log repeats.
pub(super) const LOG_BYTES: usize = 256;
