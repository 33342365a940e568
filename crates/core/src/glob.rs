//! Redis's glob patterns, over bytes: `*`, `?`, `[a-z]`, `[^a]`, `\` before what is meant literally.
//!
//! Iterative, and it only ever goes back to the last `*`: a hostile pattern costs at most the
//! product of both lengths. The odd cases are Redis's own: `!` and `{` are literal, a class that
//! is never closed ends with the pattern, a range may be written backwards.

/// Whether all of `text` matches `pattern`, case-sensitively.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, |byte| byte)
}

/// The same with ASCII letters of either case alike.
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, |byte| byte.to_ascii_lowercase())
}

fn run(pattern: &[u8], text: &[u8], fold: fn(u8) -> u8) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on after a mismatch: behind the last star, one more byte of text given to it.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', behind)) = pattern.split_first() {
            pattern = behind;
            retry = Some((behind, text));
            continue;
        }
        let Some((&byte, behind)) = text.split_first() else {
            return pattern.is_empty();
        };
        if let Some(rest) = one(pattern, byte, fold) {
            (pattern, text) = (rest, behind);
            continue;
        }
        let Some((star, (_, given))) = retry.and_then(|(p, t)| Some((p, t.split_first()?))) else {
            return false;
        };
        (pattern, text) = (star, given);
        retry = Some((star, given));
    }
}

/// Matches one byte; gives the pattern behind what matched it.
fn one(pattern: &[u8], byte: u8, fold: fn(u8) -> u8) -> Option<&[u8]> {
    let same = |p: u8| fold(p) == fold(byte);
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, fold(byte), fold),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => same(*literal).then_some(rest),
    }
}

/// Matches a byte, already folded, against a class whose `[` was read.
fn class(pattern: &[u8], byte: u8, fold: fn(u8) -> u8) -> Option<&[u8]> {
    let (negated, mut pattern) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    loop {
        pattern = match pattern {
            [] => break,
            [b']', rest @ ..] => {
                pattern = rest;
                break;
            }
            [b'\\', literal, rest @ ..] => {
                found |= fold(*literal) == byte;
                rest
            }
            [from, b'-', to, rest @ ..] => {
                let (from, to) = (fold(*from.min(to)), fold(*from.max(to)));
                found |= (from..=to).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                found |= fold(*literal) == byte;
                rest
            }
        };
    }
    (found != negated).then_some(pattern)
}
