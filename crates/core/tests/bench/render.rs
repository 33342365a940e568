//! What the Sentinel says, as one line of text each, with short names for ids and ports for
//! connections.

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::ids::LinkId;
use bartizan_core::model::durable::Durable;
use bartizan_core::output::{Call, LinkKind, Output, ReplicaOf};
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::Hello;

use super::id;

/// One output.
pub(crate) fn output(links: &BTreeMap<LinkId, (u16, LinkKind)>, output: &Output) -> String {
    let port = |link: &LinkId| links.get(link).map_or(0, |(port, _)| *port);
    let kind = |link: &LinkId| links.get(link).map_or("?", |(_, kind)| kind_name(*kind));
    let line = match output {
        Output::Connect { kind, port, .. } => format!("connect {port} {}", kind_name(*kind)),
        Output::Close { link } => format!("close {} {}", port(link), kind(link)),
        Output::Call { link, what, .. } => format!("{} {}", port(link), call(what)),
        Output::Event(event) => format!("{} {}", event.kind.name(), event.payload),
        Output::Log { text, .. } => format!("log {text}"),
        Output::SetLogThreshold(threshold) => format!("loglevel {}", threshold.word()),
        Output::Whereabouts { name, addr } => {
            let addr = addr
                .as_ref()
                .map_or_else(|| "nowhere".to_owned(), Addr::to_string);
            format!("at {name} {addr}")
        }
        Output::Answer { request, reply: it } => format!("reply {} {}", request.get(), reply(it)),
        Output::Persist { durable, .. } => format!("persist {}", state(durable)),
        Output::Resolve { host } => format!("resolve {host}"),
        Output::RunScript { job, argv } => format!("run {} {}", job.get(), argv.join(" ")),
        Output::KillScript { job } => format!("kill {}", job.get()),
        Output::Rescue { id, rescue } => {
            format!(
                "rescue {} {} {}",
                id.get(),
                rescue.addr,
                rescue.fork.map_or(0, |fork| fork.offset)
            )
        }
        Output::Crash { code } => format!("crash {code}"),
    };
    short_ids(line)
}

fn kind_name(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Command => "cmd",
        LinkKind::PubSub => "pubsub",
        LinkKind::Trial => "trial",
    }
}

fn call(call: &Call) -> String {
    match call {
        Call::Ping => "PING".to_owned(),
        Call::Info => "INFO".to_owned(),
        Call::Publish(hello) => format!("HELLO {}", self::hello(hello)),
        Call::Ask {
            addr,
            epoch,
            candidate: Some(candidate),
        } => format!("ASK {addr} e{epoch} vote for {candidate}"),
        Call::Ask { addr, epoch, .. } => format!("ASK {addr} e{epoch}"),
        Call::Pause { span } => format!("CLIENT PAUSE {} WRITE", span.as_ms()),
        Call::Unpause => "CLIENT UNPAUSE".to_owned(),
        Call::ReadMinReplicas => "CONFIG GET min-replicas-*".to_owned(),
        Call::SetMinReplicas(to) => format!("CONFIG SET {to}"),
        Call::Reconfigure(ReplicaOf::NoOne) => "SLAVEOF NO ONE".to_owned(),
        Call::Reconfigure(ReplicaOf::Master(addr)) => {
            format!("SLAVEOF {} {}", addr.host, addr.port)
        }
        Call::ScriptKill => "SCRIPT KILL".to_owned(),
        Call::TryPermissions => "TRY PERMISSIONS".to_owned(),
    }
}

fn hello(hello: &Hello) -> String {
    let to = &hello.configuration;
    format!(
        "{},{},{},{},{},{},{},{}",
        hello.from.host,
        hello.from.port,
        hello.id,
        hello.current_epoch,
        hello.master,
        to.addr.host,
        to.addr.port,
        to.epoch
    )
}

fn state(durable: &Durable) -> String {
    let mut text = format!("e{}", durable.current_epoch);
    for master in &durable.masters {
        let to = &master.configuration;
        text.push_str(&format!(
            ", {} at {} since e{}, voted e{}",
            master.name, to.addr.port, to.epoch, master.voted_epoch
        ));
    }
    text
}

/// A reply, in the signs of RESP.
pub(crate) fn reply(it: &Reply) -> String {
    let text = match it {
        Reply::Status(text) => format!("+{text}"),
        Reply::Error(text) => format!("-{text}"),
        Reply::Integer(n) => format!(":{n}"),
        Reply::Bulk(text) => text.to_string(),
        // Tests pack nothing.
        Reply::Packed(text) => String::from_utf8_lossy(&text.0).into_owned(),
        Reply::NullArray => "*-1".to_owned(),
        Reply::Null => "$-1".to_owned(),
        Reply::Array(items) => {
            let items: Vec<_> = items.iter().map(reply).collect();
            format!("[{}]", items.join(" "))
        }
        Reply::Map(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(k, v)| format!("{k}={}", reply(v)))
                .collect();
            format!("{{{}}}", fields.join(" "))
        }
    };
    short_ids(text)
}

/// Short names for the ids of Sentinels.
pub(crate) fn short_ids(mut text: String) -> String {
    for n in 0..8 {
        let short = if n == 0 {
            "me".to_owned()
        } else {
            format!("p{n}")
        };
        text = text.replace(id(n).as_str(), &short);
    }
    text
}

/// Only the events among some lines.
pub(crate) fn events(said: &[String]) -> Vec<&str> {
    let is_event = |line: &&str| line.starts_with('+') || line.starts_with('-');
    said.iter().map(String::as_str).filter(is_event).collect()
}

/// Only the lines that begin with `words`.
pub(crate) fn only<'a>(said: &'a [String], words: &str) -> Vec<&'a str> {
    let fits = |line: &&str| line.starts_with(words);
    said.iter().map(String::as_str).filter(fits).collect()
}

/// The value of a field in a map reply.
pub(crate) fn field(map: &Reply, wanted: &str) -> String {
    let Reply::Map(fields) = map else {
        panic!("not a map: {map:?}");
    };
    let value = fields.iter().find(|(field, _)| field == wanted);
    match value {
        Some((_, value)) => reply(value),
        None => panic!("no field {wanted} in {fields:?}"),
    }
}

/// A reply as text.
pub(crate) fn text(it: &Reply) -> String {
    reply(it)
}
