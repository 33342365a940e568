//! A reply with everything that can be told apart on the wire, and read from it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reply, with the letter of its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// `+`, `-`, `:`, `_`, `#`, `,` and the nulls `$-1` and `*-1`: the whole line.
    Line(String),
    /// `$` or `=`: what it holds.
    Bulk(char, Vec<u8>),
    /// `*`, `~`, `>` and, with keys and values one after the other, `%`.
    List(char, Vec<Self>),
    /// The connection was closed instead.
    Closed,
}

/// One connection.
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Connects to 127.0.0.1.
    pub fn connect(port: u16) -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&addr, PATIENCE).expect("it takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(BufReader::new(stream))
    }

    /// Sends bytes. That the other side has closed shows when its reply is read.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Sends a command.
    pub fn send(&mut self, words: &[Vec<u8>]) {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.send_raw(&bytes);
    }

    /// Reads one reply.
    pub fn read(&mut self) -> Reply {
        match self.try_read() {
            Ok(reply) => reply,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Reply::Line("(silence)".to_owned())
            }
            Err(_) => Reply::Closed,
        }
    }

    fn try_read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let (kind, rest) = line.split_at(1);
        let kind = kind.chars().next().unwrap_or(' ');
        let Ok(length) = rest.parse::<usize>() else {
            return Ok(Reply::Line(line.to_owned()));
        };
        match kind {
            '$' | '=' => {
                let mut bytes = vec![0; length + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(Reply::Bulk(kind, bytes))
            }
            '*' | '~' | '>' | '%' => {
                let count = if kind == '%' { 2 * length } else { length };
                let items: io::Result<Vec<_>> = (0..count).map(|_| self.try_read()).collect();
                Ok(Reply::List(kind, items?))
            }
            _ => Ok(Reply::Line(line.to_owned())),
        }
    }
}

impl Reply {
    /// The text of a bulk string.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bulk(_, bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The value behind a key, in a map or in the flat array that stands for it.
    pub fn field(&self, name: &str) -> Option<String> {
        let Self::List(_, items) = self else {
            return None;
        };
        let at = items
            .iter()
            .step_by(2)
            .position(|key| key.text().as_deref() == Some(name))?;
        items.get(2 * at + 1)?.text()
    }

    /// The reply over several lines, for comparing and for people.
    pub fn show(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth + 2);
        match self {
            Self::Line(text) => out.push_str(&format!("{indent}{text}\n")),
            Self::Closed => out.push_str(&format!("{indent}(closed)\n")),
            Self::Bulk(kind, bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let text = text.replace('\n', &format!("\n{indent}  "));
                out.push_str(&format!("{indent}{kind}{}\n", text.replace('\r', "\\r")));
            }
            Self::List(kind, items) => {
                out.push_str(&format!("{indent}{kind}{}\n", items.len()));
                for item in items {
                    item.write(depth + 1, out);
                }
            }
        }
    }

    /// Sorts what has no fixed order: the outermost list, and inner lists of subcommands.
    pub fn sort(&mut self) {
        self.sort_list(true);
    }

    fn sort_list(&mut self, outermost: bool) {
        let Self::List(kind, items) = self else {
            return;
        };
        for item in items.iter_mut() {
            item.sort_list(false);
        }
        let is_sub = |name: Option<&Self>| {
            let text = name.and_then(Self::text);
            text.is_some_and(|text| text.contains('|'))
        };
        let pairs = *kind == '%' || is_flat_map(items);
        let subcommands = match items.first() {
            Some(Self::List(_, entry)) => is_sub(entry.first()),
            first => pairs && is_sub(first),
        };
        let loose = outermost || subcommands;
        if loose && pairs {
            let mut chunks: Vec<Vec<Self>> = items.chunks(2).map(<[Self]>::to_vec).collect();
            chunks.sort();
            *items = chunks.into_iter().flatten().collect();
        } else if loose {
            items.sort();
        }
    }
}

/// Names and, behind each, a list: what `COMMAND DOCS` is in RESP2.
fn is_flat_map(items: &[Reply]) -> bool {
    let named = |pair: &[Reply]| matches!(pair, [Reply::Bulk(..), Reply::List(..)]);
    !items.is_empty() && items.len().is_multiple_of(2) && items.chunks(2).all(named)
}
