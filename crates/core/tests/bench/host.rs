//! Hosts around the Sentinel, each answering as its script says.

use std::sync::Arc;

use bartizan_core::addr::Addr;
use bartizan_core::fencing::MinReplicas;
use bartizan_core::ids::{Epoch, RunId};
use bartizan_core::input::{Answer, Talk};
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::permission::{Permission, Permissions};
use bartizan_core::report::{Ballot, Info, Opinion, PackedText, Role};
use bartizan_core::time::Span;

use super::{addr, run_id};

/// Whether a host can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Up,
    /// Nobody listens.
    Refused,
    /// Connections are made, but nothing is answered.
    Mute,
    /// Connections neither come about nor fail.
    Deaf,
}

/// What a peer does when asked for its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    /// It gives it to whoever asks.
    Grants,
    /// It says `*`.
    Withholds,
    /// It has given it already.
    Gave(u64, RunId),
}

/// What a server lets us do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acl {
    /// It has no ACL.
    None,
    /// All but these.
    Forbids(&'static [Permission]),
    /// Not even to subscribe.
    ForbidsToListen,
    /// Whoever asks for it hears nothing.
    Silent,
}

/// A data server or a peer.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) reach: Reach,
    pub(crate) ping: Answer,
    pub(crate) info: Info,
    /// It does what the transaction says, at once.
    pub(crate) obeys: bool,
    /// What a subscription on it is good for.
    pub(crate) talk: Talk,
    /// It holds back hellos, and what comes behind them on the same connection.
    pub(crate) pauses: bool,
    /// It accepts hellos.
    pub(crate) listens: bool,
    pub(crate) says_down: bool,
    pub(crate) vote: Vote,
    /// Its answer to CLIENT PAUSE.
    pub(crate) pause: Answer,
    /// Bytes of writes that come in just before the pause.
    pub(crate) last_writes: u64,
    /// Its `min-replicas-to-write` and `min-replicas-max-lag`.
    pub(crate) min_replicas: MinReplicas,
    /// Its answer to CONFIG, where it gives none.
    pub(crate) refuses_config: Option<Answer>,
    pub(crate) acl: Acl,
}

impl Host {
    fn new(port: u16) -> Self {
        Self {
            reach: Reach::Up,
            ping: Answer::Pong,
            info: Info {
                run_id: Some(run_id(port, 0)),
                text: PackedText(
                    format!("# Server\r\ntcp_port:{port}\r\n")
                        .into_bytes()
                        .into(),
                ),
                ..Info::default()
            },
            obeys: true,
            talk: Talk::Both,
            pauses: false,
            listens: true,
            says_down: false,
            vote: Vote::Grants,
            pause: Answer::Done,
            last_writes: 0,
            min_replicas: MinReplicas {
                to_write: 0,
                max_lag: 10,
            },
            refuses_config: None,
            acl: Acl::Forbids(&[]),
        }
    }

    pub(crate) fn peer(port: u16) -> Self {
        Self::new(port)
    }

    pub(crate) fn master(port: u16, replicas: &[u16]) -> Self {
        let mut host = Self::new(port);
        host.info.role = Some(Role::Master);
        host.info.replicas = replicas.iter().map(|port| addr(*port)).collect();
        host
    }

    pub(crate) fn replica(port: u16, master: u16) -> Self {
        let mut host = Self::new(port);
        host.info.priority = Some(100);
        host.info.offset = Some(1000);
        host.info.announced = Some(true);
        host.follow(addr(master));
        host
    }

    /// Somebody who was not set up: a peer below port 6000, else a replica.
    pub(crate) fn unknown(port: u16, master: u16) -> Self {
        if port < 6000 {
            Self::peer(port)
        } else {
            Self::replica(port, master)
        }
    }

    /// It follows this master, its link being up.
    pub(crate) fn follow(&mut self, master: Addr) {
        self.info.role = Some(Role::Replica);
        self.info.master = Some(master);
        self.info.master_link_up = true;
        self.info.master_link_down_for = Span::ZERO;
        self.info.replicas.clear();
    }

    /// It calls itself master.
    pub(crate) fn lead(&mut self) {
        self.info.role = Some(Role::Master);
        self.info.master = None;
        self.info.master_link_up = false;
    }

    pub(crate) fn answer(&mut self, call: &Call) -> Answer {
        match call {
            Call::Ping => self.ping.clone(),
            Call::Info => Answer::Info(Box::new(self.info.clone())),
            Call::Publish(_) if self.listens => Answer::Done,
            Call::Publish(_) => Answer::Error(Arc::from("NOPERM")),
            Call::Ask {
                epoch, candidate, ..
            } => Answer::Opinion(self.opinion(*epoch, *candidate)),
            Call::Reconfigure(whom) => {
                if self.obeys {
                    match whom {
                        ReplicaOf::NoOne => self.lead(),
                        ReplicaOf::Master(master) => self.follow(master.clone()),
                    }
                }
                Answer::Done
            }
            Call::ScriptKill => Answer::Done,
            Call::Pause { .. } => {
                if let Some(history) = &mut self.info.history {
                    history.offset += self.last_writes;
                }
                self.pause.clone()
            }
            Call::Unpause => Answer::Done,
            Call::ReadMinReplicas => self
                .refuses_config
                .clone()
                .unwrap_or(Answer::MinReplicas(self.min_replicas)),
            Call::TryPermissions => match self.acl {
                Acl::Forbids(some) => Answer::Lacking(Permissions::of(some)),
                Acl::None | Acl::ForbidsToListen | Acl::Silent => Answer::Unexpected,
            },
            Call::SetMinReplicas(to) => {
                self.min_replicas = *to;
                Answer::Done
            }
        }
    }

    fn opinion(&self, epoch: Epoch, candidate: Option<RunId>) -> Opinion {
        let vote = match (self.vote, candidate) {
            (Vote::Grants, Some(leader)) => Some(Ballot { epoch, leader }),
            (Vote::Gave(epoch, leader), Some(_)) => Some(Ballot {
                epoch: Epoch::new(epoch),
                leader,
            }),
            (Vote::Grants | Vote::Gave(..), None) | (Vote::Withholds, _) => None,
        };
        let down = self.says_down;
        Opinion { down, vote }
    }
}
