//! One client: its requests in, its replies out, in the order of the requests.
//!
//! Requests are handed to the core as they come, without waiting for the replies of earlier ones,
//! so that votes which a peer asks for together share one write of the file.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_core::provide::reply::Reply;
use bartizan_wire::resp::{Argv, Limits, ProtocolError, RequestDecoder};
use tokio::sync::oneshot::error::TryRecvError;

use super::acl::Reason;
use super::seat::{Seat, Slot, Waiting};
use super::{Hall, count};
use crate::net::stream::Stream;
use crate::tls;

/// Replies that may wait; while more do, the client is not read.
const WAITING_REPLIES: usize = 1024;
/// Bytes that may wait; while more do, the client is not read.
const WAITING_BYTES: usize = 1 << 20;
/// Bytes gathered for one write.
const WRITE_BYTES: usize = 64 << 10;
/// Bytes of a usual reply, made room for at once in place of growing to it step by step.
const USUAL_BYTES: usize = 128;
/// Requests of one client that are handled before others get their turn.
const TURN: usize = 64;

/// A handshake that takes longer is given up.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How a client begins that wants to speak TLS. No command begins so.
const TLS_HELLO: &[u8] = &[0x16, 0x03];

/// The client is gone or has to go.
pub(super) struct Gone;

/// A client's own state, apart from what others see of it.
pub(super) struct Client {
    pub(super) hall: Rc<Hall>,
    pub(super) seat: Rc<Seat>,
    pub(super) decoder: RequestDecoder,
    pub(super) stream: Stream,
    pub(super) unread: Vec<u8>,
    pub(super) out: Vec<u8>,
    pub(super) waiting: Option<Waiting>,
    /// A request that waits for the end of a pause.
    pub(super) held: Option<Argv>,
    /// How many requests, one after the other and up to now, asked where a master is.
    pub(super) questions: u32,
    /// Nothing more is handled.
    hung_up: bool,
    closing: bool,
}

/// Serves a client until it is gone.
pub(super) async fn serve(hall: Rc<Hall>, seat: Rc<Seat>, stream: Stream) {
    let limits = if seat.user.borrow().is_some() {
        Limits::CLIENT
    } else {
        Limits::UNAUTHENTICATED
    };
    let decoder = RequestDecoder::new(limits);
    let mut client = Client::new((Rc::clone(&hall), Rc::clone(&seat)), stream, decoder);
    if client.shake_hands().await.is_ok() {
        client.recognise();
        while let Ok(()) = client.run().await {
            let Ok(returned) = client.at_the_wicket().await else {
                break;
            };
            client = returned;
        }
    }
    hall.leave(&seat);
}

impl Client {
    /// A client that nothing was read from.
    pub(super) fn new(
        (hall, seat): (Rc<Hall>, Rc<Seat>),
        stream: Stream,
        decoder: RequestDecoder,
    ) -> Self {
        Self {
            hall,
            seat,
            decoder,
            stream,
            unread: Vec::new(),
            out: Vec::new(),
            waiting: None,
            held: None,
            questions: 0,
            hung_up: false,
            closing: false,
        }
    }

