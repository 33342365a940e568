//! Links that we open: the exact bytes sent, and what is made of the replies (spec §5.2, §5.5,
//! §7, §9, §10.3).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{CallId, Epoch, RunId};
use bartizan_core::input::{Answer, Talk};
use bartizan_core::limits::LARGEST_EPOCH;
use bartizan_core::output::{Call, Greeting, ReplicaOf};
use bartizan_core::provide::options::{Credentials, Renames, Secret};
use bartizan_core::report::{Ballot, Opinion};
use bartizan_wire::answer::{CommandLink, HelloLink, LinkFault, Said};
use bartizan_wire::hello;
use bartizan_wire::resp::command;

use support::{renames, requests, show};

const ID: &str = "27bc0000000000000000000000000000000000ff";
const HELLO: &str =
    "127.0.0.1,20011,27bc0000000000000000000000000000000000ff,0,mymaster,127.0.0.1,20000,0";

fn addr(host: &str, port: u16) -> Addr {
    Addr::new(Host::parse(host).unwrap(), port)
}

fn id() -> RunId {
    RunId::parse(ID.as_bytes()).unwrap()
}

/// The lines that a call is, one a command.
fn sent(call: &Call, renames: &Renames) -> Vec<String> {
    let mut out = Vec::new();
    CommandLink::new().call(CallId::new(1), call, renames, &mut out);
    lines(&out)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let words = |words: Vec<Vec<u8>>| String::from_utf8(words.join(&b' ')).unwrap();
    requests(bytes, &[usize::MAX])
        .unwrap()
        .into_iter()
        .map(words)
        .collect()
}

fn ask(candidate: Option<RunId>) -> Call {
    Call::Ask {
        addr: addr("10.0.0.1", 6379),
        epoch: Epoch::new(7),
        candidate,
    }
}

#[test]
fn calls_are_sent_as_redis_sentinel_sends_them() {
    let none = Renames::default();
    assert_eq!(sent(&Call::Ping, &none), ["PING"]);
    assert_eq!(sent(&Call::Info, &none), ["INFO"]);
    assert_eq!(sent(&Call::ScriptKill, &none), ["SCRIPT KILL"]);
    let publish = Call::Publish(hello::parse(HELLO.as_bytes()).unwrap());
    assert_eq!(
        sent(&publish, &none),
        [format!("PUBLISH __sentinel__:hello {HELLO}")]
    );
    let question = "SENTINEL is-master-down-by-addr 10.0.0.1 6379 7";
    assert_eq!(sent(&ask(None), &none), [format!("{question} *")]);
    assert_eq!(sent(&ask(Some(id())), &none), [format!("{question} {ID}")]);
}

#[test]
fn a_reconfiguration_is_one_transaction() {
    let none = Renames::default();
    let with = |slaveof: &'static str| {
        [
            "MULTI",
            slaveof,
            "CONFIG REWRITE",
            "CLIENT KILL TYPE normal",
            "CLIENT KILL TYPE pubsub",
            "EXEC",
        ]
    };
    let promote = Call::Reconfigure(ReplicaOf::NoOne);
    assert_eq!(sent(&promote, &none), with("SLAVEOF NO ONE"));
    let follow = Call::Reconfigure(ReplicaOf::Master(addr("::1", 6380)));
    assert_eq!(sent(&follow, &none), with("SLAVEOF ::1 6380"));

    let mut out = Vec::new();
    CommandLink::new().call(CallId::new(1), &promote, &none, &mut out);
    assert_eq!(
        show(&out),
        "*1\\r\\n$5\\r\\nMULTI\\r\\n*3\\r\\n$7\\r\\nSLAVEOF\\r\\n$2\\r\\nNO\\r\\n$3\\r\\nONE\\r\\n\
         *2\\r\\n$6\\r\\nCONFIG\\r\\n$7\\r\\nREWRITE\\r\\n\
         *4\\r\\n$6\\r\\nCLIENT\\r\\n$4\\r\\nKILL\\r\\n$4\\r\\nTYPE\\r\\n$6\\r\\nnormal\\r\\n\
         *4\\r\\n$6\\r\\nCLIENT\\r\\n$4\\r\\nKILL\\r\\n$4\\r\\nTYPE\\r\\n$6\\r\\npubsub\\r\\n\
         *1\\r\\n$4\\r\\nEXEC\\r\\n"
    );
}

