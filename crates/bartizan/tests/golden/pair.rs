//! The two programs, and the same words said to both.

use super::harness::ports::Ports;
use super::harness::{Flavor, NAME, Sentinel, Server, eventually};
use super::mask::{self, Masks};
use super::reply::{Reply, Wire};
use super::table::{Block, Line};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A redis-sentinel and a Bartizan that watch one master, its replica and each other.
pub struct Pair {
    sentinels: [Sentinel; 2],
    ids: [String; 2],
    masks: [Masks; 2],
    servers: Vec<Server>,
    _ports: Ports,
    _dir: TempDir,
}

/// What became of one line in one dialect.
pub struct Finding {
    key: (String, usize),
    shown: String,
    expected: Option<String>,
    redis: String,
    bartizan: String,
    protocol: u8,
}

/// Which redis-sentinel this machine has, as in `Redis server v=7.0.15 sha=…`.
pub fn version() -> Option<String> {
    let program = Flavor::RedisSentinel.program();
    let output = std::process::Command::new(program)
        .arg("--version")
        .output();
    let said = String::from_utf8_lossy(&output.ok()?.stdout).into_owned();
    let mut words = said.split(' ');
    words.find_map(|word| word.strip_prefix("v=").map(str::to_owned))
}

impl Pair {
    /// Starts both and waits until they know each other and the replica.
    pub fn start(config: &[String]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("bartizan-")
            .tempdir()
            .expect("a directory");
        let mut ports = Ports::reserve().expect("free ports");
        let mut take = || ports.take().expect("a free port");
        let sub = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).expect("a directory");
            path
        };
        let master = Server::start(take(), sub("master"), None, &[]);
        let replica = Server::start(take(), sub("replica"), Some(master.port), &[]);
        let lines = format!(
            "{}\nsentinel monitor {NAME} 127.0.0.1 {} 2\n",
            config.join("\n"),
            master.port
        );
        let start = |flavor: Flavor, name: &str, port: u16| {
            let mut sentinel = Sentinel::prepare(flavor, port, sub(name), &lines);
            let conf = sentinel.conf.display().to_string();
            sentinel.spawn(&[&flavor.program(), &conf]);
            sentinel
        };
        let sentinels = [
            start(Flavor::RedisSentinel, "redis", take()),
            start(Flavor::UnderTest, "bartizan", take()),
        ];
        let password = config
            .iter()
            .find_map(|line| line.strip_prefix("requirepass "));
        let ids = [0, 1].map(|at| await_ready(&sentinels[at], password));
        let masks = [0, 1].map(|at| masks(at, &sentinels, &ids, [master.port, replica.port]));
        Self {
            sentinels,
            ids,
            masks,
            servers: vec![master, replica],
            _ports: ports,
            _dir: dir,
        }
    }

    /// Says a block to both and compares what they say.
    pub fn run(&mut self, block: &Block, protocol: u8) -> Vec<Finding> {
        for sentinel in &self.sentinels {
            // A block may have had links made again.
            await_ready(sentinel, block.password.as_deref());
        }
        let mut wires = [0, 1].map(|at| Wire::connect(self.sentinels[at].port));
        for wire in &mut wires {
            if let Some(password) = block.password.as_ref().filter(|_| !block.stranger) {
                wire.send(&[b"AUTH".to_vec(), password.clone().into_bytes()]);
                assert_eq!(wire.read(), Reply::Line("+OK".to_owned()));
            }
            if protocol == 3 {
                wire.send(&[b"HELLO".to_vec(), b"3".to_vec()]);
                wire.read();
            }
        }
        let mut findings = Vec::new();
        for (number, line) in block.lines.iter().enumerate() {
            let [redis, bartizan] = [0, 1].map(|at| self.ask(at, &mut wires[at], line));
            findings.push(Finding {
                key: (block.title.clone(), number),
                shown: line.shown.clone(),
                expected: line.differs.clone(),
                redis,
                bartizan,
                protocol,
            });
        }
        findings
    }

    fn ask(&self, at: usize, wire: &mut Wire, line: &Line) -> String {
        let words: Vec<Vec<u8>> = line
            .words
            .iter()
            .map(|word| self.fill_in(at, word))
            .collect();
        if line.raw {
            wire.send_raw(&words.concat());
        } else {
            wire.send(&words);
        }
        let mut shown = String::new();
        for _ in 0..line.replies {
            let mut reply = wire.read();
            self.masks[at].apply(&mut reply);
            if line.shape {
                mask::shape(&mut reply);
            }
            if line.unordered {
                reply.sort();
            }
            shown.push_str(&reply.show());
        }
        shown
    }

    /// Puts ports and ids in the place of their names.
    fn fill_in(&self, at: usize, word: &[u8]) -> Vec<u8> {
        let Some(text) = std::str::from_utf8(word)
            .ok()
            .filter(|text| text.contains('$'))
        else {
            return word.to_vec();
        };
        text.replace("$PORT", &self.sentinels[at].port.to_string())
            .replace("$MYID", &self.ids[at])
            .replace("$PEER", &self.ids[1 - at])
            .replace("$MASTER", &self.servers[0].port.to_string())
            .replace("$REPLICA", &self.servers[1].port.to_string())
            .into_bytes()
    }
}

