//! The text of an `INFO` reply (spec §6).

use std::borrow::Cow;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{ReplId, RunId};
use bartizan_core::limits::REPLICAS_PER_MASTER;
use bartizan_core::report::{Fork, History, Info, Life, PackedText, Role};
use bartizan_core::time::Span;

use crate::pack::pack;
use crate::resp::parse_integer;

/// Longer texts are cut: the raw text is kept for each server.
const LONGEST: usize = 256 << 10;

/// Reads the lines that matter; what is absent or unreadable is left at its default. Bytes that
/// are not UTF-8 become replacement characters.
pub fn parse(text: &[u8]) -> Info {
    let text = text.get(..LONGEST).unwrap_or(text);
    // Nearly every text is what it should be, which is found out much faster than it is mended.
    let text =
        std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed);
    let mut reader = Reader::default();
    for line in lines(&text) {
        if !matters(line) {
            continue;
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some((key, value)) = line.split_once(':') {
            reader.line(key, value);
        } else if line == "# Keyspace" {
            reader.has_keyspace = true;
        }
    }
    reader.finish(pack(&text))
}

/// The lines of a text, looked for many bytes at a time, which `str::split` does not: texts come by
/// the thousand when masters fail.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    let mut from = 0;
    ends.filter_map(move |end| {
        let line = text.get(from..end);
        from = end + 1;
        line
    })
}

/// Whether [`Reader::line`] may look for this line. Of some two hundred a tenth matters.
fn matters(line: &str) -> bool {
    match line.as_bytes().first() {
        Some(b'm' | b'r' | b's') => true,
        Some(b'u') => line.starts_with("uptime_in_seconds:"),
        Some(b'l') => line.starts_with("loading:"),
        Some(b'd') => line.starts_with("db"),
        Some(b'#') => line.starts_with("# Keyspace"),
        _ => false,
    }
}

#[derive(Default)]
struct Reader {
    info: Info,
    master_host: Option<Host>,
    master_port: Option<u16>,
    history: HistoryLines,
    clock: Option<Span>,
    up_for: Option<Span>,
    is_loading: bool,
    has_keyspace: bool,
    has_keys: bool,
}

/// The lines about the history of writes, as far as they have come.
#[derive(Default)]
struct HistoryLines {
    id: Option<ReplId>,
    id_before: Option<ReplId>,
    offset: Option<u64>,
    left_at: Option<u64>,
    has_backlog: bool,
    kept_from: Option<u64>,
}

impl Reader {
    fn line(&mut self, key: &str, value: &str) {
        let info = &mut self.info;
        let replica = info.role == Some(Role::Replica);
        match key {
            "run_id" => info.run_id = value.as_bytes().get(..40).and_then(RunId::parse),
            "role" => {
                info.role = match value {
                    "master" => Some(Role::Master),
                    "slave" => Some(Role::Replica),
                    _ => info.role,
                }
            }
            "master_host" if replica => self.master_host = Host::parse(value),
            "master_port" if replica => self.master_port = value.parse().ok(),
            "master_link_status" => info.master_link_up = value == "up",
            "master_link_down_since_seconds" => info.master_link_down_for = link_down(value),
            "slave_priority" => info.priority = value.parse().ok(),
            "slave_repl_offset" => info.offset = value.parse().ok(),
            "replica_announced" => {
                info.announced = parse_integer(value.as_bytes()).map(|flag| flag != 0);
            }
            "server_time_usec" => {
                self.clock = value.parse().ok().map(|us: u64| Span::ms(us / 1000));
            }
            "uptime_in_seconds" => self.up_for = value.parse().ok().map(Span::secs),
            "loading" => self.is_loading = value != "0",
            "master_replid" => self.history.id = ReplId::parse(value.as_bytes()),
            "master_replid2" => self.history.id_before = ReplId::parse(value.as_bytes()),
            "master_repl_offset" => self.history.offset = value.parse().ok(),
            "second_repl_offset" => self.history.left_at = value.parse().ok(),
            "repl_backlog_active" => self.history.has_backlog = value == "1",
            "repl_backlog_first_byte_offset" => self.history.kept_from = value.parse().ok(),
            _ if is_database(key, value) => self.has_keys = true,
            _ if is_replica_line(key) && info.replicas.len() < REPLICAS_PER_MASTER => {
                info.replicas.extend(replica_addr(value));
                info.lags.extend(lag(value));
            }
            _ => {}
        }
    }

