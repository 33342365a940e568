//! A tiny RESP client: blocking, bounded, good for asking servers on loopback what they think.
//!
//! It is written apart from the product's codec on purpose, so that a mistake there cannot hide
//! itself here. `cargo xtask demo` uses this file too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long connecting, reading or writing may take before it is an error.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest bulk string that is believed.
const MAX_BULK: usize = 16 * 1024 * 1024;
/// Most elements of one array that are believed.
const MAX_ITEMS: usize = 1_000_000;
/// Deepest nesting that is believed.
const MAX_DEPTH: usize = 16;

/// A reply, in either protocol version.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+OK`
    Status(String),
    /// `-ERR …`, with its first word and without the dash.
    Error(String),
    /// `:1`
    Int(i64),
    /// `$3`, or `=` of RESP3.
    Bulk(String),
    /// A null of any kind.
    Null,
    /// `*2`, or `~` of RESP3.
    Array(Vec<Self>),
    /// `%2` of RESP3.
    Map(Vec<(Self, Self)>),
    /// `>3` of RESP3.
    Push(Vec<Self>),
    /// `#t`, `,1.5` and `(123` of RESP3, as text.
    Other(char, String),
}

impl Value {
    /// The text of a status, bulk or error.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) | Self::Bulk(text) | Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array or push.
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a map, or of the flat array that RESP2 has in its place.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let text = |value: &Self| match value {
            Self::Int(number) => number.to_string(),
            other => other.text().unwrap_or("").to_owned(),
        };
        match self {
            Self::Map(pairs) => pairs.iter().map(|(k, v)| (text(k), text(v))).collect(),
            Self::Array(items) => items
                .chunks_exact(2)
                .filter_map(|pair| Some((text(pair.first()?), text(pair.last()?))))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The value of one field of a map.
    pub fn field(&self, name: &str) -> Option<String> {
        self.pairs()
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Whether this is an error that starts with `prefix`.
    pub fn is_error(&self, prefix: &str) -> bool {
        matches!(self, Self::Error(text) if text.starts_with(prefix))
    }

    /// Whether this is `+OK`.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Status(text) if text == "OK")
    }
}

/// One connection to a server on loopback.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to 127.0.0.1.
    ///
    /// # Errors
    /// Whatever connecting says, within two seconds.
    pub fn connect(port: u16) -> io::Result<Self> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self::connect_within(addr, PATIENCE)
    }

    /// Connects to any address; connecting, reading and writing may each take as long as this.
    ///
    /// # Errors
    /// Whatever connecting says.
    pub fn connect_within(addr: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// The same connection once more, to send from another thread.
    ///
    /// # Errors
    /// When no more files may be opened.
    pub fn try_clone(&self) -> io::Result<Self> {
        let stream = self.stream.get_ref().try_clone()?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Changes how long a read may take; `None` waits for ever.
    ///
    /// # Errors
    /// If the socket refuses.
    pub fn set_patience(&mut self, patience: Option<Duration>) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(patience)
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// When the connection breaks, the reply is late, or it is not RESP.
    pub fn call(&mut self, args: &[&str]) -> io::Result<Value> {
        self.send(args)?;
        self.read()
    }

    /// Sends one command without waiting, for pipelines and subscriptions.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, args: &[&str]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            bytes.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
        }
        self.send_raw(&bytes)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one reply or push.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes in time, or what comes is not RESP.
    pub fn read(&mut self) -> io::Result<Value> {
        self.read_nested(0)
    }

    fn read_nested(&mut self, depth: usize) -> io::Result<Value> {
        if depth > MAX_DEPTH {
            return Err(malformed("nested too deeply"));
        }
        let line = self.read_line()?;
        let mut chars = line.chars();
        let kind = chars.next().ok_or_else(|| malformed("an empty line"))?;
        let rest = chars.as_str();
        match kind {
            '+' => Ok(Value::Status(rest.to_owned())),
            '-' => Ok(Value::Error(rest.to_owned())),
            ':' => Ok(Value::Int(rest.parse().map_err(|_| malformed(&line))?)),
            '_' => Ok(Value::Null),
            '#' | ',' | '(' => Ok(Value::Other(kind, rest.to_owned())),
            '$' | '=' => self.read_bulk(rest),
            '*' | '~' => self
                .read_items(rest, depth)
                .map(|v| v.map_or(Value::Null, Value::Array)),
            '>' => self
                .read_items(rest, depth)
                .map(|v| v.map_or(Value::Null, Value::Push)),
            '%' => self.read_map(rest, depth),
            _ => Err(malformed(&line)),
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BULK).unwrap_or(u64::MAX);
        (&mut self.stream)
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        text.strip_suffix("\r\n")
            .map(str::to_owned)
            .ok_or_else(|| malformed(&text))
    }

    fn read_bulk(&mut self, length: &str) -> io::Result<Value> {
        let Some(length) = checked_length(length, MAX_BULK)? else {
            return Ok(Value::Null);
        };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Value::Bulk(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn read_items(&mut self, count: &str, depth: usize) -> io::Result<Option<Vec<Value>>> {
        let Some(count) = checked_length(count, MAX_ITEMS)? else {
            return Ok(None);
        };
        (0..count)
            .map(|_| self.read_nested(depth + 1))
            .collect::<io::Result<_>>()
            .map(Some)
    }

    fn read_map(&mut self, count: &str, depth: usize) -> io::Result<Value> {
        let Some(count) = checked_length(count, MAX_ITEMS)? else {
            return Ok(Value::Null);
        };
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((self.read_nested(depth + 1)?, self.read_nested(depth + 1)?));
        }
        Ok(Value::Map(pairs))
    }
}

/// Connects, asks one thing and hangs up; `None` when that does not work.
pub fn ask(port: u16, args: &[&str]) -> Option<Value> {
    Client::connect(port)
        .and_then(|mut client| client.call(args))
        .ok()
}

/// The fields of a server's `INFO`, in its order.
pub fn info(port: u16, section: &str) -> Vec<(String, String)> {
    let reply = ask(port, &["INFO", section]);
    let text = reply.as_ref().and_then(Value::text).unwrap_or("");
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim_end().to_owned()))
        .collect()
}

fn checked_length(text: &str, limit: usize) -> io::Result<Option<usize>> {
    if text == "-1" {
        return Ok(None);
    }
    match text.parse::<usize>() {
        Ok(length) if length <= limit => Ok(Some(length)),
        _ => Err(malformed(text)),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not a RESP reply: {what:?}"),
    )
}
