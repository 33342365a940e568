//! Everything that is done to a fleet, by name.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::fleet::{self, NEIGHBOURS, Who};
use crate::hardships;
use crate::net::Host;
use crate::stage::Stage;
use crate::writer::Diet;

/// One fault: what is done between a steady start and the moment at which everything is healed.
#[derive(Debug)]
pub(crate) struct Fault {
    /// For `--fault`.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) brief: &'static str,
    /// Does it.
    pub(crate) strike: fn(&mut Stage) -> Result<()>,
    /// Whether it needs what redis-sentinel does not have.
    pub(crate) ours: bool,
}

/// How long something that a fault waits for may take; it goes on without it then.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a writer that is cut off waits for an answer.
const WRITER_PATIENCE: Duration = Duration::from_secs(1);

macro_rules! faults {
    ($($name:literal $brief:literal $strike:expr, $ours:literal;)*) => {
        /// All of them.
        pub(crate) const ALL: &[Fault] = &[$(Fault {
            name: $name,
            brief: $brief,
            strike: $strike,
            ours: $ours,
        },)*];
    };
}

faults! {
    "switchover" "SENTINEL FAILOVER of a healthy master"
        |stage| switchover(stage, &[]), false;
    "coordinated" "SENTINEL FAILOVER COORDINATED"
        |stage| switchover(stage, &["COORDINATED"]), true;
    "kill-master" "the master is killed, and comes back after it was replaced"
        kill_master, false;
    "kill-master-briefly" "the master is killed and restarted at once"
        |stage| { let master = stage.master()?; kill_briefly(stage, master) }, false;
    "kill-replica" "a replica is killed and restarted at once"
        |stage| { let replica = a_replica(stage)?; kill_briefly(stage, replica) }, false;
    "kill-sentinel" "a Sentinel is killed and restarted at once"
        |stage| { let sentinel = stage.any_sentinel(); kill_briefly(stage, sentinel) }, false;
    "freeze-master" "the master hangs with clients that stay with it, is replaced, and is thawed"
        freeze_master, false;
    "freeze-master-briefly" "the master hangs for less than down-after"
        |stage| { let master = stage.master()?; freeze_for(stage, master, 50, 600) }, false;
    "freeze-replica" "a replica hangs for up to three seconds"
        |stage| { let replica = a_replica(stage)?; freeze_for(stage, replica, 50, 3000) }, false;
    "freeze-sentinel" "a Sentinel hangs for up to three seconds"
        |stage| { let sentinel = stage.any_sentinel(); freeze_for(stage, sentinel, 50, 3000) }, false;
    "isolate-master" "the master is cut off together with clients that write to it"
        isolate_master, false;
    "isolate-fenced-master" "the same, with `fencing`: it stops taking writes by itself"
        |stage| { fence(stage)?; isolate_master(stage) }, true;
    "isolate-and-kill" "the master is cut off with clients, killed there, and comes back"
        isolate_and_kill, false;
    "isolate-twice" "two masters in a row are cut off with clients, and come back together"
        isolate_twice, false;
    "mute-master" "what the master sends to Sentinels does not arrive"
        |stage| one_way(stage, Way::MasterToSentinels), false;
    "deaf-master" "what Sentinels send to the master does not arrive"
        |stage| one_way(stage, Way::SentinelsToMaster), false;
    "mute-replication" "what the master sends to its replicas does not arrive"
        |stage| one_way(stage, Way::MasterToReplicas), false;
    "deaf-replication" "what the replicas send to the master does not arrive"
        |stage| one_way(stage, Way::ReplicasToMaster), false;
    "mute-sentinel" "what a Sentinel sends to anybody does not arrive"
        |stage| one_way(stage, Way::SentinelToAll), false;
    "slow-master" "everything to and from the master trickles and is late"
        |stage| { let master = stage.master()?; hardships::slow(stage, master) }, false;
    "slow-replica" "… to and from a replica"
        |stage| { let replica = a_replica(stage)?; hardships::slow(stage, replica) }, false;
    "slow-sentinel" "… to and from a Sentinel"
        |stage| { let sentinel = stage.any_sentinel(); hardships::slow(stage, sentinel) }, false;
    "flicker-master" "the master's links to everybody fail for moments, again and again"
        hardships::flicker, false;
    "reset-master" "all connections of the master are reset, again and again"
        |stage| { let master = stage.master()?; hardships::reset(stage, master) }, false;
    "reset-sentinel" "… of a Sentinel"
        |stage| { let sentinel = stage.any_sentinel(); hardships::reset(stage, sentinel) }, false;
    "hang-long" "anybody hangs for ten seconds to a minute"
        hardships::hang_long, false;
    "empty-replica" "a replica is killed, loses its data, and comes back"
        hardships::empty_replica, false;
    "empty-master" "the master is killed, loses its data, and comes back after it was replaced"
        hardships::empty_master, false;
    "old-file" "a Sentinel is killed, and starts with its file of before a switchover"
        hardships::old_file, false;
    "leader-killed-standing" "failover: the leader is killed when it stands"
        |stage| leader_killed(stage, "+try-failover"), false;
    "leader-killed-elected" "failover: … when it is elected"
        |stage| leader_killed(stage, "+elected-leader"), false;
    "leader-killed-selected" "failover: … when it has chosen a replica"
        |stage| leader_killed(stage, "+selected-slave"), false;
    "leader-killed-promoting" "failover: … when it is about to promote"
        |stage| leader_killed(stage, "+failover-state-send-slaveof-noone"), false;
    "leader-killed-promoted" "failover: … when the replica is promoted"
        |stage| leader_killed(stage, "+promoted-slave"), false;
    "leader-killed-switched" "failover: … when it has told clients"
        |stage| leader_killed(stage, "+switch-master"), false;
    "switchover-leader-killed-standing" "switchover: the leader is killed when it stands"
        |stage| in_switchover(stage, "+try-failover", Blow::KillLeader), false;
    "switchover-leader-killed-elected" "switchover: … when it is elected"
        |stage| in_switchover(stage, "+elected-leader", Blow::KillLeader), false;
    "switchover-leader-killed-selected" "switchover: … when it has chosen a replica"
        |stage| in_switchover(stage, "+selected-slave", Blow::KillLeader), false;
    "switchover-leader-killed-paused" "switchover: … when writes are paused"
        |stage| in_switchover(stage, "+writes-paused", Blow::KillLeader), true;
    "switchover-leader-killed-promoting" "switchover: … when it is about to promote"
        |stage| in_switchover(stage, "+failover-state-send-slaveof-noone", Blow::KillLeader), false;
    "switchover-leader-killed-promoted" "switchover: … when the replica is promoted"
        |stage| in_switchover(stage, "+promoted-slave", Blow::KillLeader), false;
    "switchover-leader-killed-switched" "switchover: … when it has told clients"
        |stage| in_switchover(stage, "+switch-master", Blow::KillLeader), false;
    "switchover-master-killed" "switchover: the master is killed when writes are paused"
        |stage| in_switchover(stage, "+writes-paused", Blow::KillMaster), true;
    "switchover-replica-killed" "switchover: the chosen replica is killed when it is chosen"
        |stage| in_switchover(stage, "+selected-slave", Blow::KillChosen), false;
    "switchover-master-cut-off" "switchover: the master is cut off when writes are paused"
        |stage| in_switchover(stage, "+writes-paused", Blow::CutOffMaster), true;
    "switchover-leader-cut-off" "switchover: the leader is cut off when writes are paused"
        |stage| in_switchover(stage, "+writes-paused", Blow::CutOffLeader), true;
    "switchover-replica-cut-off" "switchover: the chosen replica is cut off when it is chosen"
        |stage| in_switchover(stage, "+selected-slave", Blow::CutOffChosen), false;
    "switchover-leader-frozen" "switchover: the leader hangs when writes are paused, and is thawed"
        |stage| in_switchover(stage, "+writes-paused", Blow::FreezeLeader), true;
    "switchover-promoted-cut-off" "switchover: the leader is cut off when it is about to promote"
        |stage| in_switchover(stage, "+failover-state-send-slaveof-noone", Blow::CutOffLeader), false;
}

