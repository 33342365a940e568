//! The connections of the played servers: bytes in, bytes out, and who listens to what.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bartizan_wire::resp::{Argv, Limits, RequestDecoder};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::command::{self, ClientKind, Session};

/// The connections of one process.
#[derive(Debug)]
pub(crate) struct Sockets {
    registry: Registry,
    /// By server; `None` once it was killed.
    listeners: Vec<Option<TcpListener>>,
    /// By token, behind those of the listeners.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// The connections of each server.
    of_server: Vec<Vec<usize>>,
    /// Connections with bytes to write.
    dirty: Vec<usize>,
}

/// A connection of a Sentinel to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) server: usize,
    pub(crate) session: Session,
    pub(crate) out: Vec<u8>,
    stream: TcpStream,
    decoder: RequestDecoder,
    waits_to_write: bool,
}

impl Sockets {
    pub(crate) fn new(registry: Registry, addrs: &[SocketAddr]) -> Result<Self> {
        let mut listeners = Vec::with_capacity(addrs.len());
        for (number, addr) in addrs.iter().enumerate() {
            let mut listener =
                TcpListener::bind(*addr).with_context(|| format!("listening on {addr}"))?;
            registry.register(&mut listener, Token(number), Interest::READABLE)?;
            listeners.push(Some(listener));
        }
        Ok(Self {
            registry,
            of_server: vec![Vec::new(); listeners.len()],
            listeners,
            connections: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
        })
    }

    /// Whether a token is a server's listener.
    pub(crate) fn listener(&self, token: Token) -> Option<usize> {
        (token.0 < self.listeners.len()).then_some(token.0)
    }

    /// The connection of a token.
    pub(crate) fn connection(&self, token: Token) -> usize {
        token.0.saturating_sub(self.listeners.len())
    }

