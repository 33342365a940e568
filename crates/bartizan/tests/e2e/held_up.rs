//! A sentinel that was held up listens to what came meanwhile before it judges anybody.

use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::{Flavor, Fleet, Plan, eventually, holds_for};
use crate::impostor::{bulk, read_request};

const MASTERS: usize = 20;
/// Less than `down-after-milliseconds`, and most of the time between two PINGs.
const TAKES: Duration = Duration::from_millis(60);

#[test]
fn servers_that_answered_while_the_sentinel_was_held_up_are_not_called_down() {
    let ports: Vec<u16> = (0..MASTERS).map(|_| start_slow_server()).collect();
    let lines = |(n, port): (usize, &u16)| {
        format!(
            "sentinel monitor slow{n} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds slow{n} 600\n"
        )
    };
    let fleet = Fleet::start(Plan {
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        replicas: 0,
        sentinel_lines: ports.iter().enumerate().map(lines).collect(),
        ..Plan::default()
    });
    let sentinel = &fleet.sentinels[0];
    let well = || {
        (0..MASTERS).all(|n| {
            let name = format!("slow{n}");
            let master = sentinel.ask(&["SENTINEL", "MASTER", &name]);
            master.is_some_and(|it| it.field("flags").as_deref() == Some("master"))
        })
    };
    eventually("all are well", well);

    for _ in 0..5 {
        let events = sentinel.log().matches("+sdown").count();
        assert_eq!(events, 0, "before it was held up");
        sentinel.freeze();
        // Longer than down-after, and shorter than what makes it distrust its clock (TILT).
        std::thread::sleep(Duration::from_millis(1_000));
        sentinel.thaw();
        holds_for(Duration::from_millis(700), "nobody is called down", || {
            !sentinel.log().contains("+sdown")
        });
    }
    assert!(well());
}

/// A server on loopback that answers everything well, and late.
fn start_slow_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // It ends when the other side hangs up, at the latest with the test's process.
            std::thread::spawn(move || serve(&stream));
        }
    });
    port
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    let mut requests = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let words = read_request(&mut requests)?;
        std::thread::sleep(TAKES);
        match words[0].to_ascii_uppercase().as_str() {
            "PING" => out.write_all(b"+PONG\r\n")?,
            "PUBLISH" => out.write_all(b":1\r\n")?,
            "INFO" => out.write_all(&bulk(b"role:master\r\n"))?,
            "SUBSCRIBE" => {
                out.write_all(b"*3\r\n$9\r\nsubscribe\r\n$18\r\n__sentinel__:hello\r\n:1\r\n")?;
            }
            _ => out.write_all(b"+OK\r\n")?,
        }
    }
}
