//! Faults as rows of data: when, what, whom, for how long.

use std::fmt;

/// A process, as plans name it: `s0` is the first Sentinel, `r0` the first server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A Sentinel.
    Sentinel(usize),
    /// A server; those of group `g` are `g * (1 + replicas) ..`, the first master in front.
    Server(usize),
    /// An application.
    Client(usize),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentinel(n) => write!(f, "s{n}"),
            Self::Server(n) => write!(f, "r{n}"),
            Self::Client(n) => write!(f, "c{n}"),
        }
    }
}

impl Who {
    fn parse(word: &str) -> Option<Self> {
        let n = word.get(1..)?.parse().ok()?;
        match word.get(..1)? {
            "s" => Some(Self::Sentinel(n)),
            "r" => Some(Self::Server(n)),
            "c" => Some(Self::Client(n)),
            _ => None,
        }
    }
}

/// Whom a kind of fault is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// One Sentinel.
    Sentinel,
    /// One server.
    Server,
    /// One of either.
    Any,
    /// A group of processes against all others.
    Split,
    /// One process against one other.
    Pair,
    /// A server, and another of its group.
    Servers,
    /// Two Sentinels, perhaps the same one, about one group.
    Operators,
}

macro_rules! kinds {
    ($($variant:ident $name:literal $aim:ident $lasts:literal $n:literal $doc:literal,)*) => {
        /// What goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $doc] $variant,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word in a plan.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether it is drawn by dice of its own, after the others.
            pub const fn is_drawn_apart(self) -> bool {
                matches!(self, Self::Stranger)
            }

            /// Whether only a plan written by hand has it: an invariant falls with it, by what
            /// the protocol is.
            pub const fn is_directed(self) -> bool {
                matches!(self, Self::OldFile | Self::CopiedFile)
            }

            /// Whom it is aimed at.
            pub const fn aim(self) -> Aim {
                match self { $(Self::$variant => Aim::$aim,)* }
            }

            /// The longest it lasts, in milliseconds; 0 for what is over at once.
            pub const fn lasts_ms(self) -> u64 {
                match self { $(Self::$variant => $lasts,)* }
            }

            /// Its number is drawn below this.
            pub const fn numbers(self) -> u64 {
                match self { $(Self::$variant => $n,)* }
            }
        }
    };
}

