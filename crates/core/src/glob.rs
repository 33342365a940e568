//! Redis's glob patterns: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, `\x`. Nothing else is special.

/// Whether `text` matches `pattern`, byte by byte, without recursion.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (pattern, text);
    // Where to go on after the last star, if what follows it does not match here.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (p.split_first(), t.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                retry = Some((rest, t));
                p = rest;
                continue;
            }
            (Some(_), Some((&byte, text_rest))) => {
                match_one(p, byte).map(|pattern_rest| (pattern_rest, text_rest))
            }
            (None, Some(_)) | (Some(_), None) => None,
        };
        match (step, retry) {
            (Some((pattern_rest, text_rest)), _) => (p, t) = (pattern_rest, text_rest),
            (None, Some((after_star, from))) => {
                let Some((_, shorter)) = from.split_first() else {
                    return false;
                };
                retry = Some((after_star, shorter));
                (p, t) = (after_star, shorter);
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte against the head of a pattern; what is left of the pattern if it does.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (head, rest) = pattern.split_first()?;
    match (head, rest.split_first()) {
        (b'?', _) => Some(rest),
        (b'[', _) => {
            let (found, rest) = match_class(rest, byte);
            found.then_some(rest)
        }
        (b'\\', Some((escaped, rest))) => (*escaped == byte).then_some(rest),
        (literal, _) => (*literal == byte).then_some(rest),
    }
}

/// Matches a class after its `[`; an unclosed one ends with the pattern.
fn match_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match class.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, rest),
            [b']', rest @ ..] => return (found != negated, rest),
            [b'\\', escaped, rest @ ..] => {
                found |= *escaped == byte;
                rest
            }
            [low, b'-', high, rest @ ..] => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                rest
            }
            [one, rest @ ..] => {
                found |= *one == byte;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_redis_matches_them() {
        let table = [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("my*", "mymaster", true),
            ("my*r", "mymaster", true),
            ("my*x", "mymaster", false),
            ("h?llo", "hello", true),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("[!a]", "!", true),
            ("[!a]", "b", false),
            ("[-+]sdown", "-sdown", true),
            ("[-+]sdown", "+sdown", true),
            ("{a}", "{a}", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a*b*c", "aXbYbZc", true),
            ("[abc", "a", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} against {text}"
            );
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "a*".repeat(64) + "b";
        let text = "a".repeat(10_000);
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
