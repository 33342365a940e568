//! Numbers as Redis reads them: `atoi` in `sentinel` lines, strictly elsewhere.

/// What C's `atoi` family makes of `text`: blanks, a sign, digits, and the rest ignored; 0 for
/// garbage. The flag says whether all of `text` was a number. Saturates instead of wrapping.
pub(crate) fn lenient(text: &str) -> (i128, bool) {
    let body = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match body.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, body.strip_prefix('+').unwrap_or(body)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let number = digits
        .get(..end)
        .unwrap_or_default()
        .bytes()
        .fold(0i128, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(i128::from(digit - b'0'))
        });
    let clean = end > 0 && end == digits.len() && body.len() == text.len();
    (if negative { -number } else { number }, clean)
}

/// A whole decimal number and nothing else, as for directives of a data server.
pub(crate) fn strict(text: &str) -> Option<i128> {
    let (number, clean) = lenient(text);
    (clean && !text.starts_with('+')).then_some(number)
}

/// A number of bytes with a unit, in any case: `k`, `m` and `g` count in thousands, `kb`, `mb` and
/// `gb` in 1024s, as in redis.conf.
pub(crate) fn memory(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lenient_number_is_what_stands_in_front() {
        let table = [
            ("12", (12, true)),
            ("-3", (-3, true)),
            (" 7", (7, false)),
            ("5000ms", (5000, false)),
            ("abc", (0, false)),
            ("", (0, false)),
            ("-", (0, false)),
        ];
        for (text, want) in table {
            assert_eq!(lenient(text), want, "{text:?}");
        }
        assert!(lenient(&"9".repeat(500)).0 > i128::from(u64::MAX));
    }

    #[test]
    fn an_amount_of_memory_has_the_units_of_redis() {
        let table = [
            ("0", Some(0)),
            ("100", Some(100)),
            ("2k", Some(2000)),
            ("2KB", Some(2048)),
            ("1gb", Some(1 << 30)),
            ("3M", Some(3_000_000)),
            ("", None),
            ("gb", None),
            ("-1", None),
            ("1tb", None),
            ("1 gb", None),
            ("99999999999gb", None),
        ];
        for (text, want) in table {
            assert_eq!(memory(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_strict_number_is_all_digits() {
        assert_eq!(strict("10"), Some(10));
        assert_eq!(strict("-1"), Some(-1));
        for text in ["", "+1", "1x", " 1", "0x10", "10kb"] {
            assert_eq!(strict(text), None, "{text:?}");
        }
    }
}
