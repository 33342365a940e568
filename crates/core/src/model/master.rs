//! One monitored master: its configuration, its servers, the peers that watch it with us, and
//! the failover that may be under way.

use std::collections::BTreeMap;

use crate::addr::Addr;
use crate::ctx::{Ctx, Notice};
use crate::failover::Failover;
use crate::failover::handover::{Order, WritePause};
use crate::failover::min_replicas::{Attendance, Own};
use crate::failover::prospect::Prospect;
use crate::ids::{Epoch, MasterName, ReplId, RunId};
use crate::model::branches::Branches;
use crate::model::configuration::Configuration;
use crate::model::durable::MasterState;
use crate::model::gate::Promise;
use crate::model::memory::Memory;
use crate::model::peer::Peer;
use crate::model::server::Server;
use crate::monitor::link::{Link, Owner, Subscription};
use crate::notify::event::EventKind;
use crate::output::Output;
use crate::provide::options::{Credentials, MasterOptions};
use crate::report::Role;
use crate::time::Mono;

/// One monitored name and all we know of it.
#[derive(Clone, Debug)]
pub(crate) struct Master {
    pub(crate) name: MasterName,
    pub(crate) options: MasterOptions,
    /// What data links authenticate with, from the options.
    pub(crate) auth: Option<Credentials>,
    pub(crate) configuration: Configuration,
    /// The configuration that is on disk: the one that hellos tell. It lags behind only while the
    /// disk fails.
    pub(crate) saved: Configuration,
    /// Every server of the group by address; always holds the configuration's address. Boxed,
    /// since a tree has room for eleven in its smallest node and most groups are of three.
    pub(crate) servers: BTreeMap<Addr, Box<Server>>,
    pub(crate) peers: BTreeMap<RunId, Peer>,
    /// ODOWN, since then.
    pub(crate) odown: Option<Mono>,
    pub(crate) vote: Vote,
    pub(crate) failover: Failover,
    pub(crate) prospect: Prospect,
    /// What an operator asked for with the failover under way.
    pub(crate) order: Option<Order>,
    /// Writes that are held back for it.
    pub(crate) write_pause: Option<WritePause>,
    /// A newer configuration on its way to the disk; takes effect when it is there.
    pub(crate) adopting: Option<Adoption>,
    /// Where the histories of former masters were left.
    pub(crate) branches: Branches,
    /// Histories that masters of the group have named, oldest first.
    pub(crate) lineage: Vec<ReplId>,
    /// What servers have set as `min-replicas-to-write` by themselves, where we may set it.
    pub(crate) own_values: BTreeMap<Addr, Own>,
    /// Whether the master has the replicas that fencing asks for.
    pub(crate) attendance: Attendance,
    /// Who to tell about the present configuration before clients are told.
    pub(crate) former: Option<Addr>,
    /// When a configuration was last heard that was not believed.
    pub(crate) doubted_at: Option<Mono>,
    /// What the disk was given last.
    pub(crate) memory: Memory,
    /// Where clients were last told that it is, in announced form.
    pub(crate) whereabouts: Option<Addr>,
}

/// The last vote cast for this master. After a restart the leader is forgotten, the epoch not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vote {
    pub(crate) epoch: Epoch,
    pub(crate) leader: Option<RunId>,
}

/// A configuration that waits for the disk.
#[derive(Clone, Debug)]
pub(crate) struct Adoption {
    pub(crate) configuration: Configuration,
    pub(crate) source: Source,
}

/// How we came by a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Our own failover made it.
    Promotion,
    /// This peer's hello told us.
    Peer(RunId),
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    Master,
    Replica(&'a Addr),
    Peer(RunId),
}

impl Master {
    /// A master as the file, or `SENTINEL MONITOR`, describes it. Peers are linked by the caller.
    pub(crate) fn new(state: &MasterState, cx: &mut Ctx) -> Self {
        let mut master = Self {
            name: state.name.clone(),
            options: state.options.clone(),
            auth: state.options.credentials(),
            configuration: state.configuration.clone(),
            saved: state.configuration.clone(),
            servers: BTreeMap::new(),
            peers: BTreeMap::new(),
            odown: None,
            vote: Vote {
                epoch: state.voted_epoch,
                leader: None,
            },
            failover: Failover::Idle,
            prospect: Prospect::default(),
            order: None,
            write_pause: None,
            adopting: None,
            branches: Branches::new(state.branches.clone()),
            lineage: Vec::new(),
            own_values: state
                .own_values
                .iter()
                .map(|(addr, values)| (addr.clone(), Own::remembered(*values)))
                .collect(),
            attendance: Attendance::default(),
            former: None,
            doubted_at: None,
            memory: Memory::default(),
            whereabouts: None,
        };
        master.add_server(cx, &state.configuration.addr, Role::Master);
        for addr in &state.replicas {
            master.add_server(cx, addr, Role::Replica);
        }
        master
    }

    /// Adds a server unless it is known already, under whatever spelling.
    pub(crate) fn add_server(&mut self, cx: &mut Ctx, addr: &Addr, role: Role) -> bool {
        if self.find_server(cx, addr).is_some() {
            return false;
        }
        let owner = Owner::Server(self.name.clone(), addr.clone());
        let turn = cx.out.turn_to_connect(role, cx.now);
        let link = Link::new(owner, addr.clone(), Subscription::Hellos, turn);
        let name = cx.shown_addr(addr).to_string();
        self.servers.insert(
            addr.clone(),
            Box::new(Server::new(name, link, role, cx.now)),
        );
        true
    }

    /// The key under which a server is known, whatever the spelling of its host.
    pub(crate) fn find_server(&self, cx: &Ctx, addr: &Addr) -> Option<Addr> {
        if self.servers.contains_key(addr) {
            return Some(addr.clone());
        }
        self.servers
            .keys()
            .find(|known| cx.hosts.same(known, addr))
            .cloned()
    }

