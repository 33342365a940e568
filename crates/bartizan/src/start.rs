//! Coming up: from a configuration to a running loop (spec §1.5), and going down again (§1.6).

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;
use bartizan_conf::{LogFormat, LogTimestamps, ServerOptions};
use bartizan_core::ids::RunId;
use bartizan_core::provide::options::{Credentials, Secret};
use bartizan_core::sentinel::{Boot, Sentinel};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::again::{self, Place, Start, Turn};
use crate::cli::Sources as Given;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::daemon::{self, OwnFile};
use crate::desk::Desk;
use crate::disk::{self, Disk};
use crate::driver::{Driver, Owed, Sources, WAITING_INPUTS, WAITING_WISHES, reporter};
use crate::early;
use crate::exit::Exit;
use crate::front;
use crate::log::{Format, Log, Settings, TimeFormat};
use crate::net::link::{Dialling, Links};
use crate::net::resolve::Resolver;
use crate::open_files;
use crate::pace::{Pace, SOCKETS_A_TURN};
use crate::random::random_id;
use crate::replace;
use crate::rescue::Rescues;
use crate::scripts::Scripts;
use crate::server::acl::{Roster, Users};
use crate::server::directory::Directory;
use crate::server::info::{Process, VERSION};
use crate::server::{Hall, listen};
use crate::signals::Signals;
use crate::syslog::{self, Syslog};
use crate::title;
use crate::tls::{self, Tls};

/// Runs a Sentinel until it has to end.
///
/// # Errors
/// What prevented the start, ready to be shown.
pub(crate) fn run(given: &Given, mut start: Start) -> anyhow::Result<Exit> {
    let began_in = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    if recover(given)? {
        start.note(
            "The last rewrite of the configuration file was cut off. The text before it was put \
             back: nothing that anybody was told is lost",
        );
    }
    let config = config::read(given)?;
    let title = title::title(&config, start.name());
    let place = Place {
        dir: &began_in,
        input: config.input.as_deref(),
    };
    match start.turn() {
        Turn::First if config.loaded.server.daemonize => {
            start
                .spawn_daemon(&place, title.as_deref())
                .context("cannot start the daemon")?;
            return Ok(Exit::Success);
        }
        Turn::First => {
            if let Some(title) = title {
                let why = start.take_title(&place, &title);
                start.note(format!(
                    "The command line stays the title of the process: {why}"
                ));
            }
        }
        Turn::Titled => {}
        Turn::Daemon => again::detach(),
    }
    let log = start_log(&config.loaded.server)?;
    greet(&log, &config);
    for note in start.notes() {
        log.warning(note.clone());
    }
    let max_clients = open_files::allow(&log, config.loaded.server.maxclients);
    let supervised = config.loaded.server.supervised;
    let pace = Pace::new(Clock);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(SOCKETS_A_TURN)
        .on_thread_park(pace.on_wait())
        .on_thread_unpark(pace.on_return())
        .build()?;
    let local = LocalSet::new();
    let exit = local.block_on(
        &runtime,
        live(config, start.turn(), log.clone(), max_clients, pace),
    );
    daemon::notify_stopping(supervised);
    log.flush();
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    exit
}

/// Puts the file in order before it is read; whether that was needed.
fn recover(given: &Given) -> anyhow::Result<bool> {
    let Some(file) = given.file.as_deref() else {
        return Ok(false);
    };
    replace::recover(file).map_err(|error| {
        anyhow::anyhow!(
            "The last rewrite of {} has not ended, and the copy beside it cannot be put back: {}",
            file.display(),
            disk::reason(&error)
        )
    })
}

