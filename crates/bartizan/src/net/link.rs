//! Links: one task for each connection that the core asked for.
//!
//! An idle link holds no buffer: bytes are read into one scratch buffer that all links share, and
//! only what is unfinished stays with the link's decoder.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bartizan_core::ids::{CallId, LinkId};
use bartizan_core::input::{Answer, Input, LinkError};
use bartizan_core::output::{Call, Greeting, LinkKind};
use bartizan_core::provide::options::Renames;
use bartizan_wire::answer::{CommandLink, HelloLink, LinkFault, Said};
use bartizan_wire::trial::TrialLink;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::AbortHandle;

use super::stream::Stream;
use crate::log::Log;
use crate::tls::{self, Tls};

/// Bytes that may wait for a peer that does not read; beyond it the link is closed.
const WAITING_BYTES: usize = 1 << 20;
/// What is sent in one go, mostly.
const USUAL_BYTES: usize = 256;
/// Bytes read at a time.
const SCRATCH_BYTES: usize = 64 << 10;
/// Seconds of silence after which the kernel probes whether the other side is still there.
const KEEPALIVE_SECS: u32 = 15;
/// Addresses whose failed handshake is remembered, so that each reason is told once.
const REMEMBERED_FAILURES: usize = 4096;
/// A handshake that takes longer has failed.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Connections that are made at a time. The core gives servers that it does not know yet their
/// turns; but where thousands of links break together, all are made again at once, and there would
/// be so much to read that nobody else is served.
const DIALS_AT_ONCE: usize = 64;
/// For how long one that is not answered keeps others waiting.
const DIAL_TURN: Duration = Duration::from_millis(20);

/// All open links.
#[derive(Debug)]
pub(crate) struct Links {
    open: HashMap<LinkId, Link>,
    surroundings: Rc<Surroundings>,
}

/// What every link's task needs.
#[derive(Debug)]
struct Surroundings {
    world: mpsc::Sender<Input>,
    dialling: Dialling,
    log: Log,
    /// Who may connect now.
    dials: Semaphore,
    failures: RefCell<BTreeMap<SocketAddr, String>>,
    scratch: RefCell<Box<[u8]>>,
    words: RefCell<Words>,
}

/// How connections leave.
#[derive(Debug)]
pub(crate) struct Dialling {
    /// From where: `bind-source-addr`.
    pub(crate) source: Option<IpAddr>,
    /// Over what: with `tls-replication yes`, TLS.
    pub(crate) tls: Option<Rc<Tls>>,
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
    /// Of the link's task, once it is connected.
    waker: RefCell<Option<Waker>>,
}

/// What the bytes of one read said. One for all links, so that a read needs no memory of its own.
#[derive(Debug, Default)]
struct Words {
    answers: Vec<(CallId, Answer)>,
    heard: Vec<Said>,
}

#[derive(Debug)]
enum Protocol {
    Command(CommandLink),
    PubSub(HelloLink),
    Trial(TrialLink),
}