/// The fault of this name.
pub(crate) fn named(name: &str) -> Option<&'static Fault> {
    ALL.iter().find(|fault| fault.name == name)
}

pub(crate) fn a_replica(stage: &mut Stage) -> Result<Who> {
    let replicas = stage.replicas()?;
    let replica = stage.dice.one_of(&replicas);
    replica.copied().context("there is a replica")
}

/// Until all Sentinels name another server than this; goes on if that does not happen.
pub(crate) fn await_other_master(stage: &mut Stage, old: Who) -> Result<Option<Who>> {
    let end = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < end {
        stage.pass(Duration::from_millis(20))?;
        if let Some(master) = fleet::named_by_all().filter(|master| *master != old) {
            return Ok(Some(master));
        }
    }
    stage.note(format!("{old} was not replaced"));
    Ok(None)
}

fn switchover(stage: &mut Stage, how: &[&str]) -> Result<()> {
    let (old, sentinel) = (stage.master()?, stage.any_sentinel());
    stage.switch_over(sentinel, how)?;
    await_other_master(stage, old)?;
    stage.pass_some(0, 500)
}

fn kill_master(stage: &mut Stage) -> Result<()> {
    let old = stage.master()?;
    stage.kill(old);
    await_other_master(stage, old)?;
    stage.pass_some(0, 1000)?;
    stage.restart(old)
}

