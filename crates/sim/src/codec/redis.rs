//! What a model Redis server reads and writes: the few commands that a Sentinel sends.

use std::fmt::Write as _;
use std::rc::Rc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::input::Talk;
use bartizan_core::output::ReplicaOf;
use bartizan_core::report::{Info, Role};
use bartizan_core::time::Span;
use bartizan_wire::hello::CHANNEL;
use bartizan_wire::reply::message;
use bartizan_wire::resp::{Argv, Frame, Protocol, encode_frame};

use super::Far;
use crate::msg::Msg;
use crate::net::{ConnId, Side};
use crate::replication::StreamItem;
use crate::server::{Server, Word};
use crate::world::World;

/// Between MULTI and EXEC.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    queued: Vec<Argv>,
    /// A command was refused, so EXEC does nothing.
    aborted: bool,
}

/// The words of a request as text.
fn words(argv: &Argv) -> Vec<String> {
    let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
    argv.iter().map(text).collect()
}

fn word_of(words: &[&str]) -> Word {
    match words
        .first()
        .map(|word| word.to_ascii_uppercase())
        .as_deref()
    {
        Some("PING") => Word::Ping,
        Some("INFO") => Word::Info,
        Some("PUBLISH") => Word::Publish,
        Some("SCRIPT") => Word::ScriptKill,
        Some("SENTINEL") => Word::Sentinel,
        _ => Word::Other,
    }
}

fn is_denial(text: &str) -> bool {
    text.starts_with("NOPERM")
}

fn status(text: &str) -> Frame {
    Frame::simple(text)
}

fn error(text: &str) -> Frame {
    Frame::Error(text.as_bytes().to_vec())
}

impl World {
    /// Bytes reach a server.
    pub(crate) fn server_reads(&mut self, s: usize, conn: ConnId, bytes: &[u8]) {
        let Some(ends) = self.net.ends(conn) else {
            return;
        };
        let mut far = ends.far.take().unwrap_or_else(|| Box::new(Far::new()));
        let requests = match far.receive(bytes) {
            Ok(requests) => requests,
            Err(error) => return self.checks.fail("wire", format!("r{s} reads {error}")),
        };
        let mut out = Vec::new();
        for argv in &requests {
            let reply = self.server_does(s, conn, argv, &mut far.transaction);
            let protocol = self.net.ends(conn).map(|ends| ends.protocol);
            encode_frame(&reply, protocol.unwrap_or_default(), &mut out);
        }
        // The connection may be gone: the server may have died of what it was told.
        if let Some(ends) = self.net.ends(conn) {
            ends.far = Some(far);
            self.send_bytes(conn, Side::Near, &out);
        }
    }

    fn server_does(
        &mut self,
        s: usize,
        conn: ConnId,
        argv: &Argv,
        transaction: &mut Option<Transaction>,
    ) -> Frame {
        let now = self.sched.now();
        let words = words(argv);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let refusal = self
            .servers
            .get(s)
            .and_then(|server| server.refusal(now, word_of(&words)));
        match (words.first().copied(), &mut *transaction) {
            (Some("MULTI"), None) => {
                *transaction = Some(Transaction::default());
                status("OK")
            }
            (Some("EXEC"), Some(open)) => {
                let open = std::mem::take(open);
                *transaction = None;
                if open.aborted {
                    return error("EXECABORT Transaction discarded because of previous errors.");
                }
                let one = |argv: &Argv| self.server_does(s, conn, argv, &mut None);
                Frame::Array(open.queued.iter().map(one).collect())
            }
            (_, Some(open)) => match refusal {
                Some(text) => {
                    open.aborted = true;
                    error(text)
                }
                None => {
                    open.queued.push(argv.clone());
                    status("QUEUED")
                }
            },
            (_, None) => match refusal {
                _ if self.only_listens(conn) && !refusal.is_some_and(is_denial) => {
                    self.refuse_context(s, &words)
                }
                Some(text) => error(text),
                None => self.server_runs(s, conn, &words),
            },
        }
    }

