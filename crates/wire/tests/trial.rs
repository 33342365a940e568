//! What our user may do is read from how a subscribed connection refuses what it is asked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use bartizan_core::ids::CallId;
use bartizan_core::input::{Answer, Talk};
use bartizan_core::output::Greeting;
use bartizan_core::permission::{Permission, Permissions};
use bartizan_core::provide::options::Secret;
use bartizan_core::provide::options::{Credentials, Renames};
use bartizan_wire::answer::{LinkFault, Said};
use bartizan_wire::trial::TrialLink;

use support::requests;

/// As a redis-server 7.0 says it.
const SUBSCRIBED: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$18\r\n__sentinel__:hello\r\n:1\r\n";
const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n$18\r\n__sentinel__:hello\r\n$5\r\nhello\r\n";

fn refused(what: &str) -> Vec<u8> {
    format!(
        "-ERR Can't execute '{what}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
         RESET are allowed in this context\r\n"
    )
    .into_bytes()
}

fn denied(what: &str) -> Vec<u8> {
    format!("-NOPERM this user has no permissions to run the '{what}' command\r\n").into_bytes()
}

fn greeting() -> Greeting {
    Greeting {
        auth: Some(Credentials {
            user: Some("watcher".into()),
            password: Secret::new("secret"),
        }),
        client_name: "sentinel-27bc0000-trial".into(),
        renames: Renames::default().into(),
    }
}

/// A link whose greeting is on its way.
fn greeted() -> (TrialLink, Vec<Vec<Vec<u8>>>) {
    let (mut link, mut out) = (TrialLink::new(), Vec::new());
    link.greet(&greeting(), &mut out);
    (link, requests(&out, &[usize::MAX]).unwrap())
}

/// A link at a server that says this to HELLO, and what it took that for.
fn subscribed(hello: &[u8]) -> (TrialLink, Vec<Said>) {
    let (mut link, _) = greeted();
    let mut said = Vec::new();
    let replies = [b"+OK\r\n+OK\r\n", SUBSCRIBED, MESSAGE, hello].concat();
    // However the bytes are cut.
    for byte in replies {
        link.receive(&[byte], &mut said).unwrap();
    }
    (link, said)
}

/// What is asked on a link that does nothing of it, by the names of ACL rules.
fn tried(link: &mut TrialLink) -> Vec<String> {
    let mut out = Vec::new();
    link.call(CallId::new(7), &Renames::default(), &mut out);
    let word = |word: &Vec<u8>| String::from_utf8(word.clone()).unwrap().to_lowercase();
    let name = |words: &Vec<Vec<u8>>| match word(&words[0]).as_str() {
        container @ ("client" | "config" | "script") => format!("{container}|{}", word(&words[1])),
        command => command.to_owned(),
    };
    requests(&out, &[usize::MAX])
        .unwrap()
        .iter()
        .map(name)
        .collect()
}

#[test]
fn it_subscribes_in_resp2_and_only_then_asks_for_what_would_do_no_harm() {
    let (_, said) = greeted();
    let words: Vec<&[u8]> = said.iter().map(|words| words[0].as_slice()).collect();
    assert_eq!(
        words,
        [b"AUTH".as_slice(), b"CLIENT", b"SUBSCRIBE", b"HELLO"]
    );
    assert_eq!(said[3], [b"HELLO".to_vec(), b"2".to_vec()]);
}

#[test]
fn only_a_server_that_refuses_commands_for_the_subscription_is_asked() {
    let error = |text: &str| format!("-{text}\r\n").into_bytes();
    let table = [
        (refused("hello"), Talk::Refuse),
        (
            error("ERR unknown command 'HELLO', with args beginning with: '2' "),
            Talk::Listen,
        ),
        (error("NOPERM this user has no permissions"), Talk::Listen),
        (
            b"*2\r\n$6\r\nserver\r\n$5\r\nother\r\n".to_vec(),
            Talk::Listen,
        ),
    ];
    for (hello, talk) in table {
        assert_eq!(subscribed(&hello).1, [Said::Subscribed(talk)]);
    }
}

#[test]
fn everything_that_is_sent_is_asked_for_but_what_is_seen_without() {
    let mut tried = tried(&mut subscribed(&refused("hello")).0);
    tried.extend(["ping", "hello", "subscribe"].map(str::to_owned));
    tried.sort();
    let mut all: Vec<&str> = Permission::ALL.iter().map(|one| one.rule()).collect();
    all.sort_unstable();
    assert_eq!(tried, all);
}

#[test]
fn what_the_acl_denies_is_what_is_lacking() {
    let (mut link, mut said) = subscribed(&refused("hello"));
    said.clear();
    let lacking = Permissions::of(&[Permission::Pause, Permission::Exec, Permission::Psync]);
    for name in tried(&mut link) {
        let reply = match name.as_str() {
            "exec" => b"-EXECABORT Transaction discarded because of: NOPERM this user has no \
                permissions to run the 'exec' command\r\n"
                .to_vec(),
            "client|pause" | "psync" => denied(&name),
            // A command that an old server does not know is not denied.
            "client|unpause" => b"-ERR unknown subcommand 'UNPAUSE'\r\n".to_vec(),
            _ => refused(&name),
        };
        assert_eq!(said, []);
        link.receive(MESSAGE, &mut said).unwrap();
        link.receive(&reply, &mut said).unwrap();
    }
    assert_eq!(
        said,
        [Said::Answer(CallId::new(7), Answer::Lacking(lacking))]
    );
}

#[test]
fn a_subscription_that_is_denied_closes_the_link() {
    let (mut link, _) = greeted();
    let mut said = Vec::new();
    let reply = [b"+OK\r\n+OK\r\n".to_vec(), denied("subscribe")].concat();
    match link.receive(&reply, &mut said) {
        Err(LinkFault::Refused(why)) => assert!(why.starts_with("NOPERM"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(said, []);
}

#[test]
fn renamed_commands_are_asked_for_by_their_new_names() {
    let mut link = subscribed(&refused("hello")).0;
    let mut renames = Renames::default();
    renames.insert("CONFIG", "guarded");
    let mut out = Vec::new();
    link.call(CallId::new(1), &renames, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("guarded") && !text.contains("CONFIG"),
        "{text}"
    );
}
