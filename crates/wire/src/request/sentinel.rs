//! `SENTINEL …` and `ROLE`: from words to the core's commands and queries (spec §3.2).

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, RunId};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use super::Request;
use super::args::{integer, integer_or, is, name, text, texts, word, words};
use crate::resp::Argv;

type Parsed = Result<Request, Reply>;

fn query(query: Query) -> Parsed {
    Ok(Request::Query(query))
}

fn command(command: Command) -> Parsed {
    Ok(Request::Command(command))
}

pub(super) fn role(_: &Argv) -> Parsed {
    query(Query::Role)
}

pub(super) fn masters(_: &Argv) -> Parsed {
    query(Query::Masters)
}

pub(super) fn master(argv: &Argv) -> Parsed {
    query(Query::Master(name(argv, 2)))
}

pub(super) fn replicas(argv: &Argv) -> Parsed {
    query(Query::Replicas(name(argv, 2)))
}

pub(super) fn sentinels(argv: &Argv) -> Parsed {
    query(Query::Sentinels(name(argv, 2)))
}

pub(super) fn master_addr(argv: &Argv) -> Parsed {
    query(Query::MasterAddr(name(argv, 2)))
}

pub(super) fn ckquorum(argv: &Argv) -> Parsed {
    query(Query::CkQuorum(name(argv, 2)))
}

pub(super) fn my_id(_: &Argv) -> Parsed {
    query(Query::MyId)
}

pub(super) fn info_cache(argv: &Argv) -> Parsed {
    query(Query::InfoCache(
        (2..argv.len()).map(|at| name(argv, at)).collect(),
    ))
}

pub(super) fn pending_scripts(_: &Argv) -> Parsed {
    query(Query::PendingScripts)
}

pub(super) fn remove(argv: &Argv) -> Parsed {
    command(Command::Remove {
        name: name(argv, 2),
    })
}

pub(super) fn reset(argv: &Argv) -> Parsed {
    command(Command::Reset {
        pattern: text(argv, 2).into(),
    })
}

pub(super) fn flush_config(_: &Argv) -> Parsed {
    command(Command::FlushConfig)
}

pub(super) fn simulate_failure(argv: &Argv) -> Parsed {
    command(Command::SimulateFailure {
        words: texts(argv, 2),
    })
}

pub(super) fn set(argv: &Argv) -> Parsed {
    command(Command::Set {
        name: name(argv, 2),
        words: texts(argv, 3),
        not_executable: Vec::new(),
    })
}

/// The quorum is checked before the port (spec §3.2).
pub(super) fn monitor(argv: &Argv) -> Parsed {
    let quorum = integer_or(argv, 5, "ERR Invalid quorum")?;
    let port = integer_or(argv, 4, "ERR Invalid port")?;
    let host = Host::parse(&text(argv, 3));
    command(Command::Monitor {
        name: name(argv, 2),
        host,
        port,
        quorum,
    })
}

/// A negative epoch, which redis-sentinel reads as the last of all, is no epoch here (spec §9.2).
pub(super) fn is_master_down(argv: &Argv) -> Parsed {
    let port = integer(argv, 3)?;
    let epoch = integer(argv, 4)?;
    let host = Host::parse(&text(argv, 2));
    command(Command::Ask(Ask {
        addr: host
            .zip(u16::try_from(port).ok())
            .map(|(host, port)| Addr { host, port }),
        epoch: u64::try_from(epoch).ok().map(Epoch::new),
        candidate: RunId::parse(word(argv, 5)),
    }))
}

pub(super) fn config(argv: &Argv) -> Parsed {
    let complete = argv.len() > 3;
    if complete && is(argv, 2, "get") {
        query(Query::ConfigGet(texts(argv, 3)))
    } else if complete && is(argv, 2, "set") {
        command(Command::ConfigSet {
            words: texts(argv, 3),
        })
    } else {
        Err(Reply::error(
            "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / \
             SET <param> <value> [<param> <value> ...] are supported.",
        ))
    }
}

pub(super) fn debug(argv: &Argv) -> Parsed {
    if words(argv, 2).is_empty() {
        query(Query::DebugGet)
    } else {
        command(Command::Debug {
            words: texts(argv, 2),
        })
    }
}
