//! Patterns, each compared with what `KEYS` of a redis-server 7.0.15 says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::Instant;

use bartizan_wire::glob::{matches, matches_ignoring_case};

use support::Dice;

#[test]
fn patterns_match_as_in_redis() {
    for (pattern, yes, no) in [
        ("", &[""][..], &["a"][..]),
        ("*", &["", "a", "+sdown"], &[]),
        ("***", &["", "abc"], &[]),
        ("?", &["a"], &["", "ab"]),
        ("a*c", &["ac", "abc", "acbc"], &["a", "abcd"]),
        ("*a*b*", &["ab", "xaybz", "aab"], &["ba", "a"]),
        ("h[ae]llo", &["hello", "hallo"], &["hillo", "hllo"]),
        ("h[^e]llo", &["hallo", "h^llo"], &["hello"]),
        ("h[a-c]t", &["hat", "hbt", "hct"], &["hdt", "h-t"]),
        ("h[c-a]t", &["hat", "hbt", "hct"], &["hdt"]),
        ("[-+]sdown", &["+sdown", "-sdown"], &["sdown", ",sdown"]),
        ("[!a]", &["!", "a"], &["b"]),
        ("{a,b}", &["{a,b}"], &["a", "b"]),
        ("\\*", &["*"], &["a", "\\*"]),
        ("a\\", &["a\\"], &["a"]),
        ("[\\]]", &["]"], &["\\", "a"]),
        ("[abc", &["a", "c"], &["[abc", "d"]),
        ("[", &[], &["[", ""]),
        ("[]", &[], &["]", "[", ""]),
        ("[^]", &["a", "]"], &[""]),
        // From `]` to `a`, and never closed.
        ("[a-]", &["a", "^", "]"], &["b", "-"]),
        ("[a-", &["a", "-"], &["b"]),
        ("A", &["A"], &["a"]),
    ] {
        for text in yes {
            assert!(
                matches(pattern.as_bytes(), text.as_bytes()),
                "{pattern} {text}"
            );
        }
        for text in no {
            assert!(
                !matches(pattern.as_bytes(), text.as_bytes()),
                "{pattern} {text}"
            );
        }
    }
}

#[test]
fn case_can_be_ignored() {
    for (pattern, text) in [
        ("Announce-*", "ANNOUNCE-ip"),
        ("[A-C]x", "bX"),
        ("\\X", "x"),
    ] {
        assert!(matches_ignoring_case(pattern.as_bytes(), text.as_bytes()));
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}

#[test]
fn hostile_patterns_end_soon() {
    let start = Instant::now();
    assert!(!matches(&b"*a".repeat(5000), &vec![b'a'; 4999]));
    assert!(!matches(
        &[b"a*".repeat(5000), b"b".to_vec()].concat(),
        &vec![b'a'; 20_000]
    ));
    assert!(!matches(&b"[".repeat(100_000), &vec![b'['; 1000]));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn noise_never_panics() {
    let mut dice = Dice(0x610b);
    for _ in 0..50_000 {
        let (p, t) = (dice.roll(9), dice.roll(6));
        let (p, t) = (
            dice.bytes(p, b"ab*?[]^-\\c!{"),
            dice.bytes(t, b"abc-]^[\\!"),
        );
        let exact = matches(&p, &t);
        assert!(!exact || matches_ignoring_case(&p, &t));
    }
}
