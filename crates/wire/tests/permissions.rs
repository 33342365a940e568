//! What our users at servers and peers have to be allowed is what we send (spec §13).
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeSet;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::fencing::MinReplicas;
use bartizan_core::ids::{CallId, Epoch};
use bartizan_core::output::{Call, Greeting, LinkKind, ReplicaOf};
use bartizan_core::permission::Permission;
use bartizan_core::provide::options::Renames;
use bartizan_core::time::Span;
use bartizan_wire::answer::CommandLink;
use bartizan_wire::call::{SENT_TO_PEERS, encode_greeting};
use bartizan_wire::hello;

use support::requests;

fn names(bytes: &[u8]) -> BTreeSet<String> {
    let word =
        |words: &[Vec<u8>], at: usize| String::from_utf8(words[at].clone()).unwrap().to_lowercase();
    let name = |words: Vec<Vec<u8>>| match word(&words, 0).as_str() {
        container @ ("client" | "config" | "script" | "sentinel") => {
            format!("{container}|{}", word(&words, 1))
        }
        command => command.to_owned(),
    };
    let requests = requests(bytes, &[usize::MAX]).unwrap();
    requests.into_iter().map(name).collect()
}

fn greeting(kind: LinkKind) -> BTreeSet<String> {
    let greeting = Greeting {
        auth: None,
        client_name: "sentinel-27bc0000-cmd".into(),
        renames: Renames::default().into(),
    };
    let mut out = Vec::new();
    encode_greeting(&greeting, kind, &mut out);
    names(&out)
}

fn calls(calls: Vec<Call>) -> BTreeSet<String> {
    let mut out = Vec::new();
    let mut link = CommandLink::new();
    for (call, number) in calls.iter().zip(1..) {
        link.call(CallId::new(number), call, &Renames::default(), &mut out);
    }
    names(&out)
}

fn publish() -> Call {
    let text = b"127.0.0.1,1,27bc0000000000000000000000000000000000ff,0,m,127.0.0.1,2,0";
    Call::Publish(hello::parse(text).unwrap())
}

fn addr() -> Addr {
    Addr::new(Host::parse("10.0.0.1").unwrap(), 6379)
}

#[test]
fn the_lists_of_what_is_sent_are_complete_and_have_nothing_more() {
    let list = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    let mut to_servers = calls(vec![
        Call::Ping,
        Call::Info,
        publish(),
        Call::Reconfigure(ReplicaOf::NoOne),
        Call::Reconfigure(ReplicaOf::Master(addr())),
        Call::ScriptKill,
        Call::Pause {
            span: Span::ms(100),
        },
        Call::Unpause,
        Call::ReadMinReplicas,
        Call::SetMinReplicas(MinReplicas {
            to_write: 1,
            max_lag: 1,
        }),
    ]);
    to_servers.extend(greeting(LinkKind::PubSub));
    // What a rescue says, on a connection of its own.
    to_servers.extend(list(&["psync", "replconf"]));
    let known: Vec<&str> = Permission::ALL.iter().map(|one| one.rule()).collect();
    assert_eq!(to_servers, list(&known));
    let ask = Call::Ask {
        addr: addr(),
        epoch: Epoch::new(7),
        candidate: None,
    };
    let mut to_peers = calls(vec![Call::Ping, publish(), ask]);
    to_peers.extend(greeting(LinkKind::Command));
    assert_eq!(to_peers, list(SENT_TO_PEERS));
}
