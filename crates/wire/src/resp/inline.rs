//! Inline requests: a line of words, some of them quoted.

use super::request::Argv;

/// Splits a line into words; `None` when a quote is not closed, or closed inside a word.
///
/// `"…"` knows `\n \r \t \b \a`, `\xHH` and `\` before anything else; `'…'` knows `\'` alone.
pub(crate) fn split(line: &[u8]) -> Option<Argv> {
    let mut words = Vec::new();
    let mut rest = skip_spaces(line);
    while !rest.is_empty() {
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = skip_spaces(behind);
    }
    Some(words)
}

/// Reads one word; gives it and what is behind it.
fn word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        rest = match rest {
            [] => return Some((out, rest)),
            [b' ' | b'\t' | b'\r' | b'\n', ..] => return Some((out, rest)),
            [b'"', inside @ ..] => return double_quoted(inside, &mut out).map(|rest| (out, rest)),
            [b'\'', inside @ ..] => return single_quoted(inside, &mut out).map(|rest| (out, rest)),
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
        };
    }
}

fn double_quoted<'a>(inside: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = inside;
    loop {
        rest = match rest {
            [] => return None,
            [b'"', behind @ ..] => return closed(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if hex(*high).is_some() && hex(*low).is_some() =>
            {
                out.push(hex(*high)? * 16 + hex(*low)?);
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                behind
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
        };
    }
}

fn single_quoted<'a>(inside: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = inside;
    loop {
        rest = match rest {
            [] => return None,
            [b'\\', b'\'', behind @ ..] => {
                out.push(b'\'');
                behind
            }
            [b'\'', behind @ ..] => return closed(behind),
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
        };
    }
}

/// A closing quote ends its word.
fn closed(behind: &[u8]) -> Option<&[u8]> {
    behind
        .first()
        .is_none_or(|byte| is_space(*byte))
        .then_some(behind)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|n| u8::try_from(n).ok())
}

/// What is skipped between words. Of these only blank, tab and line ends also end a word.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 11
}

fn skip_spaces(line: &[u8]) -> &[u8] {
    let spaces = line.iter().take_while(|byte| is_space(**byte)).count();
    line.get(spaces..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_redis_splits_them() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("PING", Some(&["PING"])),
            (" \t PING  a ", Some(&["PING", "a"])),
            ("PING 'a b'", Some(&["PING", "a b"])),
            (r#"PING "a\x41\n""#, Some(&["PING", "aA\n"])),
            (r#"PING "\xzz\q""#, Some(&["PING", "xzzq"])),
            (r"PING 'it\'s'", Some(&["PING", "it's"])),
            (r"PING 'a\n'", Some(&["PING", r"a\n"])),
            (r#"PING a"b""#, Some(&["PING", "ab"])),
            (r#"PING """#, Some(&["PING", ""])),
            (r#"PING "a"b"#, None),
            (r#"PING "a"#, None),
            ("PING 'a", None),
            (r#"PING "a\"#, None),
            ("\x0b PING\x0bx", Some(&["PING\x0bx"])),
            ("   ", Some(&[])),
            ("", Some(&[])),
        ];
        for (line, words) in table {
            let words: Option<Vec<Vec<u8>>> =
                words.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect());
            assert_eq!(split(line.as_bytes()), words, "{line}");
        }
    }
}
