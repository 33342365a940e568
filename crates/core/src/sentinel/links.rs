//! What comes over links: to whom it belongs, and what it answers.

use crate::addr::Addr;
use crate::ids::{CallId, LinkId, MasterName, RunId};
use crate::input::{Answer, LinkError, Talk};
use crate::model::master::{About, Master};
use crate::model::peer::Peer;
use crate::model::server::Server;
use crate::monitor::hello::Way;
use crate::monitor::link::{Owner, Pending};
use crate::notify::event::EventKind;
use crate::output::{Call, LinkKind};
use crate::report::Hello;
use crate::sentinel::Sentinel;
use std::net::IpAddr;

impl Sentinel {
    pub(super) fn on_link_up(&mut self, link: LinkId, local: IpAddr) {
        match self.cx.out.routes.get(&link).cloned() {
            Some(Owner::Server(name, addr)) => {
                let now = self.cx.now;
                if let Some(server) = self.server_mut(&name, &addr)
                    && server.link.on_up(link, local, now) == Some(LinkKind::Command)
                {
                    server.info_asked_at = None;
                    server.hello.hasten(now);
                    server.homecoming.on_link_up();
                    server.identity.on_link_up();
                    server.min_replicas.on_link_up();
                }
                self.step_master(&name);
            }
            Some(Owner::Peer(id)) => {
                let Some(shared) = self.cx.peers.get_mut(&id) else {
                    return;
                };
                shared.link.on_up(link, local, self.cx.now);
                for name in self.masters_of(id) {
                    let Some(master) = self.masters.get_mut(&name) else {
                        continue;
                    };
                    if let Some(peer) = master.peers.get_mut(&id) {
                        peer.told_at = None;
                        peer.asked_at = None;
                    }
                    master.on_voter_back(&mut self.cx);
                    self.step_master(&name);
                }
                self.step_peer(id);
            }
            None => {}
        }
    }

    pub(super) fn on_subscribed(&mut self, link: LinkId, talk: Talk) {
        let now = self.cx.now;
        let Some(Owner::Server(name, addr)) = self.cx.out.routes.get(&link).cloned() else {
            return;
        };
        let Some(master) = self.masters.get_mut(&name) else {
            return;
        };
        if let Some(server) = master.servers.get_mut(&addr) {
            let (renames, out) = (&master.options.renames, &mut self.cx.out);
            server.link.on_subscribed(link, talk, renames, now, out);
        }
        self.step_master(&name);
    }

    /// Something came over a server's Pub/Sub.
    pub(super) fn on_heard(&mut self, link: LinkId, hello: Option<&Hello>) {
        if let Some(Owner::Server(name, addr)) = self.cx.out.routes.get(&link).cloned()
            && let Some(master) = self.masters.get_mut(&name)
        {
            // Its deadline only moves away: the early one finds nothing to do.
            master.on_heard(&self.cx, &addr, hello);
        }
        if let Some(hello) = hello {
            self.on_hello(hello, Way::PubSub);
        }
    }

    pub(super) fn on_link_down(&mut self, link: LinkId, why: &LinkError) {
        let (now, usual) = (self.cx.now, self.cx.periods.ping);
        match self.cx.out.routes.remove(&link) {
            Some(Owner::Server(name, addr)) => {
                let cx = &mut self.cx;
                let master = self.masters.get_mut(&name);
                let longest = master
                    .as_ref()
                    .map_or(usual, |master| master.longest_retry(&addr, link, cx));
                let rng = &mut self.cx.rng;
                // What a failed attempt to reach a replica decides is when the next one is due.
                // A server that names hundreds of replicas which are not there must not have all
                // of them looked at for each.
                let still_away = master.as_ref().is_some_and(|master| {
                    let server = master.servers.get(&addr);
                    !master.is_master(&addr) && server.is_some_and(|it| !it.link.is_up())
                });
                let server = master.and_then(|master| master.servers.get_mut(&addr));
                let lost =
                    server.and_then(|server| server.link.on_down(link, why, now, longest, rng));
                if lost == Some(LinkKind::Trial)
                    && let Some(master) = self.masters.get_mut(&name)
                {
                    master.tell_missing(&mut self.cx, &addr);
                }
                self.tell_failed_link(&name, About::Replica(&addr), lost, why);
                if still_away {
                    self.refresh_server(&name, &addr);
                } else {
                    self.step_master(&name);
                }
            }
            Some(Owner::Peer(id)) => {
                let shared = self.cx.peers.get_mut(&id);
                let rng = &mut self.cx.rng;
                let lost =
                    shared.and_then(|shared| shared.link.on_down(link, why, now, usual, rng));
                self.step_peer(id);
                let masters = self.masters_of(id);
                if let Some(first) = masters.first() {
                    self.tell_failed_link(first, About::Peer(id), lost, why);
                }
                for name in masters {
                    self.step_master(&name);
                }
            }
            None => {}
        }
    }

