//! Texts that are kept for every server and seldom asked for, in little memory.
//!
//! INFO of one server is much like that of another: the names of its fields are most of it. So the
//! first text of some length serves as a dictionary for all that follow.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bartizan_core::report::PackedText;
use lz4_flex::block;

/// Shorter texts are kept as they are.
const WORTH_IT: usize = 512;
/// The mark of a text that is kept as it is.
const PLAIN: u8 = 0;
/// The mark of one that is packed; its length in four bytes, the lowest first, follows.
const PACKED: u8 = 1;

static DICTIONARY: OnceLock<Box<[u8]>> = OnceLock::new();

/// Packs a text.
pub(crate) fn pack(text: &str) -> PackedText {
    if text.is_empty() {
        return PackedText::default();
    }
    let plain = || [&[PLAIN], text.as_bytes()].concat().into();
    PackedText(packed(text).unwrap_or_else(plain))
}

fn packed(text: &str) -> Option<Arc<[u8]>> {
    let text = Some(text.as_bytes()).filter(|text| text.len() >= WORTH_IT)?;
    packed_with(DICTIONARY.get_or_init(|| text.into()), text)
}

fn packed_with(dictionary: &[u8], text: &[u8]) -> Option<Arc<[u8]>> {
    let length = u32::try_from(text.len()).ok()?.to_le_bytes();
    let block = block::compress_with_dict(text, dictionary);
    let bytes = [&[PACKED], &length[..], &block].concat();
    (bytes.len() < text.len()).then(|| bytes.into())
}

/// The text that was packed in this process.
pub fn unpack(PackedText(bytes): &PackedText) -> Cow<'_, str> {
    match bytes.split_first() {
        Some((&PACKED, rest)) => unpacked(rest).unwrap_or_default().into(),
        Some((_, text)) => String::from_utf8_lossy(text),
        None => Cow::default(),
    }
}

fn unpacked(bytes: &[u8]) -> Option<String> {
    let (length, block) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let text = block::decompress_with_dict(block, length, DICTIONARY.get()?).ok()?;
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(port: u16) -> String {
        let field = |n: u16| format!("some_field_of_this_server_{n}:{}\r\n", n * 7 + port % 3);
        let fields: String = (0..100).map(field).collect();
        format!("# Server\r\ntcp_port:{port}\r\n{fields}")
    }

    #[test]
    fn what_was_packed_comes_back() {
        let long = "ü".repeat(100_000);
        for text in ["", "x", "# Server\r\n", &info(1), &info(2), &long] {
            assert_eq!(unpack(&pack(text)), text);
        }
    }

    #[test]
    fn a_text_like_another_takes_little() {
        let (first, second) = (info(6379), info(6380));
        let packed = packed_with(first.as_bytes(), second.as_bytes()).unwrap();
        assert!(packed.len() * 4 < second.len(), "{} bytes", packed.len());
    }

    #[test]
    fn nothing_was_packed_into_nothing() {
        assert_eq!(unpack(&PackedText::default()), "");
    }
}
