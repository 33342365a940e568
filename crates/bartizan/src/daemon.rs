//! Living in the background: `daemonize`, the pid file, a supervisor that waits for us.

use std::path::{Path, PathBuf};

use bartizan_conf::Supervised;

/// Where Redis puts the pid of a daemon without a `pidfile`.
const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

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
            "The pid file {path} cannot be written: {}",
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
