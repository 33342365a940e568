//! The command line as lines of the file (spec §1.1).

use crate::token;

/// Lines for [`Source::extra`](crate::Source::extra) from the arguments after the file name: each word that begins
/// with `--` starts a line, the words after it are its values, quoted (spec §1.1).
///
/// The word right after a directive is its value even if it begins with `--`, except after
/// `--sentinel` and `--save`, as in Redis 7.0.
pub fn lines_from_args<S: AsRef<str>>(args: &[S]) -> Vec<u8> {
    let mut lines = String::new();
    let mut wants_value = false;
    for arg in args.iter().map(AsRef::as_ref) {
        match arg.strip_prefix("--") {
            Some(name) if !wants_value => {
                if !lines.is_empty() {
                    lines.push('\n');
                }
                lines.push_str(name);
                wants_value = !matches!(name.to_ascii_lowercase().as_str(), "sentinel" | "save");
            }
            _ => {
                if !lines.is_empty() {
                    lines.push(' ');
                }
                lines.push_str(&token::quote_always(arg));
                wants_value = false;
            }
        }
    }
    lines.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_lines_as_in_redis() {
        let table: &[(&[&str], &str)] = &[
            (&[], ""),
            (
                &["--port", "1", "--bind", "a", "b c"],
                "port \"1\"\nbind \"a\" \"b c\"",
            ),
            (&["--sentinel", "--port", "1"], "sentinel\nport \"1\""),
            (&["--sentinel", "myid", "x"], "sentinel \"myid\" \"x\""),
            (
                &["--requirepass", "--x", "--port", "1"],
                "requirepass \"--x\"\nport \"1\"",
            ),
            (&["bogus", "--port", "1"], "\"bogus\"\nport \"1\""),
            (&["--bogus", "a\"b"], "bogus \"a\\\"b\""),
        ];
        for (args, lines) in table {
            assert_eq!(
                String::from_utf8(lines_from_args(args)).unwrap(),
                *lines,
                "{args:?}"
            );
        }
    }
}
