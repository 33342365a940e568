//! A Sentinel process: a core, its links, its disk, its clock.

mod acts;
mod door;
mod hears;
mod rescue;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use bartizan_core::addr::{Addr, Host as HostName};
use bartizan_core::ids::{CallId, LinkId, RequestId, RescueId, RunId};
use bartizan_core::input::Input;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::rescue::Rescue;
use bartizan_core::sentinel::{Boot, Sentinel};
use bartizan_core::time::Mono;

use crate::checks::{Scene, Seen};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::fault::Kind as FaultKind;
use crate::msg::Msg;
use crate::net::{ConnId, Node};
use crate::rand::{Purpose, Stream};
use crate::sched::{At, Ev};
use crate::upstream::Upstream;
use crate::world::World;

/// Outputs one input may cause before the world calls it a runaway (S13).
const MOST_OUTPUTS: u64 = 200_000;

/// What decides in a Sentinel process.
#[derive(Debug)]
pub enum Brain {
    /// The real core.
    Ours(Box<Sentinel>),
    /// The model of a redis-sentinel.
    Theirs(Box<Upstream>),
}

macro_rules! either {
    ($brain:expr, $it:ident => $do:expr) => {
        match $brain {
            Brain::Ours($it) => $do,
            Brain::Theirs($it) => $do,
        }
    };
}

impl Brain {
    /// Answers a question.
    pub fn query(&self, now: Mono, query: &Query) -> Reply {
        either!(self, it => it.query(now, query))
    }

    /// When to come back at the latest.
    pub fn next_deadline(&self) -> Option<Mono> {
        either!(self, it => it.next_deadline())
    }
}

/// A connection that a Sentinel has opened.
#[derive(Clone, Debug)]
struct Dialled {
    conn: ConnId,
    /// Where it called, wherever who was there has moved since.
    addr: Addr,
}

/// Who waits for the reply to a command.
#[derive(Clone, Copy, Debug)]
pub enum Waiting {
    /// A peer, over this connection.
    Peer(ConnId, CallId),
    /// An operator of the nemesis.
    Operator,
    /// An operator who asked for a switchover without loss.
    Orderer(crate::switchover::OrderId),
}

/// A crash that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// Which moment.
    pub kind: FaultKind,
    /// How long the process is down then.
    pub ms: u64,
}

/// A Sentinel process.
#[derive(Debug)]
pub struct Host {
    /// Its place among all processes.
    pub node: Node,
    /// Its id, for ever, unless somebody gives it another's file.
    pub id: RunId,
    /// Where it listens.
    pub addr: Addr,
    /// Its machine's address.
    pub ip: IpAddr,
    /// Whether it is one of ours.
    pub ours: bool,
    /// The process, unless it is dead.
    pub brain: Option<Brain>,
    /// Counts the starts.
    pub life: u32,
    /// Its steady clock.
    pub clock: Clock,
    /// Its disk.
    pub disk: Disk,
    /// It does not run until then.
    pub hung_until: At,
    /// Its clock stands still since then, with its machine.
    still_since: Option<At>,
    /// A crash that waits for its moment.
    pub armed: Option<Armed>,
    links: BTreeMap<LinkId, Dialled>,
    requests: BTreeMap<RequestId, Waiting>,
    replies: BTreeMap<ConnId, VecDeque<(CallId, Option<Msg>)>>,
    lookups: VecDeque<HostName>,
    rescues: BTreeMap<RescueId, Box<Rescue>>,
    next_request: u64,
    wake_at: Option<At>,
}

impl Host {
    /// A process that is about to start from what is on its disk.
    pub const fn new(
        node: Node,
        id: RunId,
        addr: Addr,
        ip: IpAddr,
        clock: Clock,
        disk: Disk,
    ) -> Self {
        Self {
            node,
            id,
            addr,
            ip,
            ours: true,
            brain: None,
            life: 0,
            clock,
            disk,
            hung_until: At(0),
            still_since: None,
            armed: None,
            links: BTreeMap::new(),
            requests: BTreeMap::new(),
            replies: BTreeMap::new(),
            lookups: VecDeque::new(),
            rescues: BTreeMap::new(),
            next_request: 0,
            wake_at: None,
        }
    }

    /// Its clock stands still from now on.
    pub fn stand_still(&mut self, now: At) {
        self.still_since.get_or_insert(now);
    }

    /// Its clock goes on from where it stood, if it did: what it has not counted it never will, so
    /// that it goes back for nobody who has looked at it meanwhile.
    pub fn go_on(&mut self, now: At) {
        if let Some(since) = self.still_since.take() {
            self.clock.stood_still(now.0.saturating_sub(since.0));
        }
    }