#[test]
fn every_command_word_is_renamed_and_no_other() {
    let all = renames(&[
        ("PING", "P1"),
        ("INFO", "I1"),
        ("PUBLISH", "PB"),
        ("SENTINEL", "S1"),
        ("MULTI", "M1"),
        ("SLAVEOF", "SECRETOF"),
        ("CONFIG", "C1"),
        ("CLIENT", "CL"),
        ("EXEC", "E1"),
        ("SCRIPT", "SC"),
        ("KILL", "no"),
        ("REWRITE", "no"),
        ("NO", "no"),
    ]);
    assert_eq!(sent(&Call::Ping, &all), ["P1"]);
    assert_eq!(sent(&Call::Info, &all), ["I1"]);
    assert_eq!(sent(&Call::ScriptKill, &all), ["SC KILL"]);
    assert_eq!(
        sent(&ask(None), &all),
        ["S1 is-master-down-by-addr 10.0.0.1 6379 7 *"]
    );
    assert_eq!(
        sent(&Call::Reconfigure(ReplicaOf::NoOne), &all),
        [
            "M1",
            "SECRETOF NO ONE",
            "C1 REWRITE",
            "CL KILL TYPE normal",
            "CL KILL TYPE pubsub",
            "E1"
        ]
    );
}

fn greeting(auth: Option<(Option<&str>, &str)>, renames: Renames) -> Greeting {
    Greeting {
        auth: auth.map(|(user, password)| Credentials {
            user: user.map(Arc::from),
            password: Secret::new(password),
        }),
        client_name: "sentinel-27bc0000-cmd".to_owned(),
        renames: Arc::new(renames),
    }
}

#[test]
fn greetings_authenticate_and_give_a_name() {
    let command = |greeting: &Greeting| {
        let mut out = Vec::new();
        CommandLink::new().greet(greeting, &mut out);
        lines(&out)
    };
    let name = "CLIENT SETNAME sentinel-27bc0000-cmd";
    assert_eq!(command(&greeting(None, Renames::default())), [name]);
    let password = greeting(Some((None, "pw")), Renames::default());
    assert_eq!(command(&password), ["AUTH pw", name]);
    let both = greeting(
        Some((Some("user"), "pw")),
        renames(&[("AUTH", "A1"), ("CLIENT", "C1")]),
    );
    assert_eq!(
        command(&both),
        ["A1 user pw", "C1 SETNAME sentinel-27bc0000-cmd"]
    );

    let mut out = Vec::new();
    let renamed = greeting(Some((None, "pw")), renames(&[("SUBSCRIBE", "SUB")]));
    HelloLink::new().greet(&renamed, &mut out);
    assert_eq!(
        lines(&out),
        ["AUTH pw", "HELLO 3", name, "SUB __sentinel__:hello"]
    );
}

/// The answer to one call.
fn answer(call: &Call, reply: &[u8]) -> Answer {
    let mut link = CommandLink::new();
    link.call(CallId::new(9), call, &Renames::default(), &mut Vec::new());
    let mut answers = Vec::new();
    for byte in reply {
        link.receive(&[*byte], &mut answers).unwrap();
    }
    assert_eq!(link.pending(), 0);
    let [(id, answer)] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    assert_eq!(*id, CallId::new(9));
    answer.clone()
}

fn error(text: &str) -> Answer {
    Answer::Error(Arc::from(text))
}

#[test]
fn only_status_and_error_replies_answer_a_ping() {
    for (reply, expected) in [
        (&b"+PONG\r\n"[..], Answer::Pong),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            Answer::Loading,
        ),
        (
            b"-MASTERDOWN Link with MASTER is down\r\n",
            Answer::MasterDown,
        ),
        (b"-BUSY Redis is busy running a script\r\n", Answer::Busy),
        (b"-BUSYKEY no\r\n", error("BUSYKEY no")),
        (
            b"-NOAUTH Authentication required.\r\n",
            error("NOAUTH Authentication required."),
        ),
        (b"-\r\n", error("")),
        (b"$4\r\nPONG\r\n", Answer::Unexpected),
        (b"+OK\r\n", Answer::Unexpected),
        (b":1\r\n", Answer::Unexpected),
        (b"*1\r\n+PONG\r\n", Answer::Unexpected),
        (b"$-1\r\n", Answer::Unexpected),
    ] {
        assert_eq!(answer(&Call::Ping, reply), expected, "{}", show(reply));
    }
}

#[test]
fn error_texts_are_cut_and_kept_on_one_line() {
    let long = format!("-ERR {}\r\n", "x".repeat(1000));
    let Answer::Error(text) = answer(&Call::Ping, long.as_bytes()) else {
        panic!()
    };
    assert_eq!(text.len(), 256);
    assert_eq!(
        answer(&Call::Ping, b"-ERR a\x1b[2Jb\r\n"),
        error("ERR a [2Jb")
    );
}

