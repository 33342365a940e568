//! When PING, INFO, hellos and questions are due, and sending them (spec §5.4, §9.1).
//!
//! Everything has a period; whatever an event could tell is asked for at once by forgetting when
//! it was last done.

use std::sync::Arc;

use crate::addr::{Addr, Host};
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::fencing::Fencing;
use crate::ids::MasterName;
use crate::model::master::Master;
use crate::model::peer::PeerLink;
use crate::model::server::Server;
use crate::monitor::kin::Verdict;
use crate::monitor::link::{Link, Pace, Parts, Pending, Terms};
use crate::mutant::Mutant;
use crate::output::Call;
use crate::provide::options::Periods;
use crate::report::{Hello, Role};
use crate::time::{Mono, Span};

/// Between two PING to a master or a peer: fine enough that a hang is seen within a tenth of
/// `down-after` on top of it, and never more often than redis-sentinel where `down-after` is long.
pub(crate) fn ping_every(down_after: Span, periods: &Periods) -> Span {
    const FINEST: Span = Span::ms(50);
    down_after
        .over(10)
        .clamp(FINEST.min(periods.ping), periods.ping)
}

/// Between two PING to a replica: as redis-sentinel has it (spec §5.4). Nothing waits for a
/// replica's SDOWN: which replicas can be promoted is asked of them once their master is lost.
fn ping_replica_every(down_after: Span, periods: &Periods) -> Span {
    down_after.min(periods.ping)
}

impl Master {
    /// Looks after every link of this master, and sends what is due on it.
    pub(crate) fn keep_in_touch(&mut self, cx: &mut Ctx) {
        let hello = self.hello(cx);
        let soon = self.watches_closely();
        let mut servers = std::mem::take(&mut self.servers);
        for (addr, server) in &mut servers {
            self.keep_server(cx, addr, server, &hello, soon);
        }
        self.servers = servers;
        self.greet_peers(cx, &hello);
    }

    fn keep_server(
        &self,
        cx: &mut Ctx,
        addr: &Addr,
        server: &mut Server,
        hello: &HelloDraft,
        soon: bool,
    ) {
        let terms = self.terms(cx.me, &cx.periods, addr, server);
        let mut parts = Parts {
            now: cx.now,
            hosts: &mut cx.hosts,
            out: &mut cx.out,
        };
        server.link.upkeep(&terms, &mut parts);
        if !server.link.is_up() {
            return;
        }
        let renames = &self.options.renames;
        // What a full link does not take is tried again at the next period.
        if self.info_due(cx, addr, server, soon) <= cx.now {
            server.info_asked_at = Some(cx.now);
            server
                .link
                .call(Call::Info, Pending::Info(cx.now), renames, &mut cx.out);
        }
        if self.may_tell(cx, addr, server)
            && let Some((hello, pending)) = hello.over(&server.link, cx)
        {
            server.hello.on_told(cx.now, &cx.periods);
            server
                .link
                .tell(hello, pending, renames, cx.now, &mut cx.out);
        }
    }

    fn greet_peers(&mut self, cx: &mut Ctx, hello: &HelloDraft) {
        let unrenamed = Arc::default();
        for (id, peer) in &mut self.peers {
            if hello_due(&self.name, peer.told_at, cx) > cx.now {
                continue;
            }
            // The link is taken out for the call, since the hello needs the rest of the context.
            let Some(mut shared) = cx.peers.remove(id) else {
                continue;
            };
            if shared.link.is_up()
                && let Some((hello, pending)) = hello.over(&shared.link, cx)
            {
                peer.told_at = Some(cx.now);
                let what = Call::Publish(hello);
                shared.link.call(what, pending, &unrenamed, &mut cx.out);
            }
            cx.peers.insert(*id, shared);
        }
    }

    /// When `keep_in_touch` has something to do.
    pub(crate) fn touch_due(&self, cx: &Ctx) -> Option<Mono> {
        let soon = self.watches_closely();
        let servers = self.servers.iter().filter_map(|(addr, server)| {
            let terms = self.terms(cx.me, &cx.periods, addr, server);
            let info = server
                .link
                .is_up()
                .then(|| self.info_due(cx, addr, server, soon));
            [info, server.link.due(&terms)].into_iter().flatten().min()
        });
        let peers = self.peers.iter().filter_map(|(id, peer)| {
            cx.peers.get(id).filter(|shared| shared.link.is_up())?;
            Some(hello_due(&self.name, peer.told_at, cx))
        });
        servers.chain(peers).min()
    }

