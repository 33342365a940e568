//! Clients that do nothing but ask where a master is, which other threads serve: they must not
//! notice. All of it holds for redis-sentinel 7.0, unless said otherwise.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::acl::{Lone, shown};
use crate::harness::resp::{Client, Value};
use crate::harness::{Flavor, Fleet, NAME, Plan, eventually};

const QUESTION: [&str; 3] = ["SENTINEL", "get-master-addr-by-name", NAME];

/// Asks where the master is: its port.
fn port(client: &mut Client) -> Option<u16> {
    let reply = client.call(&QUESTION).unwrap();
    reply.items()?.get(1)?.text()?.parse().ok()
}

/// A client that has asked often enough to be known for it.
fn asker(lone: &Lone) -> Client {
    let mut client = lone.sentinel.client();
    for _ in 0..10 {
        assert!(port(&mut client).is_some());
    }
    client
}

/// One request as it is sent.
fn request(words: &[&str]) -> String {
    let count = words.len();
    let words = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{count}\r\n{}", words.collect::<String>())
}

#[test]
fn who_asks_all_the_time_is_told_of_a_new_master_no_later_than_who_listens() {
    let mut fleet = Fleet::start(Plan::default());
    let mut askers: Vec<Client> = fleet.sentinels.iter().map(|s| s.client()).collect();
    let mut listeners: Vec<Client> = fleet.sentinels.iter().map(|s| s.client()).collect();
    let old = fleet.servers[0].port;
    for (asker, listener) in askers.iter_mut().zip(&mut listeners) {
        (0..10).for_each(|_| assert_eq!(port(asker), Some(old)));
        listener.call(&["SUBSCRIBE", "+switch-master"]).unwrap();
        listener
            .set_patience(Some(Duration::from_secs(30)))
            .unwrap();
    }
    fleet.servers[0].crash();
    for (asker, listener) in askers.iter_mut().zip(&mut listeners) {
        let message = listener.read().unwrap();
        let payload = message.items().unwrap()[2].text().unwrap().to_owned();
        let new = payload.rsplit(' ').next().unwrap().parse().ok();
        assert_eq!(port(asker), new, "{payload}");
        assert_ne!(new, Some(old));
    }
}

#[test]
fn who_asks_all_the_time_may_ask_for_anything_else_and_is_answered_in_order() {
    let lone = Lone::start("");
    let mut client = asker(&lone);
    let there = shown(&client.call(&QUESTION).unwrap());
    let expected = [
        there.as_str(),
        there.as_str(),
        "+PONG",
        there.as_str(),
        "nil",
        "-ERR No such master with that name",
        "+OK",
        there.as_str(),
        "me",
    ];
    let mixed: [&[&str]; 9] = [
        &QUESTION,
        &["sentinel", "GET-MASTER-ADDR-BY-NAME", NAME],
        &["PING"],
        &QUESTION,
        &["SENTINEL", "get-master-addr-by-name", "nobody"],
        &["SENTINEL", "MASTER", "nobody"],
        &["CLIENT", "SETNAME", "me"],
        &QUESTION,
        &["CLIENT", "GETNAME"],
    ];
    let mixed = mixed.map(request).concat();
    for piece in [mixed.len(), 40, 7, 1] {
        for bytes in mixed.as_bytes().chunks(piece) {
            client.send_raw(bytes).unwrap();
        }
        let heard: Vec<String> = expected
            .iter()
            .map(|_| shown(&client.read().unwrap()))
            .collect();
        assert_eq!(heard, expected, "in pieces of {piece}");
        for _ in 0..10 {
            assert_eq!(shown(&client.call(&QUESTION).unwrap()), there);
        }
    }
}

#[test]
fn a_long_row_of_questions_is_answered_in_full_though_nobody_reads_meanwhile() {
    const MANY: usize = 20_000;
    let lone = Lone::start("");
    let mut client = asker(&lone);
    let there = client.call(&QUESTION).unwrap();
    let mut sender = client.try_clone().unwrap();
    let all = request(&QUESTION).repeat(MANY) + &request(&["PING"]);
    let sending = std::thread::spawn(move || sender.send_raw(all.as_bytes()));
    for _ in 0..MANY {
        assert_eq!(client.read().unwrap(), there);
    }
    assert_eq!(shown(&client.read().unwrap()), "+PONG");
    sending.join().unwrap().unwrap();
}

#[test]
fn a_master_that_is_not_watched_any_more_is_not_told_any_more() {
    let lone = Lone::start("");
    let mut client = asker(&lone);
    lone.sentinel.call(&["SENTINEL", "REMOVE", NAME]);
    assert_eq!(client.call(&QUESTION).unwrap(), Value::Null);
    let again = ["SENTINEL", "MONITOR", NAME, "127.0.0.1", "1", "1"];
    assert!(lone.sentinel.call(&again).is_ok());
    (0..10).for_each(|_| assert_eq!(port(&mut client), Some(1)));
}

