//! Bartizan: a Redis Sentinel. It watches masters, fails them over, and tells clients where they
//! are.
//!
//! This crate is the only one that knows sockets, files, processes and the clock. Everything that
//! is decided, is decided in `bartizan-core`; [`driver`] is the one loop between the two.

mod access;
mod again;
mod cli;
mod clock;
mod config;
mod crew;
mod daemon;
mod desk;
mod diagnostic;
mod disk;
mod drain;
mod driver;
mod early;
mod exit;
mod files;
mod front;
mod log;
mod net;
mod open_files;
mod pace;
mod random;
mod replace;
mod rescue;
mod scripts;
mod server;
mod signals;
mod start;
mod syslog;
mod title;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
mod tls;

use std::io::Write;
use std::process::ExitCode;

use cli::Invocation;
use exit::Exit;

fn main() -> ExitCode {
    let start = again::start();
    let ended = match cli::parse(start.args()) {
        Invocation::Version => say(&format!("{}\n", cli::version())),
        Invocation::Help => say(cli::HELP),
        Invocation::Rescue(words) => rescue::command::run(&words),
        Invocation::Drain(words) => drain::run(&words),
        Invocation::Acl => say(&cli::acl_users()),
        Invocation::Check(sources) => {
            config::read(&sources)
                .map_err(Into::into)
                .and_then(|config| {
                    for warning in &config.loaded.warnings {
                        say(&format!("{warning}\n"))?;
                    }
                    let (_, notices) = tls::Tls::load(&config.loaded.server.tls)?;
                    for notice in notices {
                        say(&format!("{notice}\n"))?;
                    }
                    say(&format!("{}: OK\n", config.path.display()))
                })
        }
        Invocation::Run(sources) => start::run(&sources, start),
    };
    let exit = ended.unwrap_or_else(|error| {
        // Whatever went wrong has its reason in its own words; nobody is left who could do more.
        let _ = writeln!(std::io::stderr(), "{error}");
        Exit::Failure
    });
    exit.into()
}

/// Prints to standard output. A reader who has left, as `head` does, is no error.
fn say(text: &str) -> anyhow::Result<Exit> {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(Exit::Success)
}
