//! What a word that nobody knows may have been meant to be.

use crate::directive::{sentinel, server};
use crate::line::{Fault, Line};

/// The fault of a `sentinel` line whose second word no table knows.
pub(crate) fn statement(line: &Line) -> Fault {
    let word = line
        .words
        .get(1)
        .map(|word| word.text.as_str())
        .unwrap_or_default();
    let names = sentinel::ROWS
        .iter()
        .flat_map(|row| row.aliases.iter().chain([&row.name]));
    let help = match closest(word, names.copied()) {
        Some(name) => format!("did you mean `sentinel {name}`?"),
        None => "a directive of a Sentinel, such as `sentinel monitor`".to_owned(),
    };
    Fault::line("Unrecognized sentinel configuration statement.", help)
}

/// What a directive that no table knows may have been meant to be.
pub(crate) fn directive(word: &str) -> String {
    let names = server::ROWS
        .iter()
        .map(|row| row.name)
        .chain(["sentinel", "include"]);
    if let Some(row) = sentinel::find(word) {
        return format!(
            "this belongs behind `sentinel`: `sentinel {} {}`",
            row.name, row.usage
        );
    }
    match closest(word, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "a directive that Redis 7 or Valkey 8 knows".to_owned(),
    }
}

/// The name that is a slip or two away from `word`.
fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let word: Vec<char> = word.to_ascii_lowercase().chars().take(LONGEST).collect();
    let slips = (word.len() / 4).clamp(1, 3);
    let candidates = names.map(|name| (distance(&word, name), name));
    candidates
        .filter(|(slips_needed, _)| *slips_needed <= slips)
        .min()
        .map(|(_, name)| name)
}

/// Letters to change, add or take away to get from one word to the other. The same letters in
/// another order are one slip.
fn distance(word: &[char], name: &str) -> usize {
    let sorted = |mut letters: Vec<char>| {
        letters.sort_unstable();
        letters
    };
    if sorted(word.to_vec()) == sorted(name.chars().collect()) {
        return 1;
    }
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (i, letter) in name.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for (known, above) in word.iter().zip(row.windows(2)) {
            let &[diagonal, above] = above else { continue };
            left = (diagonal + usize::from(*known != letter))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
