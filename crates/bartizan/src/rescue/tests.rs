//! Rescues from real redis-servers: a master diverges from its replica, and what it alone has is
//! saved and replayed onto the data at the fork.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::MasterName;
use bartizan_core::report::{Fork, History};
use bartizan_core::rescue::RescueMode;
use bartizan_wire::resp::{Frame, Limits, ReplyDecoder, command as encode};

mod hardships;
mod since;
mod unplaced;

use super::sheet::Sheet;
use super::*;

/// Busy machines are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A redis-server in a directory of its own.
struct Server {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Server {
    fn start(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = spawn(port, dir.path(), lines);
        let server = Self { child, port, dir };
        server.await_answer();
        server
    }

    fn await_answer(&self) {
        eventually(|| try_ask(self.port, &["PING"]) == Some(Frame::Simple(b"PONG".to_vec())));
    }

    fn ask(&self, line: &str) -> Frame {
        let words: Vec<&str> = line.split(' ').collect();
        self.ask_words(&words)
    }

    fn ask_words(&self, words: &[&str]) -> Frame {
        let reply = try_ask(self.port, words).unwrap();
        assert!(!matches!(reply, Frame::Error(_)), "{words:?}: {reply:?}");
        reply
    }

    fn history(&self) -> History {
        let Frame::Bulk(text) = self.ask("INFO") else {
            panic!("no INFO");
        };
        bartizan_wire::info::parse(&text).history.unwrap()
    }

    fn digest(&self) -> Frame {
        self.ask("DEBUG DIGEST")
    }

    /// Follows `master` and is in sync with it.
    fn follow(&self, master: &Self) {
        self.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        eventually(|| {
            let Frame::Bulk(text) = self.ask("INFO replication") else {
                return false;
            };
            String::from_utf8_lossy(&text).contains("master_link_status:up")
                && self.history().offset == master.history().offset
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, dir: &Path, lines: &[&str]) -> Child {
    let mut program = Command::new("redis-server");
    program
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--enable-debug-command", "yes"])
        .args(["--repl-diskless-sync-delay", "0", "--dir"])
        .arg(dir);
    for line in lines {
        program.args(line.split(' '));
    }
    program.stdout(Stdio::null()).spawn().unwrap()
}

fn try_ask(port: u16, words: &[&str]) -> Option<Frame> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut out = Vec::new();
    encode(words, &mut out);
    stream.write_all(&out).ok()?;
    let mut decoder = ReplyDecoder::new(Limits::LINK);
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).ok().filter(|n| *n > 0)?;
        if let Some(frame) = decoder.decode(&bytes[..count]).ok()?.1 {
            return Some(frame);
        }
    }
}

fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it never came about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A master that has written on after its replica was promoted.
struct Split {
    old: Server,
    new: Server,
    fork: Fork,
    dir: tempfile::TempDir,
}

impl Split {
    fn begin(lines: &[&str], common: &[&str]) -> Self {
        let (old, new) = (Server::start(lines), Server::start(&[]));
        common.iter().for_each(|line| drop(old.ask(line)));
        new.follow(&old);
        new.ask("REPLICAOF NO ONE");
        let fork = new.history().before.unwrap();
        // The link is closed; pings of the old master are its own from here on.
        Self {
            old,
            new,
            fork,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn order(&self, mode: RescueMode) -> Rescue {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Rescue {
            master: MasterName::new("my/master"),
            addr: Addr::new(Host::Ip(ip), self.old.port),
            ip,
            heir: Addr::new(Host::Ip(ip), self.new.port),
            auth: None,
            fork: Some(self.fork),
            history: self.old.history(),
            mode,
            dir: None,
            max_bytes: 0,
        }
    }

    fn rescue(&self, order: &Rescue, max_bytes: Option<u64>) -> Rescued {
        let order = &Rescue {
            max_bytes: max_bytes.unwrap_or(0),
            ..order.clone()
        };
        self.surroundings().carry_out(order)
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            file: self.dir.path().join("sentinel.conf"),
            source: None,
            tls: TlsOptions::default(),
        }
    }

    fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.path().join("rescue")) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Plays a file as `redis-cli --pipe` does.
fn pipe(file: &Path, server: &Server) {
    let out = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), "--pipe"])
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("errors: 0"), "{said}");
}

fn sheet(file: &Path) -> Sheet {
    serde_json::from_slice(&std::fs::read(file.with_extension("json")).unwrap()).unwrap()
}

fn whole(outcome: &Rescued) -> (PathBuf, u64) {
    match outcome {
        Rescued::Whole { file, commands } => (PathBuf::from(file.as_ref()), *commands),
        other => panic!("{other:?}"),
    }
}

