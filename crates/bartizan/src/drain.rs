//! `bartizan drain`: makes a server safe to stop, for a pre-stop hook.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bartizan_core::provide::options::{Credentials, Secret};
use bartizan_wire::resp::Frame;
use clap::Parser;
use tokio::time::{Instant, sleep};

use crate::access::{self, Access};
use crate::cli::Sources;
use crate::exit::Exit;
use crate::rescue::conn::{Patience, Trouble, Way, text};
use crate::tls::Tls;

/// Make the Redis server on this host safe to stop, without losing a write.
///
/// Asks a Bartizan (SENTINEL DRAIN). If the server is the master, a replica takes over by a
/// switchover without loss, preferably one on another host, and the command ends when clients
/// have been told; if it is a replica, it ends at once. What gets in the way for a moment (a
/// failover under way, a replica that has to catch up) is tried again until --timeout.
///
/// Which server is meant: the one of the group that has the address from which the asked Bartizan
/// reaches it, that is the one beside it. --server names another.
///
/// Exit codes: 0 it can be stopped; 1 it cannot: the order makes no sense; 2 it could not be made
/// safe in time, or no Bartizan answered.
#[derive(Debug, Parser)]
#[command(
    name = "bartizan drain",
    disable_version_flag = true,
    after_help = "\
Examples:
  bartizan drain mymaster /etc/bartizan/sentinel.conf     the Bartizan of this file, on this host
  bartizan drain mymaster --host 10.0.0.5 --server 10.0.0.7:6379 --pass-file /etc/bartizan/pass

In a systemd unit of redis-server: ExecStop=/usr/local/bin/bartizan drain mymaster \
/etc/bartizan/sentinel.conf"
)]
struct Words {
    /// The master's name, as in `sentinel monitor`.
    name: String,
    /// The sentinel.conf of the Bartizan to ask: says its port, its password and its TLS.
    #[arg(value_name = "FILE.conf")]
    file: Option<PathBuf>,
    /// The Bartizan to ask.
    #[arg(long)]
    host: Option<String>,
    /// Its port (26379, or what the file says).
    #[arg(long)]
    port: Option<u16>,
    /// The server to drain, as the Bartizans know it.
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,
    /// How long it may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Say nothing but errors.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    access: Access,
}

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(500);
const USUAL_PORT: u16 = 26379;
const USUAL_HOST: &str = "127.0.0.1";

/// The Bartizan that is asked, and how.
struct Door {
    at: String,
    way: Way,
    login: Option<Credentials>,
}

/// What an attempt came to.
enum Attempt {
    Done,
    /// It may go well later.
    Later(String),
    /// It will not.
    Refused(String),
}

/// Carries out `bartizan drain <words>`.
///
/// # Errors
/// What went wrong before anybody was asked, for people.
pub(crate) fn run(words: &[String]) -> anyhow::Result<Exit> {
    let name = std::iter::once("bartizan drain");
    let words = match Words::try_parse_from(name.chain(words.iter().map(String::as_str))) {
        Ok(words) => words,
        Err(error) => {
            let _ = error.print();
            return Ok(if error.use_stderr() {
                Exit::Failure
            } else {
                Exit::Success
            });
        }
    };
    let command = command(&words)?;
    let door = door(&words)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(drain(&words, &door, &command)))
}

async fn drain(words: &Words, door: &Door, command: &[String]) -> Exit {
    let until = Instant::now() + Duration::from_secs(words.timeout);
    let mut told = String::new();
    if !words.quiet {
        say(&format!("asking {} for {}", door.at, command.join(" ")));
    }
    loop {
        let why = match attempt(door, command, until).await {
            Attempt::Done => {
                if !words.quiet {
                    say("it can be stopped");
                }
                return Exit::Success;
            }
            Attempt::Refused(why) => {
                complain(&why);
                return Exit::Failure;
            }
            Attempt::Later(why) => why,
        };
        if Instant::now() + AGAIN >= until {
            let seconds = words.timeout;
            complain(&format!("not within {seconds} seconds: {why}"));
            return Exit::NotInTime;
        }
        if told != why && !words.quiet {
            say(&format!("not yet: {why}"));
            told = why;
        }
        sleep(AGAIN).await;
    }
}

