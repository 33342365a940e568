//! Integers as Redis writes and reads them.

/// Reads a decimal integer in its one canonical form: no plus sign, no leading zeros, no spaces.
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [] | [b'0', ..] => return None,
        _ => {}
    }
    digits.iter().try_fold(0_i64, |n, digit| {
        let value = i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        // Counting down from zero for negative numbers reaches the smallest one too.
        n.checked_mul(10)?
            .checked_add(if negative { -value } else { value })
    })
}

#[cfg(test)]
mod tests {
    use super::parse_integer;

    #[test]
    fn only_canonical_integers_are_read() {
        for n in [0, 1, -1, 10, -10, i64::MAX, i64::MIN] {
            assert_eq!(parse_integer(n.to_string().as_bytes()), Some(n));
        }
        let bad = [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "-01",
            "1.5",
            "1e3",
            "0x1",
            "x",
            "--1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ];
        for text in bad {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
    }
}
