//! Short questions to real servers and Sentinels, and waiting for their answers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bartizan_wire::resp::Frame;

use crate::client::{Client, Stop, address, text};
use crate::latency::Plan;
use crate::moment::Moment;
use crate::watch::{Watcher, spawn};

/// The name under which Sentinels watch the master.
pub(crate) const NAME: &str = "mymaster";
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// How long a start, or a discovery, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks every few milliseconds whether something is so; gives when it was, or `None` if it was
/// stopped before. `is_so` is told how often it was asked.
pub(crate) fn look(
    name: &str,
    stop: &Stop,
    mut is_so: impl FnMut(usize) -> bool + Send + 'static,
) -> Result<Watcher<Option<Moment>>> {
    let stop = stop.clone();
    spawn(name, move || {
        let mut turn = 0;
        while !stop.is_set() {
            if is_so(turn) {
                return Ok(Some(Moment::now()));
            }
            turn += 1;
            std::thread::sleep(LOOK);
        }
        Ok(None)
    })
}

/// Whether one replica is the master and all others follow it with their links up.
pub(crate) fn follow(replicas: &[u16]) -> bool {
    let told: Vec<_> = replicas.iter().map(|port| (*port, info(*port))).collect();
    let is = |fields: &BTreeMap<String, String>, name: &str, value: &str| {
        fields.get(name).is_some_and(|field| field == value)
    };
    let Some((master, _)) = told.iter().find(|(_, fields)| is(fields, "role", "master")) else {
        return false;
    };
    let port = master.to_string();
    told.iter()
        .filter(|(other, _)| other != master)
        .all(|(_, fields)| {
            is(fields, "master_port", &port) && is(fields, "master_link_status", "up")
        })
}

/// Whether a Sentinel knows everybody.
pub(crate) fn knows(port: u16, plan: &Plan) -> bool {
    let Ok(Frame::Array(items)) = ask(port, &["SENTINEL", "MASTER", NAME]) else {
        return false;
    };
    let fields: BTreeMap<_, _> = items
        .chunks_exact(2)
        .filter_map(|pair| Some((text(pair.first()?)?, text(pair.last()?)?)))
        .collect();
    fields.get("num-slaves") == Some(&plan.replicas.to_string().as_str())
        && fields.get("num-other-sentinels") == Some(&(plan.sentinels - 1).to_string().as_str())
        && fields.get("flags") == Some(&"master")
}

/// The port that a Sentinel gives for the master.
pub(crate) fn given(port: u16) -> Option<u16> {
    let reply = ask(port, &["SENTINEL", "get-master-addr-by-name", NAME]).ok()?;
    address(&reply).as_ref().map(SocketAddr::port)
}

/// The first item of an answer, `None` if that is no array of texts.
pub(crate) fn first_word(port: u16, words: &[&str]) -> Option<String> {
    match ask(port, words).ok()? {
        Frame::Array(items) => items.first().and_then(text).map(str::to_owned),
        _ => None,
    }
}

/// The fields of a server's `INFO replication`; none if it does not answer.
pub(crate) fn info(port: u16) -> BTreeMap<String, String> {
    let reply = ask(port, &["INFO", "replication"]);
    let told = reply.as_ref().ok().and_then(text).unwrap_or_default();
    let pairs = told
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Connects, asks once, and waits half a second at most.
pub(crate) fn ask(port: u16, words: &[&str]) -> std::io::Result<Frame> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = Client::connect_within(addr, Duration::from_millis(500))?;
    client.send(words)?;
    client.read_once()
}

/// Waits until something is so.
///
/// # Errors
/// When it takes too long, or was interrupted.
pub(crate) fn until(what: &str, interrupted: &Stop, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() >= deadline {
            bail!("{what}: not in {} s", PATIENCE.as_secs());
        }
        pause(LOOK, interrupted)?;
    }
    Ok(())
}

/// Sleeps.
///
/// # Errors
/// When it was interrupted.
pub(crate) fn pause(span: Duration, interrupted: &Stop) -> Result<()> {
    let deadline = Instant::now() + span;
    loop {
        if interrupted.is_set() {
            bail!("interrupted");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