#[test]
fn who_asks_all_the_time_is_listed_counted_and_can_be_killed() {
    let lone = Lone::start("");
    let mut client = lone.sentinel.client();
    assert!(
        client
            .call(&["CLIENT", "SETNAME", "asker"])
            .unwrap()
            .is_ok()
    );
    let mut other = lone.sentinel.client();
    let counted = |other: &mut Client, field: &str| -> u64 {
        let stats = other.call(&["INFO", "stats"]).unwrap();
        let stats = stats.text().unwrap().to_owned();
        let line = stats.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap()
            .trim_start_matches(':')
            .trim()
            .parse()
            .unwrap()
    };
    let fields = [
        "total_commands_processed",
        "total_net_input_bytes",
        "total_net_output_bytes",
    ];
    let before = fields.map(|field| counted(&mut other, field));
    for _ in 0..1_000 {
        port(&mut client);
    }
    let after = fields.map(|field| counted(&mut other, field));
    let asked = request(&QUESTION).len() as u64;
    for ((field, least), (before, after)) in fields
        .iter()
        .zip([1_000, 1_000 * asked, 20_000])
        .zip(before.into_iter().zip(after))
    {
        assert!(after - before >= least, "{field}: {before} to {after}");
    }
    let list = other.call(&["CLIENT", "LIST"]).unwrap();
    let list = list.text().unwrap().to_owned();
    let line = list.lines().find(|line| line.contains(" name=asker "));
    let line = line.expect("it is listed");
    assert!(line.contains(" idle=0 "), "{line}");
    assert!(
        line.contains("cmd=sentinel|get-master-addr-by-name"),
        "{line}"
    );
    let id = line.split(' ').next().unwrap().trim_start_matches("id=");
    let killed = other.call(&["CLIENT", "KILL", "ID", id]).unwrap();
    assert_eq!(killed, Value::Int(1));
    assert!(client.call(&QUESTION).is_err());
}

#[test]
fn rights_that_are_taken_away_are_gone_with_the_next_question() {
    let lone = Lone::start("");
    let mut client = asker(&lone);
    let mut other = lone.sentinel.client();
    for _ in 0..20 {
        let take = ["ACL", "SETUSER", "default", "-sentinel"];
        assert!(other.call(&take).unwrap().is_ok());
        assert!(client.call(&QUESTION).unwrap().is_error("NOPERM"));
        let give = ["ACL", "SETUSER", "default", "+sentinel"];
        assert!(other.call(&give).unwrap().is_ok());
        (0..5).for_each(|_| assert!(port(&mut client).is_some()));
    }
}

#[test]
fn a_pause_holds_questions_back_too() {
    if Flavor::UnderTest.is_upstream() {
        return; // its UNPAUSE waits for the end of the pause itself
    }
    let lone = Lone::start("");
    let mut client = asker(&lone);
    let mut other = lone.sentinel.client();
    let pause = ["CLIENT", "PAUSE", "600000"];
    assert!(other.call(&pause).unwrap().is_ok());
    client.send(&QUESTION).unwrap();
    client
        .set_patience(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(client.read().is_err(), "it waits");
    assert!(other.call(&["CLIENT", "UNPAUSE"]).unwrap().is_ok());
    client.set_patience(Some(Duration::from_secs(10))).unwrap();
    assert!(client.read().unwrap().items().is_some());
}

#[test]
fn who_asked_all_the_time_and_then_sends_nonsense_hears_why_and_is_closed() {
    let lone = Lone::start("");
    let mut client = asker(&lone);
    let mut bytes = request(&QUESTION).into_bytes();
    bytes.extend_from_slice(b"*x\r\n");
    client.send_raw(&bytes).unwrap();
    assert!(client.read().unwrap().items().is_some());
    assert!(client.read().unwrap().is_error("ERR Protocol error"));
    assert!(client.read().is_err());
}

#[test]
fn who_asked_all_the_time_and_fell_silent_is_closed_after_the_timeout() {
    let lone = Lone::start("timeout 1\n");
    let mut client = asker(&lone);
    client.set_patience(Some(Duration::from_secs(30))).unwrap();
    assert!(client.read().is_err());
    eventually("nobody is connected but who asks", || {
        let info = crate::harness::resp::info(lone.sentinel.port, "clients");
        info.contains(&("connected_clients".to_owned(), "1".to_owned()))
    });
}

#[test]
fn who_asked_all_the_time_may_listen_from_then_on() {
    let lone = Lone::start("");
    let mut client = asker(&lone);
    client.call(&["SUBSCRIBE", "+monitor"]).unwrap();
    let other = ["SENTINEL", "MONITOR", "other", "127.0.0.1", "2", "1"];
    assert!(lone.sentinel.call(&other).is_ok());
    let message = client.read().unwrap();
    assert!(shown(&message).contains("master other 127.0.0.1 2"));
}

#[test]
fn over_a_unix_socket_it_is_the_same() {
    let lone = Lone::start("unixsocket DIR/sentinel.sock\n");
    let mut stream = UnixStream::connect(lone.dir.path().join("sentinel.sock")).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut answer = |lines: usize| {
        let lines = (0..lines).map(|_| answers.next().unwrap().unwrap());
        lines.collect::<Vec<_>>().join(" ")
    };
    for _ in 0..100 {
        stream.write_all(request(&QUESTION).as_bytes()).unwrap();
        let answer = answer(5);
        assert!(answer.starts_with("*2 $9 127.0.0.1 $"), "{answer}");
    }
    stream.write_all(b"PING\r\n").unwrap();
    assert_eq!(answer(1), "+PONG");
}
