//! Top-level commands that concern the connection (spec §3.4).

use bartizan_core::provide::command::Command;
use bartizan_core::provide::reply::Reply;

use super::args::{integer_or, is, plain, shown, syntax_error, text, word, words};
use super::{Local, Request};
use crate::hello;
use crate::resp::{Argv, Protocol};

type Parsed = Result<Request, Reply>;

fn local(local: Local) -> Parsed {
    Ok(Request::Local(local))
}

pub(super) fn ping(argv: &Argv) -> Parsed {
    // The table says "any number", and this is checked late, so that an unauthenticated client
    // hears NOAUTH first.
    if argv.len() > 2 {
        return Err(Reply::error(
            "ERR wrong number of arguments for 'ping' command",
        ));
    }
    local(Local::Ping(argv.get(1).cloned()))
}

pub(super) fn info(argv: &Argv) -> Parsed {
    let sections = (1..argv.len()).map(|at| text(argv, at).to_ascii_lowercase());
    local(Local::Info(sections.collect()))
}

pub(super) fn publish(argv: &Argv) -> Parsed {
    if word(argv, 1) != hello::CHANNEL.as_bytes() {
        let error = "ERR Only HELLO messages are accepted by Sentinel instances.";
        return Err(Reply::error(error));
    }
    Ok(Request::Command(Command::Publish {
        hello: hello::parse(word(argv, 2)),
    }))
}

pub(super) fn subscribe(argv: &Argv) -> Parsed {
    local(Local::Subscribe(words(argv, 1).to_vec()))
}

pub(super) fn psubscribe(argv: &Argv) -> Parsed {
    local(Local::PSubscribe(words(argv, 1).to_vec()))
}

pub(super) fn unsubscribe(argv: &Argv) -> Parsed {
    local(Local::Unsubscribe(words(argv, 1).to_vec()))
}

pub(super) fn punsubscribe(argv: &Argv) -> Parsed {
    local(Local::PUnsubscribe(words(argv, 1).to_vec()))
}

pub(super) fn auth(argv: &Argv) -> Parsed {
    match words(argv, 1) {
        [password] => local(Local::Auth {
            user: None,
            password: password.clone(),
        }),
        [user, password] => local(Local::Auth {
            user: Some(user.clone()),
            password: password.clone(),
        }),
        _ => Err(syntax_error()),
    }
}

pub(super) fn hello(argv: &Argv) -> Parsed {
    let protocol = match argv.len() {
        0 | 1 => None,
        _ => Some(protocol(argv)?),
    };
    let (mut auth, mut name) = (None, None);
    let mut rest = words(argv, 2);
    while let Some(option) = rest.first() {
        rest = match rest {
            [_, user, password, behind @ ..] if option.eq_ignore_ascii_case(b"auth") => {
                auth = Some((user.clone(), password.clone()));
                behind
            }
            [_, value, behind @ ..] if option.eq_ignore_ascii_case(b"setname") => {
                name = Some(plain(value, "Client names")?);
                behind
            }
            _ => {
                let option = shown(option, 128);
                return Err(Reply::error(format!(
                    "ERR Syntax error in HELLO option '{option}'"
                )));
            }
        };
    }
    local(Local::Hello {
        protocol,
        auth,
        name,
    })
}

fn protocol(argv: &Argv) -> Result<Protocol, Reply> {
    match integer_or(
        argv,
        1,
        "ERR Protocol version is not an integer or out of range",
    )? {
        2 => Ok(Protocol::Resp2),
        3 => Ok(Protocol::Resp3),
        _ => Err(Reply::error("NOPROTO unsupported protocol version")),
    }
}

pub(super) fn shutdown(argv: &Argv) -> Parsed {
    let given = |what: &str| (1..argv.len()).any(|at| is(argv, at, what));
    let known = ["nosave", "save", "now", "force", "abort"];
    let unknown = (1..argv.len()).any(|at| !known.iter().any(|what| is(argv, at, what)));
    let others = ["nosave", "save", "now", "force"].into_iter().any(given);
    if unknown || (given("save") && given("nosave")) || (given("abort") && others) {
        return Err(syntax_error());
    }
    if given("abort") {
        return Err(Reply::error("ERR No shutdown in progress."));
    }
    local(Local::Shutdown)
}

/// Words behind it mean nothing, as in Redis.
pub(super) fn quit(_: &Argv) -> Parsed {
    local(Local::Quit)
}

pub(super) fn reset(_: &Argv) -> Parsed {
    local(Local::Reset)
}

/// A container without a subcommand never gets past its arity; `COMMAND` alone does, elsewhere.
pub(super) fn container(_: &Argv) -> Parsed {
    Err(syntax_error())
}
