//! The shape of replies, in both protocols, as clients parse them.

use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, Fleet, NAME, Plan, eventually};

const MASTER_FIELDS: [&str; 20] = [
    "name",
    "ip",
    "port",
    "runid",
    "flags",
    "link-pending-commands",
    "link-refcount",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "down-after-milliseconds",
    "info-refresh",
    "role-reported",
    "role-reported-time",
    "config-epoch",
    "num-slaves",
    "num-other-sentinels",
    "quorum",
    "failover-timeout",
    "parallel-syncs",
];
const REPLICA_FIELDS: [&str; 21] = [
    "name",
    "ip",
    "port",
    "runid",
    "flags",
    "link-pending-commands",
    "link-refcount",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "down-after-milliseconds",
    "info-refresh",
    "role-reported",
    "role-reported-time",
    "master-link-down-time",
    "master-link-status",
    "master-host",
    "master-port",
    "slave-priority",
    "slave-repl-offset",
    "replica-announced",
];
const SENTINEL_FIELDS: [&str; 14] = [
    "name",
    "ip",
    "port",
    "runid",
    "flags",
    "link-pending-commands",
    "link-refcount",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "down-after-milliseconds",
    "last-hello-message",
    "voted-leader",
    "voted-leader-epoch",
];

#[test]
fn instance_maps_are_flat_arrays_in_resp2_and_maps_in_resp3() {
    let fleet = Fleet::start(Plan::default());
    for protocol in ["2", "3"] {
        let mut client = connect(&fleet, protocol);
        let master = client.call(&["SENTINEL", "MASTER", NAME]).unwrap();
        check_map(&master, protocol, &MASTER_FIELDS);
        for (command, fields, rows) in [
            ("MASTERS", &MASTER_FIELDS[..], 1),
            ("REPLICAS", &REPLICA_FIELDS[..], 2),
            ("SLAVES", &REPLICA_FIELDS[..], 2),
            ("SENTINELS", &SENTINEL_FIELDS[..], 2),
        ] {
            let words = ["SENTINEL", command, NAME];
            let words = if command == "MASTERS" {
                &words[..2]
            } else {
                &words[..]
            };
            let reply = client.call(words).unwrap();
            let Value::Array(items) = &reply else {
                panic!("{command}: {reply:?}")
            };
            assert_eq!(items.len(), rows, "{command}");
            for item in items {
                check_map(item, protocol, fields);
            }
        }
    }
}

#[test]
fn values_of_a_healthy_master_are_what_clients_expect() {
    let fleet = Fleet::start(Plan::default());
    let master = fleet.sentinels[0].master();
    let expected = [
        ("name", NAME.to_owned()),
        ("ip", "127.0.0.1".into()),
        ("port", fleet.servers[0].port.to_string()),
        ("runid", fleet.servers[0].info_field("run_id").unwrap()),
        ("flags", "master".into()),
        ("link-refcount", "1".into()),
        ("role-reported", "master".into()),
        ("down-after-milliseconds", "1000".into()),
        ("config-epoch", "0".into()),
        ("num-slaves", "2".into()),
        ("num-other-sentinels", "2".into()),
        ("quorum", "2".into()),
        ("failover-timeout", "6000".into()),
        ("parallel-syncs", "1".into()),
    ];
    for (name, value) in expected {
        assert_eq!(master.field(name), Some(value), "{name}");
    }
    for (row, server) in fleet.sentinels[0].replicas().iter().zip([1, 2]) {
        assert!(
            row.field("name").unwrap().starts_with("127.0.0.1:"),
            "{server}"
        );
        assert_eq!(
            row.field("master-port"),
            Some(fleet.servers[0].port.to_string())
        );
        assert_eq!(row.field("slave-priority").as_deref(), Some("100"));
        assert_eq!(row.field("replica-announced").as_deref(), Some("1"));
    }
}

#[test]
fn addresses_and_votes_have_their_shapes() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let port = fleet.servers[0].port.to_string();
    let bulk = |text: &str| Value::Bulk(text.to_owned());
    for protocol in ["2", "3"] {
        let mut client = connect(&fleet, protocol);
        let mut call = |words: &[&str]| client.call(words).unwrap();
        assert_eq!(
            call(&["sentinel", "get-master-addr-by-name", NAME]),
            Value::Array(vec![bulk("127.0.0.1"), bulk(&port)])
        );
        assert_eq!(
            call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nobody"]),
            Value::Null
        );
        let ask = [
            "SENTINEL",
            "IS-MASTER-DOWN-BY-ADDR",
            "127.0.0.1",
            &port,
            "0",
            "*",
        ];
        assert_eq!(
            call(&ask),
            Value::Array(vec![Value::Int(0), bulk("*"), Value::Int(0)])
        );
        assert_eq!(
            call(&["ROLE"]),
            Value::Array(vec![bulk("sentinel"), Value::Array(vec![bulk(NAME)])])
        );
        let id = call(&["SENTINEL", "MYID"]);
        assert!(matches!(&id, Value::Bulk(id) if id.len() == 40), "{id:?}");
    }
}

