//! Clients that ask for more than there is: memory stays bounded and the others are served.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::process::peak_memory;
use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, Fleet, PATIENCE, Plan, Sentinel, eventually};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const MIB: u64 = 1 << 20;

#[test]
fn lengths_that_are_announced_and_never_sent_take_no_memory() {
    let fleet = one_sentinel();
    let sentinel = &fleet.sentinels[0];
    let before = peak_memory(sentinel.pid()).unwrap();

    let announced: [(&[u8], &str); 5] = [
        (b"*2\r\n$4\r\nPING\r\n$536870912\r\n", "invalid bulk length"),
        (
            b"*2\r\n$4\r\nPING\r\n$9223372036854775807\r\n",
            "invalid bulk length",
        ),
        (b"*1000000000\r\n", "invalid multibulk length"),
        (b"*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
    ];
    for (bytes, complaint) in announced {
        let mut attacker = sentinel.client();
        attacker.send_raw(bytes).unwrap();
        let reply = attacker.read().unwrap();
        let expected = format!("ERR Protocol error: {complaint}");
        assert_eq!(
            reply,
            Value::Error(expected),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
        assert!(
            attacker.read().is_err(),
            "the connection is closed behind the error"
        );
    }
    let mut nested = b"*1\r\n".repeat(1_000_000);
    nested.extend_from_slice(b"$4\r\nPING\r\n");
    // It may be closed before all of it is sent.
    let _ = sentinel.client().send_raw(&nested);

    assert_serves(sentinel);
    assert_grown_by_less_than(16 * MIB, before, sentinel);
}

#[test]
fn half_commands_and_slow_ones_keep_nobody_waiting_and_cost_what_they_sent() {
    let fleet = one_sentinel();
    let sentinel = &fleet.sentinels[0];
    let before = peak_memory(sentinel.pid()).unwrap();

    let mut silent: Vec<Client> = (0..500).map(|_| sentinel.client()).collect();
    for client in &mut silent {
        client
            .send_raw(b"*2\r\n$4\r\nPING\r\n$1048576\r\nand no more of it")
            .unwrap();
    }
    let mut slow = sentinel.client();
    let words = b"*2\r\n$4\r\nPING\r\n$5\r\nhello\r\n";
    for byte in words {
        slow.send_raw(&[*byte]).unwrap();
        assert_serves(sentinel);
    }

    assert_eq!(slow.read().unwrap(), Value::Bulk("hello".to_owned()));
    assert_grown_by_less_than(16 * MIB, before, sentinel);
    for client in &mut silent {
        client.set_patience(Some(Duration::from_millis(1))).unwrap();
        let waits = client.read().unwrap_err().kind();
        assert!(
            matches!(waits, ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{waits}"
        );
    }
}

#[test]
fn a_client_that_pipelines_a_million_pings_and_does_not_read_is_held_back_and_loses_nothing() {
    let fleet = one_sentinel();
    let sentinel = &fleet.sentinels[0];
    let before = peak_memory(sentinel.pid()).unwrap();
    let pings = b"*1\r\n$4\r\nPING\r\n".repeat(1_000_000);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, sentinel.port)).unwrap();

    let sent = send_until_held_back(&mut stream, &pings);
    assert!(
        sent < pings.len(),
        "it is no longer read when its replies pile up"
    );
    assert_serves(sentinel);
    assert_grown_by_less_than(16 * MIB, before, sentinel);

    let mut writer = stream.try_clone().unwrap();
    let rest = pings[sent..].to_vec();
    let writing = std::thread::spawn(move || writer.write_all(&rest));
    let expected = 7 * 1_000_000;
    let mut reader = stream;
    reader.set_nonblocking(false).unwrap();
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut replies = vec![0; expected];
    reader.read_exact(&mut replies).unwrap();
    writing.join().unwrap().unwrap();
    assert!(replies.chunks_exact(7).all(|reply| reply == b"+PONG\r\n"));
    assert_grown_by_less_than(16 * MIB, before, sentinel);
}

#[test]
fn a_client_that_subscribes_to_many_long_names_is_told_that_it_is_enough() {
    let fleet = one_sentinel();
    let sentinel = &fleet.sentinels[0];
    let before = peak_memory(sentinel.pid()).unwrap();
    let mut client = sentinel.client();
    client.set_patience(Some(PATIENCE)).unwrap();
    let mut taken = 0;
    let refused = loop {
        let name = format!("{taken}{}", "x".repeat(400 << 10));
        match client.call(&["SUBSCRIBE", &name]).unwrap() {
            Value::Array(_) => taken += 1,
            other => break other,
        }
        assert!(taken < 100, "100 names of 400 kB each are taken");
    };
    assert!(
        refused.is_error("ERR too many subscriptions, or too long names"),
        "{refused:?}"
    );
    let many: Vec<String> = (0..1000).map(|number| format!("name-{number}")).collect();
    let mut words = vec!["SUBSCRIBE"];
    words.extend(many.iter().map(String::as_str));
    let mut modest = sentinel.client();
    modest.send(&words).unwrap();
    for _ in &many {
        assert!(matches!(modest.read().unwrap(), Value::Array(_)));
    }
    assert_serves(sentinel);
    assert_grown_by_less_than(16 * MIB, before, sentinel);
}

#[test]
fn a_crowd_of_connections_is_refused_beyond_maxclients_and_those_inside_are_served() {
    let crowd = 20_000;
    let fleet = one_sentinel();
    let sentinel = &fleet.sentinels[0];
    let before = peak_memory(sentinel.pid()).unwrap();
    let mut early = sentinel.client();
    let room = room_for_descriptors(crowd + 500) - 500;
    if room < crowd {
        println!("{room} connections instead of {crowd}: no more files may be open here");
    }

    let mut inside = Vec::new();
    let mut refused = 0;
    for _ in 0..room {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, sentinel.port)) {
            Ok(stream) => inside.push(stream),
            Err(_) => refused += 1,
        }
    }
    assert_eq!(
        early.call(&["PING"]).unwrap(),
        Value::Status("PONG".to_owned())
    );
    let limit: u64 = info_field(&mut early, "maxclients").parse().unwrap();
    eventually("everybody is let in or told that there is no room", || {
        let here: u64 = info_field(&mut early, "connected_clients").parse().unwrap();
        let rejected: u64 = info_field(&mut early, "rejected_connections")
            .parse()
            .unwrap();
        here <= limit && here + rejected + refused > u64::try_from(room).unwrap()
    });
    if u64::try_from(room).unwrap() > limit {
        assert!(
            inside
                .iter_mut()
                .rev()
                .take(100)
                .all(is_told_that_it_is_full)
        );
    }
    // Ten thousand clients at their limit: 6 KiB for each.
    assert_grown_by_less_than(64 * MIB, before, sentinel);
    assert_eq!(sentinel.logged("+sdown"), Vec::<String>::new());

    drop(inside);
    eventually("there is room again", || sentinel.answers());
}

