//! The shape of replies, in both protocols, as clients parse them.

use crate::harness::resp::{Client, Value};
use crate::harness::{Fleet, NAME, Plan};

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

/// A client of the first sentinel that speaks this protocol version.
pub(super) fn connect(fleet: &Fleet, protocol: &str) -> Client {
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
