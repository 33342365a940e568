//! Whoever reaches the port may send anything.

use crate::harness::resp::Client;
use crate::harness::{Fleet, NAME, Plan, Sentinel};
use std::time::Duration;

#[test]
fn garbage_on_the_port_hurts_nobody_and_the_failover_works_after_it() {
    let mut fleet = Fleet::start(Plan::default());

    for sentinel in &mut fleet.sentinels {
        for bytes in garbage() {
            throw(sentinel, &bytes);
            assert!(
                sentinel.is_running(),
                "it died of {:?}",
                String::from_utf8_lossy(&bytes)
            );
            assert!(
                sentinel.answers(),
                "silent after {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
    for sentinel in &fleet.sentinels {
        assert_eq!(sentinel.master_port(), Some(fleet.servers[0].port));
        assert_eq!(sentinel.master().field("flags").as_deref(), Some("master"));
        assert_eq!(
            sentinel.master().field("num-other-sentinels").as_deref(),
            Some("2")
        );
        assert_eq!(sentinel.logged("+tilt"), Vec::<String>::new());
    }

    fleet.servers[0].crash();
    fleet.await_new_master(0);
}

#[test]
fn hellos_that_make_no_sense_change_nothing() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let sentinel = &fleet.sentinels[0];
    let port = fleet.servers[0].port;
    let id = "f".repeat(40);
    let hellos = [
        String::new(),
        ",,,,,,,".into(),
        "a,b,c".into(),
        format!("127.0.0.1,1,{id},0,nobody,127.0.0.1,{port},99"),
        format!("127.0.0.1,1,{id},0,{NAME},127.0.0.1,{port},0,extra"),
        "x".repeat(10_000),
    ];
    for hello in hellos {
        let reply = sentinel.call(&["PUBLISH", "__sentinel__:hello", &hello]);
        assert_eq!(
            reply,
            crate::harness::resp::Value::Int(1),
            "as Redis answers, even to this"
        );
    }
    let reply = sentinel.call(&["PUBLISH", "elsewhere", "hi"]);
    assert!(
        reply.is_error("ERR Only HELLO messages are accepted"),
        "{reply:?}"
    );

    let master = sentinel.master();
    assert_eq!(master.field("num-other-sentinels").as_deref(), Some("2"));
    assert_eq!(master.field("config-epoch").as_deref(), Some("0"));
    assert_eq!(sentinel.master_port(), Some(port));
}

#[test]
fn many_clients_that_come_and_go_leave_nothing_behind() {
    let fleet = Fleet::start(Plan {
        replicas: 1,
        ..Plan::default()
    });
    let sentinel = &fleet.sentinels[0];
    for _ in 0..20 {
        let clients: Vec<Client> = (0..50).map(|_| sentinel.client()).collect();
        drop(clients);
    }
    assert!(sentinel.answers());
    crate::harness::eventually("their descriptors are closed", || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", sentinel.pid()));
        open.map_or(0, Iterator::count) < 60
    });
}

/// Connects, sends, reads what comes for a moment, hangs up.
fn throw(sentinel: &Sentinel, bytes: &[u8]) {
    let mut client = sentinel.client();
    client
        .set_patience(Some(Duration::from_millis(20)))
        .unwrap();
    // It may hang up in the middle, which is a good answer.
    let _ = client.send_raw(bytes);
    let _ = client.read();
}

fn garbage() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "\r\n\r\n",
        "\0\0\0\0",
        "*",
        "*1\r\n",
        "*-1\r\n",
        "*1\r\n+PING\r\n",
        "*99999999999999999999\r\n",
        "*1048576\r\n",
        "*2147483647\r\n$1\r\n",
        "*1\r\n$-5\r\nPING\r\n",
        "*1\r\n$99999999999\r\n",
        "*1\r\n$536870912\r\nabc",
        "*2\r\n$4\r\nPING\r\n",
        "*3\r\n$8\r\nSENTINEL\r\n$6\r\nMASTER\r\n$4\r\n\0\r\n\x01\r\n",
        "SENTINEL MASTER \"unbalanced\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "%1\r\n+a\r\n+b\r\n",
        ">1\r\n+x\r\n",
        "SENTINEL IS-MASTER-DOWN-BY-ADDR x y z w\r\n",
        "SENTINEL SET mymaster quorum -1\r\n",
        "SENTINEL\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    all.push(b"*1\r\n".repeat(50_000));
    all.push(vec![b'a'; 200_000]);
    all.push((0..=255).cycle().take(70_000).collect());
    all.push(vec![
        0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
    ]);
    all
}
