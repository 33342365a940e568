//! Living in the background: `daemonize`, the pid file, a supervisor that waits for us.
//!
//! To fork is unsafe in a language that may already have threads, so the daemon is a second start
//! of the same program: detached from the terminal's streams, in a session of its own.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bartizan_conf::Supervised;

/// Tells the second start that it is one. Not passed on to scripts.
pub(crate) const MARK: &str = "BARTIZAN_DAEMON";
/// Where Redis puts the pid of a daemon without a `pidfile`.
const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

/// Whether this process is the daemon that [`spawn`] started.
pub(crate) fn is_daemon() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts the program again as a daemon, in `dir`, the directory that the first start began in,
/// so that relative paths mean the same. `input` is what was read from standard input.
///
/// # Errors
/// When the program cannot be started.
pub(crate) fn spawn(dir: &Path, input: &[u8]) -> io::Result<()> {
    let mut words = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command.args(words).env(MARK, "1").current_dir(dir);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input)?;
    }
    Ok(())
}

/// What the daemon itself does first: leave the terminal's session.
pub(crate) fn detach() {
    // It fails only for a process that leads its group already, which then needs no leaving.
    let _ = nix::unistd::setsid();
}

/// A file that is there while this process is; removed when dropped.
#[derive(Debug)]
pub(crate) struct OwnFile(PathBuf);

impl OwnFile {
    /// The file at `path`, which exists. The directory may change, and it stays the same file.
    pub(crate) fn at(path: &Path) -> Self {
        Self(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes the pid file where it was asked for; a daemon always has one.
///
/// # Errors
/// The path and the reason, when it cannot be written: worth a line in the log, no more.
pub(crate) fn write_pid(path: Option<&str>, daemonized: bool) -> Result<Option<OwnFile>, String> {
    let path = match path {
        Some(path) if !path.is_empty() => path,
        _ if daemonized => DEFAULT_PID_FILE,
        _ => return Ok(None),
    };
    match std::fs::write(path, format!("{}\n", std::process::id())) {
        Ok(()) => Ok(Some(OwnFile::at(Path::new(path)))),
        Err(error) => Err(format!(
            "Failed to write PID file '{path}': {}",
            crate::disk::reason(&error)
        )),
    }
}

/// Tells systemd that we are ready, if it started us and waits for that. Where nobody listens
/// this does nothing.
pub(crate) fn notify_ready(supervised: Supervised) {
    if matches!(supervised, Supervised::Systemd | Supervised::Auto) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }
}

/// Tells systemd's watchdog, if it has one for us, that the loop still turns; twice as often as it
/// wants to hear. It runs on the loop's own thread, so that a loop that hangs is restarted.
pub(crate) async fn pet_watchdog(supervised: Supervised) {
    let wanted = matches!(supervised, Supervised::Systemd | Supervised::Auto);
    let Some(patience) = sd_notify::watchdog_enabled().filter(|_| wanted) else {
        return;
    };
    loop {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        tokio::time::sleep(patience / 2).await;
    }
}

/// Tells systemd that we are about to end.
pub(crate) fn notify_stopping(supervised: Supervised) {
    if matches!(supervised, Supervised::Systemd | Supervised::Auto) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    }
}
