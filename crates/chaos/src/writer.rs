//! Clients that write numbered values and remember every one that was acknowledged.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bartizan_load::client::Stop;

use crate::fleet::{NAME, SENTINELS, Who};
use crate::live::resp::{Client, Value};
use crate::net;

/// How long connecting may take before another Sentinel is asked.
const CONNECT: Duration = Duration::from_millis(300);

/// Where a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// At the master that a Sentinel names, asked again after every error.
    Master,
    /// At this server and no other, whatever anybody says.
    Stuck(Who),
}

/// What a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Diet {
    /// One key a number.
    Keys,
    /// Every other write is one of many kinds: lists, sets, floats, hashes, transactions.
    Mixed,
}

/// One writer.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Where.
    pub(crate) aim: Aim,
    /// What.
    pub(crate) words: Diet,
    /// The namespace it lives in.
    pub(crate) namespace: String,
    /// One write in this time, if it is answered in it.
    pub(crate) pace: Duration,
    /// How long it waits for an answer.
    pub(crate) patience: Duration,
}

/// One acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// Who wrote; unique in a fleet's life.
    pub(crate) writer: u32,
    /// What, counted from 1.
    pub(crate) number: u32,
    /// Over which of the writer's connections, counted from 1.
    pub(crate) connection: u32,
    /// When the acknowledgement came.
    pub(crate) at: Instant,
    /// Who gave it.
    pub(crate) server: Who,
}

impl Ack {
    /// The key it is under.
    pub(crate) fn key(&self) -> String {
        key(self.writer, self.number)
    }
}

/// An answer that was waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// When the write was sent.
    pub(crate) from: Instant,
    /// For how long nothing came.
    pub(crate) took: Duration,
    /// From whom.
    pub(crate) server: Who,
}

/// What a writer remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Every acknowledged write, in order.
    pub(crate) acks: Vec<Ack>,
    /// Every answer that took longer than [`LONG`], be it an error.
    pub(crate) waits: Vec<Wait>,
}

/// Waits shorter than this are not remembered.
pub(crate) const LONG: Duration = Duration::from_millis(10);

/// A writer at work.
#[derive(Debug)]
pub(crate) struct Writer {
    stop: Stop,
    thread: JoinHandle<Result<Memory>>,
}

impl Writer {
    /// Starts one with a number that no other has.
    pub(crate) fn start(id: u32, manner: Manner) -> Result<Self> {
        let stop = Stop::default();
        let stopped = stop.clone();
        let name = format!("writer {id}");
        let thread = thread::Builder::new().name(name).spawn(move || {
            net::enter(&manner.namespace)?;
            let mut work = Work::new(id, manner);
            while !stopped.is_set() {
                work.step();
            }
            Ok(work.memory)
        })?;
        Ok(Self { stop, thread })
    }

    /// Lets it end soon.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.set();
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Result<Memory> {
        self.stop.set();
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("a writer broke"))?
    }
}

struct Work {
    id: u32,
    manner: Manner,
    number: u32,
    connection: u32,
    sentinel: u8,
    link: Option<(Who, Client)>,
    due: Instant,
    memory: Memory,
}

impl Work {
    fn new(id: u32, manner: Manner) -> Self {
        Self {
            id,
            manner,
            number: 0,
            connection: 0,
            sentinel: u8::try_from(id % u32::from(SENTINELS)).unwrap_or(0),
            link: None,
            due: Instant::now(),
            memory: Memory::default(),
        }
    }

    fn step(&mut self) {
        let Some((server, mut client)) = self.link.take() else {
            self.link = self.find();
            if self.link.is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            return;
        };
        // Whoever was held up does not make up for it in a burst.
        let now = Instant::now();
        self.due = self.due.max(now) + self.manner.pace;
        self.number += 1;
        let words = self.words();
        let reply = exchange(&mut client, &words);
        let at = Instant::now();
        let took = at.duration_since(now);
        if took >= LONG {
            self.memory.waits.push(Wait {
                from: now,
                took,
                server,
            });
        }
        // After an error it is asked again where the master is; the write counts for nothing.
        if reply.is_some_and(|reply| !is_error(&reply)) {
            if words.marks {
                self.memory.acks.push(Ack {
                    writer: self.id,
                    number: self.number,
                    connection: self.connection,
                    at,
                    server,
                });
            }
            self.link = Some((server, client));
        }
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
    }

    fn find(&mut self) -> Option<(Who, Client)> {
        let server = match self.manner.aim {
            Aim::Stuck(server) => server,
            Aim::Master => {
                self.sentinel = (self.sentinel + 1) % SENTINELS;
                let sentinel = Who::Sentinel(self.sentinel);
                let mut client = Client::connect_within(sentinel.addr(), CONNECT).ok()?;
                let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
                let reply = client.call(&words).ok()?;
                Who::server_at(reply.items()?.first()?.text()?)?
            }
        };
        let mut client = Client::connect_within(server.addr(), CONNECT).ok()?;
        client.set_patience(Some(self.manner.patience)).ok()?;
        self.connection += 1;
        Some((server, client))
    }

    fn words(&self) -> Burst {
        let (id, n) = (self.id, self.number);
        let marker = key(id, n);
        let one = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mixed = self.manner.words == Diet::Mixed && n.is_multiple_of(2);
        if !mixed {
            return Burst {
                commands: vec![one(&["SET", &marker, &n.to_string()])],
                marks: true,
            };
        }
        let (own, number) = (format!("m{id}"), n.to_string());
        let own = |kind: &str| format!("{own}:{kind}");
        let commands = match (n / 2) % 8 {
            0 => vec![one(&["RPUSH", &own("list"), &number])],
            1 => vec![one(&["INCRBYFLOAT", &own("float"), "0.1"])],
            2 => vec![one(&["SADD", &own("set"), &number, &marker])],
            3 => vec![one(&["SPOP", &own("set")])],
            4 => vec![one(&["HSET", &own("hash"), &number, &marker])],
            5 => vec![one(&["SET", &own("brief"), &number, "EX", "100000"])],
            6 => vec![one(&["LPOP", &own("list")])],
            _ => vec![
                one(&["MULTI"]),
                one(&["INCR", &own("count")]),
                one(&["ZADD", &own("zset"), &number, &marker]),
                one(&["EXEC"]),
            ],
        };
        Burst {
            commands,
            marks: false,
        }
    }
}

/// What is written in one go.
struct Burst {
    commands: Vec<Vec<String>>,
    /// Whether it is one key a number, whose presence can be looked up.
    marks: bool,
}

/// The reply to the last of the commands.
fn exchange(client: &mut Client, words: &Burst) -> Option<Value> {
    for command in &words.commands {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        client.send(&command).ok()?;
    }
    let mut last = None;
    for _ in &words.commands {
        let reply = client.read().ok()?;
        if is_error(&reply) {
            return Some(reply);
        }
        last = Some(reply);
    }
    last
}

const fn is_error(reply: &Value) -> bool {
    matches!(reply, Value::Error(_))
}

fn key(writer: u32, number: u32) -> String {
    format!("w{writer}:{number}")
}
