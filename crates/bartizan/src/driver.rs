//! The one loop: wait for something to happen or for the core's deadline, tell the core, do what
//! it asks. It never decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bartizan_core::ids::RequestId;
use bartizan_core::input::Input;
use bartizan_core::notify::event::Event;
use bartizan_core::output::Output;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::Mono;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::desk::Desk;
use crate::disk::Disk;
use crate::exit::Exit;
use crate::log::Log;
use crate::net::link::Links;
use crate::net::resolve::Resolver;
use crate::rescue::Rescues;
use crate::scripts::Scripts;
use crate::server::Hall;
use crate::server::directory::Directory;
use crate::signals::Stop;

/// What may wait for the core from links, disk, scripts and the resolver; beyond it they wait.
pub(crate) const WAITING_INPUTS: usize = 4096;
/// What may wait for the core from clients; beyond it they wait.
pub(crate) const WAITING_WISHES: usize = 1024;
/// As many as a few dozen links may have found to say.
const MUCH: usize = 32;
/// Inputs taken at a time: all, since nobody is judged before everything that was said is heard.
const INPUTS_AT_ONCE: usize = WAITING_INPUTS;
/// Wishes taken at a time: fewer, since what the world says goes before what clients ask.
const WISHES_AT_ONCE: usize = 32;

/// What a client wants.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Something for the core, and where the reply goes.
    Errand {
        /// What.
        errand: Errand,
        /// Where the reply goes. A client that has left meanwhile does not hear it.
        reply: oneshot::Sender<Reply>,
    },
    /// `SHUTDOWN`
    ShutDown,
}

/// Something for the core.
#[derive(Debug)]
pub(crate) enum Errand {
    /// To change something.
    Command(Command),
    /// To read something.
    Query(Query),
}

/// The core and everything that it can reach.
pub(crate) struct Driver {
    /// The core, and its time.
    pub(crate) desk: Rc<Desk>,
    /// Its log.
    pub(crate) log: Log,
    /// Its links.
    pub(crate) links: Links,
    /// Its file.
    pub(crate) disk: Disk,
    /// Its name look-ups.
    pub(crate) resolver: Resolver,
    /// Its scripts.
    pub(crate) scripts: Scripts,
    /// Its rescues of writes.
    pub(crate) rescues: Rescues,
    /// Where masters are, for clients at the wicket.
    pub(crate) directory: Directory,
    /// Its clients.
    pub(crate) hall: Rc<Hall>,
    /// What the log says when the first write has ended: the id, when it is new and must be on
    /// disk before anybody hears of it.
    pub(crate) after_first_write: Option<String>,
    /// Commands whose reply is still owed.
    pub(crate) owed: Owed,
}

/// Where the loop's events come from.
pub(crate) struct Sources {
    /// Links, disk, scripts, resolver.
    pub(crate) inputs: mpsc::Receiver<Input>,
    /// A way in, to look how many wait.
    pub(crate) entry: mpsc::Sender<Input>,
    /// Clients.
    pub(crate) wishes: mpsc::Receiver<Wish>,
    /// The operating system, by way of a task of its own: to look for signals costs too much for
    /// each turn of the loop. Who sends this lives as long as the loop.
    pub(crate) stop: oneshot::Receiver<Stop>,
}

impl Sources {
    /// Whether so many inputs wait that the loop should come before its turn.
    pub(crate) fn much_waits(&self) -> impl Fn() -> bool + use<> {
        let entry = self.entry.clone();
        move || entry.max_capacity() - entry.capacity() >= MUCH
    }
}

/// Commands whose reply is still owed, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    last: u64,
    to: BTreeMap<RequestId, oneshot::Sender<Reply>>,
}

impl Owed {
    fn add(&mut self, reply: oneshot::Sender<Reply>) -> RequestId {
        self.last = self.last.wrapping_add(1);
        let request = RequestId::new(self.last);
        self.to.insert(request, reply);
        request
    }

    fn settle(&mut self, request: RequestId, reply: Reply) {
        if let Some(to) = self.to.remove(&request) {
            // Who asked may have left.
            let _ = to.send(reply);
        }
    }
}