impl Links {
    /// No link yet. What happens on them is told to `world`; handshakes that fail, to `log`.
    pub(crate) fn new(world: mpsc::Sender<Input>, dialling: Dialling, log: Log) -> Self {
        let scratch = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
        Self {
            open: HashMap::new(),
            surroundings: Rc::new(Surroundings {
                world,
                dialling,
                log,
                dials: Semaphore::new(DIALS_AT_ONCE),
                failures: RefCell::default(),
                scratch,
                words: RefCell::default(),
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
        let out = &mut *line.out.borrow_mut();
        if out.capacity() == 0 {
            // Room for a PING and a hello at once, in place of growing to it step by step.
            out.reserve(USUAL_BYTES);
        }
        match &mut *line.protocol.borrow_mut() {
            Protocol::Command(protocol) => protocol.call(id, call, renames, out),
            Protocol::PubSub(protocol) => protocol.call(id, call, renames, out),
            Protocol::Trial(protocol) => protocol.call(id, renames, out),
        }
        line.wake();
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
            Input::LinkUp { link, .. }
            | Input::Subscribed { link, .. }
            | Input::Answer { link, .. }
            | Input::Heard { link, .. } => self.open.contains_key(link),
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
            LinkKind::Trial => {
                let mut link = TrialLink::new();
                link.greet(greeting, &mut out);
                Protocol::Trial(link)
            }
        };
        Self {
            protocol: RefCell::new(protocol),
            out: RefCell::new(out),
            waker: RefCell::new(None),
        }
    }

    /// Has the link's task look at what is to be written.
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The task that [`Line::wake`] wakes.
    fn wake_me(&self, waker: &Waker) {
        let mut present = self.waker.borrow_mut();
        if !present
            .as_ref()
            .is_some_and(|present| present.will_wake(waker))
        {
            *present = Some(waker.clone());
        }
    }

    /// Writes until the socket has got everything.
    fn poll_write(&self, cx: &mut Context<'_>, stream: &Stream) -> Poll<Result<(), LinkError>> {
        let mut out = self.out.borrow_mut();
        loop {
            let written = if out.is_empty() {
                // An idle link holds no memory for what it once sent.
                *out = Vec::new();
                stream.is_flushed().map(|flushed| flushed.then_some(0))
            } else {
                match stream.try_write(&out) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                    written => written.map(Some),
                }
            };
            match written.map_err(|error| broken(&error))? {
                Some(0) => return Poll::Ready(Ok(())),
                Some(written) => drop(out.drain(..written)),
                None if out.len() > WAITING_BYTES => {
                    let why = failed("the other side does not read what it is sent");
                    return Poll::Ready(Err(why));
                }
                None => ready!(stream.poll_writable(cx)).map_err(|error| broken(&error))?,
            }
        }
    }

    /// Takes bytes in; what they say is appended to `said`.
    fn receive(&self, input: &[u8], said: &mut Words) -> Result<(), LinkFault> {
        match &mut *self.protocol.borrow_mut() {
            Protocol::Command(protocol) => protocol.receive(input, &mut said.answers),
            Protocol::PubSub(protocol) => protocol.receive(input, &mut said.heard),
            Protocol::Trial(protocol) => protocol.receive(input, &mut said.heard),
        }
    }
}

impl Words {
    const fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.heard.is_empty()
    }

    /// For the core, in order: a link gives answers or hears, never both.
    fn drain(&mut self, link: LinkId) -> impl Iterator<Item = Input> + '_ {
        let answers = self.answers.drain(..);
        let answers = answers.map(move |(call, answer)| Input::Answer { link, call, answer });
        answers.chain(self.heard.drain(..).map(move |heard| heard_on(link, heard)))
    }
}

