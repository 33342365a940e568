//! The exit codes of the process.

use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// An orderly shutdown, `--help`, `--version`, or a good `--check-config`.
    Success,
    /// It could not start, or was told twice to stop.
    Failure,
    /// `bartizan drain` could not make a server safe to stop in time.
    NotInTime,
    /// `SENTINEL SIMULATE-FAILURE`: this code, 99 (spec §10.9).
    Crash(u8),
}

impl Exit {
    /// The code that the parent sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::NotInTime => 2,
            Self::Crash(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
