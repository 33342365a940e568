//! Links: one task for each connection that the core asked for.
//!
//! An idle link holds no buffer: bytes are read into one scratch buffer that all links share, and
//! only what is unfinished stays with the link's decoder.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::ids::{CallId, LinkId};
use bartizan_core::input::{Input, LinkError};
use bartizan_core::output::{Call, Greeting, LinkKind};
use bartizan_core::provide::options::Renames;
use bartizan_wire::answer::{CommandLink, HelloLink, LinkFault};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

/// Bytes that may wait for a peer that does not read; beyond it the link is closed.
const WAITING_BYTES: usize = 1 << 20;
/// Bytes read at a time.
const SCRATCH_BYTES: usize = 64 << 10;
/// Silence after which the kernel probes whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// All open links.
#[derive(Debug)]
pub(crate) struct Links {
    open: BTreeMap<LinkId, Link>,
    surroundings: Rc<Surroundings>,
}

/// What every link's task needs.
#[derive(Debug)]
struct Surroundings {
    world: mpsc::Sender<Input>,
    source: Option<IpAddr>,
    scratch: RefCell<Box<[u8]>>,
}

#[derive(Debug)]
struct Link {
    line: Rc<Line>,
    task: AbortHandle,
}

/// What the driver and a link's task share.
#[derive(Debug)]
struct Line {
    protocol: RefCell<Protocol>,
    out: RefCell<Vec<u8>>,
    wake: Notify,
}

#[derive(Debug)]
enum Protocol {
    Command(CommandLink),
    PubSub(HelloLink),
}

impl Links {
    /// No link yet. Connections leave from `source` (`bind-source-addr`), and what happens on
    /// them is told to `world`.
    pub(crate) fn new(world: mpsc::Sender<Input>, source: Option<IpAddr>) -> Self {
        let scratch = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
        Self {
            open: BTreeMap::new(),
            surroundings: Rc::new(Surroundings {
                world,
                source,
                scratch,
            }),
        }
    }

    /// Opens a connection; `LinkUp` or `LinkDown` follows.
    pub(crate) fn connect(
        &mut self,
        link: LinkId,
        kind: LinkKind,
        to: SocketAddr,
        greeting: &Greeting,
    ) {
        let line = Rc::new(Line::greeting(kind, greeting));
        let surroundings = Rc::clone(&self.surroundings);
        let theirs = Rc::clone(&line);
        let task = tokio::task::spawn_local(async move {
            let why = surroundings.attend(link, to, &theirs).await;
            let _ = surroundings.world.send(Input::LinkDown { link, why }).await;
        });
        self.open.insert(
            link,
            Link {
                line,
                task: task.abort_handle(),
            },
        );
    }

    /// Sends a call. Nothing happens on a link that is gone: its `LinkDown` is on its way.
    pub(crate) fn call(&self, link: LinkId, id: CallId, call: &Call, renames: &Renames) {
        let Some(Link { line, .. }) = self.open.get(&link) else {
            return;
        };
        if let Protocol::Command(protocol) = &mut *line.protocol.borrow_mut() {
            protocol.call(id, call, renames, &mut line.out.borrow_mut());
            line.wake.notify_one();
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, link: LinkId) {
        if let Some(link) = self.open.remove(&link) {
            link.task.abort();
        }
    }

    /// Whether the core should hear this: words from a link that it has closed were under way
    /// and are dropped, and a link that is down is forgotten.
    pub(crate) fn admit(&mut self, input: &Input) -> bool {
        match input {
            Input::LinkUp { link, .. } | Input::Answer { link, .. } | Input::Heard { link, .. } => {
                self.open.contains_key(link)
            }
            Input::LinkDown { link, .. } => self.open.remove(link).is_some(),
            Input::Asked { .. }
            | Input::Persisted { .. }
            | Input::PersistFailed { .. }
            | Input::Resolved { .. }
            | Input::ScriptStarted { .. }
            | Input::ScriptEnded { .. }
            | Input::Rescued { .. } => true,
        }
    }
}

impl Line {
    /// A line whose first bytes are the greeting.
    fn greeting(kind: LinkKind, greeting: &Greeting) -> Self {
        let mut out = Vec::new();
        let protocol = match kind {
            LinkKind::Command => {
                let mut link = CommandLink::new();
                link.greet(greeting, &mut out);
                Protocol::Command(link)
            }
            LinkKind::PubSub => {
                let mut link = HelloLink::new();
                link.greet(greeting, &mut out);
                Protocol::PubSub(link)
            }
        };
        Self {
            protocol: RefCell::new(protocol),
            out: RefCell::new(out),
            wake: Notify::new(),
        }
    }

