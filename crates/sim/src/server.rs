//! A model Redis server: what a Sentinel can see of one, and the data that a failover can lose.

use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::fencing::MinReplicas;
use bartizan_core::ids::RunId;
use bartizan_core::input::{Answer, Talk};
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::permission::{Permission, Permissions};
use bartizan_core::report::{Info, Life, Role};
use bartizan_core::time::Span;

use crate::net::{ConnId, Node};
use crate::pause::Pause;
use crate::replication::{History, ReplId};
use crate::sched::At;

/// Where a server stands in replication.
#[derive(Clone, Debug)]
pub enum Standing {
    /// `role:master`
    Master,
    /// `role:slave`
    Replica {
        /// Whom it was told to follow.
        of: Addr,
        /// Whether it does.
        link: Link,
    },
}

/// A replica's link to its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not up since then; a connection may be on its way.
    Down {
        /// Since when.
        since: At,
        /// The attempt under way, and since when.
        conn: Option<(ConnId, At)>,
    },
    /// Up; the master was heard of then.
    Up {
        /// Over which connection.
        conn: ConnId,
        /// When the master last sent anything.
        heard: At,
    },
}

/// A replica as its master sees it.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Over which connection.
    pub conn: ConnId,
    /// Which process.
    pub node: Node,
    /// How far it has the stream.
    pub acked: u64,
    /// When it last said so.
    pub heard: At,
}

/// What is wrong with a server that is up.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// `-LOADING` until then.
    pub loading_until: At,
    /// `-BUSY` until then, or until somebody sends SCRIPT KILL.
    pub busy_until: At,
    /// `-MISCONF`: the last background save failed.
    pub misconf: bool,
    /// `-NOAUTH`: somebody changed the password.
    pub noauth: bool,
    /// `-NOPERM`: somebody took rights away.
    pub noperm: bool,
    /// INFO lacks lines.
    pub info_cut: bool,
    /// The replication link cannot be made.
    pub no_replication: bool,
    /// Full resyncs take this much longer, in milliseconds.
    pub slow_sync_ms: u64,
    /// Another cluster's server listens at this address.
    pub stranger: Option<Sort>,
}

impl Trouble {
    /// What a Sentinel may not do here.
    pub(crate) fn lacking(&self) -> Permissions {
        let all = if self.noperm { Permission::ALL } else { &[] };
        Permissions::of(all)
    }
}

/// What a server is asked for, as far as its troubles tell things apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// PING
    Ping,
    /// INFO
    Info,
    /// PUBLISH
    Publish,
    /// SCRIPT KILL
    ScriptKill,
    /// CLIENT
    Client,
    /// SENTINEL, which a server does not know.
    Sentinel,
    /// All that changes roles.
    Other,
}

impl Word {
    /// The word of a call.
    pub const fn of(call: &Call) -> Self {
        match call {
            Call::Ping => Self::Ping,
            Call::Info => Self::Info,
            Call::Publish(_) => Self::Publish,
            Call::ScriptKill => Self::ScriptKill,
            Call::Ask { .. } => Self::Sentinel,
            Call::Pause { .. } | Call::Unpause => Self::Client,
            Call::Reconfigure(_)
            | Call::ReadMinReplicas
            | Call::SetMinReplicas(_)
            | Call::TryPermissions => Self::Other,
        }
    }
}

/// An error reply as a Sentinel reads it.
pub fn refused(text: &str) -> Answer {
    match text.split(' ').next() {
        Some("LOADING") => Answer::Loading,
        Some("BUSY") => Answer::Busy,
        _ => Answer::Error(Arc::from(text)),
    }
}

/// What is left of the data set after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// `SHUTDOWN SAVE`: everything, with the replication id as the second one.
    Saved,
    /// Killed with an append-only file: the data, but no place in history.
    Kept,
    /// No persistence: an empty data set.
    Empty,
}

/// What kind of server of another cluster has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A master that ran elsewhere before it came.
    Older,
    /// A replica that is linked to its own master.
    Replica,
    /// A master that has just started with data: nothing tells it from a server of the group that
    /// was killed.
    Younger,
    /// One that has just started and has nothing to lose.
    Blank,
}

