//! What clients ask: the table of commands, and from words to a typed [`Request`].
//!
//! Two steps, since Redis looks a command up and checks its arity before it looks at who asks:
//! [`find`] gives the row (its [`Spec::name`] is what ACL rules speak of), then
//! [`Spec::parse`] reads the arguments.

mod local;

pub use local::{AclCall, ClientCall, ClientFilter, ClientType, Local, ReplyMode, Toggle};

use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use crate::resp::{Argv, Frame};

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

/// One row of the command table.
#[derive(Debug)]
pub struct Spec {
    /// The full name as ACL rules and errors say it: `ping`, `sentinel|masters`.
    pub name: &'static str,
    /// Exact number of words, or at least that many when negative; counts the command itself.
    pub arity: i8,
    /// What a RESP2 client may send while subscribed.
    pub while_subscribed: bool,
    /// What may be sent before authentication.
    pub no_auth: bool,
    /// ACL categories, with their `@`.
    pub categories: &'static [&'static str],
    parse: fn(&Argv) -> Result<Request, Reply>,
}

impl Spec {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The reply to send instead (spec §3).
    pub fn parse(&self, argv: &Argv) -> Result<Request, Reply> {
        (self.parse)(argv)
    }
}

/// Finds the row for a request and checks its arity (spec §3.1).
///
/// # Errors
/// The reply to send instead: unknown command, unknown subcommand, wrong number of arguments.
pub fn find(_argv: &Argv) -> Result<&'static Spec, Reply> {
    Err(Reply::error("ERR unknown command"))
}

/// All rows, containers before their subcommands; ACL rules expand over them.
pub fn table() -> impl Iterator<Item = &'static Spec> {
    core::iter::empty()
}
