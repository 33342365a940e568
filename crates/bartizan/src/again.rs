//! Starting the same program again: as a daemon, and under the title that the process shows
//! (`daemonize`, `set-proc-title`; spec §1.3).
//!
//! To fork is unsafe in a language that may already have threads, and to write over one's own
//! arguments touches memory that is not Rust's. A second start needs neither: the kernel itself
//! writes the title in place of the command line, and what the first start was told comes along
//! in the environment.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

/// Where a second start finds what the first one was told. Not passed on to scripts.
pub(crate) const MARK: &str = "BARTIZAN_STARTED_AS";
/// The name of this process in short, as `ps -C` and `pgrep` read it.
const SHORT_NAME: &str = "/proc/self/comm";

/// How this process came to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// All words of the command line that a person wrote, the program's own name first.
    words: Vec<String>,
    /// Which of the starts this is.
    turn: Turn,
    /// The short name of the first process.
    short_name: String,
    /// What is to be told once there is a log.
    notes: Vec<String>,
}

/// Which start of the program a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Turn {
    /// The one that somebody asked for.
    First,
    /// The same process again, under its title.
    Titled,
    /// The one in the background.
    Daemon,
}

/// How this process was started. Whoever is a second start takes the short name of the first.
pub(crate) fn start() -> Start {
    let told = std::env::var(MARK)
        .ok()
        .and_then(|told| serde_json::from_str::<Start>(&told).ok());
    if let Some(start) = told {
        // Only people look at it; the process is the same under another name.
        let _ = std::fs::write(SHORT_NAME, &start.short_name);
        return start;
    }
    Start {
        words: std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        turn: Turn::First,
        short_name: std::fs::read_to_string(SHORT_NAME)
            .map(|name| name.trim_end().to_owned())
            .unwrap_or_default(),
        notes: Vec::new(),
    }
}

impl Start {
    /// Which of the starts this is.
    pub(crate) const fn turn(&self) -> Turn {
        self.turn
    }

    /// The name that the program was started under.
    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What was said to it, behind its name.
    pub(crate) fn args(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Keeps a line for the log, which the last of the starts has.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// The lines for the log.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Starts the program a second time in place of this process, which keeps its id.
    ///
    /// Comes back only where that is impossible, with the reason; nothing has changed then.
    pub(crate) fn take_title(&self, place: &Place<'_>, title: &str) -> io::Error {
        let here = std::env::current_dir();
        let why = self
            .again(Turn::Titled, place, Some(title))
            .map_or_else(|error| error, |mut command| command.exec());
        // On its way to a second start the process has gone back to where the first one began.
        match here.and_then(std::env::set_current_dir) {
            Ok(()) => why,
            Err(lost) => lost,
        }
    }

    /// Starts the program again in the background, and leaves it there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn spawn_daemon(&self, place: &Place<'_>, title: Option<&str>) -> io::Result<()> {
        let mut command = self.again(Turn::Daemon, place, title)?;
        if place.input.is_none() {
            command.stdin(Stdio::null());
        }
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(drop)
    }

    fn again(&self, turn: Turn, place: &Place<'_>, title: Option<&str>) -> io::Result<Command> {
        let told = Self {
            turn,
            ..self.clone()
        };
        let mut command = Command::new(std::env::current_exe()?);
        match title {
            Some(title) => command.arg0(title),
            None => command.arg0(self.name()).args(self.args()),
        };
        command
            .env(MARK, serde_json::to_string(&told)?)
            .current_dir(place.dir);
        if let Some(input) = place.input {
            command.stdin(Stdio::from(remembered(input)?));
        }
        Ok(command)
    }
}

/// What a second start finds as the first one found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The directory that the first start began in, so that relative paths mean the same.
    pub(crate) dir: &'a Path,
    /// What was read from standard input, if it was.
    pub(crate) input: Option<&'a [u8]>,
}

/// What this process does first in the background: leave the terminal's session.
pub(crate) fn detach() {
    // It fails only for a process that leads its group already, which then needs no leaving.
    let _ = nix::unistd::setsid();
}

/// A file without a name, to be read from its beginning.
fn remembered(text: &[u8]) -> io::Result<OwnedFd> {
    let name = CString::new("standard input")?;
    let mut file = File::from(memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text)?;
    file.rewind()?;
    Ok(file.into())
}
