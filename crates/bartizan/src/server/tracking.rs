//! `CLIENT TRACKING`. A Sentinel has no keys and never sends an invalidation, but clients may ask
//! for the mode and look at it again, so it is kept as Redis keeps it.

use bartizan_wire::request::{Toggle, TrackingCall, TrackingOption};
use bartizan_wire::resp::Frame;

use super::Hall;
use super::pubsub::ClientId;
use super::seat::Seat;

const OTHER_BROADCAST: &str = "ERR You can't switch BCAST mode on/off before disabling tracking \
for this client, and then re-enabling it with a different mode.";
const OTHER_OPTION: &str = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for \
this client, and then re-enabling it with a different mode.";
const NOT_TRACKING: &str = "ERR CLIENT CACHING can be called only when the client is in tracking \
mode with OPTIN or OPTOUT mode enabled";

/// Prefixes of one client, all together.
const PREFIXES: usize = 1024;

/// What a client that tracks has chosen.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    mode: Mode,
    no_loop: bool,
    redirect: Option<ClientId>,
}

/// Which keys would be tracked.
#[derive(Clone, Debug)]
enum Mode {
    /// Those that are read.
    Read,
    /// All with these prefixes, or all there are.
    Broadcast(Vec<Vec<u8>>),
    /// Those that are read right after `CACHING YES`.
    OptIn(Caching),
    /// Those that are read, but not right after `CACHING NO`.
    OptOut(Caching),
}

/// Whether `CACHING` was said just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caching {
    Said,
    Unsaid,
}

impl Tracking {
    /// The letters of `CLIENT LIST`.
    pub(super) fn flags(tracking: Option<&Self>) -> &'static str {
        match tracking.map(|tracking| &tracking.mode) {
            None => "",
            Some(Mode::Broadcast(_)) => "tB",
            Some(Mode::Read | Mode::OptIn(_) | Mode::OptOut(_)) => "t",
        }
    }

    /// Where invalidations go: to nobody (-1), to the client itself (0), to another.
    pub(super) fn redirect(tracking: Option<&Self>) -> i64 {
        tracking.map_or(-1, |tracking| {
            i64::try_from(tracking.redirect.unwrap_or(0)).unwrap_or(i64::MAX)
        })
    }

    /// `CACHING` is forgotten with the next command that is not about the client itself.
    pub(super) fn command_was(&mut self, name: &str) {
        if let Mode::OptIn(caching) | Mode::OptOut(caching) = &mut self.mode
            && !name.starts_with("client|")
        {
            *caching = Caching::Unsaid;
        }
    }
}

/// `CLIENT TRACKING`
pub(super) fn track(hall: &Hall, seat: &Seat, call: &TrackingCall) -> Frame {
    match tracked(hall, seat, call) {
        Ok(tracking) => {
            *seat.tracking.borrow_mut() = tracking;
            Frame::simple("OK")
        }
        Err(why) => Frame::Error(why.into_bytes()),
    }
}

fn tracked(hall: &Hall, seat: &Seat, call: &TrackingCall) -> Result<Option<Tracking>, String> {
    let redirect = redirect(hall, &call.redirects)?;
    if call.toggle == Toggle::Off {
        return Ok(None);
    }
    let before = seat.tracking.borrow().clone();
    let has = |option| call.options.contains(&option);
    let (opt_in, opt_out) = (has(TrackingOption::OptIn), has(TrackingOption::OptOut));
    let broadcast = has(TrackingOption::Broadcast);
    let kept = match before.map(|tracking| tracking.mode) {
        Some(Mode::Broadcast(_)) if !broadcast => return Err(broadcast_error(call)),
        Some(Mode::Broadcast(prefixes)) => prefixes,
        Some(_) if broadcast => return Err(OTHER_BROADCAST.to_owned()),
        Some(Mode::OptIn(_)) if opt_out => return Err(OTHER_OPTION.to_owned()),
        Some(Mode::OptOut(_)) if opt_in => return Err(OTHER_OPTION.to_owned()),
        Some(_) | None => Vec::new(),
    };
    let mode = match (broadcast, opt_in, opt_out) {
        (false, ..) if !call.prefixes.is_empty() => return Err(broadcast_error(call)),
        (true, false, false) => Mode::Broadcast(prefixes(kept, &call.prefixes)?),
        (true, ..) => {
            return Err("ERR OPTIN and OPTOUT are not compatible with BCAST".to_owned());
        }
        (false, true, true) => {
            return Err("ERR You can't specify both OPTIN mode and OPTOUT mode".to_owned());
        }
        (false, true, false) => Mode::OptIn(Caching::Unsaid),
        (false, false, true) => Mode::OptOut(Caching::Unsaid),
        (false, false, false) => Mode::Read,
    };
    Ok(Some(Tracking {
        mode,
        no_loop: has(TrackingOption::NoLoop),
        redirect,
    }))
}

