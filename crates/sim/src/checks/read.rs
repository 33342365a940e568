//! Reads what Sentinels say: payloads of events, replies, files.

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::Ballot;

/// The words of a payload as addresses: `host port` at this place.
pub(crate) fn addr_at(payload: &str, place: usize) -> Option<Addr> {
    let mut words = payload.split(' ').skip(place);
    Some(Addr::new(
        Host::parse(words.next()?)?,
        words.next()?.parse().ok()?,
    ))
}

/// The kind of instance and its address in an event's payload: `slave <name> <host> <port> …`.
pub(crate) fn instance(payload: &str) -> Option<(&str, Addr)> {
    let kind = payload.split(' ').next()?;
    Some((kind, addr_at(payload, 2)?))
}

/// The vote in `+vote-for-leader`: `<id> <epoch>`.
pub(crate) fn vote(payload: &str) -> Option<Ballot> {
    let (id, epoch) = payload.split_once(' ')?;
    Some(Ballot {
        leader: RunId::parse(id.as_bytes())?,
        epoch: Epoch::new(epoch.parse().ok()?),
    })
}

/// The vote in a reply to IS-MASTER-DOWN-BY-ADDR, and whether the master is held to be down.
pub(crate) fn opinion(reply: &Reply) -> Option<(bool, Option<Ballot>)> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let [
        Reply::Integer(down),
        Reply::Bulk(leader),
        Reply::Integer(epoch),
    ] = parts.as_slice()
    else {
        return None;
    };
    let epoch = Epoch::new(u64::try_from(*epoch).ok()?);
    let vote = RunId::parse(leader.as_bytes()).map(|leader| Ballot { epoch, leader });
    Some((*down == 1, vote))
}

/// What a file says of a master.
pub(crate) fn master<'a>(file: &'a Durable, name: &MasterName) -> Option<&'a MasterState> {
    let found = file.masters.iter().find(|state| state.name == *name);
    found.map(|state| &**state)
}
