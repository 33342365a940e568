//! Monitored servers that lie: what they send is bounded, told once, and disturbs nobody else.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::process::peak_memory;
use crate::harness::{Flavor, Fleet, NAME, Plan, eventually, holds_for};

const MIB: u64 = 1 << 20;

/// What a server does when it is asked for INFO; to everything else it answers as it should.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// A bulk string of 200 MB.
    HugeInfo,
    /// A million lines that begin with `slave`, as much of them as a bulk string may hold.
    ManyReplicas,
    /// As many `slave` lines as fit into what is believed.
    ReplicasThatFit,
    /// Bytes that are no UTF-8, in every place.
    NoText,
    /// Two replies where one was asked for.
    TwoReplies,
    /// A line that never ends.
    EndlessLine,
    /// Arrays in arrays in arrays.
    Nesting,
    /// An array of a thousand million nulls.
    HugeArray,
    /// The reply of another command.
    AnotherReply,
    /// Nothing, and nothing to anything behind it either.
    Silence,
}

const LIES: [Lie; 10] = [
    Lie::HugeInfo,
    Lie::ManyReplicas,
    Lie::ReplicasThatFit,
    Lie::NoText,
    Lie::TwoReplies,
    Lie::EndlessLine,
    Lie::Nesting,
    Lie::HugeArray,
    Lie::AnotherReply,
    Lie::Silence,
];

#[test]
fn servers_that_lie_cost_bounded_memory_and_an_honest_master_beside_them_stays_watched() {
    let impostors: Vec<Impostor> = LIES.into_iter().map(Impostor::start).collect();
    let lines = |it: &Impostor| {
        let (name, port) = (it.name(), it.port);
        format!(
            "sentinel monitor {name} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {name} 2000\n"
        )
    };
    let mut fleet = Fleet::start(Plan {
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        // What is measured is whether lies keep the process from listening to others for long,
        // and not how busy the machine is.
        down_after_ms: 5_000,
        sentinel_lines: impostors.iter().map(lines).collect(),
        ..Plan::default()
    });
    let sentinel = &fleet.sentinels[0];

    eventually("each has lied again and again", || {
        impostors.iter().all(|it| it.lies() > it.lie.enough())
    });
    holds_for(
        Duration::from_secs(5),
        "the honest master is watched",
        || {
            let master = sentinel.client().call(&["SENTINEL", "MASTER", NAME]);
            master.is_ok_and(|it| it.field("flags").as_deref() == Some("master"))
        },
    );

    let peak = peak_memory(sentinel.pid()).unwrap();
    assert!(peak < 64 * MIB, "it took {peak} bytes");
    let log = sentinel.log();
    let false_alarm = |line: &&str| line.contains("+sdown") && line.contains(&format!(" {NAME} "));
    assert_eq!(log.lines().find(false_alarm), None);
    let lines = log
        .lines()
        .filter(|line| !line.contains(" slave 127.0.0.1:"))
        .count();
    assert!(lines < 200, "{lines} lines of log");

    fleet.servers[0].crash();
    fleet.await_new_master(0);
}

impl Lie {
    /// How often it has to be told to have shown what it does. What leaves the connection as it
    /// is waits for the next INFO, or for ever.
    fn enough(self) -> usize {
        match self {
            Self::HugeInfo | Self::EndlessLine | Self::Nesting | Self::HugeArray => 3,
            Self::ManyReplicas | Self::TwoReplies => 3,
            Self::ReplicasThatFit | Self::NoText | Self::AnotherReply | Self::Silence => 0,
        }
    }

    /// The answer to INFO, where it has an end.
    fn answer(self) -> Vec<u8> {
        let slaves = |lines: usize| -> Vec<u8> {
            let line = |n| {
                format!(
                    "slave{n}:ip=127.0.0.1,port={},state=online\r\n",
                    1 + n % 500
                )
            };
            let lines: String = (0..lines).map(line).collect();
            bulk(format!("role:master\r\n{lines}").as_bytes())
        };
        match self {
            Self::ManyReplicas => slaves(1_000_000),
            Self::ReplicasThatFit => slaves(80_000),
            Self::NoText => bulk(
                b"run_id:\xff\xfe\r\nrole:\xc3\x28\r\nslave0:ip=\xff,port=\xff,state=\xff\r\n\
                  \xf0\x28\x8c\xbc:\xff\r\nrole:master\r\n",
            ),
            Self::TwoReplies => {
                let second = b"role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:1\r\n";
                [bulk(b"role:master\r\n"), bulk(second)].concat()
            }
            Self::AnotherReply => b"*3\r\n:1\r\n$1\r\n*\r\n:0\r\n".to_vec(),
            Self::HugeInfo
            | Self::EndlessLine
            | Self::Nesting
            | Self::HugeArray
            | Self::Silence => Vec::new(),
        }
    }