/// Where another cluster has its master.
pub fn outside() -> Addr {
    Addr::new(Host::Ip(std::net::Ipv4Addr::new(10, 9, 9, 9).into()), 6379)
}

/// The servers' clocks when a world begins.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// A server process.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its place among all processes.
    pub node: Node,
    /// The group it was set up in.
    pub group: usize,
    /// Where it listens.
    pub addr: Addr,
    /// Changes when the process restarts.
    pub run_id: RunId,
    /// When it started.
    pub started: At,
    /// Counts the starts; events of an earlier life find nobody.
    pub life: u32,
    /// Whether the process runs.
    pub up: bool,
    /// SIGSTOP until then.
    pub hung_until: At,
    /// Master or replica. Survives restarts, since the transaction rewrites the file.
    pub standing: Standing,
    /// The data set.
    pub history: History,
    /// Replicas connected to it.
    pub attached: Vec<Attached>,
    /// Full resyncs being transferred.
    pub transfers: Vec<(u32, ConnId, Node)>,
    /// Counts the transfers.
    pub transfer: u32,
    /// Whether it knows HELLO 3, by which a subscribed connection takes calls.
    pub talk: Talk,
    /// Subscribers to the hello channel.
    pub subscribers: Vec<ConnId>,
    /// `replica-priority`
    pub priority: u32,
    /// `replica-announced`
    pub announced: bool,
    /// `min-replicas-to-write` and `min-replicas-max-lag`
    pub min_replicas: MinReplicas,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// Its own timer's count, for what happens every tenth second.
    pub ticks: u64,
    /// Writes that `CLIENT PAUSE` holds back.
    pub pause: Pause,
    /// When it last took a command that changed its role.
    pub turned: At,
}

impl Server {
    /// A server that has just been set up.
    pub fn new(node: Node, group: usize, addr: Addr, run_id: RunId, standing: Standing) -> Self {
        let history = History::empty(ReplId(u64::from(u32::MAX) + node as u64));
        Self {
            node,
            group,
            addr,
            run_id,
            started: At::default(),
            life: 0,
            up: true,
            hung_until: At::default(),
            standing,
            history,
            attached: Vec::new(),
            transfers: Vec::new(),
            transfer: 0,
            // Every third server is older than Redis 6.
            talk: if node % 3 == 2 {
                Talk::Listen
            } else {
                Talk::Both
            },
            subscribers: Vec::new(),
            priority: 100,
            announced: true,
            min_replicas: MinReplicas {
                to_write: 0,
                max_lag: 10,
            },
            trouble: Trouble::default(),
            ticks: 0,
            pause: Pause::default(),
            turned: At::default(),
        }
    }

    /// Whether it says `role:master`.
    pub const fn is_master(&self) -> bool {
        matches!(self.standing, Standing::Master)
    }

    /// Whether it is another cluster's replica and follows its own master still.
    pub fn is_outsiders_replica(&self) -> bool {
        self.trouble
            .stranger
            .is_some_and(|sort| sort == Sort::Replica)
            && self.is_told(&outside())
    }

    /// Whether it was told to follow this address, whatever came of it.
    pub fn is_told(&self, addr: &Addr) -> bool {
        matches!(&self.standing, Standing::Replica { of, .. } if of == addr)
    }

    /// Whether it follows this address with its link up.
    pub fn follows(&self, addr: &Addr) -> bool {
        matches!(&self.standing, Standing::Replica { of, link: Link::Up { .. } } if of == addr)
    }

