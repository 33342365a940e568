//! `CLIENT`: what clients may know and say about themselves and each other.

use std::fmt::Write;
use std::rc::Rc;

use bartizan_core::time::Mono;
use bartizan_wire::request::{ClientCall, ClientFilter, ClientType, PauseMode, Toggle};
use bartizan_wire::resp::{Frame, Protocol};

use super::pubsub::Kind;
use super::seat::Seat;
use super::tracking::{self, Tracking};
use super::{Hall, seconds_since};

/// Answers one call of the client at `seat`.
pub(super) fn answer(hall: &Hall, seat: &Seat, call: ClientCall) -> Frame {
    match call {
        ClientCall::SetName(name) => {
            *seat.name.borrow_mut() = name;
            Frame::simple("OK")
        }
        ClientCall::GetName => match seat.name.borrow().as_slice() {
            [] => Frame::Null,
            name => Frame::Bulk(name.to_vec()),
        },
        ClientCall::SetInfo { attribute, value } => {
            let mut library = seat.library.borrow_mut();
            if attribute == "lib-name" {
                library.0 = value;
            } else {
                library.1 = value;
            }
            Frame::simple("OK")
        }
        ClientCall::Id => Frame::Integer(i64::try_from(seat.id).unwrap_or(i64::MAX)),
        ClientCall::Info => text(line(seat, hall.clock.now())),
        ClientCall::List(filter) => {
            let now = hall.clock.now();
            let all = hall.seats.borrow();
            text(
                all.values()
                    .filter(|other| fits(other, seat, &filter))
                    .flat_map(|other| line(other, now))
                    .collect(),
            )
        }
        ClientCall::Kill(filter) => kill(hall, seat, &filter),
        ClientCall::NoEvict(toggle) => {
            seat.no_evict.set(toggle == Toggle::On);
            Frame::simple("OK")
        }
        ClientCall::Tracking(call) => tracking::track(hall, seat, &call),
        ClientCall::TrackingInfo => tracking::info(seat),
        ClientCall::Caching(wanted) => tracking::caching(seat, wanted),
        ClientCall::GetRedir => Frame::Integer(Tracking::redirect(seat.tracking.borrow().as_ref())),
        // The mode is kept by the client's own task.
        ClientCall::Reply(_) => Frame::simple("OK"),
        ClientCall::Pause { ms, mode } => {
            // Nothing here writes keys, so that WRITE holds nothing back.
            if mode == PauseMode::All {
                hall.pause.begin(hall.clock.now(), ms);
                hall.recall_all();
            }
            Frame::simple("OK")
        }
        ClientCall::Unpause => {
            hall.pause.end();
            Frame::simple("OK")
        }
    }
}

/// Lines for people: a verbatim string in RESP3.
fn text(text: Vec<u8>) -> Frame {
    Frame::Verbatim {
        format: *b"txt",
        text,
    }
}

fn kill(hall: &Hall, seat: &Seat, filter: &ClientFilter) -> Frame {
    if let Some(user) = &filter.user
        && !hall
            .users
            .borrow()
            .names()
            .any(|name| name.as_bytes() == user)
    {
        let user = String::from_utf8_lossy(user);
        return Frame::Error(format!("ERR No such user '{user}'").into_bytes());
    }
    let all: Vec<Rc<Seat>> = hall
        .seats
        .borrow()
        .values()
        .filter(|other| fits(other, seat, filter))
        .map(Rc::clone)
        .collect();
    for other in &all {
        other.kill();
    }
    match (filter.single, all.len()) {
        (true, 0) => Frame::Error(b"ERR No such client".to_vec()),
        (true, _) => Frame::simple("OK"),
        (false, killed) => Frame::Integer(i64::try_from(killed).unwrap_or(i64::MAX)),
    }
}

/// Whether all that the filter says is true of a client.
fn fits(seat: &Seat, asking: &Seat, filter: &ClientFilter) -> bool {
    let ClientFilter {
        ids,
        kind,
        addr,
        laddr,
        user,
        skip_me,
        single: _,
    } = filter;
    let same = |wanted: &Option<Vec<u8>>, is: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted == is.as_bytes())
    };
    let subscribed = seat.subscribed() > 0;
    (ids.is_empty() || ids.contains(&seat.id))
        && match kind {
            None => true,
            Some(ClientType::Normal) => !subscribed,
            Some(ClientType::PubSub) => subscribed,
            Some(ClientType::Master | ClientType::Replica) => false,
        }
        && same(addr, &seat.addr)
        && same(laddr, &seat.laddr)
        && user.as_ref().is_none_or(|wanted| {
            seat.user
                .borrow()
                .as_deref()
                .is_some_and(|is| wanted == is.as_bytes())
        })
        && !(*skip_me && seat.id == asking.id)
}

/// One client as `CLIENT LIST` shows it, with its line end.
pub(super) fn line(seat: &Seat, now: Mono) -> Vec<u8> {
    let mut text = format!(
        "id={} addr={} laddr={} fd=-1 name=",
        seat.id, seat.addr, seat.laddr
    )
    .into_bytes();
    text.extend_from_slice(&seat.name.borrow());
    let tracking = seat.tracking.borrow();
    let (replies, bytes) = seat.backlog();
    let mut rest = String::new();
    let _ = write!(
        rest,
        " age={} idle={} flags={} db=0 sub={} psub={} ssub=0 multi=-1 qbuf=0 qbuf-free=0 \
         argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll={replies} omem={bytes} tot-mem={bytes} \
         events=r cmd={} user={} redir={} resp={} lib-name=",
        seconds_since(now, seat.since),
        seconds_since(now, seat.active()),
        flags(seat, tracking.as_ref()),
        seat.subscriptions(Kind::Channel).borrow().len(),
        seat.subscriptions(Kind::Pattern).borrow().len(),
        seat.command.get(),
        seat.user.borrow().as_deref().unwrap_or("(superuser)"),
        Tracking::redirect(tracking.as_ref()),
        if seat.protocol.get() == Protocol::Resp3 {
            3
        } else {
            2
        },
    );
    text.extend_from_slice(rest.as_bytes());
    let library = seat.library.borrow();
    text.extend_from_slice(&library.0);
    text.extend_from_slice(b" lib-ver=");
    text.extend_from_slice(&library.1);
    text.push(b'\n');
    text
}

/// The letters of `flags=`, `N` where there is nothing to say.
fn flags(seat: &Seat, tracking: Option<&Tracking>) -> String {
    let mut flags = String::new();
    if seat.subscribed() > 0 {
        flags.push('P');
    }
    flags.push_str(Tracking::flags(tracking));
    if seat.no_evict.get() {
        flags.push('e');
    }
    if flags.is_empty() {
        flags.push('N');
    }
    flags
}