    fn finish(self, text: PackedText) -> Info {
        let mut info = Info { text, ..self.info };
        if info.role == Some(Role::Replica) {
            // A replica lists the replicas of its own here, which are not the master's.
            info.replicas.clear();
            info.lags.clear();
        }
        info.master = self
            .master_host
            .zip(self.master_port)
            .map(|(host, port)| Addr { host, port });
        info.history = self.history.finish();
        let clocks = self.clock.zip(self.up_for);
        info.life = clocks.map(|(clock, up_for)| Life { clock, up_for });
        let tells = self.has_keyspace && !self.is_loading;
        info.has_keys = (tells || self.has_keys).then_some(self.has_keys);
        info
    }
}

impl HistoryLines {
    fn finish(self) -> Option<History> {
        let before = self.id_before.zip(self.left_at);
        Some(History {
            id: self.id?,
            offset: self.offset?,
            before: before.map(|(id, offset)| Fork { id, offset }),
            kept_from: self.kept_from.filter(|_| self.has_backlog),
        })
    }
}

/// A replica that has never had a link says -1. That is "down", since nobody knows when, so it
/// must not read as zero, which is "up".
fn link_down(value: &str) -> Span {
    match value.parse::<i64>() {
        Ok(seconds) => u64::try_from(seconds).map_or(Span::TICK, Span::secs),
        Err(_) => Span::ZERO,
    }
}

/// `db0:keys=…`: only databases that hold something are listed.
fn is_database(key: &str, value: &str) -> bool {
    key.starts_with("db") && value.starts_with("keys=")
}

