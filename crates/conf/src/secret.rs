//! Passwords do not leave the file: a line that is shown to people is shown without them.

/// The line with stars for what may be a password, letter by letter, so that every other word
/// stays where it was. Rather too much is hidden than too little: quotes may be unbalanced and
/// words misspelt.
pub(crate) fn masked(line: &str) -> String {
    let mut words = 0;
    let shown: Vec<String> = line
        .split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            let blank = piece.get(word.len()..).unwrap_or_default();
            let at = words;
            words += usize::from(!word.is_empty());
            if may_be_secret(line, at, word) {
                "*".repeat(word.len()) + blank
            } else {
                piece.to_owned()
            }
        })
        .collect();
    shown.concat()
}

/// Whether the word at `at` in this line may be a password, or part of one.
fn may_be_secret(line: &str, at: usize, word: &str) -> bool {
    let mut words = line.split_whitespace().map(str::to_ascii_lowercase);
    let first = words.next().unwrap_or_default();
    let quotes: &[char] = &['"', '\''];
    match first.trim_matches(quotes) {
        "sentinel" => {
            let what = words.next().unwrap_or_default();
            let named = usize::from(what.contains("auth"));
            what.contains("pas") && at >= 2 + named
        }
        // `>password`, `<password`, `#hash`, `!hash`; with quotes a word may have spaces inside.
        "user" => at >= 2 && (line.contains(quotes) || word.starts_with(['>', '<', '#', '!'])),
        "masterauth" => at >= 1,
        what => what.contains("pas") && at >= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_become_stars_and_nothing_moves() {
        for (line, shown) in [
            ("port 1", "port 1"),
            ("requirepass pw b", "requirepass ** *"),
            ("requirepas  pw", "requirepas  **"),
            ("requirepass ä", "requirepass **"),
            ("masterauth pw", "masterauth **"),
            ("tls-key-file-pass pw", "tls-key-file-pass **"),
            ("sentinel auth-pass m pw x", "sentinel auth-pass m ** *"),
            ("SENTINEL Auth-Pas m pw", "SENTINEL Auth-Pas m **"),
            ("sentinel sentinel-pass pw", "sentinel sentinel-pass **"),
            ("sentinel auth-user m me", "sentinel auth-user m me"),
            ("user a on >pw +get", "user a on *** +get"),
            ("user a on #12 <3 !4", "user a on *** ** **"),
            ("user a on \">p w\"", "user a ** *** **"),
            ("\"user\" \"a\" \">pw\"", "\"user\" \"a\" *****"),
            ("user a \">pw", "user a ****"),
        ] {
            assert_eq!(masked(line), shown, "{line}");
            assert_eq!(masked(line).len(), line.len());
        }
    }
}