fn one_sentinel() -> Fleet {
    Fleet::start(Plan {
        replicas: 1,
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        ..Plan::default()
    })
}

/// Others get their answers while all this goes on.
fn assert_serves(sentinel: &Sentinel) {
    let begin = Instant::now();
    assert!(sentinel.answers(), "others are served");
    let master = sentinel.master();
    assert_eq!(
        master.field("flags").as_deref(),
        Some("master"),
        "{:?}",
        begin.elapsed()
    );
}

fn assert_grown_by_less_than(bytes: u64, before: u64, sentinel: &Sentinel) {
    let now = peak_memory(sentinel.pid()).unwrap();
    assert!(now < before + bytes, "it grew from {before} to {now} bytes");
}

/// Writes until the other side takes nothing for a second; returns how much it took.
fn send_until_held_back(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(n) => sent += n,
            Err(error) if is_late(&error) => break,
            Err(error) => panic!("after {sent} bytes: {error}"),
        }
    }
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    sent
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How many files this process may have open, when it would like `wanted`.
fn room_for_descriptors(wanted: usize) -> usize {
    let wanted = u64::try_from(wanted).unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    for (soft, hard) in [(wanted, hard.max(wanted)), (wanted.min(hard), hard)] {
        if setrlimit(Resource::RLIMIT_NOFILE, soft, hard).is_ok() {
            break;
        }
    }
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    usize::try_from(soft.min(wanted)).unwrap()
}

fn info_field(client: &mut Client, name: &str) -> String {
    let reply = client.call(&["INFO"]).unwrap();
    let text = reply.text().unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().to_owned()
}

fn is_told_that_it_is_full(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = String::new();
    // A reset may follow the text.
    let _ = stream.read_to_string(&mut said);
    said == "-ERR max number of clients reached\r\n"
}