#[test]
fn hello_switches_the_protocol_and_says_who_answers() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let mut client = fleet.sentinels[0].client();
    let names = ["server", "version", "proto", "id", "mode", "modules"];

    let two = client.call(&["HELLO", "2"]).unwrap();
    let Value::Array(items) = &two else {
        panic!("{two:?}")
    };
    assert_eq!(items.len(), 12);
    let three = client.call(&["HELLO", "3", "SETNAME", "me"]).unwrap();
    let Value::Map(pairs) = &three else {
        panic!("{three:?}")
    };
    let keys: Vec<&str> = pairs.iter().filter_map(|(key, _)| key.text()).collect();
    assert_eq!(keys, names);
    assert_eq!(three.field("mode").as_deref(), Some("sentinel"));
    assert_eq!(three.field("proto").as_deref(), Some("3"));
    let wrong = client.call(&["HELLO", "4"]).unwrap();
    assert!(
        wrong.is_error("NOPROTO unsupported protocol version"),
        "{wrong:?}"
    );
}

#[test]
fn info_has_a_sentinel_section_with_a_line_per_master() {
    let fleet = Fleet::start(Plan::default());
    for protocol in ["2", "3"] {
        let mut client = connect(&fleet, protocol);
        let reply = client.call(&["INFO", "sentinel"]).unwrap();
        let Value::Bulk(text) = &reply else {
            panic!("a plain bulk: {reply:?}")
        };
        let port = fleet.servers[0].port;
        let line = format!(
            "master0:name={NAME},status=ok,address=127.0.0.1:{port},slaves=2,sentinels=3\r\n"
        );
        for part in [
            "# Sentinel\r\n",
            "sentinel_masters:1\r\n",
            "sentinel_tilt:0\r\n",
            &line,
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        let all = client.call(&["INFO"]).unwrap();
        let all = all.text().unwrap_or_default();
        for field in [
            "redis_version:",
            "redis_mode:sentinel",
            "maxclients:",
            "used_cpu_user:",
        ] {
            assert!(all.contains(field), "{field} is missing");
        }
        assert!(!all.contains("used_memory:"));
    }
}

#[test]
fn errors_have_redis_own_words() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let mut client = fleet.sentinels[0].client();
    let table: [(&[&str], &str); 12] = [
        (
            &["GET", "x"],
            "ERR unknown command 'GET', with args beginning with: 'x' ",
        ),
        (
            &["SENTINEL"],
            "ERR wrong number of arguments for 'sentinel' command",
        ),
        (
            &["SENTINEL", "nope"],
            "ERR unknown subcommand 'nope'. Try SENTINEL HELP.",
        ),
        (
            &["SENTINEL", "MASTER"],
            "ERR wrong number of arguments for 'sentinel|master' command",
        ),
        (
            &["SENTINEL", "MASTER", "no"],
            "ERR No such master with that name",
        ),
        (
            &["SENTINEL", "REPLICAS", "no"],
            "ERR No such master with that name",
        ),
        (
            &["SENTINEL", "CKQUORUM", "no"],
            "ERR No such master with that name",
        ),
        (
            &["SENTINEL", "REMOVE", "no"],
            "ERR No such master with that name",
        ),
        (
            &["SENTINEL", "SET", NAME, "quorum", "x"],
            "ERR Invalid argument 'x' for SENTINEL SET 'quorum'",
        ),
        (
            &["SENTINEL", "MONITOR", NAME, "127.0.0.1", "1", "1"],
            "ERR Duplicate master name.",
        ),
        (
            &[
                "SENTINEL",
                "IS-MASTER-DOWN-BY-ADDR",
                "127.0.0.1",
                "x",
                "0",
                "*",
            ],
            "ERR value is not an integer or out of range",
        ),
        (
            &["PING", "a", "b"],
            "ERR wrong number of arguments for 'ping' command",
        ),
    ];
    for (words, error) in table {
        assert_eq!(
            client.call(words).unwrap(),
            Value::Error(error.to_owned()),
            "{words:?}"
        );
    }
}

