//! `ACL`: users, what they may do, and what is said of it. All of it holds for redis-sentinel 7.0.

use crate::harness::ports::Ports;
use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, NAME, Sentinel, eventually};
use std::path::PathBuf;
use tempfile::TempDir;

/// A sentinel that watches a port on which nobody listens.
pub struct Lone {
    pub sentinel: Sentinel,
    pub dir: TempDir,
    _ports: Ports,
}

impl Lone {
    /// Starts one with these lines; `DIR` stands for its directory.
    pub fn start(lines: &str) -> Self {
        let mut lone = Self::prepare(lines);
        lone.sentinel.restart();
        lone
    }

    pub fn prepare(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::reserve().unwrap();
        let port = ports.take().unwrap();
        let master = ports.take().unwrap();
        let lines = lines.replace("DIR", &dir.path().display().to_string());
        let lines = format!("{lines}sentinel monitor {NAME} 127.0.0.1 {master} 2\n");
        let path = PathBuf::from(dir.path());
        Self {
            sentinel: Sentinel::prepare(Flavor::UnderTest, port, path, &lines),
            dir,
            _ports: ports,
        }
    }
}

/// A reply in one line: arrays in brackets, maps in braces, errors and statuses with their mark.
pub fn shown(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(shown).collect::<Vec<_>>().join(", ");
    match value {
        Value::Status(text) => format!("+{text}"),
        Value::Error(text) => format!("-{text}"),
        Value::Int(number) => format!(":{number}"),
        Value::Bulk(text) => text.clone(),
        Value::Null => "nil".to_owned(),
        Value::Array(items) | Value::Push(items) => format!("[{}]", all(items)),
        Value::Map(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(k, v)| format!("{}: {}", shown(k), shown(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Other(kind, text) => format!("{kind}{text}"),
    }
}

/// Sends a line of words; `␣` stands for a space inside a word.
pub fn say(client: &mut Client, line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(|word| word.replace('␣', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    shown(&client.call(&words).unwrap())
}

pub fn check(client: &mut Client, script: &[(&str, &str)]) {
    for (line, reply) in script {
        assert_eq!(say(client, line), *reply, "{line}");
    }
}

/// Whether the other end closes the connection, whatever it says before.
pub fn is_closed(client: &mut Client) {
    eventually("the connection is closed", || {
        client.call(&["PING"]).is_err_and(|error| {
            !matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        })
    });
}

#[test]
fn users_are_shown_as_they_were_made() {
    let lone = Lone::start("");
    let mut client = lone.sentinel.client();
    check(
        &mut client,
        &[
            ("ACL LIST", "[user default on nopass ~* &* +@all]"),
            ("ACL WHOAMI", "default"),
            (
                "ACL SETUSER a on >pw ~k %R~r %W~w &c +@all -@dangerous",
                "+OK",
            ),
            (
                "ACL SETUSER b nopass +ping|X (+info ~x &y) ( allcommands )",
                "+OK",
            ),
            ("ACL SETUSER c reset +sentinel|masters", "+OK"),
            ("ACL SETUSER d >x >y <x skip-sanitize-payload", "+OK"),
            ("ACL USERS", "[a, b, c, d, default]"),
            (
                "ACL GETUSER a",
                "[flags, [on], passwords, [30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4], \
                 commands, +@all -@dangerous, keys, ~k %R~r %W~w, channels, &c, selectors, []]",
            ),
            (
                "ACL GETUSER b",
                "[flags, [off, nopass], passwords, [], commands, -@all +ping|X, keys, , channels, , \
                 selectors, [[commands, -@all +info, keys, ~x, channels, &y], \
                 [commands, +@all, keys, , channels, ]]]",
            ),
            ("ACL SETUSER b clearselectors resetpass", "+OK"),
            (
                "ACL LIST",
                "[user a on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~k %R~r %W~w resetchannels &c +@all -@dangerous, \
                 user b off resetchannels -@all +ping|X, \
                 user c off sanitize-payload resetchannels -@all +sentinel|masters, \
                 user d off skip-sanitize-payload #a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa resetchannels -@all, \
                 user default on nopass ~* &* +@all]",
            ),
            ("ACL DELUSER a b nobody", ":2"),
            ("ACL USERS", "[c, d, default]"),
        ],
    );
    let resp3 = "{flags: [off, sanitize-payload], passwords: [], \
                 commands: -@all +sentinel|masters, keys: , channels: , selectors: []}";
    say(&mut client, "HELLO 3");
    check(
        &mut client,
        &[("ACL GETUSER c", resp3), ("ACL GETUSER no", "nil")],
    );
    assert_eq!(say(&mut client, "ACL GENPASS").len(), 64);
    assert_eq!(say(&mut client, "ACL GENPASS 5").len(), 2);
}

#[test]
fn refusals_are_logged_without_passwords() {
    let lone = Lone::start("acllog-max-len 3\n");
    let mut admin = lone.sentinel.client();
    say(&mut admin, "ACL SETUSER a on >pw +@all -role");
    let mut client = lone.sentinel.client();
    for line in [
        "AUTH a pw",
        "CLIENT SETNAME me",
        "ROLE",
        "ROLE",
        "SUBSCRIBE x",
        "AUTH nobody hunter2",
        "HELLO 3 AUTH a hunter2",
    ] {
        say(&mut client, line);
    }
    let entry = |value: &Value| {
        let fields = ["count", "reason", "context", "object", "username"];
        let fields = fields.map(|name| value.field(name).unwrap());
        assert!(value.field("age-seconds").unwrap().parse::<f64>().unwrap() >= 0.0);
        let info = value.field("client-info").unwrap();
        assert!(
            info.contains(" name=me ") && info.contains(" user=a "),
            "{info}"
        );
        assert!(!info.ends_with('\n'), "{info:?}");
        fields.join(" ")
    };
    let log = admin.call(&["ACL", "LOG"]).unwrap();
    let entries: Vec<String> = log.items().unwrap().iter().map(entry).collect();
    assert_eq!(
        entries,
        [
            "1 auth toplevel HELLO a",
            "1 auth toplevel AUTH nobody",
            "1 channel toplevel x a",
        ]
    );
    assert!(!shown(&log).contains("hunter2") && !lone.sentinel.log().contains("hunter2"));
    say(&mut client, "AUTH nobody again");
    let first = admin.call(&["ACL", "LOG", "1"]).unwrap();
    let first = first.items().unwrap();
    assert_eq!(
        (first.len(), entry(&first[0]).as_str()),
        (1, "2 auth toplevel AUTH nobody")
    );
    check(
        &mut admin,
        &[
            ("ACL LOG 0", "[]"),
            ("ACL LOG RESET", "+OK"),
            ("ACL LOG", "[]"),
        ],
    );
}

#[test]
fn who_is_deleted_or_may_not_listen_any_more_is_closed_and_others_stay() {
    let lone = Lone::start("");
    let mut admin = lone.sentinel.client();
    say(&mut admin, "ACL SETUSER a on nopass +@all &x &p*");
    let join = |channel: &str| {
        let mut client = lone.sentinel.client();
        say(&mut client, "AUTH a any");
        say(&mut client, channel);
        client
    };
    let (mut idle, mut x, mut p) = (join("PING"), join("SUBSCRIBE x"), join("PSUBSCRIBE p*"));
    say(&mut admin, "ACL SETUSER a off -subscribe resetchannels &p*");
    is_closed(&mut x);
    assert_eq!(say(&mut p, "PING"), "[pong, ]");
    assert_eq!(
        say(&mut idle, "PING"),
        "+PONG",
        "who is off stays where he is"
    );
    say(&mut admin, "ACL SETUSER a resetchannels &*");
    assert_eq!(say(&mut p, "PING"), "[pong, ]");
    say(&mut admin, "ACL SETUSER a resetchannels &pq");
    is_closed(&mut p);
    assert_eq!(say(&mut idle, "ACL DELUSER a"), ":1");
    is_closed(&mut idle);
    assert_eq!(say(&mut admin, "PING"), "+PONG");
}

#[test]
fn the_default_user_can_be_closed_and_opened_while_running() {
    let lone = Lone::start("");
    let mut admin = lone.sentinel.client();
    say(&mut admin, "ACL SETUSER default >pw");
    let mut client = lone.sentinel.client();
    check(
        &mut client,
        &[
            ("PING", "-NOAUTH Authentication required."),
            (
                "AUTH no",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
        ],
    );
    say(&mut admin, "ACL SETUSER default off nopass");
    check(
        &mut client,
        &[
            ("PING", "-NOAUTH Authentication required."),
            (
                "AUTH default x",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            (
                "AUTH pw",
                "-ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ),
        ],
    );
    say(&mut admin, "ACL SETUSER default on");
    check(&mut client, &[("PING", "+PONG"), ("ACL WHOAMI", "default")]);
}