/// Everything that is wrong: differences that nobody listed, and listed ones that are none. A
/// listed line has to differ in one dialect at least.
pub fn judge(findings: Vec<Finding>) -> Vec<String> {
    let mut listed: BTreeMap<(String, usize), (bool, String)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for finding in findings {
        let differs = finding.redis != finding.bartizan;
        if finding.expected.is_some() {
            let entry = listed.entry(finding.key).or_insert((false, finding.shown));
            entry.0 |= differs;
        } else if differs {
            wrong.push(format!(
                "[{}] RESP{} {}\n  redis-sentinel:\n{}  Bartizan:\n{}",
                finding.key.0, finding.protocol, finding.shown, finding.redis, finding.bartizan
            ));
        }
    }
    for ((title, _), (differs, shown)) in listed {
        if !differs {
            wrong.push(format!(
                "[{title}] {shown}\n  is listed as differing and does not"
            ));
        }
    }
    wrong
}

/// Waits until a sentinel has heard of everybody; its id.
fn await_ready(sentinel: &Sentinel, password: Option<&str>) -> String {
    eventually("the sentinel listens", || {
        std::net::TcpStream::connect(("127.0.0.1", sentinel.port)).is_ok()
    });
    let mut wire = Wire::connect(sentinel.port);
    let mut ask = |words: &[&str]| {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        wire.send(&words);
        wire.read()
    };
    if let Some(password) = password {
        ask(&["AUTH", password]);
    }
    eventually("it knows the replica and the other one", || {
        let master = ask(&["SENTINEL", "MASTER", NAME]);
        let has = |name: &str, value: &str| master.field(name).as_deref() == Some(value);
        let Reply::List(_, replicas) = ask(&["SENTINEL", "REPLICAS", NAME]) else {
            return false;
        };
        has("num-slaves", "1")
            && has("num-other-sentinels", "1")
            && has("flags", "master")
            && replicas.iter().all(|row| {
                row.field("master-link-status").as_deref() == Some("ok")
                    && row.field("flags").as_deref() == Some("slave")
            })
            && settled(&ask(&["SENTINEL", "SENTINELS", NAME]))
    });
    ask(&["SENTINEL", "MYID"]).text().expect("an id")
}

/// Whether the other sentinel was met: its link is up and it has answered.
fn settled(peers: &Reply) -> bool {
    let Reply::List(_, peers) = peers else {
        return false;
    };
    peers
        .iter()
        .all(|row| row.field("flags").as_deref() == Some("sentinel"))
}

fn masks(at: usize, sentinels: &[Sentinel; 2], ids: &[String; 2], data: [u16; 2]) -> Masks {
    let dir = |at: usize| sentinels[at].dir().display().to_string();
    Masks::new(vec![
        (ids[at].clone(), "<myid>"),
        (ids[1 - at].clone(), "<peer>"),
        (sentinels[at].port.to_string(), "<port>"),
        (sentinels[1 - at].port.to_string(), "<peer-port>"),
        (data[0].to_string(), "<master-port>"),
        (data[1].to_string(), "<replica-port>"),
        (dir(at), "<dir>"),
    ])
}