impl Surroundings {
    /// The life of a link, until it is down.
    async fn attend(&self, link: LinkId, to: SocketAddr, line: &Line) -> LinkError {
        match Box::pin(self.dial(to)).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => LinkError::Refused,
            Err(error) => failed(&crate::disk::reason(&error)),
            Ok(stream) => {
                let Err(why) = self.converse(link, to, &stream, line).await;
                // With TLS 1.3 the other side may refuse us after our own handshake has ended.
                if let (Stream::Tls(_), LinkError::Failed(why)) = (&stream, &why) {
                    self.complain(to, why);
                }
                why
            }
        }
    }

    /// A connection that is ready for RESP.
    async fn dial(&self, to: SocketAddr) -> io::Result<Stream> {
        let socket = if to.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // What a closed link has not delivered must not arrive when it is not meant any more: an
        // order that waits behind a cut would be carried out when the network is whole again.
        let _ = socket.set_zero_linger();
        if let Some(source) = self.dialling.source
            && source.is_ipv4() == to.is_ipv4()
        {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let tcp = self.connect(socket, to).await?;
        let stream = match &self.dialling.tls {
            Some(tls) => Stream::Tls(tls.connect(tcp, to.ip())?),
            None => Stream::Tcp(tcp),
        };
        stream.prepare(KEEPALIVE_SECS);
        let shaken = tokio::time::timeout(HANDSHAKE_PATIENCE, stream.handshake()).await;
        if let Err(error) = shaken.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            let why = tls::explain(&error);
            self.complain(to, &why);
            // What ended in the handshake is no refused connection, which would say more.
            return Err(io::Error::other(why));
        }
        Ok(stream)
    }

    /// Connects when it is its turn. Who gets no answer at once makes room for the others.
    async fn connect(&self, socket: TcpSocket, to: SocketAddr) -> io::Result<TcpStream> {
        // The semaphore is never closed.
        let turn = self.dials.acquire().await;
        let mut connecting = pin!(socket.connect(to));
        if let Ok(connected) = tokio::time::timeout(DIAL_TURN, &mut connecting).await {
            return connected;
        }
        drop(turn);
        connecting.await
    }

    /// Tells why there is no TLS with an address; the same reason once, until it works.
    fn complain(&self, to: SocketAddr, why: &str) {
        let mut failures = self.failures.borrow_mut();
        if failures.get(&to).is_some_and(|told| told == why) {
            return;
        }
        if failures.len() >= REMEMBERED_FAILURES {
            failures.clear();
        }
        self.log
            .warning(format!("TLS connection to {to} failed: {why}"));
        failures.insert(to, why.to_owned());
    }

    /// Greets, tells that the link is up, then writes and reads until something breaks.
    async fn converse(
        &self,
        link: LinkId,
        to: SocketAddr,
        stream: &Stream,
        line: &Line,
    ) -> Result<Infallible, LinkError> {
        poll_fn(|cx| line.poll_write(cx, stream)).await?;
        let local = stream.local_ip().map_err(|error| broken(&error))?;
        self.tell(Input::LinkUp { link, local }).await;
        loop {
            let (untold, end) =
                poll_fn(|cx| self.poll_exchange(cx, (link, to), stream, line)).await;
            // The answers that came before a fault are good and are told first.
            for input in untold {
                self.tell(input).await;
            }
            end?;
        }
    }

    /// Writes what there is to write, and tells what is said until something breaks, or until the
    /// core has more to hear than it takes: then with what it has not been told. One poll for all,
    /// in place of a future for each thing to wait for: those would be most of an idle link's time
    /// and memory.
    fn poll_exchange(
        &self,
        cx: &mut Context<'_>,
        (link, to): (LinkId, SocketAddr),
        stream: &Stream,
        line: &Line,
    ) -> Poll<(Vec<Input>, Result<(), LinkError>)> {
        line.wake_me(cx.waker());
        if let Poll::Ready(Err(why)) = line.poll_write(cx, stream) {
            return Poll::Ready((Vec::new(), Err(why)));
        }
        loop {
            let ready = ready!(stream.poll_readable(cx));
            let words = &mut *self.words.borrow_mut();
            let read = ready.and_then(|()| {
                let mut scratch = self.scratch.borrow_mut();
                let read = stream.try_read(&mut scratch)?;
                let bytes = scratch.get(..read).unwrap_or_default();
                Ok((read, line.receive(bytes, words)))
            });
            let end = match read {
                Ok((0, _)) => Err(LinkError::Closed),
                Ok((_, received)) => received.map_err(|fault| failed(&fault.to_string())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(broken(&error)),
            };
            if !words.is_empty() && matches!(stream, Stream::Tls(_)) {
                self.failures.borrow_mut().remove(&to);
            }
            let mut untold = Vec::new();
            for input in words.drain(link) {
                let refused = if untold.is_empty() {
                    self.world.try_send(input).err()
                } else {
                    Some(TrySendError::Full(input))
                };
                if let Some(TrySendError::Full(input)) = refused {
                    untold.push(input);
                }
            }
            if end.is_err() || !untold.is_empty() {
                return Poll::Ready((untold, end));
            }
        }
    }

    async fn tell(&self, input: Input) {
        if let Err(TrySendError::Full(input)) = self.world.try_send(input) {
            // Boxed, since every idle link would otherwise keep room for it. The receiver lives
            // as long as the process.
            let _ = Box::pin(self.world.send(input)).await;
        }
    }
}

/// What a subscribed link said, for the core.
fn heard_on(link: LinkId, heard: Said) -> Input {
    match heard {
        Said::Subscribed(talk) => Input::Subscribed { link, talk },
        Said::Heard(hello) => Input::Heard { link, hello },
        Said::Answer(call, answer) => Input::Answer { link, call, answer },
    }
}

/// An established connection that broke.
fn broken(error: &io::Error) -> LinkError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            LinkError::Closed
        }
        _ => failed(&tls::explain(error)),
    }
}

fn failed(why: &str) -> LinkError {
    LinkError::Failed(Arc::from(why))
}