#[test]
fn opinions_have_exactly_three_parts() {
    let vote = |epoch| {
        Some(Ballot {
            epoch: Epoch::new(epoch),
            leader: id(),
        })
    };
    let reply = |down: &str, leader: &str, epoch: &str| {
        let length = leader.len();
        let reply = format!("*3\r\n:{down}\r\n${length}\r\n{leader}\r\n:{epoch}\r\n");
        answer(&ask(None), reply.as_bytes())
    };
    let opinion = |down, vote| Answer::Opinion(Opinion { down, vote });
    assert_eq!(reply("0", "*", "0"), opinion(false, None));
    assert_eq!(reply("1", "*", "3"), opinion(true, None));
    assert_eq!(reply("1", ID, "8"), opinion(true, vote(8)));
    assert_eq!(
        reply("1", ID, &LARGEST_EPOCH.to_string()),
        opinion(true, vote(LARGEST_EPOCH))
    );
    assert_eq!(reply("1", ID, "-1"), Answer::Unexpected);
    assert_eq!(reply("1", "short", "1"), Answer::Unexpected);
    for reply in [
        &b"*2\r\n:1\r\n$1\r\n*\r\n"[..],
        b"*4\r\n:1\r\n$1\r\n*\r\n:0\r\n:0\r\n",
        b"*-1\r\n",
        b":1\r\n",
        b"*3\r\n$1\r\n1\r\n$1\r\n*\r\n:0\r\n",
        b"*3\r\n:1\r\n+*\r\n:0\r\n",
    ] {
        assert_eq!(
            answer(&ask(None), reply),
            Answer::Unexpected,
            "{}",
            show(reply)
        );
    }
    assert_eq!(answer(&ask(None), b"-NOPERM no\r\n"), error("NOPERM no"));
}

#[test]
fn a_transaction_is_judged_by_exec_and_slaveof() {
    let queued = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";
    for (exec, expected) in [
        (&b"*4\r\n+OK\r\n+OK\r\n:0\r\n:1\r\n"[..], Answer::Done),
        (
            b"*4\r\n+OK\r\n-ERR no config file\r\n:0\r\n:1\r\n",
            Answer::Done,
        ),
        (b"*4\r\n-ERR no\r\n+OK\r\n:0\r\n:1\r\n", error("ERR no")),
        (b"-EXECABORT no\r\n", error("EXECABORT no")),
        (b"-BUSY no\r\n", Answer::Busy),
        (b"$-1\r\n", Answer::Unexpected),
    ] {
        let reply = [&queued[..], exec].concat();
        assert_eq!(
            answer(&Call::Reconfigure(ReplicaOf::NoOne), &reply),
            expected
        );
    }
}

#[test]
fn other_calls_are_done_when_their_reply_is_of_the_right_kind() {
    let publish = Call::Publish(hello::parse(HELLO.as_bytes()).unwrap());
    assert_eq!(answer(&publish, b":3\r\n"), Answer::Done);
    assert_eq!(answer(&publish, b"+OK\r\n"), Answer::Unexpected);
    assert_eq!(answer(&Call::ScriptKill, b"+OK\r\n"), Answer::Done);
    assert_eq!(
        answer(&Call::ScriptKill, b"-NOTBUSY no\r\n"),
        error("NOTBUSY no")
    );
    let Answer::Info(info) = answer(&Call::Info, b"$13\r\nrole:master\r\n\r\n") else {
        panic!()
    };
    assert_eq!(bartizan_wire::unpack(&info.text), "role:master\r\n");
    assert_eq!(answer(&Call::Info, b"+PONG\r\n"), Answer::Unexpected);
}

#[test]
fn answers_find_their_calls_in_order_behind_the_greeting() {
    let mut link = CommandLink::new();
    let none = Renames::default();
    let mut out = Vec::new();
    link.greet(&greeting(Some((None, "pw")), Renames::default()), &mut out);
    link.call(CallId::new(1), &Call::Ping, &none, &mut out);
    link.call(
        CallId::new(2),
        &Call::Reconfigure(ReplicaOf::NoOne),
        &none,
        &mut out,
    );
    link.call(CallId::new(3), &Call::Ping, &none, &mut out);
    assert_eq!(link.pending(), 3);
    let mut answers = Vec::new();
    let replies = b"-ERR no password\r\n+OK\r\n+PONG\r\n\
        +OK\r\n-ERR q\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n-EXECABORT q\r\n+PONG\r\n";
    link.receive(replies, &mut answers).unwrap();
    let expected = [
        (CallId::new(1), Answer::Pong),
        (CallId::new(2), error("EXECABORT q")),
        (CallId::new(3), Answer::Pong),
    ];
    assert_eq!(answers, expected);
    assert_eq!(
        link.receive(b"+PONG\r\n", &mut answers),
        Err(LinkFault::Unasked)
    );
}

