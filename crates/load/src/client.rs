//! A blocking client that can wait for very long replies and still notices that it should stop.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bartizan_wire::resp::{Frame, Limits, ReplyDecoder, command};

/// How often a waiting read looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);

/// Says to every thread of a measurement that it is over.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// It is over.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// For whoever sets it in a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether it is over.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection to a Sentinel on loopback.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    decoder: ReplyDecoder,
    scratch: Vec<u8>,
    /// The part of `scratch` that is not decoded yet.
    unread: std::ops::Range<usize>,
}

impl Client {
    /// Connects to 127.0.0.1.
    ///
    /// # Errors
    /// Whatever connecting says.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream, 64 << 10))
    }

    /// Connects, and gives up on the connection or on a reply after `patience`.
    ///
    /// # Errors
    /// Whatever connecting says.
    pub fn connect_within(addr: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream, 4 << 10))
    }

    /// The next reply, unless a read takes longer than the patience of
    /// [`Client::connect_within`].
    ///
    /// # Errors
    /// When the connection breaks or is silent.
    pub fn read_once(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.decode()? {
                return Ok(frame);
            }
            match self.stream.read(&mut self.scratch)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.unread = 0..read,
            }
        }
    }

    fn over(stream: TcpStream, scratch: usize) -> Self {
        let limits = Limits {
            items: 1 << 20,
            total: 256 << 20,
            bulk: 64 << 20,
            ..Limits::LINK
        };
        Self {
            stream,
            decoder: ReplyDecoder::new(limits),
            scratch: vec![0; scratch],
            unread: 0..0,
        }
    }

    /// A frame out of what was read before.
    fn decode(&mut self) -> io::Result<Option<Frame>> {
        while !self.unread.is_empty() {
            let bytes = self.scratch.get(self.unread.clone()).unwrap_or_default();
            let (used, frame) = self.decoder.decode(bytes).map_err(io::Error::other)?;
            self.unread.start += used;
            if frame.is_some() {
                return Ok(frame);
            }
        }
        Ok(None)
    }

    /// Sends a command.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut bytes = Vec::new();
        command(words, &mut bytes);
        self.stream.write_all(&bytes)
    }

    /// Sends bytes, say several commands in one piece.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next reply, however long it takes, unless it is time to stop.
    ///
    /// # Errors
    /// When the connection breaks; `Interrupted` when it is time to stop.
    pub fn read(&mut self, stop: &Stop) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.decode()? {
                return Ok(frame);
            }
            if stop.is_set() {
                return Err(ErrorKind::Interrupted.into());
            }
            match self.stream.read(&mut self.scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread = 0..read,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub fn call(&mut self, words: &[&str], stop: &Stop) -> io::Result<Frame> {
        self.send(words)?;
        self.read(stop)
    }
}

/// The text of a string of any kind.
pub fn text(frame: &Frame) -> Option<&str> {
    match frame {
        Frame::Simple(bytes) | Frame::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// The `host:port` of an answer to `get-master-addr-by-name`.
pub fn address(frame: &Frame) -> Option<SocketAddr> {
    let Frame::Array(items) = frame else {
        return None;
    };
    let [host, port] = items.as_slice() else {
        return None;
    };
    format!("{}:{}", text(host)?, text(port)?).parse().ok()
}
