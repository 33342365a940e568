//! What we send on links that we opened: greetings and calls, with `rename-command` applied.

use bartizan_core::addr::Addr;
use bartizan_core::fencing::MinReplicas;
use bartizan_core::output::{Call, Greeting, LinkKind, ReplicaOf};
use bartizan_core::provide::options::Renames;

use crate::hello;
use crate::resp::command;

/// What comes back for something sent: how many replies, and how the last one is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Replies that are dropped before the one that counts.
    pub(crate) skip: u8,
    /// How the one that counts is read.
    pub(crate) kind: AnswerKind,
}

/// How a reply is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// A status `PONG`.
    Ping,
    /// A bulk string of lines.
    Info,
    /// `[int, bulk, int]`
    Opinion,
    /// The array that EXEC gives.
    Transaction,
    /// The number of receivers.
    Published,
    /// Names and values in turn.
    MinReplicas,
    /// `+OK`
    Ok,
}

/// All that is sent to other Sentinels, beside AUTH, by the names of ACL rules. What is sent to
/// servers is `bartizan_core::permission`.
pub const SENT_TO_PEERS: &[&str] = &[
    "ping",
    "publish",
    "client|setname",
    "sentinel|is-master-down-by-addr",
];

/// Appends a call and says what to expect (spec §5.2, §7, §9.1, §10.3).
///
/// Command words are in upper case and go through `renames`; words behind them do not.
pub fn encode_call(call: &Call, renames: &Renames, out: &mut Vec<u8>) -> Expected {
    let mut send = |words: &[&str]| send(words, renames, out);
    let kind = match call {
        // Only a trial link can ask for permissions: here all of it would be done.
        Call::Ping | Call::TryPermissions => {
            send(&["PING"]);
            AnswerKind::Ping
        }
        Call::Info => {
            send(&["INFO"]);
            AnswerKind::Info
        }
        Call::Publish(hello) => {
            send(&["PUBLISH", hello::CHANNEL, &hello::render(hello)]);
            AnswerKind::Published
        }
        Call::Ask {
            addr,
            epoch,
            candidate,
        } => {
            let (host, port) = host_and_port(addr);
            let candidate = candidate.as_ref().map_or("*", |id| id.as_str());
            let epoch = epoch.to_string();
            send(&[
                "SENTINEL",
                "is-master-down-by-addr",
                &host,
                &port,
                &epoch,
                candidate,
            ]);
            AnswerKind::Opinion
        }
        Call::Reconfigure(target) => {
            let to = slaveof(target);
            let kill = |kind| ["CLIENT", "KILL", "TYPE", kind].map(str::to_owned).to_vec();
            let steps = [to, rewrite(), kill("normal"), kill("pubsub")];
            return transaction(&steps, renames, out);
        }
        Call::Pause { span } => {
            let ms = span.as_ms().to_string();
            send(&["CLIENT", "PAUSE", &ms, "WRITE"]);
            AnswerKind::Ok
        }
        Call::Unpause => {
            send(&["CLIENT", "UNPAUSE"]);
            AnswerKind::Ok
        }
        Call::ReadMinReplicas => {
            send(&["CONFIG", "GET", "min-replicas-*"]);
            AnswerKind::MinReplicas
        }
        Call::SetMinReplicas(MinReplicas { to_write, max_lag }) => {
            // Servers before 7.0 take one option at a time.
            let set = |option: &str, value: &u32| {
                vec![
                    "CONFIG".to_owned(),
                    "SET".to_owned(),
                    option.to_owned(),
                    value.to_string(),
                ]
            };
            let lag = set("min-replicas-max-lag", max_lag);
            let steps = [lag, set("min-replicas-to-write", to_write), rewrite()];
            return transaction(&steps, renames, out);
        }
        Call::ScriptKill => {
            send(&["SCRIPT", "KILL"]);
            AnswerKind::Ok
        }
    };
    Expected { skip: 0, kind }
}

/// Appends what is said first on a new link (spec §5.2). Gives the number of replies before the
/// subscription's: those to AUTH, to HELLO on a Pub/Sub link, and last to CLIENT SETNAME.
///
/// A server that refuses HELLO, as those before Redis 6 do, goes on in RESP2. On a trial link HELLO
/// comes last, and its reply after the subscription's.
pub fn encode_greeting(greeting: &Greeting, kind: LinkKind, out: &mut Vec<u8>) -> usize {
    let renames = &greeting.renames;
    let mut ignored = 0;
    if let Some(credentials) = &greeting.auth {
        let password = credentials.password.reveal();
        match &credentials.user {
            Some(user) => send(&["AUTH", user, password], renames, out),
            None => send(&["AUTH", password], renames, out),
        }
        ignored += 1;
    }
    if kind == LinkKind::PubSub {
        send(&["HELLO", "3"], renames, out);
        ignored += 1;
    }
    send(&["CLIENT", "SETNAME", &greeting.client_name], renames, out);
    ignored += 1;
    if kind != LinkKind::Command {
        send(&["SUBSCRIBE", hello::CHANNEL], renames, out);
    }
    if kind == LinkKind::Trial {
        // What it says to this shows what it says to anything.
        send(&["HELLO", "2"], renames, out);
    }
    ignored
}

fn slaveof(target: &ReplicaOf) -> Vec<String> {
    let (host, port) = match target {
        ReplicaOf::NoOne => ("NO".to_owned(), "ONE".to_owned()),
        ReplicaOf::Master(addr) => host_and_port(addr),
    };
    vec!["SLAVEOF".to_owned(), host, port]
}

fn rewrite() -> Vec<String> {
    vec!["CONFIG".to_owned(), "REWRITE".to_owned()]
}

/// Appends commands between MULTI and EXEC, whose reply is the one that counts.
fn transaction<const N: usize>(
    steps: &[Vec<String>; N],
    renames: &Renames,
    out: &mut Vec<u8>,
) -> Expected {
    send(&["MULTI"], renames, out);
    for step in steps {
        let words: Vec<&str> = step.iter().map(String::as_str).collect();
        send(&words, renames, out);
    }
    send(&["EXEC"], renames, out);
    Expected {
        skip: u8::try_from(N + 1).unwrap_or(u8::MAX),
        kind: AnswerKind::Transaction,
    }
}

/// Appends one command, its first word renamed.
pub(crate) fn send(words: &[&str], renames: &Renames, out: &mut Vec<u8>) {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut() {
        *first = renames.word(first);
    }
    command(&words, out);
}

fn host_and_port(addr: &Addr) -> (String, String) {
    (addr.host.to_string(), addr.port.to_string())
}