    /// A connection that failed in an odd way is worth a line in a debug log (spec §4); that
    /// nobody listens, or that the other side closed, is not.
    fn tell_failed_link(
        &mut self,
        name: &MasterName,
        about: About<'_>,
        lost: Option<LinkKind>,
        why: &LinkError,
    ) {
        let (Some(kind), LinkError::Failed(why)) = (lost, why) else {
            return;
        };
        let Some(master) = self.masters.get(name) else {
            return;
        };
        let about = match about {
            About::Replica(addr) if master.is_master(addr) => About::Master,
            about => about,
        };
        let event = match kind {
            LinkKind::Command => EventKind::CommandLinkFailed,
            LinkKind::PubSub => EventKind::PubSubLinkFailed,
            // What is wrong is wrong with the others too.
            LinkKind::Trial => return,
        };
        master.tell_more(&mut self.cx, event, about, &format!("#{why}"));
    }

    pub(super) fn on_answer(&mut self, link: LinkId, call: CallId, answer: Answer) {
        let now = self.cx.now;
        match self.cx.out.routes.get(&link).cloned() {
            Some(Owner::Server(name, addr)) => {
                let Some(server) = self.server_mut(&name, &addr) else {
                    return;
                };
                let Some(pending) = server.link.on_answer(call, now) else {
                    return;
                };
                server.link.heed_denial(&answer, now);
                match (pending, answer) {
                    (Pending::Ping, Answer::Pong)
                        if server.is_well() && !server.note_state(&Answer::Pong, now) =>
                    {
                        // Nothing is decided by a master that goes on being well: only the next
                        // PING is new, and now and then a hello.
                        server.link.ping.on_valid(now);
                        if !server.takes_hello() {
                            self.refresh_server(&name, &addr);
                            return;
                        }
                    }
                    // That a server took a hello decides nothing.
                    (Pending::Hello { .. }, _) => return,
                    (Pending::Ping, answer) => self.on_server_pong(&name, &addr, &answer),
                    (Pending::Info(asked), Answer::Info(info)) => {
                        if let Some(master) = self.masters.get_mut(&name) {
                            master.on_info(&mut self.cx, &addr, &info, asked);
                        }
                    }
                    (Pending::Fence, answer) => {
                        if let Some(server) = self.server_mut(&name, &addr) {
                            server.homecoming.on_fence_answer(&answer);
                        }
                    }
                    (Pending::ReadMinReplicas, answer) => {
                        if let Some(master) = self.masters.get_mut(&name) {
                            master.on_min_replicas(&mut self.cx, &addr, &answer);
                        }
                    }
                    (Pending::SetMinReplicas, answer) => {
                        if let Some(master) = self.masters.get_mut(&name) {
                            master.on_min_replicas_set(&mut self.cx, &addr, &answer);
                        }
                    }
                    (Pending::Trial, answer) => {
                        if let Some(master) = self.masters.get_mut(&name) {
                            master.on_tried(&mut self.cx, &addr, &answer);
                        }
                    }
                    (Pending::Pause, answer) => {
                        if let Some(master) = self.masters.get_mut(&name) {
                            master.on_pause_answer(&mut self.cx, &answer);
                        }
                    }
                    _ => {}
                }
                self.step_master(&name);
            }
            Some(Owner::Peer(id)) => {
                let Some(shared) = self.cx.peers.get_mut(&id) else {
                    return;
                };
                let Some(pending) = shared.link.on_answer(call, now) else {
                    return;
                };
                self.on_peer_answer(id, pending, &answer);
            }
            None => {}
        }
    }

