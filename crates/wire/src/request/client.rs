//! `CLIENT …`

use bartizan_core::provide::reply::Reply;

use super::args::{integer, integer_or, is, plain, shown, syntax_error, word, words};
use super::{
    ClientCall, ClientFilter, ClientType, Local, PauseMode, ReplyMode, Request, Toggle,
    TrackingCall, TrackingOption,
};
use crate::resp::{Argv, Frame, parse_integer};

type Parsed = Result<Request, Reply>;

fn call(call: ClientCall) -> Parsed {
    Ok(Request::Local(Local::Client(call)))
}

pub(super) fn set_name(argv: &Argv) -> Parsed {
    call(ClientCall::SetName(plain(word(argv, 2), "Client names")?))
}

pub(super) fn get_name(_: &Argv) -> Parsed {
    call(ClientCall::GetName)
}

pub(super) fn set_info(argv: &Argv) -> Parsed {
    let attribute = ["lib-name", "lib-ver"]
        .into_iter()
        .find(|what| is(argv, 2, what));
    let Some(attribute) = attribute else {
        let option = shown(word(argv, 2), 128);
        return Err(Reply::error(format!("ERR Unrecognized option '{option}'")));
    };
    call(ClientCall::SetInfo {
        attribute,
        value: plain(word(argv, 3), attribute)?,
    })
}

pub(super) fn id(_: &Argv) -> Parsed {
    call(ClientCall::Id)
}

pub(super) fn info(_: &Argv) -> Parsed {
    call(ClientCall::Info)
}

pub(super) fn list(argv: &Argv) -> Parsed {
    let mut filter = ClientFilter::default();
    match words(argv, 2) {
        [] => {}
        [option, kind] if option.eq_ignore_ascii_case(b"type") => {
            filter.kind = Some(client_type(kind)?);
        }
        [option, ids @ ..] if option.eq_ignore_ascii_case(b"id") && !ids.is_empty() => {
            let invalid = || Reply::error("ERR Invalid client ID");
            let ids = ids.iter().map(|id| parse_integer(id).ok_or_else(invalid));
            // Nobody has a negative id, and 0 is nobody's either.
            let ids = ids.map(|id| id.map(|id| u64::try_from(id).unwrap_or(0)));
            filter.ids = ids.collect::<Result<_, _>>()?;
        }
        _ => return Err(syntax_error()),
    }
    call(ClientCall::List(filter))
}

pub(super) fn kill(argv: &Argv) -> Parsed {
    if let [addr] = words(argv, 2) {
        let addr = Some(addr.clone());
        return call(ClientCall::Kill(ClientFilter {
            addr,
            single: true,
            ..Default::default()
        }));
    }
    let mut filter = ClientFilter {
        skip_me: true,
        ..Default::default()
    };
    for pair in words(argv, 2).chunks(2) {
        let [option, value] = pair else {
            return Err(syntax_error());
        };
        match option.to_ascii_lowercase().as_slice() {
            b"id" => filter.ids = vec![client_id(value)?],
            b"type" => filter.kind = Some(client_type(value)?),
            b"addr" => filter.addr = Some(value.clone()),
            b"laddr" => filter.laddr = Some(value.clone()),
            b"user" => filter.user = Some(value.clone()),
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.skip_me = true,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.skip_me = false,
            _ => return Err(syntax_error()),
        }
    }
    call(ClientCall::Kill(filter))
}

fn client_id(value: &[u8]) -> Result<u64, Reply> {
    let id = parse_integer(value)
        .and_then(|id| u64::try_from(id).ok())
        .filter(|id| *id > 0);
    id.ok_or_else(|| Reply::error("ERR client-id should be greater than 0"))
}

fn client_type(value: &[u8]) -> Result<ClientType, Reply> {
    match value.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientType::Normal),
        b"master" | b"primary" => Ok(ClientType::Master),
        b"slave" | b"replica" => Ok(ClientType::Replica),
        b"pubsub" => Ok(ClientType::PubSub),
        _ => Err(Reply::error(format!(
            "ERR Unknown client type '{}'",
            shown(value, 128)
        ))),
    }
}