kinds! {
    Crash "crash" Any 60_000 3 "The process dies; n: a server's data are saved (0), kept (1) or gone (2).",
    Unplug "unplug" Any 60_000 3 "The machine dies: nobody is told, nothing is refused.",
    Bounce "bounce" Any 200 3 "The process dies and is back at once.",
    Hang "hang" Any 60_000 0 "SIGSTOP: connections are taken, nothing is answered.",
    Blink "blink" Any 2_500 0 "A short SIGSTOP.",
    Freeze "freeze" Any 60_000 2 "The virtual machine stands still; n = 1: its clock with it.",
    OneWay "one-way" Pair 60_000 0 "Nothing gets from the first to the second.",
    TwoWay "two-way" Pair 60_000 0 "Nothing gets through between the two.",
    Split "split" Split 60_000 0 "Nothing gets through between the group and all others.",
    Deaf "deaf" Split 60_000 0 "Nothing gets from all others to the group.",
    Reset "reset" Any 0 0 "All its connections are reset.",
    HalfOpen "half-open" Any 0 0 "Its machine forgets all connections and tells nobody.",
    Reject "reject" Any 30_000 0 "A firewall refuses new connections to it.",
    Slow "slow" Any 60_000 1500 "All its messages take n milliseconds longer.",
    SlowDisk "slow-disk" Sentinel 60_000 3000 "A sync takes n milliseconds longer.",
    FullDisk "full-disk" Sentinel 60_000 0 "Writes fail.",
    Loading "loading" Server 30_000 0 "It answers -LOADING.",
    Busy "busy" Server 30_000 0 "It answers -BUSY until SCRIPT KILL.",
    Misconf "misconf" Server 30_000 0 "It answers -MISCONF.",
    NoAuth "noauth" Server 30_000 0 "It answers -NOAUTH.",
    NoPerm "noperm" Server 30_000 0 "It answers -NOPERM to all but PING.",
    InfoCut "info-cut" Server 30_000 0 "Its INFO lacks lines.",
    NoReplication "no-replication" Server 60_000 0 "Its replication link stays down.",
    SlowSync "slow-sync" Server 60_000 20_000 "Full resyncs from it take n milliseconds longer.",
    Promote "promote" Server 0 0 "An operator sends it REPLICAOF NO ONE.",
    Follow "follow" Servers 0 0 "An operator lets it follow another one of its group.",
    Priority "priority" Server 0 3 "replica-priority becomes 0, 100 or 200 with n.",
    Unannounced "unannounced" Server 60_000 0 "replica-announced no.",
    Failover "failover" Operators 0 0 "SENTINEL FAILOVER on both Sentinels at once.",
    Switchover "switchover" Operators 0 4 "SENTINEL FAILOVER COORDINATED on the first; 1: TO the server; 2: with little TIMEOUT; 3: DRYRUN.",
    Drain "drain" Operators 30_000 0 "SENTINEL DRAIN of the server on the first; if it says OK, the server is stopped.",
    Set "set" Operators 0 7 "SENTINEL SET on the first; n chooses option and value.",
    ResetMaster "reset-master" Operators 0 0 "SENTINEL RESET on the first.",
    Remonitor "remonitor" Operators 20_000 0 "SENTINEL REMOVE on the first, and MONITOR again at the end.",
    Flush "flush" Operators 0 0 "SENTINEL FLUSHCONFIG on the first.",
    Lie "lie" Operators 0 5 "Somebody tells the first: garbage, a huge epoch, a vote with no epoch, a master of no group; 4: a client publishes that the master is where nobody is; only by hand, 5: tells the first so.",
    AimPersist "aim-persist" Sentinel 20_000 0 "It dies the next time that it writes its file.",
    AimStand "aim-stand" Sentinel 20_000 0 "It dies the next time that it stands for election.",
    AimPromote "aim-promote" Sentinel 20_000 0 "It dies the next time that it sends REPLICAOF NO ONE.",
    AimPromoted "aim-promoted" Server 20_000 3 "The next server to be promoted dies right after; n as for crash.",
    Trickle "trickle" Any 60_000 200 "Its messages come in pieces, n milliseconds apart.",
    Moved "moved" Server 30_000 3 "The process dies and comes back under another address; n as for crash.",
    Stranger "stranger" Server 60_000 4 "Another cluster's server listens at its address: a master that ran before (0), a replica with its master (1), a master that has just started, with data (2) or without (3).",
    OldFile "old-file" Sentinel 30_000 0 "The process dies, and somebody brings the first file back.",
    CopiedFile "copied-file" Operators 30_000 0 "The first dies, and comes back with the second's file as it is, the id in it.",
}

/// One row of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, in milliseconds.
    pub at_ms: u64,
    /// What goes wrong.
    pub kind: Kind,
    /// With whom.
    pub who: Vec<Who>,
    /// For how long.
    pub ms: u64,
    /// A number whose meaning the kind tells.
    pub n: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "fault {} {} {} {}",
            self.at_ms,
            self.kind.name(),
            self.ms,
            self.n
        )?;
        self.who.iter().try_for_each(|who| write!(f, " {who}"))
    }
}

impl Fault {
    /// Reads a row as it is printed.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        if words.next()? != "fault" {
            return None;
        }
        let at_ms = words.next()?.parse().ok()?;
        let name = words.next()?;
        let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == name)?;
        let (ms, n) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let who = words.map(Who::parse).collect::<Option<Vec<_>>>()?;
        Some(Self {
            at_ms,
            kind,
            who,
            ms,
            n,
        })
    }
}
