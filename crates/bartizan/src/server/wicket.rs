//! The wicket: a thread of its own for the one question that clients ask all day, where a master
//! is.
//!
//! While many masters fail at once, the loop is busy with them for milliseconds at a time, and on
//! a busy machine it waits for a core like everybody who has much to do. A client that does
//! nothing but ask is lent to a thread that does nothing but answer, from the [`Directory`]. With
//! the first other request, or when somebody else's doing concerns it, it goes back to the hall:
//! only there is it known what a client is and may do.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use bartizan_core::time::Mono;
use bartizan_wire::resp::{Argv, RequestDecoder};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;

use super::directory::Directory;
use super::{SCRATCH_BYTES, Tally, count};
use crate::clock::Clock;
use crate::crew;
use crate::net::stream::{Detached, Stream};

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Wicket {
    /// Bounded by the number of clients.
    visits: mpsc::UnboundedSender<Visit>,
}

/// What a client takes along from one thread to the other, besides its connection.
pub(crate) struct Guest {
    /// What it sends.
    pub(crate) decoder: RequestDecoder,
    /// A request that is not answered at the wicket.
    pub(crate) request: Option<Argv>,
    /// Bytes that it sent behind that.
    pub(crate) unread: Vec<u8>,
    /// Bytes that it is to be sent before anything else.
    pub(crate) unsent: Vec<u8>,
}

/// A client that comes.
struct Visit {
    stream: Detached,
    guest: Guest,
    loan: Arc<Loan>,
    /// Its way back. Closed when it has left.
    back: oneshot::Sender<(Detached, Guest)>,
}

/// What both threads know of a client that is lent.
#[derive(Debug)]
pub(crate) struct Loan {
    is_recalled: AtomicBool,
    bell: Notify,
    /// When the client last sent something, in ms.
    active: AtomicU64,
}

impl Loan {
    /// Of a client that last sent something just now.
    pub(crate) fn new(now: Mono) -> Self {
        Self {
            is_recalled: false.into(),
            bell: Notify::new(),
            active: now.as_ms().into(),
        }
    }

    /// From now on the client is answered nothing at the wicket, and comes back.
    pub(crate) fn recall(&self) {
        self.is_recalled.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    fn is_recalled(&self) -> bool {
        self.is_recalled.load(Ordering::SeqCst)
    }

    /// When the client last sent something.
    pub(crate) fn active(&self) -> Mono {
        Mono::from_ms(self.active.load(Ordering::Relaxed))
    }
}

impl Wicket {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has none to give.
    pub(crate) fn open(directory: Directory, tally: Arc<Tally>) -> io::Result<Self> {
        let (visits, visitors) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        crew::start("wicket", move || {
            let clerk = Clerk {
                directory,
                tally,
                scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            };
            LocalSet::new().block_on(&runtime, serve(Rc::new(clerk), visitors));
        })?;
        Ok(Self { visits })
    }

    /// Takes a client in. It comes back by way of the receiver, which is closed when it has left.
    pub(crate) fn take(
        &self,
        (stream, guest): (Detached, Guest),
        loan: Arc<Loan>,
    ) -> oneshot::Receiver<(Detached, Guest)> {
        let (back, returned) = oneshot::channel();
        let visit = Visit {
            stream,
            guest,
            loan,
            back,
        };
        // The thread lives as long as the process.
        let _ = self.visits.send(visit);
        returned
    }
}

async fn serve(clerk: Rc<Clerk>, mut visitors: mpsc::UnboundedReceiver<Visit>) {
    while let Some(visit) = visitors.recv().await {
        let clerk = Rc::clone(&clerk);
        tokio::task::spawn_local(async move {
            let (mut guest, loan) = (visit.guest, visit.loan);
            let Ok(stream) = visit.stream.attach() else {
                return;
            };
            if clerk.attend(&stream, &mut guest, &loan).await.is_ok()
                && let Ok(stream) = stream.detach()
            {
                // It is waited for, unless the process ends.
                let _ = visit.back.send((stream, guest));
            }
        });
    }
}

/// Who answers.
struct Clerk {
    directory: Directory,
    tally: Arc<Tally>,
    scratch: RefCell<Box<[u8]>>,
}

impl Clerk {
    /// Serves a client until it has to go back.
    ///
    /// # Errors
    /// When it has left.
    async fn attend(&self, stream: &Stream, guest: &mut Guest, loan: &Loan) -> io::Result<()> {
        let mut recalled = pin!(loan.bell.notified());
        loop {
            let owes = !guest.unsent.is_empty();
            // One poll for all it waits for: a future for each would be most of what our side of
            // an answer costs.
            let ready = poll_fn(|cx| {
                let ready = if owes {
                    stream.poll_writable(cx)
                } else {
                    stream.poll_readable(cx)
                };
                match ready {
                    Poll::Ready(ready) => Poll::Ready(Some(ready)),
                    Poll::Pending => recalled.as_mut().poll(cx).map(|()| None),
                }
            });
            let Some(ready) = ready.await else {
                return Ok(());
            };
            ready?;
            let stays = owes || self.hear(stream, guest, loan)?;
            self.say(stream, guest)?;
            if !stays {
                return Ok(());
            }
        }
    }

    /// Reads and answers what there is; whether the client may stay.
    fn hear(&self, stream: &Stream, guest: &mut Guest, loan: &Loan) -> io::Result<bool> {
        let mut scratch = self.scratch.borrow_mut();
        let read = match stream.try_read(&mut scratch) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            read => read?,
        };
        let now = Clock.now();
        loan.active.store(now.as_ms(), Ordering::Relaxed);
        count(&self.tally.bytes_in, read);
        let mut rest = scratch.get(..read).unwrap_or_default();
        while !rest.is_empty() && guest.request.is_none() {
            // What is no request is read once more where it is refused.
            let Ok((used, request)) = guest.decoder.decode(rest) else {
                break;
            };
            rest = rest.get(used..).unwrap_or_default();
            guest.request = request
                .filter(|argv| loan.is_recalled() || !self.answer(argv, now, &mut guest.unsent));
        }
        guest.unread = rest.to_vec();
        Ok(guest.request.is_none() && rest.is_empty())
    }

    /// Answers a request, if it is one that is answered here and now.
    fn answer(&self, argv: &Argv, now: Mono, out: &mut Vec<u8>) -> bool {
        let [command, sub, name] = argv.as_slice() else {
            return false;
        };
        let answered = command.eq_ignore_ascii_case(b"sentinel")
            && sub.eq_ignore_ascii_case(b"get-master-addr-by-name")
            && self.directory.tell(name, now, out);
        count(&self.tally.commands, usize::from(answered));
        answered
    }

    /// Writes what the socket takes.
    fn say(&self, stream: &Stream, guest: &mut Guest) -> io::Result<()> {
        while !guest.unsent.is_empty() {
            match stream.try_write(&guest.unsent) {
                Ok(written) => {
                    count(&self.tally.bytes_out, written);
                    guest.unsent.drain(..written);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