impl Driver {
    /// Runs until the process has to end.
    pub(crate) async fn run(mut self, mut sources: Sources) -> Exit {
        let mut inputs = Vec::new();
        let mut wishes = Vec::new();
        if let Some(exit) = self.carry_out() {
            return exit;
        }
        loop {
            let deadline = self.desk.core().next_deadline();
            let wait = self.desk.pace().until(deadline);
            tokio::select! {
                biased;
                Ok(stop) = &mut sources.stop => {
                    self.log.signal(stop.log_line());
                    return self.say_goodbye();
                }
                _ = sources.inputs.recv_many(&mut inputs, INPUTS_AT_ONCE) => {}
                () = wait => {}
                _ = sources.wishes.recv_many(&mut wishes, WISHES_AT_ONCE), if self.desk.is_open() => {}
            }
            self.directory.confirm(Clock.now());
            // A flood of inputs must not keep clients waiting for ever.
            while self.desk.is_open()
                && wishes.len() < WISHES_AT_ONCE
                && let Ok(wish) = sources.wishes.try_recv()
            {
                wishes.push(wish);
            }
            let ended = self.take_in(&mut inputs, &mut wishes);
            if let Some(exit) = ended {
                return exit;
            }
        }
    }

    /// Tells the core everything that happened, then that time has passed, and does what it asks.
    fn take_in(&mut self, inputs: &mut Vec<Input>, wishes: &mut Vec<Wish>) -> Option<Exit> {
        for input in inputs.drain(..) {
            if let Some(exit) = self.tell(input) {
                return Some(exit);
            }
        }
        for wish in wishes.drain(..) {
            let ended = match wish {
                Wish::Errand {
                    errand: Errand::Query(query),
                    reply,
                } => {
                    // Who asked may have left.
                    let _ = reply.send(self.desk.core().query(self.now(), &query));
                    None
                }
                Wish::Errand {
                    errand: Errand::Command(command),
                    reply,
                } => {
                    let request = self.owed.add(reply);
                    self.tell(Input::Asked { request, command })
                }
                Wish::ShutDown => Some(self.say_goodbye()),
            };
            if ended.is_some() {
                return ended;
            }
        }
        // The clock is asked, not the sleep: a timer may fire early, and inputs may have kept us.
        let now = self.now();
        let deadline = self.desk.core().next_deadline();
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.desk.core().handle_timeout(now);
            return self.carry_out();
        }
        None
    }

    fn now(&self) -> Mono {
        self.desk.pace().now()
    }

    fn tell(&mut self, input: Input) -> Option<Exit> {
        if !self.links.admit(&input) {
            return None;
        }
        let first_write = matches!(input, Input::Persisted { .. } | Input::PersistFailed { .. });
        if first_write && let Some(line) = self.after_first_write.take() {
            self.log.notice(line);
            self.desk.open();
        }
        self.desk.core().handle(self.now(), input);
        self.carry_out()
    }

    /// Does what the core asks, in order, until it asks no more.
    fn carry_out(&mut self) -> Option<Exit> {
        loop {
            let output = self.desk.core().poll_output()?;
            match output {
                Output::Connect {
                    link,
                    kind,
                    ip,
                    port,
                    greeting,
                } => {
                    self.links
                        .connect(link, kind, SocketAddr::new(ip, port), &greeting);
                }
                Output::Close { link } => self.links.close(link),
                Output::Call {
                    link,
                    call,
                    what,
                    renames,
                } => {
                    self.links.call(link, call, &what, &renames);
                }
                Output::Event(event) => self.announce(&event),
                Output::Log { level, text } => self.log.write(level, text),
                Output::SetLogThreshold(threshold) => self.log.set_threshold(threshold),
                Output::Whereabouts { name, addr } => self.directory.note(&name, addr.as_ref()),
                Output::Answer { request, reply } => self.owed.settle(request, reply),
                Output::Persist { seq, durable } => self.disk.save(seq, durable),
                Output::Resolve { host } => self.resolver.resolve(host),
                Output::RunScript { job, argv } => self.scripts.run(job, argv),
                Output::KillScript { job } => self.scripts.kill(job),
                Output::Rescue { id, rescue } => self.rescues.start(id, *rescue),
                Output::Crash { code } => {
                    return Some(Exit::Crash(u8::try_from(code).unwrap_or(99)));
                }
            }
        }
    }

    /// An event is a line in the log and a message on the channel of its name (spec §4).
    fn announce(&self, event: &Event) {
        self.log.write(
            event.kind.level(),
            format!("{} {}", event.kind.name(), event.payload),
        );
        self.hall.publish(event);
    }

    fn say_goodbye(&self) -> Exit {
        self.log.warning("User requested shutdown...");
        self.log
            .warning("Sentinel is now ready to exit, bye bye...");
        Exit::Success
    }
}

/// A way for threads to hand inputs to the loop; they wait while it is busy.
pub(crate) fn reporter(inputs: mpsc::Sender<Input>) -> impl Fn(Input) + Send + 'static {
    move |input| {
        // The loop ends only with the process.
        let _ = inputs.blocking_send(input);
    }
}
