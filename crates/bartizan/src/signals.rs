//! Signals: which of them end the process (spec §1.6).

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are listened to. SIGPIPE is ignored by Rust's own start-up code.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// A reason to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM
    Terminate,
    /// SIGINT
    Interrupt,
}

impl Stop {
    /// What the log says.
    pub(crate) const fn log_line(self) -> &'static str {
        match self {
            Self::Terminate => "Received SIGTERM scheduling shutdown...",
            Self::Interrupt => "Received SIGINT scheduling shutdown...",
        }
    }
}

impl Signals {
    /// Starts to listen. Needs the runtime.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a reason to end; SIGHUP is none. Can be dropped and called again.
    pub(crate) async fn stop(&mut self) -> Stop {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Stop::Terminate,
                _ = self.interrupt.recv() => return Stop::Interrupt,
                _ = self.hangup.recv() => {}
            }
        }
    }
}