    /// Writes what the socket takes. `Ok(true)` when all is written.
    fn write_to(&self, stream: &TcpStream) -> Result<bool, LinkError> {
        let mut out = self.out.borrow_mut();
        while !out.is_empty() {
            match stream.try_write(&out) {
                Ok(written) => drop(out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return if out.len() > WAITING_BYTES {
                        Err(failed("the other side does not read what it is sent"))
                    } else {
                        Ok(false)
                    };
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        // An idle link holds no memory for what it once sent.
        *out = Vec::new();
        Ok(true)
    }

    /// Takes bytes in; what they say is appended to `said`.
    fn receive(
        &self,
        link: LinkId,
        input: &[u8],
        said: &mut VecDeque<Input>,
    ) -> Result<(), LinkFault> {
        match &mut *self.protocol.borrow_mut() {
            Protocol::Command(protocol) => {
                let mut answers = Vec::new();
                let result = protocol.receive(input, &mut answers);
                said.extend(answers.into_iter().map(|(call, answer)| Input::Answer {
                    link,
                    call,
                    answer,
                }));
                result
            }
            Protocol::PubSub(protocol) => {
                let mut heard = Vec::new();
                let result = protocol.receive(input, &mut heard);
                said.extend(heard.into_iter().map(|hello| Input::Heard { link, hello }));
                result
            }
        }
    }
}

impl Surroundings {
    /// The life of a link, until it is down.
    async fn attend(&self, link: LinkId, to: SocketAddr, line: &Line) -> LinkError {
        match self.dial(to).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => LinkError::Refused,
            Err(error) => failed(&crate::disk::reason(&error)),
            Ok(stream) => match self.converse(link, &stream, line).await {
                Err(why) => why,
            },
        }
    }

    async fn dial(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = self.source
            && source.is_ipv4() == to.is_ipv4()
        {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE / 3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(stream)
    }

    /// Greets, tells that the link is up, then writes and reads until something breaks.
    async fn converse(
        &self,
        link: LinkId,
        stream: &TcpStream,
        line: &Line,
    ) -> Result<std::convert::Infallible, LinkError> {
        while !line.write_to(stream)? {
            stream.writable().await.map_err(|error| broken(&error))?;
        }
        let local = stream.local_addr().map_err(|error| broken(&error))?.ip();
        self.tell(Input::LinkUp { link, local }).await;
        loop {
            let all_written = line.write_to(stream)?;
            tokio::select! {
                readable = stream.readable() => {
                    readable.map_err(|error| broken(&error))?;
                    self.read(link, stream, line).await?;
                }
                writable = stream.writable(), if !all_written => {
                    writable.map_err(|error| broken(&error))?;
                }
                () = line.wake.notified() => {}
            }
        }
    }

    /// Reads once; the answers that came before a fault are good and are told first.
    async fn read(&self, link: LinkId, stream: &TcpStream, line: &Line) -> Result<(), LinkError> {
        let mut said = VecDeque::new();
        let result = {
            let mut scratch = self.scratch.borrow_mut();
            match stream.try_read(&mut scratch) {
                Ok(0) => Err(LinkError::Closed),
                Ok(n) => line
                    .receive(link, scratch.get(..n).unwrap_or_default(), &mut said)
                    .map_err(|fault| failed(&fault.to_string())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(broken(&error)),
            }
        };
        for input in said {
            self.tell(input).await;
        }
        result
    }

    async fn tell(&self, input: Input) {
        // The receiver lives as long as the process.
        let _ = self.world.send(input).await;
    }
}

/// An established connection that broke.
fn broken(error: &io::Error) -> LinkError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            LinkError::Closed
        }
        _ => failed(&crate::disk::reason(error)),
    }
}

fn failed(why: &str) -> LinkError {
    LinkError::Failed(Arc::from(why))
}