    fn server_runs(&mut self, s: usize, conn: ConnId, words: &[&str]) -> Frame {
        let now = self.sched.now();
        match words {
            ["PING"] => status("PONG"),
            ["INFO"] => {
                let Some(server) = self.servers.get(s) else {
                    return error("ERR");
                };
                let info = server.info(now, |node| self.addresses.get(node).cloned());
                Frame::Bulk(info_text(&info).into_bytes())
            }
            ["PUBLISH", CHANNEL, payload] => {
                let payload = Rc::from(payload.as_bytes());
                let receivers = self.servers.get(s).map_or(0, |s| s.subscribers.len());
                self.publish(s, StreamItem::Text(payload));
                Frame::Integer(i64::try_from(receivers).unwrap_or(0))
            }
            ["HELLO", "3"] => self.server_says_hello(s, conn, Protocol::Resp3),
            // On a connection whose SUBSCRIBE came while it was still loading.
            ["HELLO", "2"] => self.server_says_hello(s, conn, Protocol::Resp2),
            ["SUBSCRIBE", CHANNEL] => {
                if let Some(server) = self.servers.get_mut(s) {
                    server.subscribers.push(conn);
                }
                if let Some(ends) = self.net.ends(conn) {
                    ends.is_subscribed = true;
                }
                let words = [Frame::bulk("subscribe"), Frame::bulk(CHANNEL)];
                let words = words.into_iter().chain([Frame::Integer(1)]).collect();
                match self.net.ends(conn).map(|ends| ends.protocol) {
                    Some(Protocol::Resp3) => Frame::Push(words),
                    _ => Frame::Array(words),
                }
            }
            ["CLIENT", "PAUSE", ms, "WRITE"] => {
                self.pause_writes(s, Span::ms(ms.parse().unwrap_or(0)));
                status("OK")
            }
            ["CLIENT", "UNPAUSE"] => {
                self.unpause_writes(s);
                status("OK")
            }
            ["SLAVEOF", "NO", "ONE"] => {
                self.reconfigure(s, &ReplicaOf::NoOne, Some(conn));
                status("OK")
            }
            ["SLAVEOF", host, port] => match Host::parse(host).zip(port.parse().ok()) {
                Some((host, port)) => {
                    let to = ReplicaOf::Master(Addr::new(host, port));
                    self.reconfigure(s, &to, Some(conn));
                    status("OK")
                }
                None => error("ERR Invalid master port"),
            },
            ["CONFIG", words @ ..] => self.server_config(s, words),
            ["CLIENT", "SETNAME", _] => status("OK"),
            // What it does happens with SLAVEOF, since nothing comes between them.
            ["CLIENT", "KILL", "TYPE", "normal" | "pubsub"] => Frame::Integer(1),
            ["SCRIPT", "KILL"] => {
                if let Some(server) = self.servers.get_mut(s) {
                    server.trouble.busy_until = now;
                }
                status("OK")
            }
            _ => {
                self.checks
                    .fail("wire", format!("r{s} is asked for {words:?}"));
                error("ERR unknown command")
            }
        }
    }

    /// Whether a connection is subscribed in RESP2: no command is carried out there.
    fn only_listens(&mut self, conn: ConnId) -> bool {
        let ends = self.net.ends(conn);
        ends.is_some_and(|ends| ends.is_subscribed && ends.protocol == Protocol::Resp2)
    }

    fn refuse_context(&self, s: usize, words: &[&str]) -> Frame {
        let knows = |server: &Server| server.talk == Talk::Both;
        match words {
            ["HELLO", ..] if !self.servers.get(s).is_some_and(knows) => {
                error("ERR unknown command 'HELLO'")
            }
            words => error(&format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
                words.first().unwrap_or(&"").to_lowercase()
            )),
        }
    }

    fn server_says_hello(&mut self, s: usize, conn: ConnId, protocol: Protocol) -> Frame {
        let knows = |server: &Server| server.talk == Talk::Both;
        if !self.servers.get(s).is_some_and(knows) {
            return error("ERR unknown command 'HELLO'");
        }
        if let Some(ends) = self.net.ends(conn) {
            ends.protocol = protocol;
        }
        let server = (Frame::bulk("server"), Frame::bulk("redis"));
        let proto = |version| (Frame::bulk("proto"), Frame::Integer(version));
        match protocol {
            Protocol::Resp2 => {
                let pairs = [server, proto(2)];
                Frame::Array(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect())
            }
            Protocol::Resp3 => Frame::Map(vec![server, proto(3)]),
        }
    }

    fn server_config(&mut self, s: usize, words: &[&str]) -> Frame {
        let Some(server) = self.servers.get_mut(s) else {
            return error("ERR");
        };
        let now = &mut server.min_replicas;
        match words {
            ["GET", "min-replicas-*"] => {
                let lines = [
                    ("min-replicas-to-write", now.to_write),
                    ("min-replicas-max-lag", now.max_lag),
                ];
                let word = |(name, value): (&str, u32)| {
                    [Frame::bulk(name), Frame::bulk(&value.to_string())]
                };
                Frame::Array(lines.into_iter().flat_map(word).collect())
            }
            ["SET", option, value] => {
                match (*option, value.parse()) {
                    ("min-replicas-to-write", Ok(n)) => now.to_write = n,
                    ("min-replicas-max-lag", Ok(n)) => now.max_lag = n,
                    _ => return error("ERR Unknown option or number of arguments for CONFIG SET"),
                }
                status("OK")
            }
            // Every other server was started without a file.
            ["REWRITE"] if s % 2 == 1 => error("ERR The server is running without a config file"),
            ["REWRITE"] => status("OK"),
            _ => {
                self.checks
                    .fail("wire", format!("r{s} is asked for CONFIG {words:?}"));
                error("ERR unknown command")
            }
        }
    }
}