    /// The handshake of TLS, within its time. Who is killed meanwhile is gone.
    async fn shake_hands(&mut self) -> Result<(), Gone> {
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE_PATIENCE, self.stream.handshake()) => shaken,
            () = poll_fn(|cx| self.seat.poll_woken(cx)) => return Err(Gone),
        };
        let Err(error) = shaken.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) else {
            return Ok(());
        };
        self.hall.complaints.tell(
            &self.hall,
            &format!(
                "A client cannot be taken in: {} (addr={})",
                tls::explain(&error),
                self.seat.addr
            ),
        );
        Err(Gone)
    }

    /// Who shows the certificate of a user is that user, without a word
    /// (`tls-auth-clients-user`). Who shows one of nobody stays a stranger, and is logged.
    fn recognise(&mut self) {
        let names = self.stream.users(self.hall.options.tls.auth_clients_user);
        let users = self.hall.users.borrow();
        if let Some(user) = names.iter().find_map(|name| users.certified(name)) {
            self.seat.user.replace(Some(user));
            self.decoder.set_limits(Limits::CLIENT);
        } else if let Some(name) = names.first() {
            let what = (Reason::Certificate, &[][..]);
            self.hall.log_refusal(&self.seat, what, name.as_bytes());
        }
    }

    /// Serves it until it is one for the wicket.
    async fn run(&mut self) -> Result<(), Gone> {
        loop {
            self.gather();
            let all_written = self.write()?;
            if self.seat.is_killed() || (self.closing && all_written) {
                return Err(Gone);
            }
            let (replies, bytes) = self.seat.backlog();
            let blocked = replies > WAITING_REPLIES || bytes > WAITING_BYTES || !all_written;
            if let Some(argv) = self.held.take() {
                self.respond(argv).await;
                if self.held.is_none() {
                    // What it said in return is not gathered yet.
                    continue;
                }
            }
            let held = self.held.is_some();
            if !self.unread.is_empty() && !blocked && !self.closing && !held {
                self.handle_unread().await;
                if self.unread.is_empty() {
                    continue;
                }
            } else if replies > 0 && all_written && self.waiting.is_none() {
                // More to write than one turn takes; the others come first.
            } else if all_written && replies == 0 && self.may_be_lent() {
                return Ok(());
            } else {
                self.wait(all_written, !blocked && !self.closing && !held)
                    .await?;
                continue;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for whatever lets it go on.
    async fn wait(&mut self, all_written: bool, may_read: bool) -> Result<(), Gone> {
        let (hall, seat) = (Rc::clone(&self.hall), Rc::clone(&self.seat));
        let held = self.held.is_some();
        // One poll for all that nearly every client waits for, in place of a future for each:
        // those would be most of what a question costs.
        let news = poll_fn(|cx| self.poll_news(cx, all_written, may_read));
        if !held && hall.options.timeout_secs == 0 {
            return news.await;
        }
        // Boxed, since few clients need it and all would keep room for it.
        Box::pin(async {
            tokio::select! {
                news = news => news,
                () = hall.pause.over(hall.clock), if held => Ok(()),
                () = idle_too_long(&hall, &seat) => Err(Gone),
            }
        })
        .await
    }

    /// The reply that is owed, something to read, room to write, or somebody else's doing.
    fn poll_news(
        &mut self,
        cx: &mut Context<'_>,
        all_written: bool,
        may_read: bool,
    ) -> Poll<Result<(), Gone>> {
        if let Some(waiting) = &mut self.waiting
            && let Poll::Ready(reply) = Pin::new(&mut waiting.reply).poll(cx)
        {
            // It fails only when the process ends.
            return Poll::Ready(reply.map(|reply| self.settle(&reply)).map_err(|_| Gone));
        }
        if may_read && let Poll::Ready(readable) = self.stream.poll_readable(cx) {
            return Poll::Ready(readable.map_err(|_| Gone).and_then(|()| self.read()));
        }
        if !all_written && let Poll::Ready(writable) = self.stream.poll_writable(cx) {
            return Poll::Ready(writable.map_err(|_| Gone));
        }
        self.seat.poll_woken(cx).map(Ok)
    }

    /// Puts a reply in its place in the order: behind what waits, else where it is written from.
    pub(super) fn put(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.seat.is_empty() && !self.seat.is_owed() {
            if self.out.capacity() == 0 {
                self.out.reserve(USUAL_BYTES);
            }
            return encode(&mut self.out);
        }
        let mut bytes = Vec::new();
        encode(&mut bytes);
        self.seat.push(Slot::Ready(Rc::from(bytes)));
    }

    /// Moves what is ready to the bytes to be written, up to the first reply still owed.
    fn gather(&mut self) {
        while self.waiting.is_none() && !self.closing && self.out.len() < WRITE_BYTES {
            match self.seat.pop() {
                Some(Slot::Ready(bytes)) => self.out.extend_from_slice(&bytes),
                Some(Slot::Waiting(mut waiting)) => {
                    // Replies that are there already go out together: a peer's hellos about many
                    // masters come in one go, and so should what is said to them.
                    let reply = waiting.reply.try_recv();
                    self.waiting = Some(waiting);
                    match reply {
                        Ok(reply) => self.settle(&reply),
                        Err(TryRecvError::Empty) => {}
                        // Only when the process ends.
                        Err(TryRecvError::Closed) => self.closing = true,
                    }
                }
                Some(Slot::Close) => self.closing = true,
                None => break,
            }
        }
    }

    /// The reply that was waited for is here.
    fn settle(&mut self, core: &Reply) {
        let Some(Waiting {
            shape, protocol, ..
        }) = self.waiting.take()
        else {
            return;
        };
        self.seat.settled();
        if matches!(core, Reply::Error(_)) {
            count(&self.hall.tally.errors, 1);
        }
        shape.encode(core, protocol, &mut self.out);
    }

    /// Writes what the socket takes; whether that was all.
    fn write(&mut self) -> Result<bool, Gone> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(written) => {
                    count(&self.hall.tally.bytes_out, written);
                    drop(self.out.drain(..written));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(Gone),
            }
        }
        // An idle client holds no memory for what it was once sent.
        self.out = Vec::new();
        self.stream.is_flushed().map_err(|_| Gone)
    }

    fn read(&mut self) -> Result<(), Gone> {
        let mut scratch = self.hall.scratch.borrow_mut();
        match self.stream.try_read(&mut scratch) {
            Ok(0) => Err(Gone),
            Ok(n) => {
                count(&self.hall.tally.bytes_in, n);
                self.unread
                    .extend_from_slice(scratch.get(..n).unwrap_or_default());
                self.seat.heard(self.hall.clock.now());
                if self.seat.command.get() == "NULL" && self.unread.starts_with(TLS_HELLO) {
                    self.hall.complaints.tell(
                        &self.hall,
                        &format!(
                            "A client cannot be taken in: it speaks TLS, and this port does \
                         not (addr={}, laddr={})",
                            self.seat.addr, self.seat.laddr
                        ),
                    );
                    return Err(Gone);
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    /// Handles the requests that were read, one turn of them at most.
    async fn handle_unread(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        let mut rest = unread.as_slice();
        for _ in 0..TURN {
            if rest.is_empty() {
                return;
            }
            if self.hung_up {
                return;
            }
            if self.held.is_some() {
                break;
            }
            match self.decoder.decode(rest) {
                Ok((used, request)) => {
                    rest = rest.get(used..).unwrap_or_default();
                    if let Some(argv) = request {
                        self.respond(argv).await;
                    }
                }
                Err(error) => {
                    self.refuse(&error);
                    return;
                }
            }
        }
        self.unread = rest.to_vec();
    }

    /// Closes the connection when all that was said before is sent. What it sent behind this is
    /// not looked at any more.
    pub(super) fn hang_up(&mut self) {
        self.hung_up = true;
        self.seat.push(Slot::Close);
    }

    /// What it sent is no request: the reason is told, then the connection closed.
    fn refuse(&mut self, error: &ProtocolError) {
        if *error == ProtocolError::CrossProtocol {
            self.hall.log.warning(format!(
                "A client has sent a request of HTTP, as a web page can make a browser do: its \
                 connection is closed (addr={})",
                self.seat.addr
            ));
        }
        if let Some(text) = error.reply() {
            count(&self.hall.tally.errors, 1);
            self.seat.push(Slot::Ready(Rc::from(text)));
        }
        self.hang_up();
    }
}

/// `timeout`: comes when the client has been silent that long. Subscribers may be silent.
pub(super) async fn idle_too_long(hall: &Hall, seat: &Seat) {
    let limit = Duration::from_secs(u64::from(hall.options.timeout_secs));
    if limit.is_zero() {
        return std::future::pending().await;
    }
    loop {
        let silent = Duration::from_millis(hall.clock.now().since(seat.active()).as_ms());
        if silent >= limit && seat.subscribed() == 0 {
            return;
        }
        let rest = limit.saturating_sub(silent);
        tokio::time::sleep(if rest.is_zero() { limit } else { rest }).await;
    }
}
