//! The server: whoever connects to us, client or peer, and what they are told.

pub(crate) mod acl;
mod client;
mod clients;
mod complaints;
pub(crate) mod directory;
mod dispatch;
pub(crate) mod info;
mod lend;
pub(crate) mod listen;
mod pause;
pub(crate) mod pubsub;
mod seat;
mod tracking;
mod wicket;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bartizan_conf::ServerOptions;
use bartizan_core::notify::event::{Event, Level};
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::Mono;
use bartizan_wire::reply;
use bartizan_wire::resp::Protocol;
use tokio::sync::{mpsc, oneshot};

use self::acl::{DEFAULT_USER, Denial, Reason, Refusals, Roster, Users, Wanted};
use self::complaints::Complaints;
use self::directory::Directory;
use self::pause::Pause;
use self::pubsub::{ClientId, PubSub};
use self::seat::Seat;
use self::wicket::Wicket;
use crate::clock::Clock;
use crate::desk::Desk;
use crate::driver::{Errand, Wish};
use crate::log::Log;
use crate::net::stream::Stream;

/// Bytes read from a client at a time.
const SCRATCH_BYTES: usize = 16 << 10;
/// What a client hears that is one too many (spec §1.3).
const FULL: &str = "ERR max number of clients reached";
/// What a stranger hears in protected mode: first what clients know it by, then what to do.
const PROTECTED: &str = "DENIED Redis is running in protected mode because protected mode is \
enabled and no password is set for the default user. Only connections from this host are taken. \
To take others, set a password with requirepass or a user line, or set protected-mode to no where \
nobody but friends can connect.";

/// All clients, and what they share.
#[derive(Debug)]
pub(crate) struct Hall {
    /// The options of the file.
    pub(crate) options: ServerOptions,
    /// Who may do what.
    pub(crate) users: RefCell<Users>,
    /// What was refused to whom.
    refusals: RefCell<Refusals>,
    roster: Roster,
    /// Who listens to what.
    pub(crate) pubsub: RefCell<PubSub>,
    /// What happened so far.
    pub(crate) tally: Arc<Tally>,
    /// What `INFO` says of this process.
    pub(crate) process: info::Process,
    /// The steady clock.
    pub(crate) clock: Clock,
    /// `CLIENT PAUSE`
    pub(crate) pause: Pause,
    log: Log,
    desk: Rc<Desk>,
    driver: mpsc::Sender<Wish>,
    wicket: Wicket,
    seats: RefCell<BTreeMap<ClientId, Rc<Seat>>>,
    next_id: Cell<ClientId>,
    max_clients: usize,
    scratch: RefCell<Box<[u8]>>,
    complaints: Complaints,
}