    /// Asks every peer about a master that is down, or for its vote (spec §9.1).
    pub(crate) fn ask(&mut self, cx: &mut Ctx) {
        let Some((epoch, candidate)) = self.question(cx) else {
            return;
        };
        let addr = cx.shown_addr(&self.configuration.addr);
        let unrenamed = Arc::default();
        for (id, peer) in &mut self.peers {
            let due = peer
                .asked_at
                .is_none_or(|asked| cx.now.since(asked) >= cx.periods.ask);
            let shared = cx.peers.get_mut(id);
            let Some(shared) = shared.filter(|shared| due && shared.link.is_up()) else {
                continue;
            };
            let what = Call::Ask {
                addr: addr.clone(),
                epoch,
                candidate,
            };
            let pending = Pending::Ask {
                asked: cx.now,
                master: self.name.clone(),
                addr: self.configuration.addr.clone(),
                vote_in: candidate.map(|_| epoch),
            };
            peer.asked_at = Some(cx.now);
            shared.link.call(what, pending, &unrenamed, &mut cx.out);
        }
    }

    /// When a question is due.
    pub(crate) fn ask_due(&self, cx: &Ctx) -> Option<Mono> {
        self.question(cx)?;
        self.peers
            .iter()
            .filter(|(id, _)| cx.peers.get(id).is_some_and(|shared| shared.link.is_up()))
            .map(|(_, peer)| peer.asked_at.map_or(cx.now, |asked| asked + cx.periods.ask))
            .min()
    }

    /// Asks every peer again without waiting for the period.
    pub(crate) fn ask_at_once(&mut self) {
        for peer in self.peers.values_mut() {
            peer.asked_at = None;
        }
    }

    /// Asks every replica for INFO without waiting for the period.
    pub(crate) fn refresh_replicas(&mut self) {
        let master = self.configuration.addr.clone();
        for (addr, server) in &mut self.servers {
            if *addr != master {
                server.info_asked_at = None;
            }
        }
    }

    /// Sends the next hello to everyone at once (spec §7, forced hello): to servers behind a PONG,
    /// which is asked for at once.
    pub(crate) fn hello_at_once(&mut self, now: Mono) {
        for server in self.servers.values_mut() {
            server.hello.hasten(now);
            server.link.ping.hasten();
        }
        for peer in self.peers.values_mut() {
            peer.told_at = None;
        }
    }

    /// What peers are to be asked now: nothing, whether the master is down, or for a vote too.
    /// An epoch is named only once it is on disk.
    fn question(&self, cx: &Ctx) -> Option<(crate::ids::Epoch, Option<crate::ids::RunId>)> {
        if let Some(epoch) = self.failover.asks_for_votes() {
            return Some((epoch, Some(cx.me)));
        }
        let down = self.primary().is_some_and(|server| server.sdown.is_some());
        down.then_some((cx.epochs.synced, None))
    }