    /// Whether this address is the configured master's.
    pub(crate) fn is_master(&self, addr: &Addr) -> bool {
        *addr == self.configuration.addr
    }

    /// The server that the configuration names.
    pub(crate) fn primary(&self) -> Option<&Server> {
        self.servers.get(&self.configuration.addr).map(Box::as_ref)
    }

    /// Every server but the master.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = (&Addr, &Server)> {
        self.servers
            .iter()
            .filter(|(addr, _)| !self.is_master(addr))
            .map(|(addr, server)| (addr, server.as_ref()))
    }

    /// How many Sentinels vote: all known peers and ourselves (spec §9.3).
    pub(crate) fn voters(&self) -> usize {
        self.peers.len() + 1
    }

    /// How many votes elect a leader: a majority, and no fewer than the quorum.
    pub(crate) fn votes_needed(&self, cx: &Ctx) -> usize {
        use crate::mutant::Mutant;
        let quorum = usize::try_from(self.options.quorum.get()).unwrap_or(usize::MAX);
        let majority = self.voters() / 2 + 1;
        if cx.is_mutant(Mutant::NoMajority) {
            quorum
        } else {
            majority.max(quorum)
        }
    }

    /// The configuration that the disk has, or is about to have.
    pub(crate) fn latest(&self) -> &Configuration {
        self.adopting
            .as_ref()
            .map_or(&self.configuration, |adoption| &adoption.configuration)
    }

    /// The configuration that clients are told. A leader keeps the old one until a majority knows
    /// the new one, so that no client is sent to a master whom the fleet could still overrule
    /// (hazard M of the architecture notes).
    pub(crate) fn told(&self) -> &Configuration {
        match &self.failover {
            Failover::Reconfiguring(reconf) if !reconf.is_announced() => &reconf.former,
            _ => &self.configuration,
        }
    }

    /// Its address.
    pub(crate) fn told_addr(&self) -> &Addr {
        &self.told().addr
    }

    /// Says where clients are told that it is, where that has changed.
    pub(crate) fn tell_whereabouts(&mut self, cx: &mut Ctx) {
        let addr = cx.shown_addr(self.told_addr());
        if self.whereabouts.as_ref() != Some(&addr) {
            self.whereabouts = Some(addr.clone());
            cx.out.push(Output::Whereabouts {
                name: self.name.clone(),
                addr: Some(addr),
            });
        }
    }

    /// The instance prefix of an event (spec §4): kind, name, address, and for all but the master
    /// itself `@` and the master.
    pub(crate) fn label(&self, cx: &Ctx, about: About<'_>) -> String {
        let master = format!("{} {}", self.name, cx.shown_pair(self.told_addr()));
        match about {
            About::Master => format!("master {master}"),
            About::Replica(addr) => {
                let name = self
                    .servers
                    .get(addr)
                    .map_or_else(|| addr.to_string(), |s| s.name.clone());
                format!("slave {name} {} @ {master}", cx.shown_pair(addr))
            }
            About::Peer(id) => {
                let pair = cx
                    .peers
                    .get(&id)
                    .map(|peer| cx.shown_pair(peer.link.addr()));
                format!("sentinel {id} {} @ {master}", pair.unwrap_or_default())
            }
        }
    }

    /// Emits an event about this master or one of its instances.
    pub(crate) fn tell(&self, cx: &mut Ctx, kind: EventKind, about: About<'_>) {
        self.tell_more(cx, kind, about, "");
    }

    /// The same with words after the prefix.
    pub(crate) fn tell_more(&self, cx: &mut Ctx, kind: EventKind, about: About<'_>, more: &str) {
        let mut payload = self.label(cx, about);
        if !more.is_empty() {
            payload.push(' ');
            payload.push_str(more);
        }
        cx.master_event(kind, payload, &self.name, &self.options);
    }

    /// Emits an event behind those that wait for the disk, whatever becomes of them.
    pub(crate) fn tell_behind(&self, cx: &mut Ctx, kind: EventKind, about: About<'_>) {
        let payload = self.label(cx, about);
        let notice = Notice::of_master(kind, payload, &self.name, &self.options);
        cx.gate.hold(Promise::TellAnyway(notice));
    }

    /// Queues the client reconfiguration script (spec §12).
    pub(crate) fn run_reconfig_script(&self, cx: &mut Ctx, role: &str, from: &Addr, to: &Addr) {
        let Some(path) = &self.options.client_reconfig_script else {
            return;
        };
        let argv = vec![
            path.to_string(),
            self.name.to_string(),
            role.to_owned(),
            "start".to_owned(),
            cx.shown(&from.host),
            from.port.to_string(),
            cx.shown(&to.host),
            to.port.to_string(),
        ];
        cx.scripts.queue(argv, cx.now);
    }

    /// One look at everything that time or the last input may have made due.
    pub(crate) fn step(&mut self, cx: &mut Ctx) {
        use crate::mutant::Mutant;
        if cx.tilt.is_none() || cx.is_mutant(Mutant::ActInTilt) {
            self.judge(cx);
            self.pursue(cx);
            self.release_writes(cx);
            self.close_order(cx);
            self.welcome_back(cx);
            self.heal(cx);
            self.ask(cx);
        }
        self.keep_in_touch(cx);
    }

    /// When the next look is due.
    pub(crate) fn due(&self, cx: &Ctx) -> Option<Mono> {
        let touch = self.touch_due(cx);
        if cx.tilt.is_some() {
            return touch;
        }
        [
            touch,
            self.judge_due(cx),
            self.pursue_due(cx),
            self.homecoming_due(cx),
            self.heal_due(cx),
            self.ask_due(cx),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
