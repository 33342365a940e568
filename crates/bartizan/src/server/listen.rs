//! Listening: the sockets of `bind`, `port` and `unixsocket`, and accepting on them (spec §1.5).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bartizan_conf::ServerOptions;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::Hall;
use crate::disk::reason;
use crate::net::stream::Stream;
use crate::tls::Tls;

/// Pause after a failed accept, which is nearly always "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that clients connect to.
#[derive(Debug)]
pub(crate) enum Listener {
    /// One address of `bind`, at `port`.
    Tcp(TcpListener),
    /// One address of `bind`, at `tls-port`.
    Tls(TcpListener, Rc<Tls>),
    /// `unixsocket`
    Unix(UnixListener),
}

/// Opens all listening sockets. Needs the runtime.
///
/// # Errors
/// The lines for the log.
pub(crate) fn open(
    options: &ServerOptions,
    tls: Option<&Rc<Tls>>,
) -> Result<Vec<Listener>, Vec<String>> {
    let mut listeners = Vec::new();
    let plain = bind_all(options, options.port, "TCP")?;
    listeners.extend(plain.into_iter().map(Listener::Tcp));
    if let Some(tls) = tls {
        let found = bind_all(options, options.tls.port, "TLS")?;
        let over_tls = |listener| Listener::Tls(listener, Rc::clone(tls));
        listeners.extend(found.into_iter().map(over_tls));
    }
    if let Some(path) = options
        .unixsocket
        .as_deref()
        .filter(|path| !path.is_empty())
    {
        let listener = bind_unix(Path::new(path), options.unixsocket_mode).map_err(|error| {
            vec![format!(
                "The Unix socket {path} cannot be opened: {}",
                reason(&error)
            )]
        })?;
        listeners.push(Listener::Unix(listener));
    }
    if listeners.is_empty() {
        return Err(vec![
            "There is nothing to listen on: port and tls-port are 0 or bind is empty, and there is no \
             unixsocket".to_owned(),
        ]);
    }
    Ok(listeners)
}

/// Accepts for as long as the process lives.
pub(crate) async fn accept(hall: Rc<Hall>, listener: Listener) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(s, _)| Stream::Tcp(s)),
            Listener::Tls(listener, tls) => match listener.accept().await {
                Ok((stream, _)) => tls.accept(stream).map(Stream::Tls),
                Err(error) => Err(error),
            },
            Listener::Unix(listener) => listener.accept().await.map(|(s, _)| Stream::Unix(s)),
        };
        match accepted {
            Ok(stream) => hall.enter(stream),
            Err(error) => {
                hall.log.warning(format!(
                    "A connection cannot be accepted: {}",
                    reason(&error)
                ));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Listens on a port at every address of `bind`; on none for port 0.
fn bind_all(
    options: &ServerOptions,
    port: u16,
    what: &str,
) -> Result<Vec<TcpListener>, Vec<String>> {
    if port == 0 {
        return Ok(Vec::new());
    }
    let mut listeners = Vec::new();
    let given_up = format!("Failed listening on port {port} ({what}), aborting.");
    for bind in &options.bind {
        match bind_tcp(bind, port, options.tcp_backlog) {
            Ok(listener) => listeners.push(listener),
            Err(error) if may_be_missing(bind, &error) => {}
            Err(error) => {
                let host = bind.trim_start_matches('-');
                let warning = format!(
                    "Warning: Could not create server TCP listening socket {host}:{port}: bind: {}",
                    reason(&error)
                );
                return Err(vec![warning, given_up]);
            }
        }
    }
    if listeners.is_empty() && !options.bind.is_empty() {
        return Err(vec![given_up]);
    }
    Ok(listeners)
}

fn bind_tcp(bind: &str, port: u16, backlog: u32) -> io::Result<TcpListener> {
    let ip = match bind.trim_start_matches('-') {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        host => (host, port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable))?
            .ip(),
    };
    let addr = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
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
