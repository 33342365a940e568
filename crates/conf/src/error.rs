//! Why a file cannot be used, as data: where, what, and what would be right.

use core::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The first line of a file that cannot be used. Nothing of the file has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfError {
    /// The file as shown to people: the path in [`Source`](crate::Source), the path of an
    /// included file, or `command line`.
    pub file: Arc<str>,
    /// The line in that file, from 1.
    pub line: usize,
    /// The line as Redis counts it: those of the command line go on after the file's last one.
    pub redis_line: usize,
    /// The whole line, trimmed as Redis trims it; bytes that are not UTF-8 are replaced, and every
    /// letter of a password by a star.
    pub text: String,
    /// The offending word: a range of bytes in `text`, never outside it.
    pub span: Range<usize>,
    /// What is wrong, in Redis's own words where it has some (spec §1.3, §2.1).
    pub message: String,
    /// What would be right, in a sentence or an example; may be empty.
    pub help: String,
}

impl ConfError {
    /// Redis's own lines, for tools that read stderr (spec §1.3): an empty line, the headline
    /// with `version` (such as `Bartizan 0.1.0`), the line number, the line and the message.
    pub fn redis_lines(&self, version: &str) -> String {
        let Self {
            redis_line,
            text,
            message,
            ..
        } = self;
        format!(
            "\n*** FATAL CONFIG FILE ERROR ({version}) ***\n\
             Reading the configuration file, at line {redis_line}\n>>> '{text}'\n{message}\n"
        )
    }
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl core::error::Error for ConfError {}

/// Something that loads, but probably not as its author thinks. To be logged at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file as shown to people.
    pub file: Arc<str>,
    /// The line in that file, from 1.
    pub line: usize,
    /// What was made of the line, in a sentence without a final dot.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}
