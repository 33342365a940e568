//! Commands beside the big replies: errors, small talk, subscriptions, changes at run time.

use super::replies::connect;
use crate::harness::resp::Value;
use crate::harness::{Flavor, Fleet, NAME, PATIENCE, Plan, eventually};
use std::time::Duration;

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

#[test]
fn a_pause_holds_clients_back_and_peers_not() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: upstream holds peers back too");
        return;
    }
    let fleet = Fleet::start(Plan {
        replicas: 0,
        sentinels: vec![Flavor::UnderTest],
        ..Plan::default()
    });
    let sentinel = &fleet.sentinels[0];
    let (mut operator, mut client) = (sentinel.client(), sentinel.client());
    client.call(&["CLIENT", "SETNAME", "paused"]).unwrap();

    assert!(
        operator
            .call(&["CLIENT", "PAUSE", "3600000"])
            .unwrap()
            .is_ok()
    );

    client.send(&["CLIENT", "GETNAME"]).unwrap();
    let port = fleet.servers[0].port.to_string();
    let ask = [
        "SENTINEL",
        "IS-MASTER-DOWN-BY-ADDR",
        "127.0.0.1",
        &port,
        "0",
        "*",
    ];
    assert!(operator.call(&ask).unwrap().items().is_some());
    assert_eq!(
        operator
            .call(&["PUBLISH", "__sentinel__:hello", "x"])
            .unwrap(),
        Value::Int(1)
    );
    assert!(
        client
            .set_patience(Some(Duration::from_millis(300)))
            .is_ok()
    );
    assert!(client.read().is_err(), "its command is held back");

    assert!(operator.call(&["CLIENT", "UNPAUSE"]).unwrap().is_ok());

    client.set_patience(Some(PATIENCE)).unwrap();
    assert_eq!(client.read().unwrap(), Value::Bulk("paused".to_owned()));
}