    /// Takes everybody in who knocks at a server.
    pub(crate) fn accept(&mut self, server: usize) -> Result<()> {
        while let Some(Some(listener)) = self.listeners.get(server) {
            match listener.accept() {
                Ok((stream, _)) => self.welcome(server, stream)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error).context("accepting a connection"),
            }
        }
        Ok(())
    }

    fn welcome(&mut self, server: usize, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let token = Token(self.listeners.len() + slot);
        self.registry
            .register(&mut stream, token, Interest::READABLE)?;
        if let Some(place) = self.connections.get_mut(slot) {
            *place = Some(Connection {
                server,
                session: Session::default(),
                out: Vec::new(),
                stream,
                decoder: RequestDecoder::new(Limits::CLIENT),
                waits_to_write: false,
            });
        }
        if let Some(list) = self.of_server.get_mut(server) {
            list.push(slot);
        }
        Ok(())
    }

    /// Reads what a connection sent. `None` when it is gone.
    pub(crate) fn read(
        &mut self,
        slot: usize,
        scratch: &mut [u8],
        requests: &mut Vec<Argv>,
    ) -> Option<()> {
        let connection = self.connections.get_mut(slot)?.as_mut()?;
        if connection.read(scratch, requests).is_err() {
            self.close(slot, Farewell::Polite);
            return None;
        }
        Some(())
    }

    /// A connection, to answer on.
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Connection> {
        self.connections.get_mut(slot)?.as_mut()
    }

    /// Something was appended to what a connection has to write.
    pub(crate) fn touch(&mut self, slot: usize) {
        self.dirty.push(slot);
    }

    /// How many connections of a server listen to a channel.
    pub(crate) fn listening(&self, server: usize, channel: &[u8]) -> usize {
        self.listening_to(server, channel).count()
    }

    fn listening_to(&self, server: usize, channel: &[u8]) -> impl Iterator<Item = usize> {
        let all = self
            .of_server
            .get(server)
            .map(Vec::as_slice)
            .unwrap_or_default();
        all.iter().copied().filter(move |slot| {
            let connection = self.connections.get(*slot).and_then(Option::as_ref);
            connection.is_some_and(|c| c.session.channels.iter().any(|c| c == channel))
        })
    }

    /// Sends a message to everybody who listens to a channel of a server.
    pub(crate) fn deliver(&mut self, server: usize, channel: &[u8], text: &[u8]) {
        let slots: Vec<usize> = self.listening_to(server, channel).collect();
        for slot in slots {
            if let Some(connection) = self.get_mut(slot) {
                let protocol = connection.session.protocol;
                let bytes = command::message(channel, text, protocol);
                connection.out.extend_from_slice(&bytes);
                self.touch(slot);
            }
        }
    }

    /// Writes whatever there is to write.
    pub(crate) fn flush(&mut self) {
        for slot in std::mem::take(&mut self.dirty) {
            self.write(slot);
        }
    }

    /// Writes what one connection has to say.
    pub(crate) fn write(&mut self, slot: usize) {
        let (registry, base) = (&self.registry, self.listeners.len());
        let Some(Some(connection)) = self.connections.get_mut(slot) else {
            return;
        };
        if connection.write(registry, Token(base + slot)).is_err() {
            self.close(slot, Farewell::Polite);
        }
    }

    /// `CLIENT KILL TYPE` on a server, asked for by `except`.
    pub(crate) fn kill_clients(&mut self, server: usize, kind: ClientKind, except: usize) {
        let all = self.of_server.get(server).cloned().unwrap_or_default();
        for slot in all {
            let Some(connection) = self.get_mut(slot) else {
                continue;
            };
            let is_pubsub = !connection.session.channels.is_empty();
            if slot != except && is_pubsub == (kind == ClientKind::PubSub) {
                self.close(slot, Farewell::Polite);
            }
        }
    }

    /// A server dies: nobody listens any more, and its connections are reset.
    pub(crate) fn kill_server(&mut self, server: usize) {
        if let Some(listener) = self.listeners.get_mut(server)
            && let Some(mut listener) = listener.take()
        {
            // It is dropped right behind, which takes it out of the poll as well.
            let _ = self.registry.deregister(&mut listener);
        }
        for slot in self.of_server.get(server).cloned().unwrap_or_default() {
            self.close(slot, Farewell::Reset);
        }
    }

    fn close(&mut self, slot: usize, farewell: Farewell) {
        let Some(mut connection) = self.connections.get_mut(slot).and_then(Option::take) else {
            return;
        };
        // It is dropped right behind, whatever these say.
        let _ = self.registry.deregister(&mut connection.stream);
        if farewell == Farewell::Reset {
            let socket = socket2::SockRef::from(&connection.stream);
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        if let Some(list) = self.of_server.get_mut(connection.server) {
            list.retain(|other| *other != slot);
        }
        self.free.push(slot);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Farewell {
    Polite,
    Reset,
}

impl Connection {
    fn read(&mut self, scratch: &mut [u8], requests: &mut Vec<Argv>) -> io::Result<()> {
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut rest = scratch.get(..read).unwrap_or_default();
            while !rest.is_empty() {
                let (used, request) = self.decoder.decode(rest).map_err(io::Error::other)?;
                requests.extend(request);
                rest = rest.get(used..).unwrap_or_default();
            }
            // Events come when something arrives: a short read has taken all there was.
            if read < scratch.len() {
                return Ok(());
            }
        }
    }

    fn write(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let both = Interest::READABLE | Interest::WRITABLE;
                    if !std::mem::replace(&mut self.waits_to_write, true) {
                        registry.reregister(&mut self.stream, token, both)?;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if std::mem::replace(&mut self.waits_to_write, false) {
            registry.reregister(&mut self.stream, token, Interest::READABLE)?;
        }
        // An idle connection holds no memory for what it once said, but for a little.
        if self.out.capacity() > 512 {
            self.out = Vec::new();
        }
        Ok(())
    }
}

/// How long to wait until `at`.
pub(crate) fn until(at: Option<Instant>, now: Instant) -> Option<Duration> {
    // A wait is rounded down to milliseconds by the poll; one more keeps it from spinning.
    at.map(|at| at.saturating_duration_since(now) + Duration::from_millis(1))
}
