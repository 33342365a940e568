//! Commands that change something (spec §3.2, §10.8, §11).

use crate::addr::{Addr, Host};
use crate::ctx::{CrashPlan, Ctx};
use crate::failover::handover::Order;
use crate::failover::{Cause, Failover};
use crate::glob;
use crate::ids::{Epoch, MasterName, Quorum, RequestId};
use crate::model::configuration::Configuration;
use crate::model::durable::MasterState;
use crate::model::gate::Promise;
use crate::model::master::{About, Master, Vote};
use crate::monitor::hello::{Masters, refresh_peer_terms};
use crate::notify::event::{EventKind, Level};
use crate::output::Output;
use crate::provide::command::Command;
use crate::provide::options::MasterOptions;
use crate::provide::reply::Reply;
use crate::provide::{set, switchover};

/// What a failed write makes of an `+OK` (spec §2.5). The change is in force all the same.
const NOT_SAVED: Reply = Reply::Error(std::borrow::Cow::Borrowed(
    "ERR Failed to save config file. Check server logs.",
));

/// Carries a change out and answers it; returns the masters it touched.
pub(crate) fn apply(
    masters: &mut Masters,
    cx: &mut Ctx,
    request: RequestId,
    command: Command,
) -> Vec<MasterName> {
    let mut touched = Vec::new();
    let outcome = match command {
        Command::Monitor {
            name,
            host,
            port,
            quorum,
        } => {
            touched.push(name.clone());
            monitor(masters, cx, &name, host, port, quorum)
        }
        Command::Remove { name } => remove(masters, cx, &name),
        Command::Set {
            name,
            words,
            not_executable,
        } => {
            touched.push(name.clone());
            let outcome = match masters.get_mut(&name) {
                Some(master) => set::set(master, cx, &words, &not_executable),
                None => Err(Reply::NO_SUCH_MASTER),
            };
            refresh_peer_terms(masters, cx);
            outcome
        }
        Command::Reset { pattern } => {
            let reset = reset(masters, cx, &pattern);
            let count = i64::try_from(reset.len()).unwrap_or(i64::MAX);
            touched.extend(reset);
            Ok(Outcome::Saved(Reply::Integer(count)))
        }
        Command::Failover { name } => {
            touched.push(name.clone());
            match masters.get_mut(&name) {
                Some(master) => force_failover(master, cx),
                None => Err(Reply::NO_SUCH_MASTER),
            }
        }
        Command::Switchover { name, wish } => {
            touched.push(name.clone());
            match masters.get_mut(&name) {
                Some(master) => switchover::order(master, cx, request, &wish),
                None => Err(Reply::NO_SUCH_MASTER),
            }
        }
        Command::Drain { name, server } => {
            touched.push(name.clone());
            match masters.get_mut(&name) {
                Some(master) => switchover::drain(master, cx, request, server.as_ref()),
                None => Err(Reply::NO_SUCH_MASTER),
            }
        }
        Command::FlushConfig => {
            cx.gate.touch();
            Ok(Outcome::Saved(Reply::OK))
        }
        Command::ConfigSet { words } => set::config_set(cx, &words),
        Command::Debug { words } => set::debug(cx, &words),
        Command::SimulateFailure { words } => simulate_failure(cx, &words),
        // Peers' commands are answered by the vote and the hello.
        Command::Ask(_) | Command::Publish { .. } => Ok(Outcome::Done(Reply::OK)),
    };
    answer(cx, request, outcome);
    touched
}

/// What became of a change.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Nothing durable changed: answered at once.
    Done(Reply),
    /// Answered when it is on disk.
    Saved(Reply),
    /// Answered by what it began.
    Later,
}

fn answer(cx: &mut Ctx, request: RequestId, outcome: Result<Outcome, Reply>) {
    match outcome {
        Ok(Outcome::Saved(kept)) => {
            cx.gate.hold(Promise::Reply {
                request,
                kept,
                withheld: NOT_SAVED,
            });
        }
        Ok(Outcome::Later) => {}
        Ok(Outcome::Done(reply)) | Err(reply) => cx.out.push(Output::Answer { request, reply }),
    }
}

