//! Plays the servers of some groups, in a thread or a process of its own, and takes orders over
//! a socket: lines of words, in both directions.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use anyhow::{Context, Result};
use bartizan_wire::resp::Argv;
use mio::{Events, Interest, Poll, Token};

use super::command::{self, Effect, Stand};
use super::scene::Scene;
use super::sockets::{Sockets, until};
use super::world::World;
use crate::moment::Moment;

/// The token of the socket that orders come over.
const ORDERS: Token = Token(usize::MAX - 1);
/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;
/// Bytes read at a time.
const SCRATCH: usize = 64 << 10;

/// What a player tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// All its servers listen.
    Ready,
    /// The masters of the last order are dead, since then.
    Killed(Moment),
    /// A replica of this group became a master.
    Promoted(Promotion),
    /// It cannot go on.
    Failed(String),
}

/// A replica that became a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Of this group.
    pub group: usize,
    /// The address, as a socket.
    pub addr: SocketAddr,
    /// Then.
    pub at: Moment,
}

/// Plays until the other end of `orders` is closed.
///
/// # Errors
/// When a socket is refused; that is reported over `orders` as well.
pub fn play(scene: &Scene, groups: Range<usize>, orders: UnixStream) -> Result<()> {
    let mut telling = orders.try_clone()?;
    let played = Player::new(scene, groups, orders).and_then(Player::run);
    if let Err(error) = &played {
        let text = format!("{error:#}").replace('\n', " ");
        // Who gave the orders may be gone.
        let _ = writeln!(telling, "failed {text}");
    }
    played
}

/// The reports of a player, for whoever gives it orders.
///
/// # Errors
/// When the player is gone or speaks gibberish.
pub fn read_reports(from: UnixStream, mut take: impl FnMut(Report)) -> Result<()> {
    for line in BufReader::new(from).lines() {
        let line = line?;
        take(parse(&line).with_context(|| format!("a player said {line:?}"))?);
    }
    Ok(())
}

fn parse(line: &str) -> Option<Report> {
    let moment = |text: &str| text.parse().ok().map(Moment::from_nanos);
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "ready" => Some(Report::Ready),
        "killed" => moment(rest).map(Report::Killed),
        "failed" => Some(Report::Failed(rest.to_owned())),
        "promoted" => {
            let mut words = rest.split(' ');
            Some(Report::Promoted(Promotion {
                group: words.next()?.parse().ok()?,
                addr: words.next()?.parse().ok()?,
                at: moment(words.next()?)?,
            }))
        }
        _ => None,
    }
}

struct Player {
    world: World,
    sockets: Sockets,
    poll: Poll,
    orders: mio::net::UnixStream,
    /// The unfinished order.
    order: Vec<u8>,
    /// Reports on their way.
    reports: Vec<u8>,
    scratch: Vec<u8>,
    requests: Vec<Argv>,
    effects: Vec<Effect>,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

impl Player {
    fn new(scene: &Scene, groups: Range<usize>, orders: UnixStream) -> Result<Self> {
        let poll = Poll::new()?;
        let world = World::new(scene, groups);
        let addrs: Vec<SocketAddr> = world.servers.iter().map(|s| s.addr.into()).collect();
        let sockets = Sockets::new(poll.registry().try_clone()?, &addrs)?;
        orders.set_nonblocking(true)?;
        let mut orders = mio::net::UnixStream::from_std(orders);
        poll.registry()
            .register(&mut orders, ORDERS, Interest::READABLE)?;
        Ok(Self {
            world,
            sockets,
            poll,
            orders,
            order: Vec::new(),
            reports: b"ready\n".to_vec(),
            scratch: vec![0; SCRATCH],
            requests: Vec::new(),
            effects: Vec::new(),
        })
    }

    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.tell()?;
            let now = Instant::now();
            match self
                .poll
                .poll(&mut events, until(self.world.next_wish(), now))
            {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            self.world.connect_due(Instant::now());
            for event in &events {
                let token = event.token();
                if token == ORDERS {
                    if self.take_orders()? == Next::End {
                        return Ok(());
                    }
                } else if let Some(server) = self.sockets.listener(token) {
                    self.sockets.accept(server)?;
                } else {
                    let slot = self.sockets.connection(token);
                    if event.is_writable() {
                        self.sockets.write(slot);
                    }
                    self.serve(slot);
                }
            }
            self.sockets.flush();
        }
    }

    /// Reads and answers what came on a connection.
    fn serve(&mut self, slot: usize) {
        let mut requests = std::mem::take(&mut self.requests);
        if self
            .sockets
            .read(slot, &mut self.scratch, &mut requests)
            .is_some()
        {
            for argv in requests.drain(..) {
                self.answer(slot, argv);
            }
        }
        requests.clear();
        self.requests = requests;
    }

    fn answer(&mut self, slot: usize, argv: Argv) {
        let Some(connection) = self.sockets.get_mut(slot) else {
            return;
        };
        let server = connection.server;
        let mut session = std::mem::take(&mut connection.session);
        let mut out = std::mem::take(&mut connection.out);
        let mut effects = std::mem::take(&mut self.effects);
        let sockets = &self.sockets;
        let mut stand = Stand {
            world: &mut self.world,
            server,
            now: Instant::now(),
            listeners: &|channel| sockets.listening(server, channel),
        };
        command::answer(&mut stand, &mut session, argv, &mut out, &mut effects);
        if let Some(connection) = self.sockets.get_mut(slot) {
            connection.session = session;
            connection.out = out;
            self.sockets.touch(slot);
        }
        for effect in effects.drain(..) {
            self.carry_out(server, slot, effect);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, server: usize, asker: usize, effect: Effect) {
        match effect {
            Effect::Publish { channel, message } => {
                self.sockets.deliver(server, &channel, &message);
                for follower in self.world.followers(server) {
                    self.sockets.deliver(follower, &channel, &message);
                }
            }
            Effect::Kill(kind) => self.sockets.kill_clients(server, kind, asker),
            Effect::Promoted => {
                if let Some(server) = self.world.servers.get(server) {
                    let now = Moment::now().as_nanos();
                    let line = format!("promoted {} {} {now}\n", server.group, server.addr);
                    self.reports.extend_from_slice(line.as_bytes());
                }
            }
        }
    }

    fn take_orders(&mut self) -> Result<Next> {
        loop {
            match self.orders.read(&mut self.scratch) {
                Ok(0) => return Ok(Next::End),
                Ok(read) => {
                    self.order
                        .extend_from_slice(self.scratch.get(..read).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("reading orders"),
            }
        }
        while let Some(end) = self.order.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.order.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split_whitespace();
            if words.next() == Some("kill") {
                self.kill(words.filter_map(|word| word.parse().ok()).collect());
            }
        }
        Ok(Next::GoOn)
    }

    /// Kills the present masters of some groups.
    fn kill(&mut self, groups: Vec<usize>) {
        let since = Moment::now().as_nanos();
        for group in groups {
            if let Some(master) = self.world.master_of(group) {
                self.sockets.kill_server(master);
                self.world.kill(master, Instant::now());
            }
        }
        self.reports
            .extend_from_slice(format!("killed {since}\n").as_bytes());
    }

    /// Sends reports. They are few and small: what does not fit now fits a moment later.
    fn tell(&mut self) -> io::Result<()> {
        while !self.reports.is_empty() {
            match self.orders.write(&self.reports) {
                Ok(written) => drop(self.reports.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