    /// What follows the answer, until the other side has had enough.
    fn go_on(self, out: &mut impl Write, requests: &mut impl Read) -> io::Result<()> {
        match self {
            Self::HugeInfo => {
                write!(out, "${}\r\nrole:master\r\n", 200_000_000)?;
                repeat(&[b'x'; 65536], 200_000_000 / 65536, out)
            }
            Self::EndlessLine => {
                out.write_all(b"+")?;
                repeat(&[b'a'; 65536], usize::MAX, out)
            }
            Self::Nesting => repeat(&b"*1\r\n".repeat(1000), 1000, out),
            Self::HugeArray => {
                out.write_all(b"*1000000000\r\n")?;
                repeat(&b"$-1\r\n".repeat(1000), 1_000_000, out)
            }
            Self::Silence => io::copy(requests, &mut io::sink()).map(|_| ()),
            Self::ManyReplicas
            | Self::ReplicasThatFit
            | Self::NoText
            | Self::TwoReplies
            | Self::AnotherReply => Ok(()),
        }
    }
}

/// A server on loopback that answers everything well but INFO.
struct Impostor {
    lie: Lie,
    port: u16,
    told: Arc<AtomicUsize>,
}

impl Impostor {
    fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&told);
        let answer: Arc<[u8]> = lie.answer().into();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, answer) = (Arc::clone(&counter), Arc::clone(&answer));
                // It ends when the other side hangs up, at the latest with the test's process.
                std::thread::spawn(move || serve(&stream, lie, &answer, &counter));
            }
        });
        Self { lie, port, told }
    }

    fn name(&self) -> String {
        format!("{:?}", self.lie)
    }

    fn lies(&self) -> usize {
        self.told.load(Ordering::Relaxed)
    }
}

fn serve(stream: &TcpStream, lie: Lie, answer: &[u8], told: &AtomicUsize) -> io::Result<()> {
    let mut requests = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let words = read_request(&mut requests)?;
        match words
            .first()
            .map(|word| word.to_ascii_uppercase())
            .as_deref()
        {
            Some("PING") => out.write_all(b"+PONG\r\n")?,
            Some("PUBLISH") => out.write_all(b":1\r\n")?,
            Some("SUBSCRIBE") => {
                out.write_all(b"*3\r\n$9\r\nsubscribe\r\n$18\r\n__sentinel__:hello\r\n:1\r\n")?;
            }
            Some("INFO") => {
                told.fetch_add(1, Ordering::Relaxed);
                out.write_all(answer)?;
                lie.go_on(&mut out, &mut requests)?;
            }
            _ => out.write_all(b"+OK\r\n")?,
        }
    }
}

pub(crate) fn bulk(text: &[u8]) -> Vec<u8> {
    let mut bytes = format!("${}\r\n", text.len()).into_bytes();
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Writes until the other side has had enough.
fn repeat(bytes: &[u8], times: usize, out: &mut impl Write) -> io::Result<()> {
    (0..times).try_for_each(|_| out.write_all(bytes))
}

/// The words of one command; an error when the other side is gone.
pub(crate) fn read_request(requests: &mut impl BufRead) -> io::Result<Vec<String>> {
    let count = read_length(requests, '*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = read_length(requests, '$')?;
        let mut word = vec![0; length + 2];
        requests.read_exact(&mut word)?;
        word.truncate(length);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Ok(words)
}

fn read_length(requests: &mut impl BufRead, kind: char) -> io::Result<usize> {
    let mut line = String::new();
    requests.read_line(&mut line)?;
    let digits = line.trim_end().strip_prefix(kind);
    digits
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
