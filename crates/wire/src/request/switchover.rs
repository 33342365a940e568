//! `SENTINEL FAILOVER` and `SENTINEL DRAIN` (spec §3.2; what is behind `COORDINATED` is ours).

use bartizan_core::addr::{Addr, Host};
use bartizan_core::provide::command::{Command, Wish};
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::Span;

use super::Request;
use super::args::{integer, is, name, text};
use crate::resp::Argv;

/// A switchover that takes longer than this is no switchover.
const LONGEST_MS: i64 = 600_000;

pub(super) fn failover(argv: &Argv) -> Result<Request, Reply> {
    let name = name(argv, 2);
    if argv.len() == 3 {
        return Ok(Request::Command(Command::Failover { name }));
    }
    if !is(argv, 3, "coordinated") {
        // What redis-sentinel says to anything behind the name.
        return Err(Reply::error(
            "ERR wrong number of arguments for 'sentinel|failover' command",
        ));
    }
    let mut wish = Wish::default();
    let mut at = 4;
    while at < argv.len() {
        if is(argv, at, "to") && at + 2 < argv.len() {
            wish.to = Some(addr(argv, at + 1)?);
            at += 3;
        } else if is(argv, at, "timeout") && at + 1 < argv.len() {
            wish.timeout = Some(timeout(argv, at + 1)?);
            at += 2;
        } else if is(argv, at, "dryrun") {
            wish.dry_run = true;
            at += 1;
        } else {
            return Err(Reply::error("ERR syntax error"));
        }
    }
    Ok(Request::Command(Command::Switchover { name, wish }))
}

pub(super) fn drain(argv: &Argv) -> Result<Request, Reply> {
    let name = name(argv, 2);
    let server = match argv.len() {
        3 => None,
        5 => Some(addr(argv, 3)?),
        _ => return Err(Reply::error("ERR syntax error")),
    };
    Ok(Request::Command(Command::Drain { name, server }))
}

fn addr(argv: &Argv, at: usize) -> Result<Addr, Reply> {
    let host = Host::parse(&text(argv, at));
    let port = u16::try_from(integer(argv, at + 1)?).ok();
    host.zip(port.filter(|port| *port > 0))
        .map(|(host, port)| Addr { host, port })
        .ok_or_else(|| Reply::error("ERR Invalid IP address or hostname specified"))
}

fn timeout(argv: &Argv, at: usize) -> Result<Span, Reply> {
    let ms = integer(argv, at)?;
    u64::try_from(ms)
        .ok()
        .filter(|_| (1..=LONGEST_MS).contains(&ms))
        .map(Span::ms)
        .ok_or_else(|| Reply::error("ERR timeout is out of range: 1 to 600000 milliseconds"))
}