pub(super) fn no_evict(argv: &Argv) -> Parsed {
    let toggle = on_or_off(word(argv, 2)).ok_or_else(syntax_error)?;
    call(ClientCall::NoEvict(toggle))
}

fn on_or_off(word: &[u8]) -> Option<Toggle> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Some(Toggle::On),
        b"off" => Some(Toggle::Off),
        _ => None,
    }
}

pub(super) fn reply(argv: &Argv) -> Parsed {
    match () {
        () if is(argv, 2, "on") => call(ClientCall::Reply(ReplyMode::On)),
        () if is(argv, 2, "off") => call(ClientCall::Reply(ReplyMode::Off)),
        () if is(argv, 2, "skip") => call(ClientCall::Reply(ReplyMode::Skip)),
        () => Err(syntax_error()),
    }
}

pub(super) fn pause(argv: &Argv) -> Parsed {
    let mode = match words(argv, 3) {
        [] => PauseMode::All,
        [mode] if mode.eq_ignore_ascii_case(b"all") => PauseMode::All,
        [mode] if mode.eq_ignore_ascii_case(b"write") => PauseMode::Write,
        [_] => return Err(Reply::error("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(too_many(argv)),
    };
    let ms = integer_or(argv, 2, "ERR timeout is not an integer or out of range")?;
    let ms = u64::try_from(ms).map_err(|_| Reply::error("ERR timeout is negative"))?;
    call(ClientCall::Pause { ms, mode })
}

pub(super) fn unpause(_: &Argv) -> Parsed {
    call(ClientCall::Unpause)
}

fn too_many(argv: &Argv) -> Reply {
    let sub = shown(word(argv, 1), 128);
    Reply::error(format!(
        "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try CLIENT HELP."
    ))
}

/// Nobody is ever blocked here.
pub(super) fn unblock(argv: &Argv) -> Parsed {
    match words(argv, 3) {
        [] => {}
        [how] if how.eq_ignore_ascii_case(b"timeout") || how.eq_ignore_ascii_case(b"error") => {}
        [_] => {
            let error = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
            return Err(Reply::error(error));
        }
        _ => return Err(too_many(argv)),
    }
    integer(argv, 2)?;
    Ok(Request::Answered(Frame::Integer(0)))
}

/// There are no keys, so that nothing is ever invalidated; the mode is kept all the same, for
/// clients ask for it.
pub(super) fn tracking(argv: &Argv) -> Parsed {
    let toggle = on_or_off(word(argv, 2));
    let mut asked = TrackingCall {
        toggle: toggle.unwrap_or(Toggle::Off),
        redirects: Vec::new(),
        prefixes: Vec::new(),
        options: Vec::new(),
    };
    let mut rest = words(argv, 3);
    while let [option, behind @ ..] = rest {
        rest = match (option.to_ascii_lowercase().as_slice(), behind) {
            (b"redirect", [id, behind @ ..]) => {
                let id = parse_integer(id)
                    .ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))?;
                asked.redirects.push(id);
                behind
            }
            (b"prefix", [prefix, behind @ ..]) => {
                asked.prefixes.push(prefix.clone());
                behind
            }
            (flag, behind) => {
                asked.options.push(match flag {
                    b"bcast" => TrackingOption::Broadcast,
                    b"optin" => TrackingOption::OptIn,
                    b"optout" => TrackingOption::OptOut,
                    b"noloop" => TrackingOption::NoLoop,
                    _ => return Err(syntax_error()),
                });
                behind
            }
        };
    }
    if toggle.is_none() {
        return Err(syntax_error());
    }
    call(ClientCall::Tracking(asked))
}

pub(super) fn caching(argv: &Argv) -> Parsed {
    match () {
        () if is(argv, 2, "yes") => call(ClientCall::Caching(Some(Toggle::On))),
        () if is(argv, 2, "no") => call(ClientCall::Caching(Some(Toggle::Off))),
        () => call(ClientCall::Caching(None)),
    }
}

pub(super) fn get_redir(_: &Argv) -> Parsed {
    call(ClientCall::GetRedir)
}

pub(super) fn tracking_info(_: &Argv) -> Parsed {
    call(ClientCall::TrackingInfo)
}