/// Counters for `INFO`. The thread of the wicket counts too.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Clients that were let in.
    pub(crate) connections: AtomicU64,
    /// Clients that were not.
    pub(crate) rejected: AtomicU64,
    /// Requests.
    pub(crate) commands: AtomicU64,
    /// Error replies.
    pub(crate) errors: AtomicU64,
    /// Bytes read.
    pub(crate) bytes_in: AtomicU64,
    /// Bytes written.
    pub(crate) bytes_out: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Hall {
    /// An empty hall, where the core is asked at the desk and told by way of the driver, and the
    /// wicket has the directory.
    ///
    /// # Errors
    /// When the wicket's thread cannot be started.
    pub(crate) fn new(
        options: ServerOptions,
        (users, roster): (Users, Roster),
        process: info::Process,
        max_clients: u32,
        log: Log,
        (desk, driver, directory): (Rc<Desk>, mpsc::Sender<Wish>, Directory),
    ) -> io::Result<Self> {
        let tally = Arc::<Tally>::default();
        let max_clients = usize::try_from(max_clients).unwrap_or(usize::MAX);
        let hall = Self {
            refusals: RefCell::new(Refusals::new(options.acllog_max_len)),
            options,
            users: RefCell::new(users),
            roster,
            pubsub: RefCell::default(),
            tally: Arc::clone(&tally),
            process,
            clock: Clock,
            pause: Pause::default(),
            log,
            desk,
            driver,
            wicket: Wicket::open(directory, tally)?,
            seats: RefCell::default(),
            next_id: Cell::new(3),
            max_clients,
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            complaints: Complaints::default(),
        };
        hall.users_changed();
        Ok(hall)
    }

    /// Publishes an event to all who listen. Events of level debug are for the log alone.
    pub(crate) fn publish(&self, event: &Event) {
        if event.kind.level() > Level::Debug {
            self.pubsub
                .borrow()
                .publish(event.kind.name(), &event.payload);
        }
    }

    /// Lets a new connection in, or tells it why not.
    pub(crate) fn enter(self: &Rc<Self>, stream: Stream) {
        let refusal = if self.seats.borrow().len() >= self.max_clients {
            Some(FULL)
        } else if self.options.protected_mode
            && self.users.borrow().default_has_no_password()
            && !is_local(&stream)
        {
            Some(PROTECTED)
        } else {
            None
        };
        if let Some(text) = refusal {
            count(&self.tally.rejected, 1);
            let mut line = Vec::new();
            reply::encode(&Reply::error(text), Protocol::Resp2, &mut line);
            // A socket this young takes a line at once; if it does not, it is closed in silence.
            let _ = stream.try_write(&line);
            return;
        }
        count(&self.tally.connections, 1);
        stream.prepare(self.options.tcp_keepalive_secs);
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        let (addr, laddr) = stream.ends();
        let seat = Rc::new(Seat::new(id, addr, laddr, self.clock.now()));
        self.let_in(&seat);
        self.seats.borrow_mut().insert(id, Rc::clone(&seat));
        let hall = Rc::clone(self);
        tokio::task::spawn_local(client::serve(hall, seat, stream));
    }

    /// Makes a client that has not said who it is the default user, where nobody has to say so.
    fn let_in(&self, seat: &Seat) {
        let mut user = seat.user.borrow_mut();
        if user.is_none() && self.users.borrow().is_open() {
            *user = Some(Rc::from(DEFAULT_USER));
        }
    }

    /// Whether a client may make a request, as far as its user is concerned. What is refused is
    /// logged.
    ///
    /// # Errors
    /// What it may not do.
    fn permit(&self, seat: &Seat, wanted: &Wanted<'_>) -> Result<(), Denial> {
        let user = seat.user.borrow();
        let user = user.as_deref().unwrap_or_default();
        let verdict = self.users.borrow().permit(user, wanted);
        match &verdict {
            Ok(()) => {}
            Err(Denial::Command) => {
                let object = wanted.spec.name.as_bytes();
                self.log_refusal(seat, (Reason::Command, object), user.as_bytes());
            }
            Err(Denial::Channel(name)) => {
                self.log_refusal(seat, (Reason::Channel, name), user.as_bytes());
            }
        }
        verdict
    }

    fn log_refusal(&self, seat: &Seat, what: (Reason, &[u8]), user: &[u8]) {
        let now = self.clock.now();
        let mut client = clients::line(seat, now);
        client.truncate(client.trim_ascii_end().len());
        self.refusals.borrow_mut().add(now, what, user, client);
    }

    /// The `aclfile`, if users are kept in one.
    fn acl_file(&self) -> Option<String> {
        let file = self.options.aclfile.as_ref();
        file.filter(|path| !path.is_empty()).cloned()
    }

    /// Has clients at the wicket judged by what the users are from now on, and has the users
    /// written with the next write of the configuration file, unless they are in a file of their
    /// own.
    fn users_changed(&self) {
        self.recall_all();
        if self.acl_file().is_none() {
            self.roster.set(self.users.borrow().lines());
        }
    }

    /// Closes all clients of which something is true, when what they are owed is sent.
    fn close_all(&self, chosen: impl Fn(&Seat) -> bool) {
        for seat in self.seats.borrow().values().filter(|seat| chosen(seat)) {
            seat.kill();
        }
    }

    /// Has all clients come back from the wicket, since something is not as it was.
    fn recall_all(&self) {
        for seat in self.seats.borrow().values() {
            seat.recall();
        }
    }

    /// Forgets a client that is gone.
    fn leave(&self, seat: &Seat) {
        self.pubsub.borrow_mut().forget(seat);
        self.seats.borrow_mut().remove(&seat.id);
    }

    /// Hands an errand to the driver; the reply comes where the receiver is.
    async fn send(&self, errand: Errand) -> oneshot::Receiver<Reply> {
        let (reply, receiver) = oneshot::channel();
        // The driver lives as long as the process.
        let _ = self.driver.send(Wish::Errand { errand, reply }).await;
        receiver
    }

    async fn shut_down(&self) {
        let _ = self.driver.send(Wish::ShutDown).await;
    }
}

/// How long ago, in whole seconds.
fn seconds_since(now: Mono, then: Mono) -> u64 {
    now.since(then).as_ms() / 1000
}

fn is_local(stream: &Stream) -> bool {
    match stream.peer_ip() {
        None => true,
        Some(IpAddr::V4(ip)) => ip.is_loopback(),
        Some(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}
