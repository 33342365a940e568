//! The words of Redis and those of Valkey: each means the same here, in commands and in the file.

use super::startup::Lone;
use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, Fleet, NAME, Plan, eventually};

/// The same question in the words of both.
const QUESTIONS: &[(&str, &str)] = &[
    ("MASTERS", "PRIMARIES"),
    ("MASTER mymaster", "PRIMARY mymaster"),
    ("MASTER nobody", "PRIMARY nobody"),
    ("REPLICAS mymaster", "SLAVES mymaster"),
    (
        "GET-MASTER-ADDR-BY-NAME mymaster",
        "GET-PRIMARY-ADDR-BY-NAME mymaster",
    ),
    (
        "GET-MASTER-ADDR-BY-NAME nobody",
        "GET-PRIMARY-ADDR-BY-NAME nobody",
    ),
    (
        "IS-MASTER-DOWN-BY-ADDR 127.0.0.1 PORT 0 *",
        "IS-PRIMARY-DOWN-BY-ADDR 127.0.0.1 PORT 0 *",
    ),
    (
        "IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *",
        "IS-PRIMARY-DOWN-BY-ADDR 127.0.0.1 1 0 *",
    ),
    (
        "IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *",
        "IS-PRIMARY-DOWN-BY-ADDR 127.0.0.1 x 0 *",
    ),
];

/// Fields that are another from one moment to the next.
const MOMENTARY: &[&str] = &[
    "link-pending-commands",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "info-refresh",
    "role-reported-time",
    "slave-repl-offset",
];

/// A reply without what passes: the value behind a field of that name is gone.
fn lasting(reply: Value) -> Value {
    let Some(items) = reply.items() else {
        return reply;
    };
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        let passes = kept
            .last()
            .and_then(Value::text)
            .is_some_and(|name| MOMENTARY.contains(&name));
        kept.push(if passes {
            Value::Null
        } else {
            lasting(item.clone())
        });
    }
    Value::Array(kept)
}

#[test]
fn the_names_of_valkey_are_answered_as_the_names_of_redis() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel 7.0 does not know them");
        return;
    }
    let fleet = Fleet::start(Plan {
        replicas: 1,
        sentinels: vec![Flavor::UnderTest; 2],
        ..Plan::default()
    });
    let port = fleet.servers[0].port.to_string();
    let mut client = fleet.sentinels[0].client();
    for (redis, valkey) in QUESTIONS {
        let mut ask = |question: &str| {
            let question = format!("SENTINEL {}", question.replace("PORT", &port));
            let words: Vec<&str> = question.split(' ').collect();
            lasting(client.call(&words).unwrap())
        };
        let (theirs, ours) = (ask(redis), ask(valkey));
        assert_ne!(theirs, Value::Array(Vec::new()), "{redis}");
        assert_eq!(theirs, ours, "{valkey}");
        let (name, rest) = valkey.split_once(' ').unwrap_or((valkey, ""));
        let lower = format!("{} {rest}", name.to_ascii_lowercase());
        assert_eq!(theirs, ask(lower.trim_end()), "{lower}");
    }
}

#[test]
fn who_may_give_a_command_of_redis_may_give_the_same_one_of_valkey() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel 7.0 does not know them");
        return;
    }
    let lines = "user app on nopass -@all +sentinel|get-master-addr-by-name +sentinel|primaries\n\
        sentinel monitor MASTER\n";
    let mut lone = Lone::with_lines(lines);
    lone.sentinel.restart();
    let mut client = lone.sentinel.client();
    assert!(client.call(&["AUTH", "app", "any"]).unwrap().is_ok());
    let mut may = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        !client.call(&words).unwrap().is_error("NOPERM")
    };
    assert!(may("SENTINEL GET-PRIMARY-ADDR-BY-NAME mymaster"));
    assert!(may("SENTINEL MASTERS"));
    assert!(!may("SENTINEL PRIMARY mymaster"));
}

/// Two masters, told of in the words of both families, with what belongs to a data server in
/// between.
const FILE: &str = "\
slave-priority 10\nreplica-read-only yes\nmasterauth unused\nprimaryuser unused\n\
hash-max-ziplist-entries 1\nzset-max-listpack-entries 2\nlog-format legacy\n\
sentinel monitor one 127.0.0.1 1 1\n\
sentinel monitor two 127.0.0.1 2 1\n\
sentinel master-reboot-down-after-period one 1111\n\
sentinel primary-reboot-down-after-period two 2222\n\
sentinel known-slave one 127.0.0.1 11\n\
sentinel known-replica one 127.0.0.1 12\n\
sentinel known-replica two 127.0.0.1 21\n\
sentinel known-slave two 127.0.0.1 22\n";

#[test]
fn the_directives_of_both_families_may_stand_in_one_file_and_it_starts_again() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel 7.0 does not know the words of Valkey");
        return;
    }
    let mut lone = Lone::with_lines(FILE);
    for start in ["first", "second", "third"] {
        lone.sentinel.restart();
        let mut client = lone.sentinel.client();
        for (name, ports) in [("one", ["11", "12"]), ("two", ["21", "22"])] {
            let rows = client.call(&["SENTINEL", "REPLICAS", name]).unwrap();
            let mut found: Vec<String> = rows
                .items()
                .unwrap()
                .iter()
                .filter_map(|row| row.field("port"))
                .collect();
            found.sort();
            assert_eq!(found, ports, "{start} start: {name}");
        }
        assert!(client.call(&["SENTINEL", "FLUSHCONFIG"]).unwrap().is_ok());
        let text = lone.sentinel.conf_text();
        let lines: Vec<&str> = text.lines().collect();
        // Redis' name, which both families read.
        for end in ["one 1111", "two 2222"] {
            let line = format!("sentinel master-reboot-down-after-period {end}");
            assert!(
                lines.contains(&line.as_str()),
                "{start} start: {line} in\n{text}"
            );
        }
        assert!(!text.contains("???"), "{start} start: all is known\n{text}");
    }
}

#[test]
fn an_option_of_either_name_is_set_at_run_time() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel 7.0 does not know the words of Valkey");
        return;
    }
    let mut lone = Lone::with_lines("sentinel monitor MASTER\n");
    lone.sentinel.restart();
    let mut client: Client = lone.sentinel.client();
    for (option, ms) in [
        ("master-reboot-down-after-period", "1111"),
        ("primary-reboot-down-after-period", "2222"),
    ] {
        let reply = client.call(&["SENTINEL", "SET", NAME, option, ms]).unwrap();
        assert!(reply.is_ok(), "{option}: {reply:?}");
        let written = format!("reboot-down-after-period {NAME} {ms}");
        eventually("it is written", || {
            lone.sentinel.conf_text().contains(&written)
        });
    }
}