#[test]
fn small_commands_that_every_client_library_sends_are_answered() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let mut client = fleet.sentinels[0].client();
    let mut call = |words: &[&str]| client.call(words).unwrap();
    assert_eq!(call(&["PING"]), Value::Status("PONG".into()));
    assert_eq!(call(&["PING", "hi"]), Value::Bulk("hi".into()));
    assert!(call(&["CLIENT", "SETNAME", "me"]).is_ok());
    assert!(matches!(call(&["CLIENT", "ID"]), Value::Int(id) if id > 0));
    if !Flavor::UnderTest.is_upstream() {
        // From 7.2 on; the Debian package is 7.0.
        assert!(call(&["CLIENT", "SETINFO", "LIB-NAME", "x"]).is_ok());
    }
    assert!(matches!(
        call(&["CLIENT", "NO-SUCH-THING"]),
        Value::Error(_)
    ));
    assert!(matches!(call(&["COMMAND", "COUNT"]), Value::Int(_)));
    assert!(matches!(
        call(&["COMMAND", "DOCS"]),
        Value::Array(_) | Value::Map(_)
    ));
    assert!(call(&["SENTINEL", "FLUSHCONFIG"]).is_ok());
    client.send_raw(b"PING\r\n").unwrap();
    assert_eq!(
        client.read().unwrap(),
        Value::Status("PONG".into()),
        "inline commands work"
    );
}

#[test]
fn subscribers_hear_events_in_both_protocols() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let mut two = connect(&fleet, "2");
    let mut three = connect(&fleet, "3");
    let first = two.call(&["SUBSCRIBE", "+set"]).unwrap();
    let text = |text: &str| Value::Bulk(text.to_owned());
    assert_eq!(
        first,
        Value::Array(vec![text("subscribe"), text("+set"), Value::Int(1)])
    );
    let first = three.call(&["PSUBSCRIBE", "+s?t"]).unwrap();
    assert_eq!(
        first,
        Value::Push(vec![text("psubscribe"), text("+s?t"), Value::Int(1)])
    );
    let refused = two.call(&["SENTINEL", "MYID"]).unwrap();
    assert!(
        refused.is_error("ERR Can't execute 'sentinel|myid'"),
        "{refused:?}"
    );

    assert!(
        fleet.sentinels[0]
            .call(&["SENTINEL", "SET", NAME, "quorum", "3"])
            .is_ok()
    );

    let port = fleet.servers[0].port;
    let payload = text(&format!("master {NAME} 127.0.0.1 {port} quorum 3"));
    let message = vec![text("message"), text("+set"), payload.clone()];
    assert_eq!(two.read().unwrap(), Value::Array(message));
    let message = vec![text("pmessage"), text("+s?t"), text("+set"), payload];
    assert_eq!(three.read().unwrap(), Value::Push(message));
    // RESP3 may go on asking.
    assert!(matches!(
        three.call(&["SENTINEL", "MYID"]).unwrap(),
        Value::Bulk(_)
    ));
}

#[test]
fn masters_are_added_changed_reset_and_removed_while_it_runs() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let sentinel = &fleet.sentinels[0];
    let port = fleet.servers[0].port.to_string();
    let call = |words: &[&str]| sentinel.call(words);

    assert!(call(&["SENTINEL", "MONITOR", "second", "127.0.0.1", &port, "2"]).is_ok());
    assert!(
        call(&[
            "SENTINEL",
            "SET",
            "second",
            "down-after-milliseconds",
            "1234"
        ])
        .is_ok()
    );
    let row = call(&["SENTINEL", "MASTER", "second"]);
    assert_eq!(
        row.field("down-after-milliseconds").as_deref(),
        Some("1234")
    );
    let text = sentinel.conf_text();
    assert!(
        text.contains("sentinel down-after-milliseconds second 1234"),
        "{text}"
    );
    eventually("its replica is found", || {
        call(&["SENTINEL", "MASTER", "second"])
            .field("num-slaves")
            .as_deref()
            == Some("1")
    });

    assert_eq!(call(&["SENTINEL", "RESET", "sec*"]), Value::Int(1));
    assert!(
        sentinel
            .logged("+reset-master")
            .iter()
            .any(|line| line.contains("second"))
    );
    eventually("its replica is found again", || {
        call(&["SENTINEL", "MASTER", "second"])
            .field("num-slaves")
            .as_deref()
            == Some("1")
    });

    assert!(call(&["SENTINEL", "REMOVE", "second"]).is_ok());
    assert!(call(&["SENTINEL", "MASTER", "second"]).is_error("ERR No such master"));
    assert!(
        !sentinel.conf_text().contains(" second "),
        "{}",
        sentinel.conf_text()
    );
}

fn connect(fleet: &Fleet, protocol: &str) -> Client {
    let mut client = fleet.sentinels[0].client();
    client
        .call(&["HELLO", protocol])
        .expect("HELLO is answered");
    client
}

fn check_map(value: &Value, protocol: &str, fields: &[&str]) {
    match (value, protocol) {
        (Value::Array(_), "2") | (Value::Map(_), "3") => {}
        _ => panic!("not what RESP{protocol} has for a map: {value:?}"),
    }
    if let Value::Map(pairs) = value {
        let all_bulk = pairs
            .iter()
            .all(|(_, value)| matches!(value, Value::Bulk(_)));
        assert!(all_bulk, "numbers too are bulk strings: {value:?}");
    }
    let pairs = value.pairs();
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, fields);
}
