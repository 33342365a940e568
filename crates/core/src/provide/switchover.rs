//! `SENTINEL FAILOVER … COORDINATED` and `SENTINEL DRAIN`: changing masters without loss
//! (data-safety §2).

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::handover::{self, Order};
use crate::failover::select::Unfit;
use crate::failover::{Cause, Failover};
use crate::ids::RequestId;
use crate::model::master::Master;
use crate::notify::event::Level;
use crate::provide::change::Outcome;
use crate::provide::command::Wish;
use crate::provide::reply::Reply;

/// `SENTINEL FAILOVER name COORDINATED [TO host port] [TIMEOUT ms] [DRYRUN]`: answered with `+OK`
/// when clients are told of the new master, or with `-FAILOVERABORTED why`.
pub(crate) fn order(
    master: &mut Master,
    cx: &mut Ctx,
    request: RequestId,
    wish: &Wish,
) -> Result<Outcome, Reply> {
    let to = match &wish.to {
        Some(addr) => Some(replica_at(master, cx, addr)?),
        None => None,
    };
    if wish.dry_run {
        return Ok(Outcome::Done(forecast(master, cx, to.as_ref())));
    }
    if !matches!(master.failover, Failover::Idle) || master.adopting.is_some() {
        return Err(Reply::error("INPROG Failover already in progress"));
    }
    if let Some(why) = obstacle(master, cx) {
        return Err(Reply::error(format!("NOTSAFE {why}")));
    }
    if to.is_none() && master.choose_replica(cx, cx.now).best.is_none() {
        return Err(Reply::error("NOGOODSLAVE No suitable replica to promote"));
    }
    cx.log(
        Level::Notice,
        format!("Executing user requested FAILOVER of '{}'", master.name),
    );
    master.order = Some(Order {
        strict: true,
        to,
        timeout: wish.timeout.unwrap_or(handover::PATIENCE),
        asked_by: Some(request),
        failure: None,
    });
    master.stand(cx, Cause::Operator);
    Ok(Outcome::Later)
}

/// `SENTINEL DRAIN name [host port]`: answered when that server, or whichever of the group is on
/// this host, is not the master, so that stopping it costs no write.
pub(crate) fn drain(
    master: &mut Master,
    cx: &mut Ctx,
    request: RequestId,
    server: Option<&Addr>,
) -> Result<Outcome, Reply> {
    let is_concerned = |addr: &Addr| match server {
        Some(wanted) => cx.hosts.same(wanted, addr),
        None => master.servers.get(addr).is_some_and(|server| {
            let theirs = cx.hosts.ip(&server.link.addr().host);
            theirs.is_some() && theirs == server.link.local()
        }),
    };
    let concerned: Vec<Addr> = master
        .servers
        .keys()
        .filter(|addr| is_concerned(addr))
        .cloned()
        .collect();
    if concerned.is_empty() {
        let text =
            "ERR No server of this master is on this host; name one: DRAIN <name> <host> <port>";
        return Err(Reply::error(text));
    }
    if !concerned.iter().any(|addr| master.is_master(addr)) {
        return Ok(Outcome::Done(Reply::OK));
    }
    // Another host is better than another server on the host that goes away.
    let elsewhere = master
        .replicas()
        .map(|(addr, _)| addr)
        .find(|addr| !concerned.contains(addr) && master.is_fit(cx, addr))
        .cloned();
    let best = master.choose_replica(cx, cx.now).best;
    let to = best.filter(|addr| !concerned.contains(addr)).or(elsewhere);
    let wish = Wish {
        to,
        ..Wish::default()
    };
    order(master, cx, request, &wish)
}

/// What stands in the way of a switchover without loss.
fn obstacle(master: &Master, cx: &Ctx) -> Option<&'static str> {
    if master.may_not_pause() {
        Some(handover::NO_PAUSE)
    } else if master.odown.is_some() || !master.can_hand_over(cx) {
        Some("The master is not well: writes cannot be held back there")
    } else {
        None
    }
}

fn replica_at(master: &Master, cx: &Ctx, addr: &Addr) -> Result<Addr, Reply> {
    let known = master.find_server(cx, addr);
    let Some(known) = known.filter(|known| !master.is_master(known)) else {
        return Err(Reply::error("ERR No such replica of that master"));
    };
    match master
        .servers
        .get(&known)
        .map(|server| master.fitness(cx, server))
    {
        Some(Err(why)) => Err(Reply::error(format!(
            "NOGOODSLAVE That replica cannot be promoted: {}",
            reason(why)
        ))),
        _ => Ok(known),
    }
}

/// Every replica with what would become of it, the one that would be taken first, and whether
/// the switchover would lose nothing.
fn forecast(master: &Master, cx: &Ctx, to: Option<&Addr>) -> Reply {
    let best = master.choose_replica(cx, cx.now).best;
    let taken = to.or(best.as_ref());
    let mut lines = Vec::new();
    let lossless = match (obstacle(master, cx), taken) {
        (Some(why), _) => format!("no: {why}"),
        (None, None) => "no: No suitable replica to promote".to_owned(),
        (None, Some(_)) => "yes".to_owned(),
    };
    lines.push(("lossless".into(), Reply::bulk(lossless)));
    for (addr, server) in master.replicas() {
        let verdict = match master.fitness(cx, server) {
            Ok(()) if taken == Some(addr) => "taken".to_owned(),
            Ok(()) => "not taken: another one is better".to_owned(),
            Err(why) => format!("not taken: {}", reason(why)),
        };
        lines.push((addr.to_string().into(), Reply::bulk(verdict)));
    }
    Reply::Map(lines)
}

const fn reason(why: Unfit) -> &'static str {
    match why {
        Unfit::Down => "it is down",
        Unfit::Disconnected => "there is no link to it",
        Unfit::Silent => "it has not answered PING for five periods",
        Unfit::PriorityZero => "its priority is 0",
        Unfit::Unseen => "it is a stranger, or has told nothing since it came back",
        Unfit::StaleInfo => "its last INFO is too old",
        Unfit::BehindTooLong => "its link to the master has been down for too long",
    }
}
