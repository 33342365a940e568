//! A Sentinel process: a core, its links, its disk, its clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host as HostName};
use bartizan_core::ids::{CallId, Epoch, JobId, LinkId, PersistSeq, RequestId, RunId};
use bartizan_core::input::{Answer, Input, LinkError, ScriptEnd};
use bartizan_core::model::durable::Durable;
use bartizan_core::notify::event::{Event, EventKind};
use bartizan_core::output::{Call, LinkKind, Output, ReplicaOf};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::{Ballot, Opinion};
use bartizan_core::sentinel::{Boot, Sentinel};
use bartizan_core::time::Mono;

use crate::checks::{Scene, Seen, Target};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::fault::Kind as FaultKind;
use crate::msg::Msg;
use crate::net::{ConnId, Kind, Node, Side};
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

/// Who waits for the reply to a command.
#[derive(Clone, Copy, Debug)]
pub enum Waiting {
    /// A peer, over this connection.
    Peer(ConnId, CallId),
    /// An operator of the nemesis.
    Operator,
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
    /// Its id, for ever.
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
    /// A crash that waits for its moment.
    pub armed: Option<Armed>,
    links: BTreeMap<LinkId, ConnId>,
    requests: BTreeMap<RequestId, Waiting>,
    replies: BTreeMap<ConnId, VecDeque<(CallId, Option<Answer>)>>,
    lookups: VecDeque<HostName>,
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
            armed: None,
            links: BTreeMap::new(),
            requests: BTreeMap::new(),
            replies: BTreeMap::new(),
            lookups: VecDeque::new(),
            next_request: 0,
            wake_at: None,
        }
    }

    /// The process is gone, and with it all that was only in memory.
    pub fn die(&mut self, rename_was_done: bool) {
        self.brain = None;
        self.life += 1;
        self.links.clear();
        self.requests.clear();
        self.replies.clear();
        self.lookups.clear();
        self.armed = None;
        self.wake_at = None;
        self.disk.crash(rename_was_done);
    }
}

impl World {
    /// Starts a Sentinel from its disk.
    pub(crate) fn boot_host(&mut self, h: usize, fresh: bool) {
        let seed = self.plan.seed;
        let file = match self.reread(h) {
            Ok(file) => file,
            Err(why) => return self.checks.fail("X2", why),
        };
        let Some(host) = self.hosts.get_mut(h) else {
            return;
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
        if brain
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            either!(brain, it => it.handle_timeout(now));
            self.drain(h, true);
        } else {
            self.set_alarm(h);
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
            None => self.set_alarm(h),
        }
    }

