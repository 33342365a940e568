//! Everything the world can tell the core.

use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::Host;
use crate::fencing::MinReplicas;
use crate::ids::{CallId, JobId, LinkId, PersistSeq, RequestId, RescueId};
use crate::permission::Permissions;
use crate::provide::command::Command;
use crate::report::{Hello, Info, Opinion};
use crate::rescue::Rescued;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection asked for with `Output::Connect` is ready: TCP (and TLS) stand and the
    /// greeting was written. `local` is our end of it, which a hello announces.
    LinkUp {
        /// Which connection.
        link: LinkId,
        /// The local address of its socket.
        local: IpAddr,
    },
    /// A connection could not be made, or is gone. Its id is dead from here on; calls that were
    /// pending on it get no answer. Not sent for connections closed by `Output::Close`.
    LinkDown {
        /// Which connection.
        link: LinkId,
        /// What the operating system or the protocol said.
        why: LinkError,
    },
    /// The answer to a call. Answers of one link come in the order of its calls.
    Answer {
        /// The connection it came over.
        link: LinkId,
        /// Which call it answers.
        call: CallId,
        /// The parsed reply.
        answer: Answer,
    },
    /// The subscription of a Pub/Sub link stands.
    Subscribed {
        /// Which connection.
        link: LinkId,
        /// What it is good for.
        talk: Talk,
    },
    /// A Pub/Sub link delivered something: a hello, or (`None`) anything else, which still
    /// shows that the link lives.
    Heard {
        /// The connection it came over.
        link: LinkId,
        /// The message, if it was a well-formed hello.
        hello: Option<Hello>,
    },
    /// A client or peer sent a command that changes something; exactly one
    /// `Output::Answer` with the same `request` follows, now or later.
    Asked {
        /// Chosen by the caller, unique among open requests.
        request: RequestId,
        /// What is asked.
        command: Command,
    },
    /// A write asked for with `Output::Persist` is synced.
    Persisted {
        /// Which write.
        seq: PersistSeq,
    },
    /// A write failed; the state on disk is an older one.
    PersistFailed {
        /// Which write.
        seq: PersistSeq,
        /// The operating system's words.
        why: Arc<str>,
    },
    /// The answer to `Output::Resolve`.
    Resolved {
        /// The name asked for.
        host: Host,
        /// Its first address; `None` if it could not be resolved.
        ip: Option<IpAddr>,
    },
    /// A script started with `Output::RunScript` runs under this process id.
    ScriptStarted {
        /// Which job.
        job: JobId,
        /// Its process id.
        pid: u32,
    },
    /// A script ended, by itself or killed.
    ScriptEnded {
        /// Which job.
        job: JobId,
        /// How.
        how: ScriptEnd,
    },
    /// A rescue asked for with `Output::Rescue` ended; exactly one for each.
    Rescued {
        /// Which.
        id: RescueId,
        /// What came of it.
        outcome: Rescued,
    },
}

/// What a subscribed connection is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Messages, and calls beside them: it speaks RESP3.
    Both,
    /// Messages alone.
    Listen,
    /// Nothing: it refuses every command, and says by that whether our user may send it.
    Refuse,
}

/// Why a connection is down. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// Nobody listens there (connection refused): the host is alive, the process is not.
    Refused,
    /// The other side closed or reset an established connection.
    Closed,
    /// Anything else: unreachable, timed out, TLS failure, a reply that is no RESP.
    Failed(Arc<str>),
}

/// A parsed reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+PONG`
    Pong,
    /// `-LOADING …`: alive, reading its data set.
    Loading,
    /// `-MASTERDOWN …`: alive, a replica without its master.
    MasterDown,
    /// `-BUSY …`: a script holds the server.
    Busy,
    /// Any other error, its text cut to 256 bytes.
    Error(Arc<str>),
    /// A reply to INFO.
    Info(Box<Info>),
    /// A reply to IS-MASTER-DOWN-BY-ADDR.
    Opinion(Opinion),
    /// A reply to CONFIG GET min-replicas-*
    MinReplicas(MinReplicas),
    /// What our user is not allowed, of all that could be tried.
    Lacking(Permissions),
    /// A good reply to anything else (PUBLISH, the transaction, SCRIPT KILL).
    Done,
    /// A reply of a shape that this call cannot have (a bulk `PONG`, say).
    Unexpected,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// It returned this exit code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// It could not be started.
    NotStarted,
}
