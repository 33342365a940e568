//! A replication stream, command by command.

use bartizan_wire::hello::CHANNEL;
use bartizan_wire::resp::{Argv, Limits, RequestDecoder, Role, command};

/// Bounds of one command: what a server takes from its own clients by default.
const LIMITS: Limits = Limits {
    role: Role::Link,
    items: 4 << 20,
    bulk: 512 << 20,
    line: 64 << 10,
    depth: 0,
    total: 512 << 20,
};
/// Beginnings tried in a lead that does not begin with a command.
const TRIES: usize = 10_000;
/// And bytes parsed for that in all, as a multiple of its length.
const EFFORT: usize = 16;

/// Why a stream cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream cannot be read: {0}")]
pub(crate) struct Broken(String);

/// Cuts a stream into commands; bytes may come in pieces of any size.
#[derive(Debug)]
pub(crate) struct Reader {
    decoder: RequestDecoder,
    /// Bytes of the unfinished command.
    begun: usize,
    scratch: Vec<u8>,
}

impl Reader {
    /// Begins at the first byte of a command.
    pub(crate) fn new() -> Self {
        Self {
            decoder: RequestDecoder::new(LIMITS),
            begun: 0,
            scratch: Vec::new(),
        }
    }

    /// The next command of `input`, which is moved behind it; `None` when it is not all there.
    ///
    /// # Errors
    /// What is not exactly what a server writes is no command, for a wrong beginning may look
    /// like one.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Argv>, Broken> {
        if self.begun == 0 && input.first().is_some_and(|byte| *byte != b'*') {
            return Err(Broken("a command does not begin with *".to_owned()));
        }
        let decoded = self.decoder.decode(input);
        let (used, argv) = decoded.map_err(|error| Broken(error.to_string()))?;
        *input = input.get(used..).unwrap_or_default();
        self.begun += used;
        let Some(argv) = argv else {
            return Ok(None);
        };
        self.scratch.clear();
        command(&argv, &mut self.scratch);
        let length = std::mem::take(&mut self.begun);
        if self.scratch.len() != length {
            return Err(Broken("a command is written in an odd way".to_owned()));
        }
        Ok(Some(argv))
    }

    /// Whether everything so far was whole commands.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.begun == 0
    }
}

/// What a command of the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SELECT`: the following are about this database.
    Select(u64),
    /// `MULTI`
    Multi,
    /// `EXEC`
    Exec,
    /// What servers and Sentinels say to each other.
    Noise(Noise),
    /// What somebody wrote.
    Write,
}

/// What servers and Sentinels say to each other in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noise {
    /// `PING`
    Ping,
    /// `REPLCONF GETACK *`
    GetAck,
    /// `PUBLISH __sentinel__:hello …`
    Hello,
}

/// What a command of the stream is.
pub(crate) fn kind(argv: &[Vec<u8>]) -> Kind {
    let is = |n: usize, word: &str| {
        let there = argv.get(n);
        there.is_some_and(|there| there.eq_ignore_ascii_case(word.as_bytes()))
    };
    let number = |n: usize| {
        let text = std::str::from_utf8(argv.get(n)?).ok()?;
        text.parse().ok()
    };
    match argv.len() {
        1 | 2 if is(0, "PING") => Kind::Noise(Noise::Ping),
        1 if is(0, "MULTI") => Kind::Multi,
        1 if is(0, "EXEC") => Kind::Exec,
        2 if is(0, "SELECT") => number(1).map_or(Kind::Write, Kind::Select),
        3 if is(0, "REPLCONF") && is(1, "GETACK") => Kind::Noise(Noise::GetAck),
        3 if is(0, "PUBLISH") && is(1, CHANNEL) => Kind::Noise(Noise::Hello),
        _ => Kind::Write,
    }
}

/// What the bytes before a fork say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The database that was selected.
    pub(crate) database: Option<u64>,
    /// The transaction that was open, from its MULTI on. A replica has run nothing of it.
    pub(crate) open: Vec<Argv>,
}

