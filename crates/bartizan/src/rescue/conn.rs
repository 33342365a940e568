//! One connection to a server: commands and replies in turn, then whatever bytes it sends.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bartizan_core::provide::options::Credentials;
use bartizan_wire::resp::{Frame, Limits, ReplyDecoder, command};
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout_at};

use crate::disk::reason;
use crate::net::stream::Stream;
use crate::tls::{Tls, explain};

/// Read at a time.
const CHUNK: usize = 256 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// What the operating system said.
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
    /// It is silent for too long.
    #[error("the server is silent")]
    Silent,
    /// All of the time allowed has passed.
    #[error("it took too long")]
    Late,
    /// It closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// An error reply.
    #[error("the server refused {0}: {1}")]
    Refused(&'static str, String),
    /// Something that is no answer to what was asked.
    #[error("the server answered {0} in an odd way: {1}")]
    Odd(&'static str, String),
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the next byte.
    pub(crate) silence: Duration,
    /// For everything.
    pub(crate) until: Instant,
}

impl Patience {
    async fn wait<T>(&self, what: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
        let soon = Instant::now() + self.silence;
        match timeout_at(soon.min(self.until), what).await {
            Ok(done) => Ok(done?),
            Err(_) if soon < self.until => Err(Trouble::Silent),
            Err(_) => Err(Trouble::Late),
        }
    }
}

/// How to reach a server.
#[derive(Debug)]
pub(crate) struct Way {
    /// From where; any address of ours without it.
    pub(crate) source: Option<IpAddr>,
    /// Over TLS.
    pub(crate) tls: Option<Rc<Tls>>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: Stream,
    patience: Patience,
    buffer: Vec<u8>,
    /// What of the buffer has been used.
    used: usize,
}

impl Conn {
    /// Connects.
    ///
    /// # Errors
    /// When there is no connection in time.
    pub(crate) async fn open(
        to: SocketAddr,
        way: &Way,
        patience: Patience,
    ) -> Result<Self, Trouble> {
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = way.source.filter(|source| source.is_ipv4() == to.is_ipv4()) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let tcp = patience.wait(socket.connect(to)).await?;
        let stream = match &way.tls {
            Some(tls) => Stream::Tls(tls.connect(tcp, to.ip())?),
            None => Stream::Tcp(tcp),
        };
        stream.prepare(0);
        let shake = async { stream.handshake().await.map_err(|error| told(&error)) };
        patience.wait(shake).await?;
        Ok(Self {
            stream,
            patience,
            buffer: Vec::new(),
            used: 0,
        })
    }

    /// Says who we are.
    ///
    /// # Errors
    /// When that is not believed.
    pub(crate) async fn authenticate(&mut self, login: &Credentials) -> Result<(), Trouble> {
        let password = login.password.reveal();
        let words = match &login.user {
            Some(user) => vec!["AUTH", user, password],
            None => vec!["AUTH", password],
        };
        match self.call(&words).await? {
            Frame::Error(why) => Err(Trouble::Refused("AUTH", text(&why))),
            _ => Ok(()),
        }
    }

    /// Other patience from here on.
    pub(crate) const fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Sends a command and gives its reply.
    ///
    /// # Errors
    /// When there is none in time.
    pub(crate) async fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Frame, Trouble> {
        let mut out = Vec::new();
        command(words, &mut out);
        self.send(&out).await?;
        self.reply().await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When they are not taken in time.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let write = async {
            let mut rest = bytes;
            while !rest.is_empty() {
                match self.stream.try_write(rest) {
                    Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.stream.writable().await?;
                    }
                    Err(error) => return Err(error),
                }
            }
            while !self.stream.is_flushed()? {
                self.stream.writable().await?;
            }
            Ok(())
        };
        self.patience.wait(write).await
    }

    /// The next reply. Line feeds before it are a server's way of saying that it is still there.
    ///
    /// # Errors
    /// When there is none in time, or it is no reply.
    pub(crate) async fn reply(&mut self) -> Result<Frame, Trouble> {
        const LIMITS: Limits = Limits {
            items: 1 << 20,
            bulk: 64 << 20,
            total: 256 << 20,
            ..Limits::LINK
        };
        let mut decoder = ReplyDecoder::new(LIMITS);
        let mut begun = false;
        loop {
            let mut bytes = self.buffer.get(self.used..).unwrap_or_default();
            while !begun && bytes.first() == Some(&b'\n') {
                bytes = bytes.get(1..).unwrap_or_default();
                self.used += 1;
            }
            begun |= !bytes.is_empty();
            let decoded = decoder.decode(bytes);
            let (used, frame) =
                decoded.map_err(|error| Trouble::Odd("a command", error.to_string()))?;
            self.used += used;
            if let Some(frame) = frame {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// The next bytes, at most `most` of them and at least one.
    ///
    /// # Errors
    /// When there are none in time.
    pub(crate) async fn bytes(&mut self, most: u64) -> Result<&[u8], Trouble> {
        if self.used >= self.buffer.len() {
            self.fill().await?;
        }
        let there = self.buffer.len() - self.used;
        let count = usize::try_from(most).map_or(there, |most| most.min(there));
        let from = self.used;
        self.used += count;
        Ok(self.buffer.get(from..self.used).unwrap_or_default())
    }

    /// Reads more into the buffer, which has been used up or holds a part of something.
    async fn fill(&mut self) -> Result<(), Trouble> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let Self {
            stream,
            buffer,
            patience,
            ..
        } = self;
        let kept = buffer.len();
        buffer.resize(kept + CHUNK, 0);
        let read = async {
            loop {
                let room = buffer.get_mut(kept..).unwrap_or_default();
                match stream.try_read(room) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        stream.readable().await?;
                    }
                    done => return done,
                }
            }
        };
        let read = patience.wait(read).await;
        self.buffer
            .truncate(kept + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(Trouble::Closed),
            Ok(_) => Ok(()),
            Err(Trouble::Io(error)) if error.kind() == ErrorKind::ConnectionReset => {
                Err(Trouble::Closed)
            }
            Err(trouble) => Err(trouble),
        }
    }
}

/// TLS has words of its own for what went wrong.
fn told(error: &io::Error) -> io::Error {
    io::Error::other(explain(error))
}

/// An error reply as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    super::sheet::shown(bytes)
}