    fn set_alarm(&mut self, h: usize) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let Some(deadline) = host.brain.as_ref().and_then(Brain::next_deadline) else {
            return;
        };
        let at = host.clock.when(deadline).max(self.sched.now());
        if host.wake_at.is_none_or(|set| at < set) {
            host.wake_at = Some(at);
            self.sched.at(at, Ev::Wake(h));
        }
    }

    /// Shows an output to the checks, and notes what the trace and the figures want.
    fn look_at(&mut self, h: usize, output: &Output) {
        let target = match output {
            Output::Call { link, what, .. } if !matches!(what, Call::Ping) => {
                self.target_of(h, *link)
            }
            _ => None,
        };
        let at = self.sched.now();
        if let Output::Event(event) = output {
            self.trace.event(at, h, event);
            if event.kind == EventKind::Odown {
                self.check_odown(h, event);
            }
            self.stats.count_event(event.kind);
            self.election.see(at, h, event);
        }
        let Some(host) = self.hosts.get(h) else {
            return;
        };
        if host.ours
            && !matches!(
                output,
                Output::Call {
                    what: Call::Ping,
                    ..
                }
            )
        {
            let mono = host.clock.mono(at);
            let scene = Scene {
                at,
                host: h,
                id: host.id,
                mono,
                disk: &host.disk,
            };
            self.checks
                .see(&scene, &Seen::Output(output, target.as_ref()));
        }
    }

    /// X1: a healthy, reachable master is never held to be down by a quorum. Asserted when no
    /// fault has touched it or any Sentinel for longer than any of their memories.
    fn check_odown(&mut self, h: usize, event: &Event) {
        const INFO_US: u64 = 20_000_000;
        let params = &self.plan.params;
        let memory = INFO_US + 3000 * params.down_after_ms + 1000 * params.patience_ms;
        let now = self.sched.now();
        let Some((_, addr)) = crate::checks::instance(&event.payload) else {
            return;
        };
        let node = self.node_at(&addr);
        let Some(server) = self.server_at(node).and_then(|s| self.servers.get(s)) else {
            return;
        };
        let calm = |node: Node| {
            self.nemesis
                .calm_since(node)
                .is_some_and(|since| now.since(since) > memory)
        };
        let settled = server.is_master() && server.up && now.since(server.turned) > memory;
        if settled && calm(node) && self.hosts.iter().all(|host| calm(host.node)) {
            let text = format!(
                "s{h}: +odown {} and nothing is wrong with it",
                event.payload
            );
            self.checks.fail("X1", text);
        }
    }

    fn target_of(&self, h: usize, link: LinkId) -> Option<Target> {
        let conn = self.net.get(*self.hosts.get(h)?.links.get(&link)?)?;
        let server = self.server_at(conn.to);
        let (group, stranger) = match server.and_then(|s| self.servers.get(s)) {
            Some(server) => (Some(server.group), server.trouble.stranger),
            None => (None, false),
        };
        Some(Target {
            node: conn.to,
            addr: self.addr_of(conn.to)?,
            group,
            stranger,
        })
    }

    /// Whether a crash was waiting for this output; for how long the process is then down.
    fn is_aimed(&mut self, h: usize, output: &Output) -> Option<u64> {
        let armed = self.hosts.get_mut(h)?.armed?;
        let hit = match (armed.kind, output) {
            (FaultKind::AimPersist, Output::Persist { .. }) => true,
            (FaultKind::AimStand, Output::Event(event)) => event.kind == EventKind::TryFailover,
            (
                FaultKind::AimPromote,
                Output::Call {
                    what: Call::Reconfigure(ReplicaOf::NoOne),
                    ..
                },
            ) => true,
            _ => false,
        };
        hit.then_some(armed.ms)
    }

    fn carry_out(&mut self, h: usize, output: Output) {
        match output {
            Output::Connect {
                link,
                kind,
                ip,
                port,
                ..
            } => self.connect(h, link, kind, ip, port),
            Output::Close { link } => {
                if let Some(conn) = self
                    .hosts
                    .get_mut(h)
                    .and_then(|host| host.links.remove(&link))
                {
                    self.net.close(&mut self.sched, conn, Side::Near);
                }
            }
            Output::Call {
                link,
                call,
                what,
                renames,
            } => {
                let Some(conn) = self.hosts.get(h).and_then(|host| host.links.get(&link)) else {
                    return;
                };
                let what = self.codec.call(&mut self.checks, call, what, &renames);
                self.net.send(
                    &mut self.sched,
                    *conn,
                    Side::Far,
                    Msg::Call(call, Box::new(what)),
                );
            }
            Output::Answer { request, reply } => self.reply(h, request, &reply),
            Output::Persist { seq, durable } => self.write_file(h, seq, durable),
            Output::Resolve { host: name } => {
                let Some(host) = self.hosts.get_mut(h) else {
                    return;
                };
                host.lookups.push_back(name);
                self.sched.after_ms(5, Ev::Lookup(h, host.life));
            }
            Output::RunScript { job, .. } => {
                let Some(host) = self.hosts.get(h) else {
                    return;
                };
                self.sched
                    .after_ms(20, Ev::ScriptEnd(h, host.life, job.get()));
            }
            Output::Crash { .. } => {
                let node = self.host_node(h);
                self.crash_for(node, 1000, 1);
            }
            Output::Event(_) | Output::Log { .. } | Output::KillScript { .. } => {}
        }
    }

    fn write_file(&mut self, h: usize, seq: PersistSeq, file: Box<Durable>) {
        let at = self.sched.now();
        let params = &self.plan.params;
        let sync = Stream::new(self.plan.seed, Purpose::Sync).of(h as u64);
        let took = sync.range(at.0, params.sync_low_us, params.sync_high_us);
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if host.disk.pending.is_some() {
            return self
                .checks
                .fail("S13", format!("s{h} has two writes outstanding"));
        }
        host.disk.pending = Some((seq, file));
        self.sched
            .after_us(took + host.disk.slow_us, Ev::Synced(h, host.life));
    }

    fn connect(&mut self, h: usize, link: LinkId, kind: LinkKind, ip: IpAddr, port: u16) {
        let to = self.node_at(&Addr::new(HostName::Ip(ip), port));
        let kind = match kind {
            LinkKind::Command => Kind::Command,
            LinkKind::PubSub => Kind::PubSub,
        };
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let conn = self
            .net
            .open(&mut self.sched, host.node, to, kind, link.get());
        host.links.insert(link, conn);
    }

    /// A connection that this Sentinel opened stands, or could not be made.
    pub(crate) fn host_opened(&mut self, h: usize, link: u64, why_not: Option<LinkError>) {
        let link = LinkId::new(link);
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if !host.links.contains_key(&link) {
            return;
        }
        let local = host.ip;
        match why_not {
            None => self.host_input(h, Input::LinkUp { link, local }),
            Some(why) => {
                host.links.remove(&link);
                self.host_input(h, Input::LinkDown { link, why });
            }
        }
    }

    /// Something arrives at a Sentinel over a connection that it opened.
    pub(crate) fn host_hears(&mut self, h: usize, link: u64, msg: Msg) {
        let link = LinkId::new(link);
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if !host.links.contains_key(&link) {
            return;
        }
        match msg {
            Msg::Answer(call, answer) => {
                self.host_input(
                    h,
                    Input::Answer {
                        link,
                        call,
                        answer: *answer,
                    },
                );
            }
            Msg::Heard(hello) => {
                let hello = hello.map(|hello| (*hello).clone());
                self.host_input(h, Input::Heard { link, hello });
            }
            Msg::Fin => {
                host.links.remove(&link);
                self.host_input(
                    h,
                    Input::LinkDown {
                        link,
                        why: LinkError::Closed,
                    },
                );
            }
            _ => {}
        }
    }

    /// Something arrives at a Sentinel from a peer or an application.
    pub(crate) fn host_serves(&mut self, h: usize, conn: ConnId, msg: Msg) {
        match msg {
            Msg::Call(call, what) => match *what {
                Call::Ping => self.queue_reply(h, conn, call, Some(Answer::Pong)),
                Call::Publish(hello) => {
                    let command = Command::Publish { hello: Some(hello) };
                    self.ask(h, command, Some((conn, call)));
                }
                Call::Ask {
                    addr,
                    epoch,
                    candidate,
                } => {
                    let ask = Ask {
                        addr: Some(addr),
                        epoch: Some(epoch),
                        candidate,
                    };
                    self.ask(h, Command::Ask(ask), Some((conn, call)));
                }
                Call::Info | Call::Reconfigure(_) | Call::ScriptKill => {
                    let answer = Answer::Error(Arc::from("ERR unknown command"));
                    self.queue_reply(h, conn, call, Some(answer));
                }
            },
            Msg::Where => {
                let Some(group) = self.group_of_client(conn) else {
                    return;
                };
                let here = self.master_addr(h, group);
                self.net
                    .send(&mut self.sched, conn, Side::Near, Msg::Here(here));
            }
            Msg::Fin => {
                if let Some(host) = self.hosts.get_mut(h) {
                    host.replies.remove(&conn);
                }
            }
            _ => {}
        }
    }

    /// A peer or an operator sends a command that may change something.
    pub(crate) fn ask(&mut self, h: usize, command: Command, from: Option<(ConnId, CallId)>) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if host.brain.is_none() {
            return;
        }
        host.next_request += 1;
        let request = RequestId::new(host.next_request);
        let waiting = match from {
            Some((conn, call)) => {
                host.replies
                    .entry(conn)
                    .or_default()
                    .push_back((call, None));
                Waiting::Peer(conn, call)
            }
            None => Waiting::Operator,
        };
        host.requests.insert(request, waiting);
        self.host_input(h, Input::Asked { request, command });
    }

    fn reply(&mut self, h: usize, request: RequestId, reply: &Reply) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        match host.requests.remove(&request) {
            Some(Waiting::Peer(conn, call)) => {
                let answer = answer_of(reply);
                self.queue_reply(h, conn, call, Some(answer));
            }
            Some(Waiting::Operator) => {
                if let Reply::Error(text) = reply {
                    self.trace.note(self.sched.now(), h, text);
                }
            }
            None => self.checks.fail(
                "S13",
                format!("s{h} answers request {request:?} twice or unasked"),
            ),
        }
    }

    /// Replies leave a connection in the order of its requests, however long one is held.
    fn queue_reply(&mut self, h: usize, conn: ConnId, call: CallId, answer: Option<Answer>) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let queue = host.replies.entry(conn).or_default();
        match queue.iter_mut().find(|(waiting, _)| *waiting == call) {
            Some((_, slot)) => *slot = answer,
            None => queue.push_back((call, answer)),
        }
        while let Some((call, Some(answer))) = queue.front() {
            let msg = Msg::Answer(*call, Box::new(answer.clone()));
            self.net.send(&mut self.sched, conn, Side::Near, msg);
            queue.pop_front();
        }
    }

    /// A sync ends.
    pub(crate) fn host_synced(&mut self, h: usize, life: u32) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if host.life != life {
            return;
        }
        if self.sched.now() < host.hung_until {
            return self.sched.at(host.hung_until, Ev::Synced(h, life));
        }
        let input = match host.disk.complete() {
            Some(Ok(seq)) => Input::Persisted { seq },
            Some(Err(seq)) => Input::PersistFailed {
                seq,
                why: Arc::from("No space left on device"),
            },
            None => return,
        };
        self.host_input(h, input);
    }

    /// A script ends. Every third run fails in a way that asks for another one.
    pub(crate) fn host_script_ended(&mut self, h: usize, life: u32, job: u64) {
        if self.hosts.get(h).is_some_and(|host| host.life == life) {
            let how = ScriptEnd::Exited(i32::from(job.is_multiple_of(3)));
            self.host_input(
                h,
                Input::ScriptEnded {
                    job: JobId::new(job),
                    how,
                },
            );
        }
    }

    /// A name was looked up; no name exists in this world.
    pub(crate) fn host_looked_up(&mut self, h: usize, life: u32) {
        let Some(host) = self.hosts.get_mut(h).filter(|host| host.life == life) else {
            return;
        };
        if let Some(name) = host.lookups.pop_front() {
            self.host_input(
                h,
                Input::Resolved {
                    host: name,
                    ip: None,
                },
            );
        }
    }

    /// What a Sentinel says a group's master's address is.
    pub(crate) fn master_addr(&self, h: usize, group: usize) -> Option<Addr> {
        let host = self.hosts.get(h)?;
        let now = host.clock.mono(self.sched.now());
        let query = Query::MasterAddr(self.groups.name(group)?.clone());
        crate::settle::addr_of_reply(&host.brain.as_ref()?.query(now, &query))
    }
}

/// A reply as the peer that asked reads it.
fn answer_of(reply: &Reply) -> Answer {
    match reply {
        Reply::Array(parts) => match parts.as_slice() {
            [
                Reply::Integer(down),
                Reply::Bulk(leader),
                Reply::Integer(epoch),
            ] => {
                let leader = RunId::parse(leader.as_bytes());
                let epoch = Epoch::new(u64::try_from(*epoch).unwrap_or(0));
                let vote = leader.map(|leader| Ballot { epoch, leader });
                Answer::Opinion(Opinion {
                    down: *down == 1,
                    vote,
                })
            }
            _ => Answer::Unexpected,
        },
        Reply::Error(text) => Answer::Error(Arc::from(text.as_ref())),
        _ => Answer::Done,
    }
}

impl World {
    /// What a restart finds in the file.
    fn reread(&self, h: usize) -> Result<Durable, String> {
        self.hosts
            .get(h)
            .map(|host| host.disk.synced.clone())
            .ok_or_else(|| format!("no s{h}"))
    }
}
