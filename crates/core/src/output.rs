//! Everything the core can ask of the world.

use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::{Addr, Host};
use crate::fencing::MinReplicas;
use crate::ids::{
    CallId, Epoch, JobId, LinkId, MasterName, PersistSeq, RequestId, RescueId, RunId,
};
use crate::model::durable::Durable;
use crate::notify::event::{Event, Level, Threshold};
use crate::provide::options::{Credentials, Renames};
use crate::provide::reply::Reply;
use crate::report::Hello;
use crate::rescue::Rescue;
use crate::time::Span;

/// One thing to do. Outputs are carried out in the order they are polled.
#[derive(Clone, Debug)]
pub enum Output {
    /// Open a connection; answer with `LinkUp` or `LinkDown`.
    Connect {
        /// A fresh id.
        link: LinkId,
        /// Command or Pub/Sub.
        kind: LinkKind,
        /// Where to.
        ip: IpAddr,
        /// Which port, never 0.
        port: u16,
        /// What to say first.
        greeting: Greeting,
    },
    /// Close a connection; nothing more is heard of it.
    Close {
        /// Which.
        link: LinkId,
    },
    /// Send a call on a command link that is up, a hello on a Pub/Sub link that takes calls
    /// (`Talk::Both`), or `TryPermissions` on a trial link (`Talk::Refuse`); answer with `Answer`.
    Call {
        /// Over which connection.
        link: LinkId,
        /// Its id.
        call: CallId,
        /// What to send.
        what: Call,
        /// The master's `rename-command` table.
        renames: Arc<Renames>,
    },
    /// Something happened that operators and clients may want to know: log it, publish it.
    Event(Event),
    /// A line for the log alone.
    Log {
        /// Its level.
        level: Level,
        /// Its text.
        text: String,
    },
    /// From here on the log holds these lines.
    SetLogThreshold(Threshold),
    /// The reply to `Input::Asked`.
    Answer {
        /// Whose.
        request: RequestId,
        /// What.
        reply: Reply,
    },
    /// Where clients are told that a master is has changed: what `Query::MasterAddr` answers from
    /// now on, for whoever cannot ask the core.
    Whereabouts {
        /// Which master.
        name: MasterName,
        /// In announced form; none when it is not watched any more.
        addr: Option<Addr>,
    },
    /// Write the whole state and sync it; answer with `Persisted` or `PersistFailed`.
    /// At most one is outstanding.
    Persist {
        /// Its number.
        seq: PersistSeq,
        /// What to write.
        durable: Box<Durable>,
    },
    /// Look a name up; answer with `Resolved`.
    Resolve {
        /// The name.
        host: Host,
    },
    /// Start a script with these words (`argv[0]` is the path); answer with `ScriptEnded`.
    RunScript {
        /// Its id.
        job: JobId,
        /// Its words.
        argv: Vec<String>,
    },
    /// Kill a script that ran too long; `ScriptEnded` still follows.
    KillScript {
        /// Which.
        job: JobId,
    },
    /// Save what a returned master alone has; answer with `Rescued`, always and once.
    Rescue {
        /// Its id.
        id: RescueId,
        /// What to save and from where.
        rescue: Box<Rescue>,
    },
    /// End the process at once with this code (`SENTINEL SIMULATE-FAILURE`, spec §10.9).
    Crash {
        /// The exit code, 99.
        code: i32,
    },
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Calls and their answers.
    Command,
    /// Subscribed to `__sentinel__:hello`, `Subscribed` says when. An error reply to SUBSCRIBE
    /// closes it.
    PubSub,
    /// Subscribed too, in RESP2, where it refuses every command; `Subscribed` says whether it does.
    Trial,
}

/// What is sent first on a new connection (spec §5.2): `[AUTH]`, `CLIENT SETNAME`, and on a
/// Pub/Sub link `HELLO 3` between them and `SUBSCRIBE __sentinel__:hello` behind. Replies to the
/// first two are ignored; the one to HELLO decides what `Subscribed` says.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// Who to authenticate as, if anyone.
    pub auth: Option<Credentials>,
    /// `sentinel-<8 characters of our id>-cmd` or `-pubsub`.
    pub client_name: String,
    /// The master's `rename-command` table.
    pub renames: Arc<Renames>,
}

/// What we send on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `PING`
    Ping,
    /// `INFO`
    Info,
    /// `PUBLISH __sentinel__:hello <hello>`
    Publish(Hello),
    /// `SENTINEL is-master-down-by-addr <ip> <port> <epoch> <candidate or *>` (spec §9.1)
    Ask {
        /// The master in question, in announced form.
        addr: Addr,
        /// Our epoch, or the epoch we stand in.
        epoch: Epoch,
        /// Ourselves when we ask for a vote, else `*`.
        candidate: Option<RunId>,
    },
    /// The transaction of spec §10.3, sent in one piece; answered when EXEC is.
    Reconfigure(ReplicaOf),
    /// `SCRIPT KILL`
    ScriptKill,
    /// `CLIENT PAUSE <ms> WRITE` (data-safety §2)
    Pause {
        /// For how long writes are held back at most.
        span: Span,
    },
    /// `CLIENT UNPAUSE`
    Unpause,
    /// `CONFIG GET min-replicas-*`
    ReadMinReplicas,
    /// `CONFIG SET` of both values and `CONFIG REWRITE`, in one transaction; answered when EXEC is.
    SetMinReplicas(MinReplicas),
    /// Each thing that our user should be allowed, on a connection that does none of them;
    /// answered when the last one is.
    TryPermissions,
}

/// Whom a server is told to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaOf {
    /// `SLAVEOF NO ONE`: become a master.
    NoOne,
    /// `SLAVEOF host port`
    Master(Addr),
}