fn kill_briefly(stage: &mut Stage, who: Who) -> Result<()> {
    stage.kill(who);
    stage.pass_some(0, 100)?;
    stage.restart(who)?;
    stage.pass_some(500, 2000)
}

fn freeze_for(stage: &mut Stage, who: Who, from_ms: u64, to_ms: u64) -> Result<()> {
    stage.freeze(who);
    stage.pass_some(from_ms, to_ms)?;
    stage.thaw(who);
    stage.pass_some(200, 1500)
}

fn freeze_master(stage: &mut Stage) -> Result<()> {
    let old = stage.master()?;
    // Its clients wait for as long as it hangs: they are the first whom it answers.
    stage.write_to(old, Diet::Keys, Duration::from_secs(60))?;
    stage.write_to(old, Diet::Keys, WRITER_PATIENCE)?;
    stage.pass_some(50, 200)?;
    stage.freeze(old);
    await_other_master(stage, old)?;
    stage.pass_some(0, 2000)?;
    stage.thaw(old);
    stage.pass_some(200, 1000)
}

fn isolate_master(stage: &mut Stage) -> Result<()> {
    let old = stage.master()?;
    stage.write_to(old, Diet::Keys, WRITER_PATIENCE)?;
    stage.isolate(&[old], &[NEIGHBOURS])?;
    await_other_master(stage, old)?;
    stage.pass_some(200, 2000)
}

/// Turns fencing on at every Sentinel, and waits until the master has it.
pub(crate) fn fence(stage: &mut Stage) -> Result<()> {
    for sentinel in (0..fleet::SENTINELS).map(Who::Sentinel) {
        let words = [
            "SENTINEL",
            "SET",
            fleet::NAME,
            "fencing",
            "min-replicas",
            "1",
        ];
        fleet::ask(sentinel, &words).context("a Sentinel takes the option")?;
    }
    stage.note("fencing is on");
    let master = stage.master()?;
    stage.until("the master asks for a replica that keeps up", |_| {
        let reply = fleet::ask(master, &["CONFIG", "GET", "min-replicas-to-write"]);
        let items = reply.as_ref().and_then(|reply| reply.items());
        Ok(items.and_then(|items| items.last()?.text()) == Some("1"))
    })
}

fn isolate_and_kill(stage: &mut Stage) -> Result<()> {
    let old = stage.master()?;
    isolate_master(stage)?;
    stage.kill(old);
    stage.pass_some(0, 300)?;
    stage.restart(old)
}

