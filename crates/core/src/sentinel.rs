//! `Sentinel`: the door. Every input comes in here, every output leaves here.

use crate::input::Input;
use crate::model::durable::Durable;
use crate::output::Output;
use crate::provide::options::Credentials;
use crate::provide::query::Query;
use crate::provide::reply::Reply;
use crate::time::Mono;

/// What a Sentinel starts from.
#[derive(Clone, Debug)]
pub struct Boot {
    /// What the file said.
    pub durable: Durable,
    /// The id is new: write the file before anything else (spec §1.5).
    pub fresh: bool,
    /// Seed of all randomness.
    pub seed: u64,
    /// The port we listen on, which hellos announce.
    pub port: u16,
    /// What to use on peers when no `sentinel-pass` is set: our own `requirepass` (spec §5.2).
    pub own_password: Option<Credentials>,
}

/// One Sentinel, watching any number of masters.
#[derive(Debug)]
pub struct Sentinel {}

impl Sentinel {
    /// A Sentinel that has just started. Outputs are waiting.
    pub fn new(_boot: Boot, _now: Mono) -> Self {
        Self {}
    }

    /// One thing happened.
    pub fn handle(&mut self, _now: Mono, _input: Input) {}

    /// Time passed; harmless if early.
    pub fn handle_timeout(&mut self, _now: Mono) {}

    /// The next thing to do; call until `None` after each input.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When to come back at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        None
    }

    /// Answers a question; changes nothing.
    pub fn query(&self, _now: Mono, _query: &Query) -> Reply {
        Reply::Null
    }
}
