//! Listening: the sockets of `bind`, `port` and `unixsocket`, and accepting on them (spec §1.5).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bartizan_conf::ServerOptions;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Hall;
use crate::disk::reason;

/// Pause after a failed accept, which is nearly always "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that clients connect to.
#[derive(Debug)]
pub(crate) enum Listener {
    /// One address of `bind`.
    Tcp(TcpListener),
    /// `unixsocket`
    Unix(UnixListener),
}

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// Opens all listening sockets. Needs the runtime.
///
/// # Errors
/// The lines for the log, as Redis words them.
pub(crate) fn open(options: &ServerOptions) -> Result<Vec<Listener>, Vec<String>> {
    let mut listeners = Vec::new();
    if options.port != 0 {
        let given_up = format!("Failed listening on port {} (TCP), aborting.", options.port);
        for bind in &options.bind {
            match bind_tcp(bind, options) {
                Ok(listener) => listeners.push(Listener::Tcp(listener)),
                Err(error) if may_be_missing(bind, &error) => {}
                Err(error) => {
                    let host = bind.trim_start_matches('-');
                    let warning = format!(
                        "Warning: Could not create server TCP listening socket {host}:{}: bind: {}",
                        options.port,
                        reason(&error)
                    );
                    return Err(vec![warning, given_up]);
                }
            }
        }
        if listeners.is_empty() && !options.bind.is_empty() {
            return Err(vec![given_up]);
        }
    }
    if let Some(path) = options
        .unixsocket
        .as_deref()
        .filter(|path| !path.is_empty())
    {
        let listener = bind_unix(Path::new(path), options.unixsocket_mode).map_err(|error| {
            vec![format!(
                "Failed opening Unix socket: bind: {}",
                reason(&error)
            )]
        })?;
        listeners.push(Listener::Unix(listener));
    }
    if listeners.is_empty() {
        return Err(vec![
            "Configured to not listen anywhere, exiting.".to_owned(),
        ]);
    }
    Ok(listeners)
}

/// Accepts for as long as the process lives.
pub(crate) async fn accept(hall: Rc<Hall>, listener: Listener) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(s, _)| Stream::Tcp(s)),
            Listener::Unix(listener) => listener.accept().await.map(|(s, _)| Stream::Unix(s)),
        };
        match accepted {
            Ok(stream) => hall.enter(stream),
            Err(error) => {
                hall.log
                    .warning(format!("Accepting client connection: {}", reason(&error)));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn bind_tcp(bind: &str, options: &ServerOptions) -> io::Result<TcpListener> {
    let ip = match bind.trim_start_matches('-') {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        host => (host, options.port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable))?
            .ip(),
    };
    let addr = SocketAddr::new(ip, options.port);
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(options.tcp_backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// An address with a leading `-` may be one that this host does not have, and a host may be
/// without IPv6 altogether. That a port is taken is never forgiven.
fn may_be_missing(bind: &str, error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::AddrNotAvailable => bind.starts_with('-'),
        ErrorKind::Unsupported => true,
        _ => matches!(
            error.raw_os_error().map(nix::errno::Errno::from_raw),
            Some(
                nix::errno::Errno::EAFNOSUPPORT
                    | nix::errno::Errno::EPFNOSUPPORT
                    | nix::errno::Errno::EPROTONOSUPPORT
                    | nix::errno::Errno::ESOCKTNOSUPPORT
                    | nix::errno::Errno::ENOPROTOOPT
            )
        ),
    }
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    // A socket that an earlier process left behind; anything else by that name is not ours.
    if std::fs::symlink_metadata(path)
        .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()))
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(listener)
}

impl Stream {
    /// Reads what is there.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Waits until there may be something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Waits until the socket may take more.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }

    /// The other end's address; none over a Unix socket.
    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok().map(|addr| addr.ip()),
            Self::Unix(_) => None,
        }
    }

    /// Both ends as `CLIENT LIST` shows them: theirs, ours.
    pub(crate) fn ends(&self) -> (String, String) {
        let text = |addr: io::Result<SocketAddr>| {
            addr.map_or_else(|_| "?:0".to_owned(), |a| a.to_string())
        };
        match self {
            Self::Tcp(stream) => (text(stream.peer_addr()), text(stream.local_addr())),
            Self::Unix(stream) => {
                let path = stream
                    .local_addr()
                    .ok()
                    .and_then(|addr| addr.as_pathname().map(|path| path.display().to_string()))
                    .unwrap_or_default();
                (format!("{path}:0"), format!("{path}:0"))
            }
        }
    }

    /// No delay, and probes for a silent client every `keepalive_secs` (0: none). A socket that
    /// refuses either still works.
    pub(crate) fn prepare(&self, keepalive_secs: u32) {
        if let Self::Tcp(stream) = self {
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
}
