//! What peers, applications and operators ask of a Sentinel, and the order of its replies.

use std::sync::Arc;

use bartizan_core::ids::{CallId, Epoch, RequestId, RunId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::output::Call;
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::{Ballot, Opinion};

use super::Waiting;
use crate::msg::Msg;
use crate::net::{ConnId, Side};
use crate::world::World;

impl World {
    /// Something arrives at a Sentinel from a peer or an application.
    pub(crate) fn host_serves(&mut self, h: usize, conn: ConnId, msg: Msg) {
        match msg {
            Msg::Bytes(bytes) => self.host_is_asked(h, conn, &bytes),
            Msg::Call(call, what) => match *what {
                Call::Ping => self.queue_reply(h, conn, call, answered(call, Answer::Pong)),
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
                Call::Info
                | Call::Reconfigure(_)
                | Call::ScriptKill
                | Call::Pause { .. }
                | Call::Unpause
                | Call::ReadMinReplicas
                | Call::SetMinReplicas(_)
                | Call::TryPermissions => {
                    let answer = Answer::Error(Arc::from("ERR unknown command"));
                    self.queue_reply(h, conn, call, answered(call, answer));
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
        let waiting = from.map_or(Waiting::Operator, |(conn, call)| Waiting::Peer(conn, call));
        self.ask_for(h, command, waiting);
    }

    /// The same, with who waits for the reply.
    pub(crate) fn ask_for(&mut self, h: usize, command: Command, waiting: Waiting) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if host.brain.is_none() {
            return;
        }
        host.next_request += 1;
        let request = RequestId::new(host.next_request);
        if let Waiting::Peer(conn, call) = waiting {
            let replies = host.replies.entry(conn).or_default();
            replies.push_back((call, None));
        }
        host.requests.insert(request, waiting);
        self.host_input(h, Input::Asked { request, command });
    }

    pub(super) fn reply(&mut self, h: usize, request: RequestId, reply: &Reply) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        match host.requests.remove(&request) {
            Some(Waiting::Peer(conn, call)) => {
                let msg = if self.bytes {
                    Self::reply_in_bytes(reply)
                } else {
                    answered(call, answer_of(reply))
                };
                self.queue_reply(h, conn, call, msg);
            }
            Some(Waiting::Operator) => {
                if let Reply::Error(text) = reply {
                    self.trace.note(self.sched.now(), h, text);
                }
            }
            Some(Waiting::Orderer(order)) => {
                let text = format!("{reply:?}");
                self.trace.note(self.sched.now(), h, &text);
                self.order_answered(h, order, reply);
            }
            None => self.checks.fail(
                "S13",
                format!("s{h} answers request {request:?} twice or unasked"),
            ),
        }
    }

    /// Replies leave a connection in the order of its requests, however long one is held.
    pub(crate) fn queue_reply(&mut self, h: usize, conn: ConnId, call: CallId, reply: Msg) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let queue = host.replies.entry(conn).or_default();
        match queue.iter_mut().find(|(waiting, _)| *waiting == call) {
            Some((_, slot)) => *slot = Some(reply),
            None => queue.push_back((call, Some(reply))),
        }
        while let Some((_, Some(reply))) = queue.front_mut().map(|(call, slot)| (call, slot.take()))
        {
            self.net.send(&mut self.sched, conn, Side::Near, reply);
            queue.pop_front();
        }
    }
}

fn answered(call: CallId, answer: Answer) -> Msg {
    Msg::Answer(call, Box::new(answer))
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