async fn attempt(door: &Door, command: &[String], until: Instant) -> Attempt {
    let patience = Patience {
        silence: until.saturating_duration_since(Instant::now()),
        until,
    };
    let mut conn = match access::connect(&door.at, &door.way, door.login.as_ref(), patience).await {
        Ok(conn) => conn,
        // Whoever does not let us in now will not later.
        Err(error) => match error.downcast_ref::<Trouble>() {
            Some(Trouble::Refused(..)) => return Attempt::Refused(format!("{error:#}")),
            _ => return Attempt::Later(format!("{error:#}")),
        },
    };
    match conn.call(command).await {
        Ok(Frame::Simple(_)) => Attempt::Done,
        Ok(Frame::Error(why)) => outcome(text(&why)),
        Ok(_) => Attempt::Refused(format!("{} answered in an odd way", door.at)),
        Err(trouble) => Attempt::Later(format!("{}: {trouble}", door.at)),
    }
}

/// What an error means: by its first word.
fn outcome(why: String) -> Attempt {
    let passing = [
        "INPROG",
        "NOTSAFE",
        "NOGOODSLAVE",
        "FAILOVERABORTED",
        "LOADING",
    ];
    let code = why.split(' ').next().unwrap_or_default();
    if passing.contains(&code) {
        Attempt::Later(why)
    } else if why.starts_with("ERR unknown") || why.starts_with("ERR Unknown") {
        Attempt::Refused(format!("no Bartizan is there, which could do this: {why}"))
    } else {
        Attempt::Refused(why)
    }
}

fn command(words: &Words) -> anyhow::Result<Vec<String>> {
    let mut command = vec![
        "SENTINEL".to_owned(),
        "DRAIN".to_owned(),
        words.name.clone(),
    ];
    if let Some(server) = &words.server {
        let (host, port) = server
            .rsplit_once(':')
            .context("--server wants HOST:PORT")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        command.extend([host.to_owned(), port.to_owned()]);
    }
    Ok(command)
}

fn door(words: &Words) -> anyhow::Result<Door> {
    let (mut host, mut port) = (USUAL_HOST.to_owned(), USUAL_PORT);
    let (mut tls, mut login) = (words.access.tls()?, words.access.login()?);
    if let Some(file) = &words.file {
        let found = of_file(file)?;
        (host, port) = (found.host, found.port);
        tls = tls.or(found.tls);
        login = login.or(found.login);
    }
    let host = words.host.clone().unwrap_or(host);
    let port = words.port.unwrap_or(port);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let at = if bare.contains(':') {
        format!("[{bare}]:{port}")
    } else {
        format!("{bare}:{port}")
    };
    let way = Way { source: None, tls };
    Ok(Door { at, way, login })
}

/// How the Bartizan with a file is reached from its own host.
struct Found {
    host: String,
    port: u16,
    tls: Option<std::rc::Rc<Tls>>,
    login: Option<Credentials>,
}

fn of_file(file: &Path) -> anyhow::Result<Found> {
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let server = crate::config::read(&sources)?.loaded.server;
    let is_any =
        |host: &&String| matches!(host.trim_start_matches('-'), "*" | "::*" | "0.0.0.0" | "::");
    let host = match server.bind.first().filter(|host| !is_any(host)) {
        Some(host) => host.trim_start_matches('-').to_owned(),
        None => USUAL_HOST.to_owned(),
    };
    let password = server.requirepass.as_deref().map(Secret::new);
    let login = password.map(|password| Credentials {
        user: None,
        password,
    });
    if server.port > 0 {
        let (port, tls) = (server.port, None);
        return Ok(Found {
            host,
            port,
            tls,
            login,
        });
    }
    let mut options = server.tls;
    if options.port == 0 {
        bail!("{} opens no port; name one with --port", file.display());
    }
    options.replication = true;
    let port = options.port;
    let tls = Tls::load(&options)?.0;
    Ok(Found {
        host,
        port,
        tls,
        login,
    })
}

fn say(text: &str) {
    // A reader who has left is no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "bartizan drain: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Words {
        Words::try_parse_from(line).unwrap()
    }

    #[test]
    fn the_file_says_where_a_bartizan_is_and_the_command_line_knows_better() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.conf");
        let text = "port 26400\nbind 10.1.2.3 ::1\nrequirepass secret\n";
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let found = door(&words(&["drain", "m", file])).unwrap();
        assert_eq!(found.at, "10.1.2.3:26400");
        assert_eq!(found.login.unwrap().password.reveal(), "secret");
        let found = door(&words(&[
            "drain", "m", file, "--host", "::1", "--port", "7",
        ]))
        .unwrap();
        assert_eq!(found.at, "[::1]:7");
        assert_eq!(door(&words(&["drain", "m"])).unwrap().at, "127.0.0.1:26379");
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_an_error_at_once() {
        let later = |why: &str| matches!(outcome(why.to_owned()), Attempt::Later(_));
        assert!(later("INPROG Failover already in progress"));
        assert!(later("FAILOVERABORTED the replica was lost"));
        assert!(!later("ERR No such master with that name"));
        assert!(!later("NOPERM this user has no permissions"));
    }
}