fn monitor(
    masters: &mut Masters,
    cx: &mut Ctx,
    name: &MasterName,
    host: Option<Host>,
    port: i64,
    quorum: i64,
) -> Result<Outcome, Reply> {
    let quorum = u32::try_from(quorum).ok().and_then(Quorum::new);
    let quorum = quorum.ok_or_else(|| Reply::error("ERR Quorum must be 1 or greater."))?;
    let host = host
        .filter(|host| host.ip().is_some() || cx.options.resolve_hostnames)
        .ok_or_else(|| Reply::error("ERR Invalid IP address or hostname specified"))?;
    let port = u16::try_from(port).map_err(|_| Reply::error("ERR Invalid port number."))?;
    if masters.contains_key(name) {
        return Err(Reply::error("ERR Duplicate master name."));
    }
    let state = MasterState {
        branches: Vec::new(),
        own_values: Vec::new(),
        name: name.clone(),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: Addr::new(host, port),
        },
        options: MasterOptions::new(quorum, &cx.periods),
        // It may have been watched, and voted for, before: nothing up to here is voted in again.
        voted_epoch: cx.epochs.current,
        replicas: Vec::new(),
        sentinels: Vec::new(),
    };
    let master = Master::new(&state, cx);
    let words = format!("quorum {}", quorum.get());
    master.tell_more(cx, EventKind::Monitor, About::Master, &words);
    masters.insert(name.clone(), master);
    cx.gate.touch();
    Ok(Outcome::Saved(Reply::OK))
}

fn remove(masters: &mut Masters, cx: &mut Ctx, name: &MasterName) -> Result<Outcome, Reply> {
    let mut master = masters.remove(name).ok_or(Reply::NO_SUCH_MASTER)?;
    cx.gate.forget(name);
    master.tell(cx, EventKind::Unmonitor, About::Master);
    master.forget_instances(cx);
    cx.out.push(Output::Whereabouts {
        name: name.clone(),
        addr: None,
    });
    cx.gate.touch();
    refresh_peer_terms(masters, cx);
    Ok(Outcome::Saved(Reply::OK))
}

fn reset(masters: &mut Masters, cx: &mut Ctx, pattern: &str) -> Vec<MasterName> {
    let mut names = Vec::new();
    for master in masters.values_mut() {
        if !glob::matches(pattern.as_bytes(), master.name.as_str().as_bytes()) {
            continue;
        }
        if matches!(&master.failover, Failover::Standing(standing) if !standing.asking) {
            // Its beginning is still to be told, when the disk has it; so is its end.
            master.tell_behind(cx, EventKind::AbortNotElected, About::Master);
        }
        if matches!(&master.failover, Failover::Reconfiguring(reconf) if !reconf.is_announced()) {
            // Nobody waits for a majority any more, and clients are given the new address from
            // here on: whoever listens is told.
            master.announce(cx);
        }
        master.forget_instances(cx);
        let addr = master.configuration.addr.clone();
        master.add_server(cx, &addr, crate::report::Role::Master);
        master.vote = Vote {
            leader: None,
            ..master.vote
        };
        master.tell(cx, EventKind::ResetMaster, About::Master);
        // redis-sentinel forgets to save this, and remembers again after a restart (spec §17).
        cx.gate.touch();
        names.push(master.name.clone());
    }
    names
}

/// `SENTINEL FAILOVER`: what an operator says needs no quorum, but votes are asked for where they
/// can be had, so that two operators cannot make two masters in one epoch (hazard F).
fn force_failover(master: &mut Master, cx: &mut Ctx) -> Result<Outcome, Reply> {
    if !matches!(master.failover, Failover::Idle) || master.adopting.is_some() {
        return Err(Reply::error("INPROG Failover already in progress"));
    }
    if master.choose_replica(cx, cx.now).best.is_none() {
        return Err(Reply::error("NOGOODSLAVE No suitable replica to promote"));
    }
    cx.log(
        Level::Notice,
        format!("Executing user requested FAILOVER of '{}'", master.name),
    );
    master.order = Some(Order::plain());
    master.stand(cx, Cause::Operator);
    Ok(Outcome::Done(Reply::OK))
}

fn simulate_failure(cx: &mut Ctx, words: &[std::sync::Arc<str>]) -> Result<Outcome, Reply> {
    cx.crash = CrashPlan::default();
    for word in words {
        match word.to_ascii_lowercase().as_str() {
            "crash-after-election" => cx.crash.after_election = true,
            "crash-after-promotion" => cx.crash.after_promotion = true,
            "help" => {
                let names = ["crash-after-election", "crash-after-promotion"];
                let names = names.into_iter().map(Reply::bulk).collect();
                return Ok(Outcome::Done(Reply::Array(names)));
            }
            _ => return Err(Reply::error("ERR Unknown failure simulation specified")),
        }
    }
    Ok(Outcome::Done(Reply::OK))
}

impl Master {
    /// Drops every server, peer and state of failover; the configuration and the vote stay.
    fn forget_instances(&mut self, cx: &mut Ctx) {
        for server in self.servers.values_mut() {
            server.link.close(cx.now, &mut cx.out);
        }
        self.servers.clear();
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            self.drop_peer(cx, id);
        }
        self.odown = None;
        self.failover = Failover::Idle;
        self.prospect = Default::default();
        self.former = None;
    }
}