#[test]
fn answers_before_a_fault_are_kept() {
    let mut link = CommandLink::new();
    link.call(
        CallId::new(1),
        &Call::Ping,
        &Renames::default(),
        &mut Vec::new(),
    );
    let mut answers = Vec::new();
    let fault = link
        .receive(b"+PONG\r\nHTTP/1.1\r\n", &mut answers)
        .unwrap_err();
    assert_eq!(fault.to_string(), "malformed reply: type");
    assert_eq!(answers, [(CallId::new(1), Answer::Pong)]);
}

/// What redis-server 7.0 says to the greeting of a Pub/Sub link, and one before Redis 6.
const MODERN: &[u8] = b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n+OK\r\n\
    >3\r\n$9\r\nsubscribe\r\n$18\r\n__sentinel__:hello\r\n:1\r\n";
const OLD: &[u8] = b"-ERR unknown command `HELLO`\r\n+OK\r\n\
    *3\r\n$9\r\nsubscribe\r\n$18\r\n__sentinel__:hello\r\n:1\r\n";

fn subscribed(reply: &[u8]) -> HelloLink {
    let mut link = HelloLink::new();
    link.greet(&greeting(None, Renames::default()), &mut Vec::new());
    let mut said = Vec::new();
    link.receive(reply, &mut said).unwrap();
    let talk = if reply == MODERN {
        Talk::Both
    } else {
        Talk::Listen
    };
    assert_eq!(said, [Said::Subscribed(talk)]);
    link
}

#[test]
fn a_pubsub_link_says_whether_it_takes_calls() {
    subscribed(MODERN);
    subscribed(OLD);
}

#[test]
fn a_pubsub_link_in_resp3_carries_calls_between_messages() {
    let publish = Call::Publish(hello::parse(HELLO.as_bytes()).unwrap());
    let push = format!(
        ">3\r\n$7\r\nmessage\r\n$18\r\n__sentinel__:hello\r\n${}\r\n{HELLO}\r\n",
        HELLO.len()
    );
    let bytes = [
        push.as_bytes(),
        b":2\r\n",
        push.as_bytes(),
        b"-NOPERM no\r\n",
    ]
    .concat();
    let heard = Said::Heard(hello::parse(HELLO.as_bytes()));
    for size in 1..bytes.len() {
        let mut link = subscribed(MODERN);
        let mut out = Vec::new();
        for id in [1, 2] {
            link.call(CallId::new(id), &publish, &Renames::default(), &mut out);
        }
        assert_eq!(lines(&out).len(), 2);
        let mut said = Vec::new();
        for piece in bytes.chunks(size) {
            link.receive(piece, &mut said).unwrap();
        }
        let expected = [
            heard.clone(),
            Said::Answer(CallId::new(1), Answer::Done),
            heard.clone(),
            Said::Answer(CallId::new(2), error("NOPERM no")),
        ];
        assert_eq!(said, expected);
        let fault = link.receive(b":2\r\n", &mut said);
        assert_eq!(fault, Err(LinkFault::Unasked));
    }
}

#[test]
fn a_pubsub_link_hears_hellos_and_signs_of_life() {
    let mut bytes = Vec::new();
    command(&["message", "__sentinel__:hello", HELLO], &mut bytes);
    command(&["message", "__sentinel__:hello", "nonsense"], &mut bytes);
    command(&["message", "another", HELLO], &mut bytes);
    let parsed = hello::parse(HELLO.as_bytes());
    assert!(parsed.is_some());
    for size in 1..bytes.len() {
        let mut link = subscribed(OLD);
        let mut heard = Vec::new();
        for piece in bytes.chunks(size) {
            link.receive(piece, &mut heard).unwrap();
        }
        assert_eq!(heard, [parsed.clone(), None, None].map(Said::Heard));
    }
}

#[test]
fn a_refused_subscription_closes_the_link_but_a_refused_greeting_does_not() {
    let mut link = HelloLink::new();
    link.greet(
        &greeting(Some((None, "bad")), Renames::default()),
        &mut Vec::new(),
    );
    let mut heard = Vec::new();
    let refusals = b"-WRONGPASS no\r\n-NOAUTH no\r\n-NOAUTH no\r\n";
    link.receive(refusals, &mut heard).unwrap();
    assert_eq!(heard, []);
    let fault = link
        .receive(b"-NOAUTH Authentication required.\r\n", &mut heard)
        .unwrap_err();
    assert_eq!(
        fault.to_string(),
        "SUBSCRIBE refused: NOAUTH Authentication required."
    );
}