    /// The error with which it answers instead of doing something, if any (spec §5.5).
    pub fn refusal(&self, now: At, word: Word) -> Option<&'static str> {
        let trouble = &self.trouble;
        if trouble.noauth {
            return Some("NOAUTH Authentication required.");
        }
        if trouble.noperm && word != Word::Ping {
            return Some("NOPERM User default has no permissions to run this command");
        }
        if now < trouble.loading_until && !matches!(word, Word::Info | Word::Publish) {
            return Some("LOADING Redis is loading the dataset in memory");
        }
        if now < trouble.busy_until && word != Word::ScriptKill {
            return Some("BUSY Redis is busy running a script.");
        }
        match word {
            Word::Ping if trouble.misconf && self.is_master() => {
                Some("MISCONF Errors writing to the AOF file: No space left on device")
            }
            Word::Sentinel => Some("ERR unknown command 'SENTINEL'"),
            Word::ScriptKill if now >= trouble.busy_until => {
                Some("NOTBUSY No scripts in execution right now.")
            }
            _ => None,
        }
    }

    /// What INFO says. `address_of` gives the address of an attached replica.
    pub fn info(&self, now: At, address_of: impl Fn(Node) -> Option<Addr>) -> Info {
        let mut info = Info {
            run_id: Some(self.run_id),
            priority: Some(self.priority),
            announced: Some(self.announced),
            history: self.history.place(),
            life: Some(Life {
                clock: Span::ms(EPOCH_MS + now.0 / 1000),
                up_for: Span::secs(now.since(self.started) / 1_000_000),
            }),
            has_keys: Some(!self.history.writes.is_empty()),
            ..Info::default()
        };
        match &self.standing {
            Standing::Master => info.role = Some(Role::Master),
            Standing::Replica { of, link } => {
                info.role = Some(Role::Replica);
                info.master = Some(of.clone());
                info.offset = Some(self.history.offset);
                match link {
                    Link::Up { .. } => info.master_link_up = true,
                    // The other cluster's master is not played.
                    Link::Down { .. } if self.is_outsiders_replica() => info.master_link_up = true,
                    Link::Down { since, .. } => {
                        // Redis counts whole seconds.
                        info.master_link_down_for = Span::secs(now.since(*since) / 1_000_000);
                    }
                }
            }
        }
        // Redis prints `slaveN:` for replicas of replicas too; Sentinel reads them on masters.
        info.replicas = self
            .attached
            .iter()
            .filter_map(|a| address_of(a.node))
            .collect();
        let lags = self.attached.iter().map(|a| Span::secs(self.lag(now, a)));
        info.lags = lags.collect();
        if self.trouble.info_cut {
            (info.role, info.priority, info.offset) = (None, None, None);
            info.history = None;
            (info.life, info.has_keys) = (None, None);
            info.replicas.clear();
            info.lags.clear();
        }
        info
    }

    /// Takes a new place in replication; `false` when it had it already.
    pub fn turn(&mut self, now: At, to: &ReplicaOf, fresh: ReplId) -> bool {
        match (to, &self.standing) {
            (ReplicaOf::NoOne, Standing::Master) => return false,
            (ReplicaOf::Master(addr), Standing::Replica { of, .. }) if of == addr => return false,
            (ReplicaOf::NoOne, Standing::Replica { .. }) => {
                self.standing = Standing::Master;
                self.history.fork(fresh);
            }
            (ReplicaOf::Master(addr), _) => {
                let link = Link::Down {
                    since: now,
                    conn: None,
                };
                self.standing = Standing::Replica {
                    of: addr.clone(),
                    link,
                };
            }
        }
        self.turned = now;
        true
    }

    /// Starts again after the process ended.
    pub fn start(&mut self, now: At, run_id: RunId, data: Data, fresh: ReplId) {
        self.up = true;
        self.started = now;
        self.pause = Pause::default();
        self.run_id = run_id;
        self.attached.clear();
        self.transfers.clear();
        self.subscribers.clear();
        match data {
            Data::Saved if self.is_master() => self.history.fork(fresh),
            Data::Saved => {}
            Data::Kept => {
                self.history.id = fresh;
                self.history.second = None;
                self.history.backlog_from = self.history.offset;
            }
            Data::Empty => self.history = History::empty(fresh),
        }
        if let Standing::Replica { link, .. } = &mut self.standing {
            *link = Link::Down {
                since: now,
                conn: None,
            };
        }
    }

    /// Whether as many replicas have been heard of lately as it asks for.
    pub fn has_enough_replicas(&self, now: At) -> bool {
        let MinReplicas { to_write, max_lag } = self.min_replicas;
        let good = self
            .attached
            .iter()
            .filter(|a| self.lag(now, a) <= u64::from(max_lag));
        !self.min_replicas.is_on() || good.count() as u64 >= u64::from(to_write)
    }

    /// How long ago it heard of a replica, in seconds, as Redis counts them.
    fn lag(&self, now: At, replica: &Attached) -> u64 {
        now.since(replica.heard) / 1_000_000
    }
}