/// Opens the sockets, puts everything together, and runs the loop.
async fn live(
    config: Config,
    turn: Turn,
    log: Log,
    max_clients: u32,
    pace: Pace,
) -> anyhow::Result<Exit> {
    let server = &config.loaded.server;
    let opened = load_tls(server, &log).and_then(|tls| {
        let listeners = listen::open(server, tls.as_ref())?;
        Ok((tls, listeners))
    });
    let (tls, listeners) = match opened {
        Ok(opened) => opened,
        Err(lines) => {
            for line in &lines {
                log.warning(line);
            }
            // The log may be a file that nobody looks at while the start fails.
            let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
            return Ok(Exit::Failure);
        }
    };
    // What belongs to a process is touched only by who has the port: a second start on the file of
    // a running one ends above.
    replace::clean_up(&config.path);
    let _traces = leave_traces(server, turn, &log);
    let supervised = server.supervised;
    if let Some(tls) = &tls {
        tokio::task::spawn_local(tls::watch(Rc::clone(tls), log.clone()));
    }
    let dialling = Dialling {
        source: source_address(server)?,
        tls: tls.filter(|tls| tls.is_for_links()),
    };
    let clients = LocalSet::new();
    clients.spawn_local(pace.clone().hear_clients());
    tokio::task::spawn_local(pace.clone().hear_others());
    let (driver, sources) = assemble(config, log, max_clients, dialling, pace)?;
    for listener in listeners {
        clients.spawn_local(listen::accept(Rc::clone(&driver.hall), listener));
    }
    daemon::notify_ready(supervised);
    tokio::task::spawn_local(daemon::pet_watchdog(supervised));
    let much_waits = sources.much_waits();
    let driver = early::run(driver.run(sources), much_waits);
    Ok(front::serve(clients, driver).await)
}

/// The pid file and the Unix socket, which go when this process does.
fn leave_traces(server: &ServerOptions, turn: Turn, log: &Log) -> [Option<OwnFile>; 2] {
    let pid_file = daemon::write_pid(server.pidfile.as_deref(), turn == Turn::Daemon);
    let socket = server.unixsocket.as_deref().filter(|path| !path.is_empty());
    [
        pid_file.unwrap_or_else(|why| {
            log.warning(why);
            None
        }),
        socket.map(|path| OwnFile::at(Path::new(path))),
    ]
}

/// Reads what TLS needs, if it is wanted. The error is the lines for the log.
fn load_tls(server: &ServerOptions, log: &Log) -> Result<Option<Rc<Tls>>, Vec<String>> {
    match Tls::load(&server.tls) {
        Ok((tls, notices)) => {
            for notice in notices {
                log.warning(notice);
            }
            Ok(tls)
        }
        Err(error) => Err(vec![
            error.to_string(),
            "Failed to configure TLS. Check logs for more info.".to_owned(),
        ]),
    }
}

/// What is told of this process.
fn process(path: &Path) -> anyhow::Result<Process> {
    Ok(Process {
        started: Clock.now(),
        run_id: random_id()?,
        config_file: path.display().to_string(),
        executable: std::env::current_exe()
            .unwrap_or_default()
            .display()
            .to_string(),
    })
}

/// Builds the core and its surroundings. Needs the runtime.
fn assemble(
    config: Config,
    log: Log,
    max_clients: u32,
    dialling: Dialling,
    pace: Pace,
) -> anyhow::Result<(Driver, Sources)> {
    let Config {
        path,
        loaded,
        users,
        ..
    } = config;
    let server = loaded.server;
    let (input_sender, inputs) = mpsc::channel(WAITING_INPUTS);
    let (wish_sender, wishes) = mpsc::channel(WAITING_WISHES);
    let (stopping, stop) = oneshot::channel();
    let mut signals = Signals::listen()?;
    tokio::task::spawn_local(async move {
        // The driver ends only with the process.
        let _ = stopping.send(signals.stop().await);
    });
    let process = process(&path)?;
    let roster = Roster::default();
    let rescues = Rescues::new(
        path.clone(),
        dialling.source,
        server.tls.clone(),
        input_sender.clone(),
    );
    let render = render(server.clone(), roster.clone());
    let report = reporter(input_sender.clone());
    let disk = Disk::start(path, render, log.clone(), report)?;
    warn(&log, &loaded.warnings, &users);
    let id = tell_id(&log, loaded.durable.my_id, loaded.fresh);
    let boot = Boot {
        durable: loaded.durable,
        fresh: loaded.fresh,
        seed: getrandom::u64()?,
        port: announced_port(&server),
        own_password: own_password(&server),
    };
    let core = Sentinel::new(boot, pace.now());
    let desk = Rc::new(Desk::new(core, pace, id.is_none()));
    let directory = Directory::default();
    let hall = Hall::new(
        server,
        (users, roster),
        process,
        max_clients,
        log.clone(),
        (Rc::clone(&desk), wish_sender, directory.clone()),
    )?;
    let driver = Driver {
        desk,
        links: Links::new(input_sender.clone(), dialling, log.clone()),
        log,
        disk,
        resolver: Resolver::new(input_sender.clone()),
        scripts: Scripts::new(input_sender.clone()),
        rescues,
        directory,
        hall: Rc::new(hall),
        after_first_write: id,
        owed: Owed::default(),
    };
    Ok((
        driver,
        Sources {
            inputs,
            entry: input_sender,
            wishes,
            stop,
        },
    ))
}

