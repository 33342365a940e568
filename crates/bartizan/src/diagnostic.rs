//! What is wrong with a configuration, shown so that it can be put right: Redis's own lines first,
//! for tools, then the place and the word, for people.

use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use bartizan_conf::ConfError;

/// A line that cannot be used.
pub(crate) fn of_line(error: &ConfError) -> String {
    let ConfError {
        file,
        line,
        text,
        span,
        message,
        help,
        ..
    } = error;
    let help = (!help.is_empty()).then(|| Level::HELP.secondary_title(help));
    let shown = Level::ERROR.primary_title(message).element(
        Snippet::source(text)
            .line_start(*line)
            .path(file.to_string())
            .annotation(AnnotationKind::Primary.span(span.clone())),
    );
    let mut report = vec![shown];
    report.extend(help.map(Group::with_title));
    let version = format!("Bartizan {}", crate::server::info::VERSION);
    format!(
        "{}\n{}",
        error.redis_lines(&version),
        renderer().render(&report)
    )
}

/// Something that is wrong with the whole: the words that tools know, then what would be right.
pub(crate) fn of_start(words: &str, help: &str) -> String {
    let report = [Group::with_title(Level::HELP.primary_title(help))];
    format!("{words}\n\n{}", renderer().render(&report))
}

/// Colours are for terminals only.
fn renderer() -> Renderer {
    if std::io::stderr().is_terminal() {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_shown_with_its_place_its_word_and_the_remedy() {
        let error = ConfError {
            file: "/etc/s.conf".into(),
            line: 7,
            redis_line: 7,
            text: "sentinel monitor m 127.0.0.1 6379 0".to_owned(),
            span: 34..35,
            message: "Quorum must be 1 or greater.".to_owned(),
            help: "a majority, such as 2 of 3".to_owned(),
        };
        let text = of_line(&error);
        assert!(
            text.starts_with("\n*** FATAL CONFIG FILE ERROR (Bartizan "),
            "{text}"
        );
        assert!(
            text.contains("at line 7\n>>> 'sentinel monitor m 127.0.0.1 6379 0'\n"),
            "{text}"
        );
        assert!(text.contains("/etc/s.conf:7:35"), "{text}");
        assert!(text.contains("help: a majority, such as 2 of 3"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines
            .iter()
            .position(|line| line.starts_with("7 |"))
            .unwrap();
        let word = lines[shown].find(" 0").unwrap() + 1;
        assert_eq!(lines[shown + 1].find('^'), Some(word), "{text}");
    }
}
