//! What clients ask: the table of commands, and from words to a typed [`Request`].
//!
//! Two steps, since Redis looks a command up and checks its arity before it looks at who asks:
//! [`find`] gives the row (its [`Spec::name`] is what ACL rules speak of), then
//! [`Spec::parse`] reads the arguments.
//!
//! redis-sentinel 7.0 does not know QUIT, RESET and CLIENT SETINFO. Every client library does, so
//! they are answered; COMMAND keeps quiet about them.

mod acl;
mod args;
mod client;
mod describe;
mod docs;
mod help;
mod local;
mod sentinel;
mod server;
mod switchover;
mod table;

pub use local::{
    AclCall, ClientCall, ClientFilter, ClientType, Local, PauseMode, ReplyMode, Toggle,
    TrackingCall, TrackingOption,
};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use self::args::{shown, word};
use crate::resp::{Argv, Frame};

/// The ACL categories, in the order of `ACL CAT`, without their `@`.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// Bytes of an unknown command, and of its arguments together, that an error repeats.
const ECHOED: usize = 128;

/// One request, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// For `Input::Asked`.
    Command(Command),
    /// For `Sentinel::query`.
    Query(Query),
    /// For the server around the core.
    Local(Local),
    /// Answered from the table already (HELP, COMMAND …).
    Answered(Frame),
}

type Parser = fn(&Argv) -> Result<Request, Reply>;

/// One row of the command table.
#[derive(Debug)]
pub struct Spec {
    /// The full name as ACL rules and errors say it: `ping`, `sentinel|masters`. A container such
    /// as `sentinel` has a row of its own before those of its subcommands.
    pub name: &'static str,
    /// Exact number of words, or at least that many when negative; counts the command itself.
    pub arity: i8,
    /// May be sent by a RESP2 client while it is subscribed.
    pub while_subscribed: bool,
    /// May be sent before authentication.
    pub no_auth: bool,
    /// Command flags, as `COMMAND INFO` tells them.
    pub flags: &'static [&'static str],
    /// ACL categories, with their `@`.
    pub categories: &'static [&'static str],
    /// Other names of the same subcommand (those of Valkey).
    aliases: &'static [&'static str],
    /// What clients of a cluster may want to know, as `COMMAND INFO` tells it.
    tips: &'static [&'static str],
    /// Whether COMMAND tells of it.
    listed: bool,
    /// Takes more words than the arity says, which is redis-sentinel's: an extension of ours.
    extended: bool,
    parse: Parser,
}

impl Spec {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The reply to send instead (spec §3).
    pub fn parse(&self, argv: &Argv) -> Result<Request, Reply> {
        (self.parse)(argv)
    }

    /// The container and the subcommand, when it is one.
    pub fn subcommand(&self) -> Option<(&'static str, &'static str)> {
        self.name.split_once('|')
    }

    fn fits(&self, words: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 || self.extended {
            words >= wanted
        } else {
            words == wanted
        }
    }

    fn wrong_arity(&self) -> Reply {
        Reply::error(format!(
            "ERR wrong number of arguments for '{}' command",
            self.name
        ))
    }
}

/// All rows, containers before their subcommands; ACL rules expand over them.
pub fn table() -> impl Iterator<Item = &'static Spec> {
    table::TABLE.iter()
}

/// Finds the row for a request and checks its arity (spec §3.1).
///
/// # Errors
/// The reply to send instead: unknown command, unknown subcommand, wrong number of arguments.
pub fn find(argv: &Argv) -> Result<&'static Spec, Reply> {
    let spec = lookup(argv)?;
    if spec.fits(argv.len()) {
        Ok(spec)
    } else {
        Err(spec.wrong_arity())
    }
}

/// Finds the row for a full name such as `ping` or `sentinel|masters`, in any case.
pub fn by_name(name: &[u8]) -> Option<&'static Spec> {
    table().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Finds the row for a full name as [`by_name`] does, or for another name of the same subcommand
/// (`sentinel|primary`).
pub fn by_any_name(name: &[u8]) -> Option<&'static Spec> {
    by_name(name).or_else(|| {
        let at = name.iter().position(|byte| *byte == b'|')?;
        let (container, sub) = name.split_at_checked(at)?;
        let argv = vec![container.to_vec(), sub.get(1..)?.to_vec()];
        lookup(&argv)
            .ok()
            .filter(|spec| spec.subcommand().is_some())
    })
}

/// Whether there is such a command and subcommand, however many words it is given.
pub fn exists(argv: &Argv) -> bool {
    lookup(argv).is_ok()
}

fn lookup(argv: &Argv) -> Result<&'static Spec, Reply> {
    let first = word(argv, 0).to_ascii_lowercase();
    let Some(Known { top, subcommands }) = KNOWN.get(first.as_slice()) else {
        return Err(unknown_command(argv));
    };
    let Some(sub) = argv.get(1).filter(|_| !subcommands.is_empty()) else {
        return Ok(top);
    };
    subcommands
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(sub))
        .map(|(_, spec)| *spec)
        .ok_or_else(|| {
            let container = top.name.to_ascii_uppercase();
            let sub = shown(sub, ECHOED);
            Reply::error(format!(
                "ERR unknown subcommand '{sub}'. Try {container} HELP."
            ))
        })
}

/// A top-level command, and its subcommands by all their names.
struct Known {
    top: &'static Spec,
    subcommands: Vec<(&'static str, &'static Spec)>,
}

/// Every top-level command by its name, for the look-up that each request needs.
static KNOWN: LazyLock<BTreeMap<&'static [u8], Known>> = LazyLock::new(|| {
    let tops = table().filter(|spec| spec.subcommand().is_none());
    let command = |top: &'static Spec| {
        let named = |spec: &'static Spec| {
            let own = spec.subcommand().map(|(_, name)| name);
            let names = own.into_iter().chain(spec.aliases.iter().copied());
            names.map(move |name| (name, spec))
        };
        let subcommands = subcommands(top).flat_map(named).collect();
        (top.name.as_bytes(), Known { top, subcommands })
    };
    tops.map(command).collect()
});

fn subcommands(container: &'static Spec) -> impl Iterator<Item = &'static Spec> {
    table().filter(|spec| {
        spec.subcommand()
            .is_some_and(|(of, _)| of == container.name)
    })
}

fn unknown_command(argv: &Argv) -> Reply {
    let mut echoed = String::new();
    for argument in argv.iter().skip(1) {
        if echoed.len() >= ECHOED {
            break;
        }
        echoed.push_str(&format!("'{}' ", shown(argument, ECHOED - echoed.len())));
    }
    let name = shown(word(argv, 0), ECHOED);
    Reply::error(format!(
        "ERR unknown command '{name}', with args beginning with: {echoed}"
    ))
}
