//! Servers and peers that answer by a script.

use bartizan_core::input::Answer;
use bartizan_core::output::{Call, ReplicaOf};
use bartizan_core::report::{Ballot, Info, Opinion, Role};

use super::bench::at;

/// Something that listens.
#[derive(Clone, Debug)]
pub(super) struct Fake {
    /// It accepts and answers; otherwise connections are refused.
    pub(super) up: bool,
    /// It accepts and says nothing.
    pub(super) mute: bool,
    /// As a server.
    pub(super) info: Info,
    /// As a peer: the master seems down to it.
    pub(super) says_down: bool,
    /// As a peer: it votes.
    pub(super) votes: bool,
    /// As a peer: its last vote.
    pub(super) ballot: Option<Ballot>,
}

impl Fake {
    /// A server of this role, which as a replica follows the master at port 1.
    pub(super) fn server(role: Role) -> Self {
        let follower = role == Role::Replica;
        let info = Info {
            role: Some(role),
            master: follower.then(|| at(1)),
            master_link_up: follower,
            priority: follower.then_some(100),
            offset: follower.then_some(0),
            ..Info::default()
        };
        Self {
            up: true,
            mute: false,
            info,
            says_down: false,
            votes: false,
            ballot: None,
        }
    }

    /// Answers a call, and does as told.
    pub(super) fn answer(&mut self, call: &Call) -> Answer {
        match call {
            Call::Ping => Answer::Pong,
            Call::Info => Answer::Info(Box::new(self.info.clone())),
            Call::Publish(_) | Call::ScriptKill => Answer::Done,
            // Nobody here asks for it: redis-sentinel does not hold writes back.
            Call::Pause { .. }
            | Call::Unpause
            | Call::ReadMinReplicas
            | Call::SetMinReplicas(_)
            | Call::TryPermissions => Answer::Unexpected,
            Call::Ask {
                epoch, candidate, ..
            } => {
                let newer = self.ballot.is_none_or(|ballot| ballot.epoch < *epoch);
                if let (Some(leader), true, true) = (*candidate, self.votes, newer) {
                    self.ballot = Some(Ballot {
                        epoch: *epoch,
                        leader,
                    });
                }
                let vote = self.ballot.filter(|_| candidate.is_some());
                Answer::Opinion(Opinion {
                    down: self.says_down,
                    vote,
                })
            }
            Call::Reconfigure(ReplicaOf::NoOne) => {
                self.info = Info {
                    run_id: self.info.run_id,
                    ..Self::server(Role::Master).info
                };
                Answer::Done
            }
            Call::Reconfigure(ReplicaOf::Master(to)) => {
                let run_id = self.info.run_id;
                self.info = Self::server(Role::Replica).info;
                self.info.run_id = run_id;
                self.info.master = Some(to.clone());
                Answer::Done
            }
        }
    }
}
