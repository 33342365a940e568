//! A connection, whatever carries it: TCP, a Unix socket, or TLS over TCP. Clients and links read
//! and write it alike, without waiting inside.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_conf::TlsUserField;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::tls::TlsStream;

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TLS.
    Tls(TlsStream),
}

/// A connection on its way to another thread.
#[derive(Debug)]
pub(crate) enum Detached {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Detached {
    /// Makes it one of this thread's. Needs the runtime.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

impl Stream {
    /// Whether it may go to another thread.
    pub(crate) const fn can_detach(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }

    /// Takes it out of this thread. Who speaks TLS cannot leave: its session takes turns with
    /// others at calculating.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Detached::Tcp),
            Self::Unix(stream) => stream.into_std().map(Detached::Unix),
            Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Makes it ready to carry something: the handshake of TLS. The caller sets the deadline.
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            // Boxed, since whoever waits for it over TCP would keep room for it too.
            Self::Tls(stream) => Box::pin(stream.handshake()).await,
        }
    }

    /// The users that the other end may be by the certificate it has shown.
    pub(crate) fn users(&self, field: TlsUserField) -> Vec<String> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Vec::new(),
            Self::Tls(stream) => stream.users(field),
        }
    }

    /// Reads what is there.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => {
                let read = stream.try_read(buffer)?;
                if read > 0 && read < buffer.len() {
                    // The socket is empty now: a later byte is a new event. Without this the
                    // next wait would end at once, and half of all reads would find nothing.
                    let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = stream.try_io(Interest::READABLE, empty);
                }
                Ok(read)
            }
            Self::Unix(stream) => stream.try_read(buffer),
            Self::Tls(stream) => stream.try_read(buffer),
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(stream) => stream.try_write(bytes),
        }
    }

    /// Whether the socket has got all that was written; TLS may keep a record back. When not, it
    /// has to be asked again once the socket is writable.
    pub(crate) fn is_flushed(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(true),
            Self::Tls(stream) => match stream.try_flush() {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// Waits until there may be something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
            Self::Tls(stream) => stream.readable().await,
        }
    }

    /// Waits until the socket may take more.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
            Self::Tls(stream) => stream.tcp().writable().await,
        }
    }

    /// The same for a future that waits for several things at once.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) if stream.has_more() => Poll::Ready(Ok(())),
            Self::Tls(stream) => stream.tcp().poll_read_ready(cx),
        }
    }

    /// The same for a future that waits for several things at once.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Tls(stream) => stream.tcp().poll_write_ready(cx),
        }
    }

    /// The TCP connection beneath; none under a Unix socket.
    pub(crate) const fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Unix(_) => None,
            Self::Tls(stream) => Some(stream.tcp()),
        }
    }

    /// The other end's address; none over a Unix socket.
    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        self.tcp()?.peer_addr().ok().map(|addr| addr.ip())
    }

    /// Our end's address.
    pub(crate) fn local_ip(&self) -> io::Result<IpAddr> {
        let stream = self.tcp().ok_or(io::ErrorKind::Unsupported)?;
        stream.local_addr().map(|addr| addr.ip())
    }

    /// Both ends as `CLIENT LIST` shows them: theirs, ours.
    pub(crate) fn ends(&self) -> (String, String) {
        let text = |addr: io::Result<SocketAddr>| {
            addr.map_or_else(|_| "?:0".to_owned(), |a| a.to_string())
        };
        if let Self::Unix(stream) = self {
            let path = stream
                .local_addr()
                .ok()
                .and_then(|addr| addr.as_pathname().map(|path| path.display().to_string()))
                .unwrap_or_default();
            return (format!("{path}:0"), format!("{path}:0"));
        }
        self.tcp().map_or_else(Default::default, |stream| {
            (text(stream.peer_addr()), text(stream.local_addr()))
        })
    }

    /// No delay, and probes for a silent client every `keepalive_secs` (0: none). A socket that
    /// refuses either still works.
    pub(crate) fn prepare(&self, keepalive_secs: u32) {
        let Some(stream) = self.tcp() else {
            return;
        };
        let _ = stream.set_nodelay(true);
        if keepalive_secs > 0 {
            let interval = Duration::from_secs(u64::from((keepalive_secs / 3).max(1)));
            let keepalive = TcpKeepalive::new()
                .with_time(Duration::from_secs(u64::from(keepalive_secs)))
                .with_interval(interval)
                .with_retries(3);
            let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
        }
    }
}