/// `slave0`, `slave1`, …
fn is_replica_line(key: &str) -> bool {
    key.strip_prefix("slave")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `ip=…,port=…,…` since Redis 2.8, `ip,port,state` before.
fn replica_addr(value: &str) -> Option<Addr> {
    let field = |name: &str| value.split(',').find_map(|field| field.strip_prefix(name));
    let (host, port) = if value.contains("ip=") {
        (field("ip=")?, field("port=")?)
    } else {
        let mut fields = value.split(',');
        (fields.next()?, fields.next()?)
    };
    // Who reads the stream without serving (a backup, a rescue) has told no port to be listed
    // with: it counts for the master, but is no server.
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some(Addr {
        host: Host::parse(host)?,
        port,
    })
}

/// `lag=` of a replica that is online.
fn lag(value: &str) -> Option<Span> {
    let field = |name: &str| value.split(',').find_map(|field| field.strip_prefix(name));
    let online = field("state=") == Some("online");
    let lag = field("lag=")?.parse().ok().filter(|_| online)?;
    Some(Span::secs(lag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::unpack;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn addrs(text: &str) -> Vec<String> {
        parse(text.as_bytes())
            .replicas
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_master_lists_its_replicas_in_either_format() {
        let new = "role:master\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0\r\n\
                   slave1:ip=::1,port=6380,state=online,offset=1,lag=0\r\n\
                   slave2:ip=db.example,port=6381,state=online\r\n";
        assert_eq!(
            addrs(new),
            ["10.0.0.2:6379", "[::1]:6380", "db.example:6381"]
        );
        assert_eq!(
            addrs("role:master\r\nslave0:10.0.0.2,6379,online\r\n"),
            ["10.0.0.2:6379"]
        );
    }

    #[test]
    fn unreadable_replica_lines_are_skipped() {
        for line in [
            "slave0:ip=a b,port=1",
            "slave0:ip=a,port=65536",
            "slave0:ip=a,port=-1",
            "slave0:ip=10.0.0.9,port=0,state=online,offset=7,lag=0",
            "slave0:10.0.0.9,0,online",
            "slave0:ip=a",
            "slave0:port=1",
            "slave0:a",
            "slave0:",
            "slave:a,1,online",
            "slavex:a,1,online",
            "slave_1:a,1,online",
        ] {
            assert_eq!(
                addrs(&format!("role:master\r\n{line}\r\n")),
                [""; 0],
                "{line}"
            );
        }
    }

    #[test]
    fn a_master_tells_how_long_ago_it_heard_of_those_that_are_online() {
        let text = b"role:master\r\nslave0:ip=10.0.0.1,port=1,state=online,offset=7,lag=0\r\n\
            slave1:ip=10.0.0.2,port=1,state=wait_bgsave,offset=0,lag=0\r\n\
            slave2:ip=10.0.0.3,port=1,state=online,offset=7,lag=12\r\n";
        assert_eq!(parse(text).lags, [Span::ZERO, Span::secs(12)]);
        assert_eq!(parse(text).replicas.len(), 3);
    }

    #[test]
    fn a_replica_tells_whom_it_follows() {
        let text = format!(
            "run_id:{ID}\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n\
             master_link_status:down\r\nmaster_link_down_since_seconds:12\r\n\
             slave_repl_offset:77\r\nslave_priority:0\r\nreplica_announced:0\r\n\
             slave0:ip=10.0.0.3,port=1,state=online\r\n"
        );
        let info = parse(text.as_bytes());
        let expected = Info {
            run_id: RunId::parse(ID.as_bytes()),
            role: Some(Role::Replica),
            replicas: Vec::new(),
            lags: Vec::new(),
            master: Some(Addr::new(Host::parse("10.0.0.1").unwrap(), 6379)),
            master_link_up: false,
            master_link_down_for: Span::secs(12),
            priority: Some(0),
            offset: Some(77),
            announced: Some(false),
            history: None,
            life: None,
            has_keys: None,
            text: pack(&text),
        };
        assert_eq!(info, expected);
    }

    #[test]
    fn a_server_tells_how_long_it_has_run_and_whether_it_has_keys() {
        let life = "# Server\r\nserver_time_usec:1700000000123456\r\nuptime_in_seconds:16\r\n";
        let expected = Life {
            clock: Span::ms(1_700_000_000_123),
            up_for: Span::secs(16),
        };
        for (rest, has_keys) in [
            ("# Keyspace\r\n", Some(false)),
            (
                "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n",
                Some(true),
            ),
            ("loading:1\r\n# Keyspace\r\n", None),
            (
                "loading:1\r\n# Keyspace\r\ndb7:keys=1,expires=0\r\n",
                Some(true),
            ),
            ("db_size:1\r\n", None),
        ] {
            let info = parse(format!("{life}{rest}").as_bytes());
            assert_eq!(
                (info.life, info.has_keys),
                (Some(expected), has_keys),
                "{rest}"
            );
        }
        assert_eq!(parse(b"uptime_in_seconds:16\r\n").life, None);
    }

    #[test]
    fn whom_a_server_follows_counts_only_after_it_said_slave() {
        let info = parse(b"master_host:a\r\nmaster_port:1\r\nrole:slave\r\n");
        assert_eq!(info.master, None);
        assert_eq!(
            parse(b"role:master\r\nmaster_host:a\r\nmaster_port:1\r\n").master,
            None
        );
    }

    #[test]
    fn a_link_that_never_was_up_is_down_without_a_time() {
        let info = parse(b"role:slave\r\nmaster_link_down_since_seconds:-1\r\n");
        assert_eq!(info.master_link_down_for, Span::TICK);
    }

    #[test]
    fn a_promoted_replica_tells_the_history_that_it_left_and_the_one_it_began() {
        let before = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let text = format!(
            "role:master\r\nmaster_replid:{ID}\r\nmaster_replid2:{before}\r\n\
             master_repl_offset:5254\r\nsecond_repl_offset:3697\r\nrepl_backlog_active:1\r\n\
             repl_backlog_first_byte_offset:12\r\n"
        );
        let id = |text: &str| ReplId::parse(text.as_bytes()).unwrap();
        let expected = History {
            id: id(ID),
            offset: 5254,
            before: Some(Fork {
                id: id(before),
                offset: 3697,
            }),
            kept_from: Some(12),
        };
        assert_eq!(parse(text.as_bytes()).history, Some(expected));
    }

    #[test]
    fn a_server_that_was_never_promoted_left_no_history_and_may_keep_nothing() {
        let text = format!(
            "role:master\r\nmaster_replid:{ID}\r\nmaster_replid2:{}\r\n\
             master_repl_offset:0\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\n\
             repl_backlog_first_byte_offset:0\r\n",
            "0".repeat(40)
        );
        let history = parse(text.as_bytes()).history.unwrap();
        assert_eq!((history.before, history.kept_from), (None, None));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_the_rest_is_read() {
        let info = parse(b"os:\xff\xfe\r\nrole:master\r\n");
        assert_eq!(info.role, Some(Role::Master));
        assert!(unpack(&info.text).contains('\u{fffd}'));
    }

    #[test]
    fn what_is_kept_of_a_long_text_is_bounded() {
        let mut text = b"role:master\r\n".to_vec();
        for n in 0..5000 {
            text.extend_from_slice(
                format!("slave{n}:ip=10.0.0.1,port=1,state=online\r\n").as_bytes(),
            );
        }
        text.resize(1 << 20, b'x');
        let info = parse(&text);
        assert_eq!(info.replicas.len(), REPLICAS_PER_MASTER);
        assert_eq!(unpack(&info.text).len(), LONGEST);
    }

    #[test]
    fn an_empty_text_says_nothing() {
        assert_eq!(parse(b""), Info::default());
    }
}