fn isolate_twice(stage: &mut Stage) -> Result<()> {
    let first = stage.master()?;
    stage.write_to(first, Diet::Keys, WRITER_PATIENCE)?;
    stage.isolate(&[first], &[NEIGHBOURS])?;
    let Some(second) = await_other_master(stage, first)? else {
        return Ok(());
    };
    // The third server has to follow the second before that one goes.
    let third = fleet::servers().find(|server| ![first, second].contains(server));
    let third = third.context("there is a third server")?;
    stage.until("the third server follows the second", |_| {
        let fields = fleet::replication(third);
        let up = fleet::field(&fields, "master_link_status") == "up";
        Ok(up && fleet::field(&fields, "master_host") == second.addr().ip().to_string())
    })?;
    stage.pass_some(1200, 2000)?;
    stage.isolate(&[second], &[])?;
    await_other_master(stage, second)?;
    stage.pass_some(200, 1000)
}

/// A cut in one direction.
#[derive(Clone, Copy, Debug)]
enum Way {
    MasterToSentinels,
    SentinelsToMaster,
    MasterToReplicas,
    ReplicasToMaster,
    SentinelToAll,
}

fn one_way(stage: &mut Stage, way: Way) -> Result<()> {
    let master = stage.master()?;
    let replicas: Vec<Host> = stage.replicas()?.into_iter().map(Who::host).collect();
    let everybody: Vec<Host> = Who::all().map(Who::host).collect();
    let sentinels: Vec<Host> = Who::all()
        .filter(|who| matches!(who, Who::Sentinel(_)))
        .map(Who::host)
        .collect();
    match way {
        Way::MasterToSentinels => stage.cut(&[master.host()], &sentinels, "master to Sentinels")?,
        Way::SentinelsToMaster => stage.cut(&sentinels, &[master.host()], "Sentinels to master")?,
        Way::MasterToReplicas => stage.cut(&[master.host()], &replicas, "master to replicas")?,
        Way::ReplicasToMaster => stage.cut(&replicas, &[master.host()], "replicas to master")?,
        Way::SentinelToAll => {
            let sentinel = stage.any_sentinel();
            stage.cut(
                &[sentinel.host()],
                &everybody,
                &format!("{sentinel} to all"),
            )?;
        }
    }
    stage.pass_some(2000, 6000)
}

fn leader_killed(stage: &mut Stage, step: &'static str) -> Result<()> {
    let old = stage.master()?;
    let mark = stage.news.mark();
    stage.kill(old);
    if let Some(event) = stage.await_event(mark, step, PATIENCE)? {
        stage.kill(event.by);
        stage.note(format!("that was at {step}"));
        stage.pass_some(0, 3000)?;
        stage.restart(event.by)?;
    }
    await_other_master(stage, old)?;
    stage.restart(old)
}

/// What is done in the middle of a switchover.
#[derive(Clone, Copy, Debug)]
enum Blow {
    KillLeader,
    KillMaster,
    KillChosen,
    CutOffMaster,
    CutOffLeader,
    CutOffChosen,
    FreezeLeader,
}

fn in_switchover(stage: &mut Stage, step: &'static str, blow: Blow) -> Result<()> {
    let (old, sentinel) = (stage.master()?, stage.any_sentinel());
    let mark = stage.news.mark();
    stage.switch_over(sentinel, &[])?;
    let Some(event) = stage.await_event(mark, step, PATIENCE)? else {
        return Ok(());
    };
    let leader = event.by;
    // `+selected-slave slave <ip>:<port> <ip> <port> @ …`
    let chosen = event.payload.split(' ').nth(2).and_then(Who::server_at);
    match (blow, chosen) {
        (Blow::KillLeader, _) => stage.kill(leader),
        (Blow::KillMaster, _) => stage.kill(old),
        (Blow::KillChosen, Some(chosen)) => stage.kill(chosen),
        (Blow::CutOffMaster, _) => stage.isolate(&[old], &[])?,
        (Blow::CutOffLeader, _) => stage.isolate(&[leader], &[])?,
        (Blow::CutOffChosen, Some(chosen)) => stage.isolate(&[chosen], &[])?,
        (Blow::FreezeLeader, _) => stage.freeze(leader),
        (Blow::KillChosen | Blow::CutOffChosen, None) => stage.note("nobody was chosen"),
    }
    stage.note(format!("that was at {step}, {blow:?}"));
    stage.pass_some(1000, 4000)
}
