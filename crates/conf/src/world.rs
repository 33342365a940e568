//! What the text of a file cannot tell by itself.

/// Answers from outside: the caller's file system, as the loader needs it.
///
/// Relative paths are relative to the directory entered last, or to the one the process
/// started in.
pub trait World {
    /// Follows a `dir` line, at once as Redis does. An error is the reason as the system words
    /// it (`No such file or directory`).
    fn enter_dir(&mut self, path: &str) -> Result<(), String>;

    /// The files that an `include` line means: one for a plain path, in order of their names
    /// (possibly none) for a pattern with `*`, `?` or `[`. An error is the reason as the system
    /// words it.
    fn include(&mut self, pattern: &str) -> Result<Vec<Included>, String>;

    /// Whether there is a program at `path` that we may run (`access(X_OK)`, spec §2.1).
    fn is_executable(&self, path: &str) -> bool;
}

/// A file that an `include` line brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its path, as people should see it.
    pub path: String,
    /// What is in it.
    pub text: Vec<u8>,
}

/// A world without a file system: every directory can be entered, every script can be run and
/// nothing can be included. For simulations, tests and checks of text that came from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaperWorld;

impl World for PaperWorld {
    fn enter_dir(&mut self, _path: &str) -> Result<(), String> {
        Ok(())
    }

    fn include(&mut self, _pattern: &str) -> Result<Vec<Included>, String> {
        Err("No such file or directory".to_owned())
    }

    fn is_executable(&self, _path: &str) -> bool {
        true
    }
}