    /// The process is gone, and with it all that was only in memory.
    /// Of a write under way, all may have reached the disk, or a part (in 256).
    pub fn die(&mut self, rename_was_done: bool, reached: u8) {
        self.brain = None;
        self.life += 1;
        self.links.clear();
        self.requests.clear();
        self.replies.clear();
        self.lookups.clear();
        self.rescues.clear();
        self.armed = None;
        self.wake_at = None;
        self.disk.crash(rename_was_done, reached);
    }
}

impl World {
    /// Starts a Sentinel from its disk.
    pub(crate) fn boot_host(&mut self, h: usize, fresh: bool) {
        let seed = self.plan.seed;
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        host.disk.clear();
        let file = match host.disk.read() {
            Ok(file) => file,
            Err(why) => return self.checks.fail("X2", format!("s{h}: {why}")),
        };
        let now = host.clock.mono(self.sched.now());
        let draw = Stream::new(seed, Purpose::CoreSeed)
            .of(h as u64)
            .draw(u64::from(host.life));
        let boot = Boot {
            durable: file,
            fresh,
            seed: draw,
            port: host.addr.port,
            own_password: None,
        };
        let scene = Scene {
            at: self.sched.now(),
            host: h,
            id: host.id,
            mono: now,
            disk: &host.disk,
        };
        if host.ours {
            self.checks.see(&scene, &Seen::Boot(&boot.durable));
        }
        let brain = if host.ours {
            #[cfg_attr(
                not(feature = "mutants"),
                allow(unused_mut, reason = "only a mutant changes it")
            )]
            let mut core = Sentinel::new(boot, now);
            #[cfg(feature = "mutants")]
            if let Some(mutant) = self.mutant {
                core.infect(mutant);
            }
            Brain::Ours(Box::new(core))
        } else {
            Brain::Theirs(Box::new(Upstream::new(boot, now)))
        };
        host.brain = Some(brain);
        self.drain(h, false);
    }

    /// One thing happened to a Sentinel.
    pub(crate) fn host_input(&mut self, h: usize, input: Input) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let now = host.clock.mono(self.sched.now());
        let Some(brain) = &mut host.brain else { return };
        if host.ours {
            let scene = Scene {
                at: self.sched.now(),
                host: h,
                id: host.id,
                mono: now,
                disk: &host.disk,
            };
            self.checks.see(&scene, &Seen::Input(&input));
        }
        either!(brain, it => it.handle(now, input));
        self.drain(h, false);
    }

    /// A Sentinel's deadline.
    pub(crate) fn host_wake(&mut self, h: usize) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let at = self.sched.now();
        if host.wake_at != Some(at) {
            return;
        }
        if at < host.hung_until {
            host.wake_at = Some(host.hung_until);
            self.sched.at(host.hung_until, Ev::Wake(h));
            return;
        }
        host.wake_at = None;
        let now = host.clock.mono(at);
        let Some(brain) = &mut host.brain else { return };
        let next = brain.next_deadline();
        if next.is_some_and(|deadline| deadline <= now) {
            either!(brain, it => it.handle_timeout(now));
            self.drain(h, true);
        } else {
            self.set_alarm(h, next);
        }
    }

    /// Carries out what a Sentinel wants done, then sets its alarm.
    fn drain(&mut self, h: usize, timed: bool) {
        let mut outputs = 0;
        let Some(mut brain) = self.hosts.get_mut(h).and_then(|host| host.brain.take()) else {
            return;
        };
        let mut dies = None;
        while let Some(output) = either!(&mut brain, it => it.poll_output()) {
            outputs += 1;
            self.look_at(h, &output);
            dies = dies.or_else(|| self.is_aimed(h, &output));
            self.carry_out(h, output);
            if outputs > MOST_OUTPUTS {
                self.checks
                    .fail("S13", format!("s{h} does not stop talking after one input"));
                break;
            }
        }
        self.stats.outputs += outputs;
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let now = host.clock.mono(self.sched.now());
        let next = brain.next_deadline();
        if host.ours {
            let scene = Scene {
                at: self.sched.now(),
                host: h,
                id: host.id,
                mono: now,
                disk: &host.disk,
            };
            self.checks.see(
                &scene,
                &Seen::Drained {
                    outputs,
                    next,
                    timed,
                    brain: &brain,
                },
            );
        }
        host.brain = Some(brain);
        match dies {
            Some(ms) => self.crash_for(self.host_node(h), ms, 1),
            None => self.set_alarm(h, next),
        }
    }

    fn set_alarm(&mut self, h: usize, next: Option<Mono>) {
        let Some((host, deadline)) = self.hosts.get_mut(h).zip(next) else {
            return;
        };
        let at = host.clock.when(deadline).max(self.sched.now());
        if host.wake_at.is_none_or(|set| at < set) {
            host.wake_at = Some(at);
            self.sched.at(at, Ev::Wake(h));
        }
    }
}