impl Lead {
    /// Reads the bytes up to a fork. A backlog that has wrapped begins anywhere in a command, so
    /// beginnings are tried until one leads to the fork exactly.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut effort = bytes.len().saturating_mul(EFFORT);
        let beginnings = (0..bytes.len()).filter(|at| {
            bytes.get(*at) == Some(&b'*')
                && (*at == 0 || bytes.get(..*at).is_some_and(|b| b.ends_with(b"\n")))
        });
        for at in beginnings.take(TRIES) {
            let rest = bytes.get(at..).unwrap_or_default();
            let (read, lead) = Self::from_beginning(rest);
            if let Some(lead) = lead {
                return lead;
            }
            effort = effort.saturating_sub(read);
            if effort == 0 {
                break;
            }
        }
        Self::default()
    }

    /// How far commands could be read from here, and what they say if that is to the end.
    fn from_beginning(bytes: &[u8]) -> (usize, Option<Self>) {
        let mut reader = Reader::new();
        let mut lead = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = rest.len();
            match reader.next(&mut rest) {
                Ok(Some(argv)) => lead.take(argv),
                Ok(None) => return (bytes.len(), None),
                Err(_) => return (bytes.len() - before + 64, None),
            }
        }
        (bytes.len(), Some(lead))
    }

    fn take(&mut self, argv: Argv) {
        let kind = kind(&argv);
        if let Kind::Select(database) = kind {
            self.database = Some(database);
        }
        match kind {
            Kind::Multi => self.open = vec![argv],
            Kind::Exec => self.open.clear(),
            Kind::Select(_) | Kind::Noise(_) | Kind::Write if !self.open.is_empty() => {
                self.open.push(argv);
            }
            Kind::Select(_) | Kind::Noise(_) | Kind::Write => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Argv {
        line.split(' ').map(|w| w.as_bytes().to_vec()).collect()
    }

    fn bytes(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            command(&argv(line), &mut out);
        }
        out
    }

    #[test]
    fn a_stream_is_cut_alike_wherever_its_bytes_are_split() {
        let lines = ["SELECT 0", "SET k *1\r\n$4\r\nPING\r\n", "MULTI", "EXEC"];
        let whole = bytes(&lines);
        for at in 0..=whole.len() {
            let mut reader = Reader::new();
            let mut found = Vec::new();
            let (left, right) = whole.split_at(at);
            for mut piece in [left, right] {
                while let Some(argv) = reader.next(&mut piece).unwrap() {
                    found.push(argv);
                }
                assert!(piece.is_empty());
            }
            assert!(reader.is_at_rest());
            assert_eq!(found, lines.map(argv), "split at {at}");
        }
    }

    #[test]
    fn what_no_server_writes_is_no_command() {
        for text in [
            "PING\r\n",
            "*1\r\n$04\r\nPING\r\n",
            "*1\r\n$-1\r\n",
            "*0\r\n*1\r\n$4\r\nPING\r\n",
            "*1\r\n+PING\r\n",
        ] {
            let mut input = text.as_bytes();
            assert!(Reader::new().next(&mut input).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_servers_and_sentinels_say_to_each_other_is_noise() {
        for (line, want) in [
            ("ping", Kind::Noise(Noise::Ping)),
            ("REPLCONF GETACK *", Kind::Noise(Noise::GetAck)),
            ("PUBLISH __sentinel__:hello x", Kind::Noise(Noise::Hello)),
            ("PUBLISH news x", Kind::Write),
            ("SELECT 3", Kind::Select(3)),
            ("MULTI", Kind::Multi),
            ("EXEC", Kind::Exec),
            ("SET MULTI 1", Kind::Write),
        ] {
            assert_eq!(kind(&argv(line)), want, "{line}");
        }
    }

    #[test]
    fn the_database_in_force_is_the_one_selected_last() {
        let lead = Lead::read(&bytes(&["SELECT 2", "SET a 1", "SELECT 5", "SET b 1"]));
        assert_eq!(lead.database, Some(5));
        assert_eq!(Lead::read(&bytes(&["SET a 1"])).database, None);
        assert_eq!(Lead::read(b""), Lead::default());
    }

    #[test]
    fn a_backlog_that_has_wrapped_is_read_from_wherever_it_begins() {
        let whole = bytes(&["SET first *1", "SELECT 7", "SET b *2\r\n*3\r\n", "SET c 1"]);
        let select = whole.len() - bytes(&["SELECT 7", "SET b *2\r\n*3\r\n", "SET c 1"]).len();
        for at in 0..=select {
            let lead = Lead::read(whole.get(at..).unwrap());
            assert_eq!(lead.database, Some(7), "beginning at {at}");
        }
        for at in select + 1..whole.len() {
            let lead = Lead::read(whole.get(at..).unwrap());
            assert_eq!(lead.database, None, "beginning at {at}");
        }
    }

    #[test]
    fn a_transaction_that_the_fork_cuts_is_kept_whole() {
        let lead = Lead::read(&bytes(&["SELECT 1", "MULTI", "SET a 1", "EXEC"]));
        assert!(lead.open.is_empty());
        let lead = Lead::read(&bytes(&["SELECT 1", "MULTI", "SET a 1"]));
        assert_eq!(lead.open, [argv("MULTI"), argv("SET a 1")]);
    }
}