fn partly(outcome: Rescued) -> (Option<PathBuf>, String) {
    match outcome {
        Rescued::Partly { file, why } => (
            file.map(|file| PathBuf::from(file.as_ref())),
            why.to_string(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_diverged_master_alone_has_played_onto_the_data_at_the_fork_gives_its_data() {
    let split = Split::begin(
        &[],
        &[
            "SET a 1",
            "SET f 1.5",
            "RPUSH l 1 2",
            "SADD s a b c d",
            "SELECT 0",
        ],
    );
    let old = &split.old;
    for line in [
        "SET k v",
        "RPUSH l 3",
        "LPOP l",
        "INCRBYFLOAT f 0.25",
        "SPOP s",
        "EXPIRE a 10000",
        "PUBLISH __sentinel__:hello x",
        "HSET h a 1 b 2",
    ] {
        old.ask(line);
    }
    old.ask_words(&["SET", "odd\r\n*1\r\n", "value \u{0}\r\n$3\r\n"]);
    old.ask_words(&[
        "EVAL",
        "redis.call('select', 3) redis.call('set', 'in3', 1) redis.call('incr', 'n3') return 1",
        "0",
    ]);
    old.ask("DEL k");
    let (file, commands) = whole(&split.rescue(&split.order(RescueMode::Stream), None));
    pipe(&file, &split.new);
    assert_eq!(split.new.digest(), old.digest());
    let sheet = sheet(&file);
    assert!(sheet.complete && sheet.tally.noise.hello == 1, "{sheet:?}");
    assert_eq!(sheet.tally.commands, commands);
    assert_eq!(sheet.tally.databases, [0, 3].into());
    assert_eq!(sheet.tally.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(split.files().len(), 2, "{:?}", split.files());
    assert!(split.files()[0].starts_with("my%2Fmaster-"));
}

#[test]
fn a_master_that_wrote_nothing_has_nothing_to_rescue() {
    let split = Split::begin(&[], &["SET a 1"]);
    split.old.ask("PUBLISH __sentinel__:hello x");
    let outcome = split.rescue(&split.order(RescueMode::Stream), None);
    assert_eq!(outcome, Rescued::Nothing);
    assert_eq!(split.files(), [""; 0]);
}

#[test]
fn a_backlog_that_has_wrapped_is_read_from_its_middle() {
    let split = Split::begin(&["--repl-backlog-size 65536"], &["SET only 1"]);
    for n in 0..600 {
        split
            .old
            .ask_words(&["SET", &format!("k{n}"), &"x".repeat(50)]);
    }
    let (file, commands) = whole(&split.rescue(&split.order(RescueMode::Stream), None));
    assert_eq!(commands, 600);
    pipe(&file, &split.new);
    assert_eq!(split.new.digest(), split.old.digest());
}

#[test]
fn what_the_backlog_lost_is_told_and_no_full_resync_is_begun() {
    let split = Split::begin(&["--repl-backlog-size 16384"], &["SET a 1"]);
    for n in 0..600 {
        split
            .old
            .ask_words(&["SET", &format!("k{n}"), &"x".repeat(50)]);
    }
    let (file, why) = partly(split.rescue(&split.order(RescueMode::Stream), None));
    assert_eq!(file, None);
    assert!(why.contains("repl-backlog-size is too small"), "{why}");
    let Frame::Bulk(text) = split.old.ask("INFO stats") else {
        panic!("no INFO");
    };
    // One for the replica's first sync.
    assert!(String::from_utf8_lossy(&text).contains("sync_full:1\r\n"));
}

#[test]
fn a_restarted_master_has_lost_the_stream_and_a_snapshot_has_its_data() {
    let mut split = Split::begin(&["--appendonly yes"], &["SET a 1"]);
    split.old.ask("SET mine 1");
    split.old.child.kill().unwrap();
    split.old.child.wait().unwrap();
    split.old.child = spawn(split.old.port, split.old.dir.path(), &["--appendonly yes"]);
    split.old.await_answer();
    let (file, why) = partly(split.rescue(&split.order(RescueMode::Stream), None));
    assert_eq!(file, None);
    assert!(why.contains("restarted"), "{why}");

    let (file, _) = whole(&split.rescue(&split.order(RescueMode::Snapshot), None));
    assert_eq!(file.extension().unwrap(), "rdb");
    assert_eq!(sheet(&file).kind, "snapshot");
    let copy = Server::start(&[]);
    let load = copy.dir.path().join("dump.rdb");
    std::fs::copy(&file, &load).unwrap();
    copy.ask("DEBUG RELOAD NOSAVE");
    assert_eq!(copy.digest(), split.old.digest());
}

#[test]
fn a_file_ends_where_its_limit_is_and_tells_what_is_missing() {
    let split = Split::begin(&[], &["SET a 1"]);
    for n in 0..100 {
        split.old.ask(&format!("SET k{n} v"));
    }
    let (file, why) = partly(split.rescue(&split.order(RescueMode::Stream), Some(1000)));
    let file = file.unwrap();
    assert!(std::fs::metadata(&file).unwrap().len() <= 1000);
    assert!(why.contains("rescue-max-bytes"), "{why}");
    pipe(&file, &split.new);
    let sheet = sheet(&file);
    assert!(!sheet.complete && sheet.end < sheet.server_end, "{sheet:?}");
    assert_eq!(
        split.new.ask("DBSIZE"),
        Frame::Integer(i64::try_from(sheet.tally.commands).unwrap() + 1)
    );
}

#[test]
fn a_server_that_hangs_or_is_gone_is_told_and_leaves_no_file() {
    let split = Split::begin(&[], &["SET a 1"]);
    split.old.ask("SET b 1");
    let mut order = split.order(RescueMode::Stream);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    order.addr.port = silent.local_addr().unwrap().port();
    let (file, why) = partly(split.rescue(&order, None));
    assert_eq!((file, why.contains("silent")), (None, true), "{why}");
    drop(silent);
    let (_, why) = partly(split.rescue(&order, None));
    assert!(why.contains("Connection refused"), "{why}");
    assert_eq!(split.files(), [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    let split = Split::begin(&[], &["SET a 1"]);
    split.old.ask("SET b 1");
    std::fs::write(split.dir.path().join("rescue"), "a file").unwrap();
    let (file, why) = partly(split.rescue(&split.order(RescueMode::Stream), None));
    assert_eq!(file, None);
    assert!(why.contains("cannot write the file"), "{why}");
}

fn call(words: &[&str]) -> crate::exit::Exit {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    command::run(&words).unwrap()
}

#[test]
fn a_replay_makes_what_is_new_and_leaves_alone_what_is_there() {
    let split = Split::begin(&[], &["SET both 1", "SELECT 0"]);
    for line in [
        "RPUSH new a b",
        "APPEND both x",
        "MSET both 2 tied 1",
        "INCR tied",
        "SET other 1",
    ] {
        split.old.ask(line);
    }
    split.old.ask_words(&[
        "EVAL",
        "redis.call('set', 'g1', 1) redis.call('set', 'g2', 1)",
        "0",
    ]);
    split.old.ask("FLUSHDB");
    split.old.ask("SET last 1");
    let (file, _) = whole(&split.rescue(&split.order(RescueMode::Stream), None));
    let file = file.display().to_string();
    let to = format!("127.0.0.1:{}", split.new.port);
    let there = |key: &str| split.new.ask(&format!("EXISTS {key}")) == Frame::Integer(1);

    call(&["replay", &file, "--to", &to, "--dry-run"]);
    assert!(!there("new"));
    call(&["replay", &file, "--to", &to, "--key", "ot*"]);
    assert!(there("other") && !there("new"));
    split.new.ask("SET g2 mine");
    call(&["replay", &file, "--to", &to]);
    assert_eq!(
        split.new.ask("LRANGE new 0 -1"),
        Frame::Array(vec![Frame::bulk("a"), Frame::bulk("b")])
    );
    assert!(there("other") && there("last"));
    assert!(
        !there("tied") && !there("g1"),
        "what belongs together stays so"
    );
    assert_eq!(split.new.ask("GET both"), Frame::bulk("1"));
    assert_eq!(split.new.ask("GET g2"), Frame::bulk("mine"));

    call(&["replay", &file, "--to", &to, "--force"]);
    assert_eq!(split.new.digest(), split.old.digest());
    call(&[
        "list",
        &split.dir.path().join("rescue").display().to_string(),
    ]);
    call(&["show", &file]);
}

#[test]
fn a_replay_of_thousands_of_commands_gives_the_data_of_the_old_master() {
    let split = Split::begin(&[], &["SET a 1"]);
    let mut out = Vec::new();
    for n in 0..3000_u32 {
        let key = format!("k{}", n % 700);
        encode(&["APPEND", &key, &n.to_string()], &mut out);
    }
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, split.old.port)).unwrap();
    stream.write_all(&out).unwrap();
    eventually(|| split.old.ask("GET k199") == Frame::bulk("199899159922992999"));
    let (file, commands) = whole(&split.rescue(&split.order(RescueMode::Stream), None));
    assert_eq!(commands, 3000);
    let to = format!("127.0.0.1:{}", split.new.port);
    let file = file.display().to_string();
    assert_eq!(
        call(&["replay", &file, "--to", &to]),
        crate::exit::Exit::Success
    );
    assert_eq!(split.new.digest(), split.old.digest());
}
