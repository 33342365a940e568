//! Faults of networks and of what a process finds when it starts: slow and flickering links, reset
//! connections, long hangs, lost data, old files.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::faults::{a_replica, await_other_master};
use crate::fleet::Who;
use crate::stage::Stage;

/// How long a link is bad.
const BAD: Duration = Duration::from_secs(5);

/// Everything to and from somebody trickles, and waits in a queue for up to half a second.
pub(crate) fn slow(stage: &mut Stage, who: Who) -> Result<()> {
    if !stage.slow(who)? {
        println!("traffic cannot be slowed down here (`tc` of iproute2, tbf): left out");
        return Ok(());
    }
    stage.pass(BAD)
}

/// The master's links to everybody fail for moments: what is sent is sent again, later and later.
pub(crate) fn flicker(stage: &mut Stage) -> Result<()> {
    let master = stage.master()?;
    let end = Instant::now() + BAD;
    while Instant::now() < end {
        stage.isolate(&[master], &[])?;
        stage.pass_some(10, 250)?;
        stage.reconnect()?;
        stage.pass_some(10, 250)?;
    }
    Ok(())
}

/// All connections of somebody are reset, some times in a row.
pub(crate) fn reset(stage: &mut Stage, who: Who) -> Result<()> {
    for _ in 0..3 {
        if !stage.reset_connections(who)? {
            println!("connections cannot be reset here (`ss --kill` of iproute2): left out");
            return Ok(());
        }
        stage.pass_some(10, 1500)?;
    }
    Ok(())
}

/// Somebody hangs for ten seconds to a minute.
pub(crate) fn hang_long(stage: &mut Stage) -> Result<()> {
    let all: Vec<Who> = Who::all().collect();
    let who = stage.dice.one_of(&all).copied();
    let who = who.unwrap_or(Who::Server(0));
    stage.freeze(who);
    stage.pass_some(10_000, 60_000)?;
    stage.thaw(who);
    stage.pass_some(200, 1500)
}

/// A replica loses its data.
pub(crate) fn empty_replica(stage: &mut Stage) -> Result<()> {
    let replica = a_replica(stage)?;
    stage.kill(replica);
    stage.wipe(replica)?;
    stage.pass_some(0, 500)?;
    stage.restart(replica)?;
    stage.pass_some(500, 2000)
}

/// The master loses its data, and comes back as a master when it was replaced.
pub(crate) fn empty_master(stage: &mut Stage) -> Result<()> {
    let old = stage.master()?;
    stage.kill(old);
    stage.wipe(old)?;
    await_other_master(stage, old)?;
    stage.restart(old)?;
    stage.pass_some(500, 2000)
}

/// A Sentinel starts again with the file that it had before a switchover.
pub(crate) fn old_file(stage: &mut Stage) -> Result<()> {
    let sentinel = stage.any_sentinel();
    let file = stage.fleet.dir(sentinel).join("node.conf");
    let before = fs::read(&file)?;
    let old = stage.master()?;
    let asked = stage.any_sentinel();
    stage.switch_over(asked, &[])?;
    await_other_master(stage, old)?;
    stage.kill(sentinel);
    fs::write(&file, before)?;
    stage.note(format!("{sentinel} has the file of before"));
    stage.restart(sentinel)?;
    stage.pass_some(500, 2000)
}
