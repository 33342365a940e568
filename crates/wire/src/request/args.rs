//! Reading arguments.

use std::borrow::Cow;
use std::sync::Arc;

use bartizan_core::ids::MasterName;
use bartizan_core::provide::reply::Reply;

use crate::resp::{Argv, parse_integer};

/// The word at `at`, or nothing. Arity was checked, so it is there when it has to be.
pub(super) fn word(argv: &Argv, at: usize) -> &[u8] {
    argv.get(at).map_or(&[], Vec::as_slice)
}

/// Whether the word at `at` is this one, in any case.
pub(super) fn is(argv: &Argv, at: usize, what: &str) -> bool {
    word(argv, at).eq_ignore_ascii_case(what.as_bytes())
}

/// The words from `at` on.
pub(super) fn words(argv: &Argv, at: usize) -> &[Vec<u8>] {
    argv.get(at..).unwrap_or_default()
}

/// The word at `at` as text, what is not UTF-8 replaced.
pub(super) fn text(argv: &Argv, at: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(word(argv, at))
}

/// The words from `at` on as texts.
pub(super) fn texts(argv: &Argv, at: usize) -> Vec<Arc<str>> {
    words(argv, at)
        .iter()
        .map(|word| Arc::from(String::from_utf8_lossy(word)))
        .collect()
}

/// The word at `at` as a master's name.
pub(super) fn name(argv: &Argv, at: usize) -> MasterName {
    MasterName::new(&text(argv, at))
}

/// The word at `at` as an integer, or the general error.
pub(super) fn integer(argv: &Argv, at: usize) -> Result<i64, Reply> {
    integer_or(argv, at, "ERR value is not an integer or out of range")
}

/// The word at `at` as an integer, or this error.
pub(super) fn integer_or(argv: &Argv, at: usize, error: &'static str) -> Result<i64, Reply> {
    parse_integer(word(argv, at)).ok_or_else(|| Reply::error(error))
}

/// Foreign bytes inside an error: cut at the first NUL and at `longest` bytes, as Redis does.
/// Line ends are taken care of when the error is encoded.
pub(super) fn shown(bytes: &[u8], longest: usize) -> Cow<'_, str> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes.get(..longest).unwrap_or(bytes))
}

/// The reply to words that make no sense together.
pub(super) fn syntax_error() -> Reply {
    Reply::error("ERR syntax error")
}

/// A name that is shown in lists, one client a line: visible ASCII only.
pub(super) fn plain(bytes: &[u8], what: &str) -> Result<Vec<u8>, Reply> {
    if bytes.iter().all(u8::is_ascii_graphic) {
        return Ok(bytes.to_vec());
    }
    let error = format!("ERR {what} cannot contain spaces, newlines or special characters.");
    Err(Reply::error(error))
}