/// Tells our id, or comes back with what is to be told of it: a new one must be on disk first.
fn tell_id(log: &Log, id: RunId, is_new: bool) -> Option<String> {
    let line = format!("Sentinel ID is {id}");
    if is_new {
        return Some(line);
    }
    log.notice(line);
    None
}

/// Tells of what is allowed but hardly meant.
fn warn(log: &Log, warnings: &[bartizan_conf::Warning], users: &Users) {
    if users.overrule_requirepass() {
        log.warning(
            "requirepass is not the password of the default user, whose user line says otherwise \
             and wins; change both, or take the user line out",
        );
    }
    for warning in warnings {
        log.warning(warning.to_string());
    }
}

/// How the file is written: the options of the start, and the users of now.
fn render(options: ServerOptions, roster: Roster) -> disk::Render {
    let mut rewriter = bartizan_conf::Rewriter::default();
    Box::new(move |current, durable| {
        let options = ServerOptions {
            users: roster.lines(),
            ..options.clone()
        };
        rewriter.render(current, durable, &options)
    })
}

fn start_log(server: &ServerOptions) -> anyhow::Result<Log> {
    let file = (!server.logfile.is_empty())
        .then(|| std::path::absolute(&server.logfile))
        .transpose()
        .context("The log file cannot be opened")?;
    if let Some(path) = &file {
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| {
                anyhow::anyhow!(
                    "The log file {} cannot be opened: {}",
                    path.display(),
                    disk::reason(&error)
                )
            })?;
    }
    let settings = Settings {
        file,
        format: match server.log_format {
            LogFormat::Legacy => Format::Legacy,
            LogFormat::Logfmt => Format::Logfmt,
        },
        time: match server.log_timestamps {
            LogTimestamps::Legacy => TimeFormat::Legacy,
            LogTimestamps::Iso8601 => TimeFormat::Iso8601,
            LogTimestamps::Milliseconds => TimeFormat::Milliseconds,
        },
        syslog: server.syslog_enabled.then(|| {
            let ident = server.syslog_ident.clone();
            Syslog::new(syslog::SOCKET.into(), ident, server.syslog_facility)
        }),
    };
    Ok(Log::start(settings, server.loglevel.threshold())?)
}

fn greet(log: &Log, config: &Config) {
    let server = &config.loaded.server;
    log.notice("oO0OoO0OoO0Oo Bartizan is starting oO0OoO0OoO0Oo");
    log.notice(format!(
        "Bartizan version={VERSION}, bits={}, pid={}, just started",
        usize::BITS,
        std::process::id()
    ));
    log.notice("Configuration loaded");
    log.notice(format!(
        "Running mode=sentinel, port={}.",
        shown_port(server)
    ));
}

/// The port that people see: of plain clients, or of TLS where there are no others.
pub(crate) const fn shown_port(server: &ServerOptions) -> u16 {
    if server.port == 0 {
        server.tls.port
    } else {
        server.port
    }
}

/// The port that peers are told: where links are over TLS, that of TLS (spec §14).
const fn announced_port(server: &ServerOptions) -> u16 {
    if server.tls.replication && server.tls.port != 0 {
        server.tls.port
    } else {
        server.port
    }
}

fn source_address(server: &ServerOptions) -> anyhow::Result<Option<IpAddr>> {
    let Some(text) = server
        .bind_source_addr
        .as_deref()
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    let ip = text
        .parse()
        .with_context(|| format!("bind-source-addr {text} is no IP address"))?;
    Ok(Some(ip))
}

/// What peers are told when `sentinel-pass` is not set: our own password (spec §5.2).
fn own_password(server: &ServerOptions) -> Option<Credentials> {
    let password = server
        .requirepass
        .as_deref()
        .filter(|password| !password.is_empty())?;
    Some(Credentials {
        user: None,
        password: Secret::new(password),
    })
}
