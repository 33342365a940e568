//! An election that nobody wins: the other Sentinels are frozen, so that the only candidate gets no
//! majority. How long until it tries again, once it has given up?

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ask::pause;
use crate::client::Stop;
use crate::latency::{Marks, Plan, Servers};
use crate::moment::Moment;
use crate::sentinels::Sentinels;
use crate::watch::{events, join};

/// A candidate starts an election.
const TRY: &str = "+try-failover";
/// It gives up.
const ABORT: &str = "-failover-abort-not-elected";

/// Breaks the master in front of a single Sentinel and marks its `next try`, counted from when it
/// gave up; without that mark if it did not try again within the plan's bound.
pub(crate) fn next_try(
    servers: &mut Servers,
    sentinels: &Sentinels,
    plan: &Plan,
    marks: &mut Marks,
    interrupted: &Stop,
) -> Result<()> {
    let port = *sentinels.ports().first().context("there is a Sentinel")?;
    let stop = Stop::default();
    let (tell, events) = channel();
    let listener = events::start(port, &[TRY, ABORT], stop.clone(), move |event| {
        // Who wanted to know may have ended.
        let _ = tell.send((event.kind == TRY, event.at));
    })?;
    // The subscription is in place before anything happens.
    pause(Duration::from_millis(200), interrupted)?;
    for other in 1..plan.sentinels {
        sentinels.freeze(other);
    }
    servers.kill_master()?;
    let waited = wait(&events, plan.bound, interrupted);
    stop.set();
    join(listener)?;
    let (given_up, tried) = waited?;
    if let (Some(given_up), Some(tried)) = (given_up, tried) {
        marks.insert("next try", tried.since(given_up));
    }
    Ok(())
}

/// When the first election was given up, and when the next began; each is waited for as long as
/// `bound`.
fn wait(
    events: &Receiver<(bool, Moment)>,
    bound: Duration,
    interrupted: &Stop,
) -> Result<(Option<Moment>, Option<Moment>)> {
    let mut given_up = None;
    let mut deadline = Instant::now() + bound;
    loop {
        if interrupted.is_set() {
            bail!("interrupted");
        }
        match events.recv_timeout(Duration::from_millis(50)) {
            Ok((false, at)) if given_up.is_none() => {
                given_up = Some(at);
                deadline = Instant::now() + bound;
            }
            Ok((true, at)) if given_up.is_some() => return Ok((given_up, Some(at))),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("nobody listens to the Sentinel"),
        }
        if Instant::now() >= deadline {
            return Ok((given_up, None));
        }
    }
}
