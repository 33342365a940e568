//! One line of text and where it came from.

use core::ops::Range;
use std::sync::Arc;

use crate::document::statement;
use crate::error::{ConfError, Warning};
use crate::secret::masked;
use crate::token::{self, Word};

/// What kind of text a line stands in. Later kinds are closer to the operator's last word,
/// except that a monitored master's address is known best by the file that we rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A file that an `include` line brought in; never rewritten.
    Included,
    /// The file itself.
    Main,
    /// The command line.
    Extra,
}

/// Where a line stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) file: Arc<str>,
    pub(crate) number: usize,
    pub(crate) redis_number: usize,
}

/// A line with at least one word.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) words: Vec<Word>,
}

/// Why a directive cannot be used, before it is known on which line.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Index of the offending word among the directive's arguments; `None` for all of the line.
    pub(crate) argument: Option<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    /// A fault of the whole line.
    pub(crate) fn line(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            argument: None,
            message: message.into(),
            help: help.into(),
        }
    }

    /// A fault of one argument.
    pub(crate) fn at(argument: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            argument: Some(argument),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl Place {
    /// The error that `text`, which stands here, is not a line at all.
    fn unbalanced(&self, text: String, span: Range<usize>) -> ConfError {
        ConfError {
            file: Arc::clone(&self.file),
            line: self.number,
            redis_line: self.redis_number,
            span,
            text: masked(&text),
            message: "Unbalanced quotes in configuration line".to_owned(),
            help: "a quoted word ends with the quote it began with, followed by a space or \
                   nothing; inside \"…\" write \\\" for a quote"
                .to_owned(),
        }
    }

    /// A warning about this place.
    pub(crate) fn warning(&self, message: String) -> Warning {
        Warning {
            file: Arc::clone(&self.file),
            line: self.number,
            message,
        }
    }
}

impl Line {
    /// Reads a line; `None` for an empty one and for a comment.
    pub(crate) fn read(raw: &[u8], place: Place) -> Result<Option<Self>, ConfError> {
        let Some(trimmed) = statement(token::trim(raw)) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(trimmed).into_owned();
        // Where a byte of the line is in `text`, which may be longer. Words begin and end beside
        // ASCII, so a prefix is replaced as it is within the whole.
        let shown = |at: usize| {
            trimmed
                .get(..at)
                .map_or(text.len(), |prefix| String::from_utf8_lossy(prefix).len())
        };
        let shown = |span: Range<usize>| shown(span.start)..shown(span.end);
        match token::split(trimmed) {
            Ok(words) if words.is_empty() => Ok(None),
            Ok(mut words) => {
                for word in &mut words {
                    word.span = shown(word.span.clone());
                }
                Ok(Some(Self { place, text, words }))
            }
            Err(span) => {
                let span = shown(span);
                Err(place.unbalanced(text, span))
            }
        }
    }

    /// The directive's name, in lower case.
    pub(crate) fn name(&self) -> String {
        self.words
            .first()
            .map(|word| word.text.to_ascii_lowercase())
            .unwrap_or_default()
    }

    /// The words from the `n`th on.
    pub(crate) fn arguments(&self, n: usize) -> Vec<&str> {
        self.words
            .iter()
            .skip(n)
            .map(|word| word.text.as_str())
            .collect()
    }

    /// Whether every byte of every word is part of UTF-8 text.
    pub(crate) fn is_exact(&self) -> bool {
        self.words.iter().all(|word| word.exact)
    }

    /// The error that `fault` is on this line, whose arguments begin at word `n`.
    pub(crate) fn error(&self, fault: Fault, n: usize) -> ConfError {
        let word = fault
            .argument
            .and_then(|argument| self.words.get(argument + n));
        let span = word.map_or(0..self.text.len(), |word| word.span.clone());
        ConfError {
            file: Arc::clone(&self.place.file),
            line: self.place.number,
            redis_line: self.place.redis_number,
            text: masked(&self.text),
            span,
            message: fault.message,
            help: fault.help,
        }
    }
}
