//! `CLIENT`: what clients may know and say about themselves and each other.

use std::fmt::Write;
use std::rc::Rc;

use bartizan_core::time::Mono;
use bartizan_wire::request::{ClientCall, ClientFilter, ClientType, PauseMode};
use bartizan_wire::resp::{Frame, Protocol};

use super::pubsub::Kind;
use super::seat::Seat;
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
        ClientCall::Info => Frame::Bulk(line(seat, hall.clock.now())),
        ClientCall::List(filter) => {
            let now = hall.clock.now();
            let all = hall.seats.borrow();
            Frame::Bulk(
                all.values()
                    .filter(|other| fits(other, seat, &filter))
                    .flat_map(|other| line(other, now))
                    .collect(),
            )
        }
        ClientCall::Kill(filter) => kill(hall, seat, &filter),
        // There is nothing to evict, and the mode is kept by the client's own task.
        ClientCall::NoEvict(_) | ClientCall::Reply(_) => Frame::simple("OK"),
        // Nothing here writes keys, so that nothing has to be held back.
        ClientCall::Pause {
            mode: PauseMode::Write,
            ..
        }
        | ClientCall::Unpause => Frame::simple("OK"),
        ClientCall::Pause {
            mode: PauseMode::All,
            ..
        } => Frame::Error(
            b"ERR a Sentinel does not pause its clients: peers among them need its votes".to_vec(),
        ),
    }
}

fn kill(hall: &Hall, seat: &Seat, filter: &ClientFilter) -> Frame {
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
    let flags = if seat.subscribed() > 0 { 'P' } else { 'N' };
    let (replies, bytes) = seat.backlog();
    let mut rest = String::new();
    let _ = write!(
        rest,
        " age={} idle={} flags={flags} db=0 sub={} psub={} ssub=0 multi=-1 qbuf=0 qbuf-free=0 \
         argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll={replies} omem={bytes} tot-mem={bytes} \
         events=r cmd={} user={} redir=-1 resp={} lib-name=",
        seconds_since(now, seat.since),
        seconds_since(now, seat.active.get()),
        seat.subscriptions(Kind::Channel).borrow().len(),
        seat.subscriptions(Kind::Pattern).borrow().len(),
        seat.command.get(),
        seat.user.borrow().as_deref().unwrap_or("(superuser)"),
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
