//! What travels in a small world: the core's calls, answers and hellos, cut down to what differs
//! there, so that they can be compared and hashed. Ids of links and calls are left out: on one
//! connection the oldest call is the one that is answered.

use std::net::{IpAddr, Ipv4Addr};

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::{Ballot, Hello, Info, Opinion, Role};
use bartizan_core::time::Span;

/// How many Sentinels and how many servers a small world has.
pub const SENTINELS: u8 = 3;
/// Server 0 is the master at the start.
pub const SERVERS: u8 = 3;

/// One process at the far end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Far {
    /// Another Sentinel.
    Peer(u8),
    /// A server of the group.
    Server(u8),
}

/// A configuration that somebody speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Told {
    /// Who says so.
    pub by: u8,
    /// Its current epoch.
    pub current: u64,
    /// The configuration's epoch.
    pub epoch: u64,
    /// The server that is master by it.
    pub at: u8,
}

/// A request on a command link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Req {
    /// PING
    Ping,
    /// INFO
    Info,
    /// PUBLISH of a hello
    Hello(Told),
    /// IS-MASTER-DOWN-BY-ADDR
    Ask {
        /// The server in question.
        about: u8,
        /// The epoch it is asked in.
        epoch: u64,
        /// Who wants the vote.
        candidate: Option<u8>,
    },
    /// REPLICAOF; `None` is NO ONE.
    Follow(Option<u8>),
    /// SCRIPT KILL
    ScriptKill,
}

/// What INFO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facts {
    /// Whose it is.
    pub server: u8,
    /// Whom it follows; `None` on a master.
    pub follows: Option<u8>,
    /// Whether the link to the followed one is up.
    pub link_up: bool,
    /// The replicas that follow it, one bit each.
    pub replicas: u8,
}

/// An answer on a command link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ans {
    /// PONG
    Pong,
    /// A reply to INFO.
    Info(Facts),
    /// A reply to IS-MASTER-DOWN-BY-ADDR.
    Opinion {
        /// It is down.
        down: bool,
        /// The vote, if one is shown.
        vote: Option<(u64, u8)>,
        /// A vote had been asked for.
        wanted: bool,
    },
    /// A good reply to anything else.
    Done,
    /// An error.
    Refused,
    /// The connection is gone.
    Gone,
}

/// The one master's name.
pub fn name() -> MasterName {
    MasterName::new("mymaster")
}

/// The id of a Sentinel; the lower the number, the earlier it stands.
pub fn id(sentinel: u8) -> RunId {
    run_id("de9", sentinel)
}

fn run_id(digits: &str, n: u8) -> RunId {
    let digit = digits
        .as_bytes()
        .get(usize::from(n))
        .copied()
        .unwrap_or(b'f');
    let mut random = [0; 20];
    let nibble = char::from(digit).to_digit(16).unwrap_or_default();
    random.fill(u8::try_from(nibble * 17).unwrap_or_default());
    RunId::from_random(random)
}

/// Which Sentinel has this id.
pub fn sentinel_of(wanted: RunId) -> Option<u8> {
    (0..SENTINELS).find(|n| id(*n) == wanted)
}

/// Where a process listens.
pub fn addr(far: Far) -> Addr {
    let (network, n, port) = match far {
        Far::Peer(n) => (0, n, 26379),
        Far::Server(n) => (1, n, 6379),
    };
    Addr::new(
        Host::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, network, n + 1))),
        port,
    )
}

/// Who listens there.
pub fn far_of(wanted: &Addr) -> Option<Far> {
    let peers = (0..SENTINELS).map(Far::Peer);
    let servers = (0..SERVERS).map(Far::Server);
    peers.chain(servers).find(|far| addr(*far) == *wanted)
}

/// Which server listens there.
pub fn server_of(wanted: &Addr) -> Option<u8> {
    match far_of(wanted)? {
        Far::Server(n) => Some(n),
        Far::Peer(_) => None,
    }
}

impl Told {
    /// The hello that says this.
    pub fn hello(self) -> Hello {
        Hello {
            from: addr(Far::Peer(self.by)),
            id: id(self.by),
            current_epoch: Epoch::new(self.current),
            master: name(),
            configuration: Configuration {
                epoch: Epoch::new(self.epoch),
                addr: addr(Far::Server(self.at)),
            },
        }
    }

    /// What a hello says; `None` if it names somebody who is not of this world.
    pub fn of(hello: &Hello) -> Option<Self> {
        Some(Self {
            by: sentinel_of(hello.id)?,
            current: hello.current_epoch.get(),
            epoch: hello.configuration.epoch.get(),
            at: server_of(&hello.configuration.addr)?,
        })
    }
}

impl Req {
    /// The core's call; `None` if it names somebody who is not of this world.
    pub fn of(call: &Call) -> Option<Self> {
        Some(match call {
            Call::Ping => Self::Ping,
            Call::Info => Self::Info,
            Call::Publish(hello) => Self::Hello(Told::of(hello)?),
            Call::Ask {
                addr,
                epoch,
                candidate,
            } => Self::Ask {
                about: server_of(addr)?,
                epoch: epoch.get(),
                candidate: match candidate {
                    Some(id) => Some(sentinel_of(*id)?),
                    None => None,
                },
            },
            Call::Reconfigure(ReplicaOf::NoOne) => Self::Follow(None),
            Call::Reconfigure(ReplicaOf::Master(addr)) => Self::Follow(Some(server_of(addr)?)),
            Call::ScriptKill => Self::ScriptKill,
            // The servers of these worlds refuse it, as they refuse SCRIPT KILL.
            Call::Pause { .. }
            | Call::Unpause
            | Call::ReadMinReplicas
            | Call::SetMinReplicas(_)
            | Call::TryPermissions => Self::ScriptKill,
        })
    }
}

impl Facts {
    /// The INFO that says this.
    pub fn info(self) -> Info {
        let replicas = (0..SERVERS).filter(|n| self.replicas & (1 << n) != 0);
        Info {
            run_id: Some(run_id("ba8", self.server)),
            role: Some(match self.follows {
                None => Role::Master,
                Some(_) => Role::Replica,
            }),
            replicas: replicas.map(|n| addr(Far::Server(n))).collect(),
            master: self.follows.map(|n| addr(Far::Server(n))),
            master_link_up: self.link_up,
            master_link_down_for: Span::ZERO,
            priority: Some(100),
            // Server 1 has most data, so that whoever is elected first promotes it.
            offset: Some(u64::from(100 - self.server)),
            announced: Some(true),
            ..Info::default()
        }
    }
}

/// The opinion in a reply to IS-MASTER-DOWN-BY-ADDR.
pub fn opinion(reply: &Reply, wanted: bool) -> Option<Ans> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let [
        Reply::Integer(down),
        Reply::Bulk(leader),
        Reply::Integer(epoch),
    ] = parts.as_slice()
    else {
        return None;
    };
    let leader = RunId::parse(leader.as_bytes()).and_then(sentinel_of);
    let epoch = u64::try_from(*epoch).ok()?;
    Some(Ans::Opinion {
        down: *down == 1,
        vote: leader.map(|leader| (epoch, leader)),
        wanted,
    })
}

/// The same as the core reads it.
pub fn as_opinion(down: bool, vote: Option<(u64, u8)>) -> Opinion {
    Opinion {
        down,
        vote: vote.map(|(epoch, leader)| Ballot {
            epoch: Epoch::new(epoch),
            leader: id(leader),
        }),
    }
}
