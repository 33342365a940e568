//! Commands that change something, as the wire crate hands them in.

use std::sync::Arc;

use crate::addr::{Addr, Host};
use crate::ids::{Epoch, MasterName, RunId};
use crate::report::Hello;
use crate::time::Span;

/// A request that may change state. Arity and number formats were checked at the edge; what a
/// value means is decided here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `SENTINEL MONITOR name host port quorum`. Numbers that were no integers never get here.
    Monitor {
        /// The new master's name.
        name: MasterName,
        /// Its host; `None` when the text can be no host at all.
        host: Option<Host>,
        /// Its port as given.
        port: i64,
        /// The quorum as given.
        quorum: i64,
    },
    /// `SENTINEL REMOVE name`
    Remove {
        /// Which master.
        name: MasterName,
    },
    /// `SENTINEL SET name option value …`
    Set {
        /// Which master.
        name: MasterName,
        /// The words after the name.
        words: Vec<Arc<str>>,
        /// Those of them that would be paths of scripts and cannot be executed. The core sees no
        /// files: whoever hands the command in looks (see [`Command::check_scripts`]).
        not_executable: Vec<Arc<str>>,
    },
    /// `SENTINEL RESET pattern`
    Reset {
        /// A glob over master names.
        pattern: Arc<str>,
    },
    /// `SENTINEL FAILOVER name`
    Failover {
        /// Which master.
        name: MasterName,
    },
    /// `SENTINEL FAILOVER name COORDINATED …`: without loss or not at all.
    Switchover {
        /// Which master.
        name: MasterName,
        /// What else was said.
        wish: Wish,
    },
    /// `SENTINEL DRAIN name [host port]`: makes sure that a server can be stopped.
    Drain {
        /// Which master.
        name: MasterName,
        /// Which server; `None` for those on this Sentinel's host.
        server: Option<Addr>,
    },
    /// `SENTINEL FLUSHCONFIG`
    FlushConfig,
    /// `SENTINEL CONFIG SET option value …`
    ConfigSet {
        /// The words after SET.
        words: Vec<Arc<str>>,
    },
    /// `SENTINEL DEBUG parameter ms …`
    Debug {
        /// The words after DEBUG, at least one.
        words: Vec<Arc<str>>,
    },
    /// `SENTINEL SIMULATE-FAILURE flag …`
    SimulateFailure {
        /// The words after it.
        words: Vec<Arc<str>>,
    },
    /// `SENTINEL IS-MASTER-DOWN-BY-ADDR ip port epoch candidate`
    Ask(Ask),
    /// `PUBLISH __sentinel__:hello …`; `None` when the text is no hello (still answered `:1`).
    Publish {
        /// The hello.
        hello: Option<Hello>,
    },
}

impl Command {
    /// Looks at each path of a script that `SENTINEL SET` would set, and notes those that
    /// `is_executable` denies. Of any other command nothing is asked.
    pub fn check_scripts(&mut self, is_executable: impl Fn(&str) -> bool) {
        let Self::Set {
            words,
            not_executable,
            ..
        } = self
        else {
            return;
        };
        let is_script = |option: &str| {
            ["notification-script", "client-reconfig-script"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(option))
        };
        // A value may happen to be called like an option: looked at once too often, that is all.
        let paths = words
            .windows(2)
            .filter_map(|pair| pair.first().zip(pair.get(1)))
            .filter(|(option, path)| is_script(option) && !path.is_empty())
            .map(|(_, path)| Arc::clone(path));
        *not_executable = paths.filter(|path| !is_executable(path)).collect();
    }
}

/// How a switchover is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `TO host port`: the next master; `None` for the best replica.
    pub to: Option<Addr>,
    /// `TIMEOUT ms`: how long it may take until the promotion.
    pub timeout: Option<Span>,
    /// `DRYRUN`: only say what would be done.
    pub dry_run: bool,
}

/// A peer's question about a master, perhaps with a request for our vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The master's address; `None` when the text can be no host.
    pub addr: Option<Addr>,
    /// The candidate's epoch; `None` when it is negative or absurd, which gets no vote.
    pub epoch: Option<Epoch>,
    /// Who wants the vote; `None` for `*` or for what is no id.
    pub candidate: Option<RunId>,
}
