//! The system's log, beside our own (`syslog-enabled`, spec §1.3): one datagram a line, in the
//! form that openlog(3) and syslog(3) send. Those need unsafe code here, and the crates that do
//! without it bring more than this file.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use bartizan_conf::SyslogFacility;
use bartizan_core::notify::event::Level;

/// Where the system's log listens.
pub(crate) const SOCKET: &str = "/dev/log";

/// Where and under which name to log. Nobody who listens is no error: a system may be without.
#[derive(Debug)]
pub(crate) struct Syslog {
    socket: Option<UnixDatagram>,
    path: PathBuf,
    ident: String,
    facility: u8,
}

impl Syslog {
    /// Logs to the socket at `path` as `ident`.
    pub(crate) fn new(path: PathBuf, ident: String, facility: SyslogFacility) -> Self {
        let socket = UnixDatagram::unbound().ok();
        // A system log that hangs loses lines and stops nobody.
        let socket = socket.filter(|socket| socket.set_nonblocking(true).is_ok());
        Self {
            socket,
            path,
            ident,
            facility: number(facility),
        }
    }

    /// Sends one line.
    pub(crate) fn send(&self, level: Level, time: &str, pid: u32, text: &str) {
        let priority = self.facility * 8 + severity(level);
        let line = format!("<{priority}>{time} {}[{pid}]: {text}", self.ident);
        if let Some(socket) = &self.socket {
            let _ = socket.send_to(line.as_bytes(), &self.path);
        }
    }
}

const fn severity(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Verbose => 6,
        Level::Notice => 5,
        Level::Warning => 4,
    }
}

const fn number(facility: SyslogFacility) -> u8 {
    match facility {
        SyslogFacility::User => 1,
        SyslogFacility::Local0 => 16,
        SyslogFacility::Local1 => 17,
        SyslogFacility::Local2 => 18,
        SyslogFacility::Local3 => 19,
        SyslogFacility::Local4 => 20,
        SyslogFacility::Local5 => 21,
        SyslogFacility::Local6 => 22,
        SyslogFacility::Local7 => 23,
    }
}
