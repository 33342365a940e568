//! Words of a line: Redis's quoting, and its inverse (spec §1.3).

use core::ops::Range;
use std::borrow::Cow;

/// A word and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word without its quotes; bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
    /// Whether `text` is all of it, with nothing replaced.
    pub(crate) exact: bool,
    /// Its bytes in the line, with its quotes.
    pub(crate) span: Range<usize>,
}

/// Cuts the blanks off both ends that Redis cuts off.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |last| last + 1);
    line.get(start..end).unwrap_or_default()
}

/// Splits a trimmed line into words. The error is the range of the word whose quotes do not
/// balance, or of a NUL byte, which no C program would read past.
pub(crate) fn split(line: &[u8]) -> Result<Vec<Word>, Range<usize>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        if byte.is_ascii_whitespace() || byte == 0x0b {
            at += 1;
            continue;
        }
        let (bytes, end) = word(line, at)?;
        let (text, exact) = match String::from_utf8(bytes) {
            Ok(text) => (text, true),
            Err(error) => (
                String::from_utf8_lossy(error.as_bytes()).into_owned(),
                false,
            ),
        };
        words.push(Word {
            text,
            exact,
            span: at..end,
        });
        at = end;
    }
    Ok(words)
}

/// The first two words of a line, without taking the rest apart. `None` for a line that needs
/// [`split`]: one with quotes, or bytes that are not plain text.
pub(crate) fn first_two(line: &[u8]) -> Option<(&str, Option<&str>)> {
    let is_plain = |b: &u8| !matches!(b, b'"' | b'\'' | 0 | 0x0b | 0x0c);
    let text = core::str::from_utf8(line).ok()?;
    let mut words = text.split_ascii_whitespace();
    let first = words.next().filter(|_| line.iter().all(is_plain))?;
    Some((first, words.next()))
}

/// `text` as one word of a line: as it is if it reads back so, else in double quotes.
pub(crate) fn quote(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b > b' ' && !matches!(b, b'"' | b'\'' | b'\\' | 0x7f);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.into();
    }
    quote_always(text)
}

/// `text` in double quotes, as Redis writes strings.
pub(crate) fn quote_always(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{7}' => out.push_str("\\a"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out.into()
}

/// Reads the word that begins at `start`: its bytes, and where it ends.
fn word(line: &[u8], start: usize) -> Result<(Vec<u8>, usize), Range<usize>> {
    let mut out = Vec::new();
    let mut at = start;
    while let Some(&byte) = line.get(at) {
        match byte {
            0 => return Err(at..at + 1),
            b' ' | b'\t' | b'\r' | b'\n' => break,
            b'"' | b'\'' => {
                let end = quoted(line, at, &mut out).ok_or(start..line.len())?;
                let closed = line
                    .get(end)
                    .is_none_or(|b| b.is_ascii_whitespace() || *b == 0x0b);
                return if closed {
                    Ok((out, end))
                } else {
                    Err(start..line.len())
                };
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    Ok((out, at))
}

/// Reads the quoted part that begins at `open`; gives the position after the closing quote.
fn quoted(line: &[u8], open: usize, out: &mut Vec<u8>) -> Option<usize> {
    let quote = *line.get(open)?;
    let mut at = open + 1;
    loop {
        let byte = *line.get(at)?;
        let next = line.get(at + 1).copied();
        match (byte, next) {
            (0, _) => return None,
            (b'\\', Some(b'\'')) if quote == b'\'' => {
                out.push(b'\'');
                at += 2;
            }
            (b'\\', Some(escaped)) if quote == b'"' => {
                let (value, used) = escape(line, at + 1, escaped);
                out.push(value);
                at += 1 + used;
            }
            (byte, _) if byte == quote => return Some(at + 1),
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// The byte that the escape at `at` (after the backslash) means, and how many bytes it takes.
fn escape(line: &[u8], at: usize, escaped: u8) -> (u8, usize) {
    let hex = |i: usize| line.get(i).and_then(|b| char::from(*b).to_digit(16));
    let byte = |high: u32, low: u32| u8::try_from(high * 16 + low).unwrap_or_default();
    match (escaped, hex(at + 1), hex(at + 2)) {
        (b'x', Some(high), Some(low)) => (byte(high, low), 3),
        (b'n', ..) => (b'\n', 1),
        (b'r', ..) => (b'\r', 1),
        (b't', ..) => (b'\t', 1),
        (b'b', ..) => (8, 1),
        (b'a', ..) => (7, 1),
        (other, ..) => (other, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        split(line.as_bytes())
            .ok()
            .map(|words| words.into_iter().map(|w| w.text).collect())
    }

    #[test]
    fn words_are_split_as_redis_splits_them() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("port 26379", Some(&["port", "26379"])),
            ("a \t b", Some(&["a", "b"])),
            (r#"a "b c" d"#, Some(&["a", "b c", "d"])),
            (r#"a """#, Some(&["a", ""])),
            (
                r#"a "\n\r\t\b\a\x41\"\\\q""#,
                Some(&["a", "\n\r\t\u{8}\u{7}A\"\\q"]),
            ),
            (r#"a "\x4""#, Some(&["a", "x4"])),
            (r"a 'it\'s \n'", Some(&["a", r"it's \n"])),
            (r#"a b"c d""#, Some(&["a", "bc d"])),
            (r"a b\c", Some(&["a", r"b\c"])),
            ("a #b", Some(&["a", "#b"])),
            (r#"a "b"c"#, None),
            (r#"a "b"#, None),
            ("a 'b", None),
            (r#"a "b\"#, None),
            ("a b\0c", None),
        ];
        for (line, want) in table {
            let want = want.map(|words| words.iter().map(|w| (*w).to_owned()).collect());
            assert_eq!(words(line), want, "{line}");
        }
    }

    #[test]
    fn the_first_two_words_are_those_of_the_whole_split() {
        for line in ["port 26379", "sentinel \t monitor m 1 2", "x", "", "a\\ b"] {
            let all = words(line).unwrap();
            let two = first_two(line.as_bytes());
            assert_eq!(two.map(|(first, _)| first), all.first().map(String::as_str));
            let second = two.and_then(|(_, second)| second);
            assert_eq!(second, all.get(1).map(String::as_str), "{line:?}");
        }
        for line in ["\"sentinel\" x", "a b 'c", "a b\0", "a\x0bb"] {
            assert_eq!(first_two(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(first_two(b"a \xff"), None);
    }

    #[test]
    fn a_word_knows_where_it_stood() {
        let words = split(br#"sentinel "a b" x"#).unwrap();
        let spans: Vec<_> = words.into_iter().map(|w| w.span).collect();
        assert_eq!(spans, [0..8, 9..14, 15..16]);
    }

    #[test]
    fn quotes_are_written_only_where_they_are_needed() {
        let table = [
            ("plain", "plain"),
            ("p#x", "p#x"),
            ("#x", "#x"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b\\", r#""a\"b\\""#),
            ("ü\n\u{1}", "\"ü\\n\\x01\""),
        ];
        for (text, want) in table {
            assert_eq!(quote(text), want);
        }
    }
}
