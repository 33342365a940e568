//! What monitored servers and peers answer.

use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{CallId, Epoch};
use bartizan_core::input::Answer;
use bartizan_core::limits::{LARGEST_EPOCH, REPLICAS_PER_MASTER};
use bartizan_core::output::{Call, Greeting, ReplicaOf};
use bartizan_core::provide::options::Renames;
use bartizan_wire::answer::{CommandLink, HelloLink};

/// INFO is read within its bounds.
pub fn info(data: &[u8]) {
    let info = bartizan_wire::info::parse(data);
    assert!(info.replicas.len() <= REPLICAS_PER_MASTER);
    assert!(bartizan_wire::unpack(&info.text).len() <= 3 * data.len());
}

/// A hello that is read is written as it was, but for how numbers and addresses are spelled.
pub fn hello(data: &[u8]) {
    if let Some(hello) = bartizan_wire::hello::parse(data) {
        let text = bartizan_wire::hello::render(&hello);
        assert_eq!(bartizan_wire::hello::parse(text.as_bytes()), Some(hello));
    }
    let mut link = HelloLink::new();
    link.greet(&greeting(), &mut Vec::new());
    let _ = link.receive(data, &mut Vec::new());
}

/// What is sent first: our name, and no password.
fn greeting() -> Greeting {
    Greeting {
        auth: None,
        client_name: "sentinel-27bc0000-cmd".to_owned(),
        renames: Arc::default(),
    }
}

/// A peer's vote, a server's PONG, INFO and transaction: every call is answered once, in order,
/// and no vote is for an epoch that cannot be.
pub fn answers(data: &[u8]) {
    let renames = Renames::default();
    let addr = Host::parse("127.0.0.1").map(|host| Addr::new(host, 6379));
    let Some(addr) = addr else { return };
    let ask = Call::Ask {
        addr,
        epoch: Epoch::new(7),
        candidate: None,
    };
    let calls = [
        ask.clone(),
        Call::Ping,
        ask,
        Call::Info,
        Call::Reconfigure(ReplicaOf::NoOne),
    ];
    let mut link = CommandLink::new();
    link.greet(&greeting(), &mut Vec::new());
    for (call, id) in calls.iter().zip(1..) {
        link.call(CallId::new(id), call, &renames, &mut Vec::new());
    }
    let mut answers = Vec::new();
    let _ = link.receive(data, &mut answers);
    assert!(answers.len() <= calls.len());
    assert_eq!(link.pending(), calls.len() - answers.len());
    for ((id, answer), expected) in answers.iter().zip(1..) {
        assert_eq!(*id, CallId::new(expected));
        if let Answer::Opinion(opinion) = answer {
            let possible = opinion
                .vote
                .is_none_or(|vote| vote.epoch <= Epoch::new(LARGEST_EPOCH));
            assert!(possible, "{answer:?}");
        }
    }
}