/// Why this cannot be without `BCAST`.
fn broadcast_error(call: &TrackingCall) -> String {
    if call.prefixes.is_empty() {
        OTHER_BROADCAST.to_owned()
    } else {
        "ERR PREFIX option requires BCAST mode to be enabled".to_owned()
    }
}

fn redirect(hall: &Hall, ids: &[i64]) -> Result<Option<ClientId>, String> {
    let mut found = None;
    for id in ids {
        if found.is_some() {
            return Err("ERR A client can only redirect to a single other client".to_owned());
        }
        let id = ClientId::try_from(*id).ok();
        found = id.filter(|id| hall.seats.borrow().contains_key(id));
        if found.is_none() {
            return Err("ERR The client ID you want redirect to does not exist".to_owned());
        }
    }
    Ok(found)
}

/// The prefixes before and the new ones, none of which may begin another.
fn prefixes(mut kept: Vec<Vec<u8>>, new: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |one: &[u8], how: &str, other: &[u8]| {
        let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
        Err(format!(
            "ERR Prefix '{one}' overlaps with {how} prefix '{other}'. Prefixes for a single \
             client must not overlap."
        ))
    };
    for (at, prefix) in new.iter().enumerate() {
        if let Some(other) = kept.iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "an existing", other);
        }
        let later = new.get(at + 1..).unwrap_or_default();
        if let Some(other) = later.iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "another provided", other);
        }
    }
    if kept.len().saturating_add(new.len()) > PREFIXES {
        return Err("ERR too many prefixes".to_owned());
    }
    if new.is_empty() && !kept.contains(&Vec::new()) {
        // No prefix is every key: the empty prefix.
        kept.push(Vec::new());
    }
    kept.extend_from_slice(new);
    kept.sort();
    Ok(kept)
}

/// `CLIENT CACHING`; `None` for a word that is neither YES nor NO.
pub(super) fn caching(seat: &Seat, wanted: Option<Toggle>) -> Frame {
    let mut tracking = seat.tracking.borrow_mut();
    let refused = |why: &str| Frame::Error(why.as_bytes().to_vec());
    let Some(Tracking { mode, .. }) = tracking.as_mut() else {
        return refused(NOT_TRACKING);
    };
    match (wanted, mode) {
        (Some(Toggle::On), Mode::OptIn(caching)) | (Some(Toggle::Off), Mode::OptOut(caching)) => {
            *caching = Caching::Said;
            Frame::simple("OK")
        }
        (Some(Toggle::On), _) => {
            refused("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
        }
        (Some(Toggle::Off), _) => {
            refused("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
        }
        (None, _) => refused("ERR syntax error"),
    }
}

/// `CLIENT TRACKINGINFO`
pub(super) fn info(seat: &Seat) -> Frame {
    let tracking = seat.tracking.borrow();
    let mut flags = Vec::new();
    let mut prefixes: &[Vec<u8>] = &[];
    match tracking.as_ref().map(|tracking| &tracking.mode) {
        None => flags.push("off"),
        Some(Mode::Read) => flags.push("on"),
        Some(Mode::Broadcast(these)) => {
            flags.extend(["on", "bcast"]);
            prefixes = these;
        }
        Some(Mode::OptIn(caching)) => {
            flags.extend(["on", "optin"]);
            flags.extend((*caching == Caching::Said).then_some("caching-yes"));
        }
        Some(Mode::OptOut(caching)) => {
            flags.extend(["on", "optout"]);
            flags.extend((*caching == Caching::Said).then_some("caching-no"));
        }
    }
    if tracking.as_ref().is_some_and(|tracking| tracking.no_loop) {
        flags.push("noloop");
    }
    let prefixes = prefixes.iter().cloned().map(Frame::Bulk).collect();
    Frame::Map(vec![
        (
            Frame::bulk("flags"),
            Frame::Set(flags.into_iter().map(Frame::bulk).collect()),
        ),
        (
            Frame::bulk("redirect"),
            Frame::Integer(Tracking::redirect(tracking.as_ref())),
        ),
        (Frame::bulk("prefixes"), Frame::Array(prefixes)),
    ])
}