/// A message on the hello channel, as its subscribers get it.
pub(crate) fn heard(payload: &[u8], protocol: Protocol) -> Msg {
    let mut out = Vec::new();
    message(CHANNEL.as_bytes(), payload, protocol, &mut out);
    Msg::Bytes(Rc::from(out))
}

/// INFO as text, with lines in it that nobody asked for.
fn info_text(info: &Info) -> String {
    let mut text = String::from("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n");
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        // Writing into a String does not fail.
        let _ = write!(text, "{name}:{value}\r\n");
    };
    if let Some(id) = &info.run_id {
        line("run_id", &id.as_str());
    }
    if let Some(life) = &info.life {
        line("server_time_usec", &(life.clock.as_ms() * 1000));
        line("uptime_in_seconds", &(life.up_for.as_ms() / 1000));
    }
    line(
        "\r\n# Replication\r\nconnected_slaves",
        &info.replicas.len(),
    );
    match info.role {
        Some(Role::Master) => line("role", &"master"),
        Some(Role::Replica) => line("role", &"slave"),
        None => {}
    }
    if let Some(master) = &info.master {
        line("master_host", &master.host);
        line("master_port", &master.port);
        let up = if info.master_link_up { "up" } else { "down" };
        line("master_link_status", &up);
        if !info.master_link_up && info.master_link_down_for > Span::ZERO {
            let secs = info.master_link_down_for.as_ms() / 1000;
            line("master_link_down_since_seconds", &secs);
        }
    }
    if let Some(offset) = info.offset {
        line("slave_repl_offset", &offset);
    }
    if let Some(priority) = info.priority {
        line("slave_priority", &priority);
    }
    if let Some(announced) = info.announced {
        line("replica_announced", &u8::from(announced));
    }
    if let Some(history) = &info.history {
        line("master_replid", &history.id);
        if let Some(fork) = &history.before {
            line("master_replid2", &fork.id);
            line("second_repl_offset", &fork.offset);
        }
        line("master_repl_offset", &history.offset);
        line(
            "repl_backlog_active",
            &u8::from(history.kept_from.is_some()),
        );
        let from = history.kept_from.unwrap_or(0);
        line("repl_backlog_first_byte_offset", &from);
    }
    for (n, replica) in info.replicas.iter().enumerate() {
        let Addr { host, port } = replica;
        let lag = info.lags.get(n).map_or(0, |lag| lag.as_ms() / 1000);
        let value = format!("ip={host},port={port},state=online,offset=1,lag={lag}");
        line(&format!("slave{n}"), &value);
    }
    if let Some(has_keys) = info.has_keys {
        text.push_str("# Keyspace\r\n");
        if has_keys {
            text.push_str("db0:keys=1,expires=0,avg_ttl=0\r\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {

    use bartizan_core::ids::RunId;

    use super::*;
    use crate::sched::At;
    use crate::server::{Link, Standing};

    fn server(standing: Standing) -> Server {
        let addr = Addr::new(Host::parse("10.2.0.1").unwrap(), 6379);
        Server::new(3, 0, addr, RunId::from_random([7; 20]), standing)
    }

    fn reads_back(server: &Server) {
        let info = server.info(At::ms(90_000), |_| None);
        let mut read = bartizan_wire::info::parse(info_text(&info).as_bytes());
        read.text = bartizan_core::report::PackedText::default();
        assert_eq!(read, info);
    }

    #[test]
    fn info_says_as_text_what_it_says_as_a_type() {
        let of = Addr::new(Host::parse("10.2.0.2").unwrap(), 6380);
        let link = Link::Down {
            since: At::ms(30_000),
            conn: None,
        };
        reads_back(&server(Standing::Master));
        reads_back(&server(Standing::Replica { of, link }));
    }

    #[test]
    fn info_that_lacks_lines_lacks_them_as_text_too() {
        let mut server = server(Standing::Master);
        server.trouble.info_cut = true;
        reads_back(&server);
    }
}