    pub(super) fn on_server_pong(&mut self, name: &MasterName, addr: &Addr, answer: &Answer) {
        let now = self.cx.now;
        let Some(master) = self.masters.get_mut(name) else {
            return;
        };
        let renames = master.options.renames.clone();
        let Some(server) = master.servers.get_mut(addr) else {
            return;
        };
        if server.note_state(answer, now) {
            master.tell_state(&mut self.cx, addr);
        }
        let Some(server) = master.servers.get_mut(addr) else {
            return;
        };
        match answer {
            Answer::Pong => {
                server.link.ping.on_valid(now);
                server.rebooted = None;
            }
            Answer::Loading | Answer::MasterDown => server.link.ping.on_valid(now),
            Answer::Busy => {
                server.link.ping.on_invalid(now);
                let due = server.sdown.is_some() && !server.script_killed;
                if due
                    && server.link.call(
                        Call::ScriptKill,
                        Pending::ScriptKill,
                        &renames,
                        &mut self.cx.out,
                    )
                {
                    server.script_killed = true;
                }
            }
            Answer::Error(_)
            | Answer::Unexpected
            | Answer::Info(_)
            | Answer::Opinion(_)
            | Answer::MinReplicas(_)
            | Answer::Lacking(_)
            | Answer::Done => server.link.ping.on_invalid(now),
        }
    }

    pub(super) fn on_peer_answer(&mut self, id: RunId, pending: Pending, answer: &Answer) {
        match pending {
            Pending::Ping => {
                let now = self.cx.now;
                let Some(shared) = self.cx.peers.get_mut(&id) else {
                    return;
                };
                match answer {
                    Answer::Pong | Answer::Loading | Answer::MasterDown => {
                        shared.link.ping.on_valid(now);
                    }
                    _ => shared.link.ping.on_invalid(now),
                }
                self.step_peer(id);
                for name in self.masters_of(id) {
                    let down = |peer: &Peer| peer.sdown.is_some();
                    if self
                        .masters
                        .get(&name)
                        .and_then(|m| m.peers.get(&id))
                        .is_some_and(down)
                    {
                        self.step_master(&name);
                    }
                }
            }
            Pending::Ask {
                asked,
                master: name,
                addr,
                vote_in,
            } => {
                // PING's round trip may be a second old, and in a storm of questions much has
                // changed since. A vote says less: it waits for a disk.
                let shared = self.cx.peers.get_mut(&id).filter(|_| vote_in.is_none());
                if let Some(shared) = shared {
                    shared.link.ping.on_round_trip(self.cx.now.since(asked));
                }
                if let (Some(master), Answer::Opinion(opinion)) =
                    (self.masters.get_mut(&name), answer)
                {
                    master.on_opinion(&mut self.cx, id, &addr, vote_in, *opinion);
                }
                self.step_master(&name);
            }
            Pending::Hello {
                master: name,
                epoch,
            } => {
                if let (Some(master), Answer::Done) = (self.masters.get_mut(&name), answer) {
                    master.on_hello_acknowledged(id, epoch);
                }
                self.step_master(&name);
            }
            Pending::Info(_)
            | Pending::Reconfigure
            | Pending::ScriptKill
            | Pending::Pause
            | Pending::Fence
            | Pending::Forestall
            | Pending::Unpause
            | Pending::ReadMinReplicas
            | Pending::SetMinReplicas
            | Pending::Trial => {}
        }
    }

    pub(super) fn masters_of(&self, id: RunId) -> Vec<MasterName> {
        let knows = |master: &&Master| master.peers.contains_key(&id);
        self.masters
            .values()
            .filter(knows)
            .map(|master| master.name.clone())
            .collect()
    }

    pub(super) fn server_mut(&mut self, name: &MasterName, addr: &Addr) -> Option<&mut Server> {
        let server = self.masters.get_mut(name)?.servers.get_mut(addr)?;
        Some(server.as_mut())
    }
}
