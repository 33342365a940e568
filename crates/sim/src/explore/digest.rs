//! The fingerprint of a Sentinel: a hash of everything it consists of, as its `Debug` text shows
//! it. Moments become distances to now, and ids are numbered in the order in which they appear,
//! since neither their origin nor their start can change what the Sentinel does. Nothing else is
//! left out but the counters that make new ids.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use bartizan_core::time::Mono;

/// Types whose numbers only tell one thing from another.
const IDS: [&str; 5] = ["LinkId(", "CallId(", "RequestId(", "PersistSeq(", "JobId("];
/// Counters that only make new ids.
const COUNTERS: [&str; 4] = ["links: ", "calls: ", "writes: ", "next_request: "];

/// The fingerprint of this text at this moment.
pub fn digest(text: &str, now: Mono) -> u128 {
    let plain = normalise(text, now);
    let mut halves = [DefaultHasher::new(), DefaultHasher::new()];
    for (salt, half) in (1_u8..).zip(&mut halves) {
        half.write_u8(salt);
        half.write(plain.as_bytes());
    }
    halves
        .iter()
        .fold(0, |all, half| (all << 64) | u128::from(half.finish()))
}

/// The text without what cannot matter.
pub fn normalise(text: &str, now: Mono) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut known: BTreeMap<(&str, u64), usize> = BTreeMap::new();
    let mut rest = text;
    while let Some(at) = rest.find(['t', 'L', 'C', 'R', 'P', 'J', 'l', 'c', 'w', 'n']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let step = moment(from, now)
            .or_else(|| renumbered(from, &mut known))
            .or_else(|| dropped(from));
        rest = match step {
            Some((word, after)) => {
                plain.push_str(&word);
                after
            }
            None => {
                let mut chars = from.chars();
                plain.extend(chars.next());
                chars.as_str()
            }
        };
    }
    plain.push_str(rest);
    plain
}

/// `t+1234ms` as a distance to now.
fn moment(from: &str, now: Mono) -> Option<(String, &str)> {
    let (number, after) = digits(from.strip_prefix("t+")?)?;
    let after = after.strip_prefix("ms")?;
    let now = now.as_ms();
    let word = if number > now {
        format!("in{}", number - now)
    } else {
        format!("ago{}", now - number)
    };
    Some((word, after))
}

fn renumbered<'a>(
    from: &'a str,
    known: &mut BTreeMap<(&'static str, u64), usize>,
) -> Option<(String, &'a str)> {
    let kind = IDS.into_iter().find(|kind| from.starts_with(kind))?;
    let (number, after) = digits(from.strip_prefix(kind)?)?;
    let next = known.len();
    let order = *known.entry((kind, number)).or_insert(next);
    Some((format!("{kind}{order}"), after))
}

fn dropped(from: &str) -> Option<(String, &str)> {
    let counter = COUNTERS
        .into_iter()
        .find(|counter| from.starts_with(counter))?;
    let (_, after) = digits(from.strip_prefix(counter)?)?;
    Some((String::new(), after))
}

fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    Some((number.parse().ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_that_differ_in_origin_and_numbering_are_the_same() {
        let early =
            "at: t+100ms, due: t+160ms, link: LinkId(3), call: CallId(9), calls: 9, LinkId(3)";
        let late =
            "at: t+900ms, due: t+960ms, link: LinkId(7), call: CallId(12), calls: 12, LinkId(7)";
        let (a, b) = (Mono::from_ms(150), Mono::from_ms(950));
        assert_eq!(normalise(early, a), normalise(late, b));
        assert_ne!(digest(early, a), digest(late, a));
    }

    #[test]
    fn epochs_and_votes_stay_as_they_are() {
        let text = "vote: Vote { epoch: e3, leader: Some(dddddddd) }, version: 4";
        assert_eq!(normalise(text, Mono::from_ms(5)), text);
    }
}