    /// The terms for the link to one of the group's servers.
    pub(crate) fn terms<'a>(
        &'a self,
        me: crate::ids::RunId,
        periods: &'a Periods,
        addr: &Addr,
        server: &Server,
    ) -> Terms<'a> {
        let down_after = self.options.down_after;
        let ping_every = if self.is_master(addr) {
            ping_every(down_after, periods)
        } else {
            ping_replica_every(down_after, periods)
        };
        Terms {
            me,
            periods,
            down_after,
            ping_every,
            hello_owed: Some(server.hello.due()),
            auth: &self.auth,
            renames: &self.options.renames,
            pace: server.pace(),
        }
    }

    /// Whether roles are expected to change: then INFO is asked for every second (spec §5.4).
    fn watches_closely(&self) -> bool {
        self.odown.is_some() || !matches!(self.failover, Failover::Idle)
    }

    fn info_due(&self, cx: &Ctx, addr: &Addr, server: &Server, soon: bool) -> Mono {
        let Some(asked) = server.info_asked_at else {
            return cx.now;
        };
        let astray = if self.is_master(addr) {
            // Whether its replicas keep up has to be known in time.
            server.role == Role::Replica || self.options.fencing != Fencing::Off
        } else {
            soon || !server.replication.link_up || server.role == Role::Master
        };
        let unproven = server.identity.verdict() == Verdict::Unproven;
        let troubled = astray || unproven || server.info.is_none();
        let period = if troubled {
            cx.periods.info.min(Span::secs(1))
        } else {
            cx.periods.info
        };
        let usual = asked + period;
        let sooner = self.is_master(addr).then(|| self.forestall_due(cx, asked));
        sooner.flatten().map_or(usual, |sooner| sooner.min(usual))
    }

    /// Whether a server is to be sent a hello now. None is sent to one whose writes are held back,
    /// where it would wait, nor to a former master that knows nothing of the switch: a PUBLISH is
    /// a write, and would make its history differ from everybody's.
    fn may_tell(&self, cx: &Ctx, addr: &Addr, server: &Server) -> bool {
        let held = self
            .write_pause
            .as_ref()
            .is_some_and(|pause| pause.server == *addr && cx.now < pause.until);
        !held && !server.stale_master && server.takes_hello()
    }

    /// A server's Pub/Sub delivered something.
    pub(crate) fn on_heard(&mut self, cx: &Ctx, addr: &Addr, hello: Option<&Hello>) {
        let echo =
            !self.is_master(addr) && hello.is_some_and(|hello| self.is_what_we_tell(cx, hello));
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        server.link.on_heard(cx.now);
        if echo {
            server.hello.on_echo(cx.now, &cx.periods);
        }
    }

    /// Whether this is word for word what we would tell the master now.
    fn is_what_we_tell(&self, cx: &Ctx, hello: &Hello) -> bool {
        if hello.id != cx.me {
            return false;
        }
        let told = self
            .primary()
            .and_then(|master| self.hello(cx).over(&master.link, cx));
        told.is_some_and(|(told, _)| told == *hello)
    }

    /// The hello about this master, without our own host, which differs from link to link. It
    /// tells only what is on disk.
    fn hello(&self, cx: &Ctx) -> HelloDraft {
        let told = match (
            &self.adopting,
            cx.is_mutant(Mutant::ConfigurationBeforeDisk),
        ) {
            (Some(adoption), true) => &adoption.configuration,
            _ => &self.saved,
        };
        let mut configuration = told.clone();
        configuration.addr = cx.shown_addr(&configuration.addr);
        HelloDraft {
            hello: Hello {
                from: Addr::new(
                    Host::Ip(std::net::Ipv4Addr::UNSPECIFIED.into()),
                    cx.options.announce_port.unwrap_or(cx.port),
                ),
                id: cx.me,
                current_epoch: cx.epochs.synced.max(configuration.epoch),
                master: self.name.clone(),
                configuration,
            },
        }
    }
}

/// A hello that still lacks the sender's host.
struct HelloDraft {
    hello: Hello,
}

impl HelloDraft {
    /// As it goes over this link, and what its answer will be for.
    fn over(&self, link: &Link, cx: &Ctx) -> Option<(Hello, Pending)> {
        let local = link.local()?;
        let mut hello = self.hello.clone();
        hello.from.host = cx.options.announce_ip.clone().unwrap_or(Host::Ip(local));
        let pending = Pending::Hello {
            master: hello.master.clone(),
            epoch: hello.configuration.epoch,
        };
        Some((hello, pending))
    }
}

/// When a peer is told of a master again: once in a period, at one of a few moments in it. So many
/// masters' hellos go to a peer, and are answered, in one go; a thousand of them at a thousand
/// moments would be a quarter of what an idle Sentinel does.
fn hello_due(master: &MasterName, told: Option<Mono>, cx: &Ctx) -> Mono {
    const MOMENTS: u64 = 20;
    let Some(told) = told else { return cx.now };
    let period = cx.periods.publish.as_ms().max(1);
    let moment = period * (master.spread() % MOMENTS) / MOMENTS;
    let since = (told.as_ms() + period - moment) % period;
    told + Span::ms(period - since)
}

impl PeerLink {
    /// Looks after the link to a peer.
    pub(crate) fn keep(&mut self, cx: &mut Ctx) {
        let renames = Arc::default();
        let auth = cx.peer_credentials();
        let terms = Terms {
            me: cx.me,
            periods: &cx.periods,
            down_after: self.down_after,
            ping_every: ping_every(self.down_after, &cx.periods),
            hello_owed: None,
            auth: &auth,
            renames: &renames,
            pace: Pace::Usual,
        };
        let mut parts = Parts {
            now: cx.now,
            hosts: &mut cx.hosts,
            out: &mut cx.out,
        };
        self.link.upkeep(&terms, &mut parts);
    }

    /// When `keep` has something to do.
    pub(crate) fn due(&self, cx: &Ctx) -> Option<Mono> {
        let renames = Arc::default();
        let terms = Terms {
            me: cx.me,
            periods: &cx.periods,
            down_after: self.down_after,
            ping_every: ping_every(self.down_after, &cx.periods),
            hello_owed: None,
            auth: &None,
            renames: &renames,
            pace: Pace::Usual,
        };
        self.link.due(&terms)
    }

    /// The moment from which it counts as silent too long for the strictest of its masters.
    pub(crate) fn silent_at(&self) -> Option<Mono> {
        self.link
            .silent_since()
            .map(|since| since + self.down_after + Span::TICK)
    }
}
