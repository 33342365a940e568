//! What comes out of a Sentinel: shown to the checks, then carried out.

use bartizan_core::addr::{Addr, Host as HostName};
use bartizan_core::ids::{LinkId, PersistSeq};
use bartizan_core::model::durable::Durable;
use bartizan_core::notify::event::{Event, EventKind};
use bartizan_core::output::{Call, Greeting, LinkKind, Output, ReplicaOf};

use super::Dialled;
use crate::checks::{Outsider, Scene, Seen, Target};
use crate::codec::Near;
use crate::fault::Kind as FaultKind;
use crate::msg::Msg;
use crate::nemesis::is_theirs;
use crate::net::{Kind, Node, Side};
use crate::rand::{Purpose, Stream};
use crate::sched::Ev;
use crate::server::{Server, Standing};
use crate::world::World;

impl World {
    /// Shows an output to the checks, and notes what the trace and the figures want.
    pub(super) fn look_at(&mut self, h: usize, output: &Output) {
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
            self.note_loss(event);
            self.election.see(at, h, event);
        }
        let ours = self.hosts.get(h).is_some_and(|host| host.ours);
        if ours
            && let Output::Call { what, .. } = output
            && let Call::Reconfigure(ReplicaOf::Master(whom)) = what
            && let Some(target) = &target
        {
            self.check_demotion(h, &target.addr, whom);
        }
        let Some(host) = self.hosts.get(h) else {
            return;
        };
        if matches!(
            output,
            Output::Call {
                what: Call::Ping,
                ..
            }
        ) {
            return;
        }
        let mono = host.clock.mono(at);
        let scene = Scene {
            at,
            host: h,
            id: host.id,
            mono,
            disk: &host.disk,
        };
        let seen = Seen::Output(output, target.as_ref());
        if host.ours {
            self.checks.see(&scene, &seen);
        } else {
            self.checks.overhear(&scene, &seen);
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
        // An operator may ask for less patience than the network has delay.
        let hasty = self.nemesis.options_changed
            && 12 * params.delay_high_us > 1000 * crate::operator::SHORTEST_MS;
        if settled && !hasty && calm(node) && self.hosts.iter().all(|host| calm(host.node)) {
            let text = format!(
                "s{h}: +odown {} and nothing is wrong with it",
                event.payload
            );
            self.checks.fail("X1", text);
        }
    }

    fn target_of(&self, h: usize, link: LinkId) -> Option<Target> {
        let dialled = self.hosts.get(h)?.links.get(&link)?;
        let conn = self.net.get(dialled.conn)?;
        let server = self.server_at(conn.to);
        let server = server.and_then(|s| self.servers.get(s));
        // Over a connection to the process before, nothing reaches a stranger.
        let reached = server.filter(|_| !conn.is_left());
        Some(Target {
            node: conn.to,
            addr: dialled.addr.clone(),
            group: server.map(|server| server.group),
            outsider: reached.and_then(|server| self.outsider(server)),
        })
    }

    /// What there is to know of a server that is not one of the group's.
    fn outsider(&self, it: &Server) -> Option<Outsider> {
        let sort = it.trouble.stranger?;
        let mut mates = self.servers.iter().filter(|mate| mate.group == it.group);
        let id = it.history.id;
        let took = |mate: &Server| {
            let before = mate.history.second.is_some_and(|(before, _)| before == id);
            mate.node != it.node && (mate.history.id == id || before)
        };
        let is_ours = match &it.standing {
            Standing::Replica { of, .. } => self.groups.by_addr(of) == Some(it.group),
            Standing::Master => false,
        };
        Some(Outsider {
            sort,
            started: it.started,
            has_data: it.history.writes.iter().any(|&(_, n)| is_theirs(n)),
            is_lent: mates.any(took),
            is_ours,
        })
    }

    /// Whether a crash was waiting for this output; for how long the process is then down.
    pub(super) fn is_aimed(&mut self, h: usize, output: &Output) -> Option<u64> {
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

    pub(super) fn carry_out(&mut self, h: usize, output: Output) {
        match output {
            Output::Connect {
                link,
                kind,
                ip,
                port,
                greeting,
            } => self.connect(h, link, kind, Addr::new(HostName::Ip(ip), port), &greeting),
            Output::Close { link } => {
                if let Some(it) = self
                    .hosts
                    .get_mut(h)
                    .and_then(|host| host.links.remove(&link))
                {
                    self.net.close(&mut self.sched, it.conn, Side::Near);
                }
            }
            Output::Call {
                link,
                call,
                what,
                renames,
            } => {
                let Some(it) = self.hosts.get(h).and_then(|host| host.links.get(&link)) else {
                    return;
                };
                if self.bytes {
                    return self.call_in_bytes(it.conn, call, &what, &renames);
                }
                let msg = Msg::Call(call, Box::new(what));
                self.net.send(&mut self.sched, it.conn, Side::Far, msg);
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
            Output::Rescue { id, rescue } => self.start_rescue(h, id, rescue),
            Output::Crash { .. } => {
                let node = self.host_node(h);
                self.crash_for(node, 1000, 1);
            }
            Output::Event(_)
            | Output::Log { .. }
            | Output::SetLogThreshold(_)
            | Output::Whereabouts { .. }
            | Output::KillScript { .. } => {}
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

    fn connect(&mut self, h: usize, link: LinkId, what: LinkKind, addr: Addr, greeting: &Greeting) {
        let to = self.node_at(&addr);
        let kind = match what {
            LinkKind::Command => Kind::Command,
            LinkKind::PubSub => Kind::PubSub,
            LinkKind::Trial => Kind::Trial,
        };
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let conn = self
            .net
            .open(&mut self.sched, host.node, to, kind, link.get());
        host.links.insert(link, Dialled { conn, addr });
        if self.bytes
            && let Some(ends) = self.net.ends(conn)
        {
            ends.near = Some(Box::new(Near::new(what, greeting)));
        }
    }
}
