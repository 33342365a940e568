//! Connections: made, shared, closed, written to (spec §5.2).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{CallId, LinkId, MasterName};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::output::{Call, Greeting, LinkKind, Output};
use bartizan_core::provide::options::{Credentials, Renames};
use bartizan_core::report::Hello;
use bartizan_core::time::Mono;

use super::Upstream;
use super::state::{InstId, Kind, LineId};

/// The connections to one instance, and what PING says about it.
#[derive(Debug)]
pub(super) struct Line {
    /// How many masters use it.
    pub(super) refs: usize,
    /// Servers are also listened to.
    pub(super) wants_pubsub: bool,
    /// For calls.
    pub(super) command: Option<Socket>,
    /// For hellos.
    pub(super) pubsub: Option<Socket>,
    /// When a connection was last tried.
    pub(super) tried: Option<Mono>,
    /// The oldest PING that has no answer yet; a new line starts with one.
    pub(super) unanswered: Option<Mono>,
    /// When a PING was last sent.
    pub(super) pinged: Option<Mono>,
    /// When a PING last got a good answer.
    pub(super) last_ok: Mono,
    /// When a PING last got any answer.
    pub(super) last_pong: Mono,
    /// When the Pub/Sub side last said anything.
    pub(super) heard: Mono,
}

/// One connection, perhaps still being made.
#[derive(Debug)]
pub(super) struct Socket {
    /// Its id.
    pub(super) link: LinkId,
    /// When it was asked for.
    pub(super) since: Mono,
    /// Our end of it, once it stands.
    pub(super) local: Option<IpAddr>,
    /// Calls made before it stood: upstream pipelines without waiting.
    pub(super) queue: Vec<(CallId, Call, Arc<Renames>)>,
    /// Calls without an answer.
    pub(super) pending: BTreeMap<CallId, Waiting>,
}

/// Whose answer is awaited, and to what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// On behalf of which instance.
    pub(super) inst: InstId,
    /// What was sent.
    pub(super) purpose: Purpose,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Liveness.
    Ping,
    /// Roles and replicas.
    Info,
    /// The time of the last hello.
    Publish,
    /// A peer's opinion.
    Ask,
    /// Nothing: the answer is ignored.
    Nothing,
}

impl Line {
    /// No connection yet; the clock of the first PING runs from here.
    pub(super) const fn new(now: Mono, wants_pubsub: bool) -> Self {
        Self {
            refs: 1,
            wants_pubsub,
            command: None,
            pubsub: None,
            tried: None,
            unanswered: Some(now),
            pinged: None,
            last_ok: now,
            last_pong: now,
            heard: now,
        }
    }

    /// A socket that it needs was not even asked for.
    pub(super) const fn disconnected(&self) -> bool {
        self.command.is_none() || (self.wants_pubsub && self.pubsub.is_none())
    }

    /// Calls without an answer.
    pub(super) fn pending(&self) -> usize {
        self.command
            .as_ref()
            .map_or(0, |socket| socket.pending.len())
    }

    /// Forgets what PING said, as after a change of address; the time of the last try stays.
    pub(super) const fn forget(&mut self, now: Mono) {
        self.unanswered = Some(now);
        self.pinged = None;
        self.last_ok = now;
        self.last_pong = now;
    }
}

impl Socket {
    const fn new(link: LinkId, since: Mono) -> Self {
        Self {
            link,
            since,
            local: None,
            queue: Vec::new(),
            pending: BTreeMap::new(),
        }
    }
}

impl Upstream {
    /// Makes the sockets that are missing, at most once a ping period.
    pub(super) fn reconnect(&mut self, now: Mono, id: InstId) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let (Some(ip), port, line_id) = (inst.addr.host.ip(), inst.addr.port, inst.line) else {
            return;
        };
        let Some(line) = self.lines.get_mut(&line_id) else {
            return;
        };
        let due = line
            .tried
            .is_none_or(|tried| now.since(tried) >= self.periods.ping);
        if !line.disconnected() || port == 0 || !due {
            return;
        }
        line.tried = Some(now);
        let (command, pubsub) = (
            line.command.is_none(),
            line.wants_pubsub && line.pubsub.is_none(),
        );
        for (missing, kind) in [(command, LinkKind::Command), (pubsub, LinkKind::PubSub)] {
            if !missing {
                continue;
            }
            let link = LinkId::new(self.fresh());
            let Some(greeting) = self.greeting(id, kind) else {
                return;
            };
            self.out.push_back(Output::Connect {
                link,
                kind,
                ip,
                port,
                greeting,
            });
            self.sockets.insert(link, line_id);
            let Some(line) = self.lines.get_mut(&line_id) else {
                return;
            };
            let socket = Some(Socket::new(link, now));
            match kind {
                LinkKind::Command => line.command = socket,
                LinkKind::PubSub => {
                    line.pubsub = socket;
                    line.heard = now;
                }
                // It knows no such thing.
                LinkKind::Trial => {}
            }
        }
        if command {
            self.ping(now, id);
        }
    }

    fn greeting(&self, id: InstId, kind: LinkKind) -> Option<Greeting> {
        let inst = self.instances.get(&id)?;
        let options = &self.masters.get(&inst.master)?.options;
        let auth = match (inst.kind, &self.options.sentinel_pass) {
            (Kind::Master | Kind::Replica, _) => options.credentials(),
            (Kind::Peer, Some(password)) => Some(Credentials {
                user: self.options.sentinel_user.clone(),
                password: password.clone(),
            }),
            (Kind::Peer, None) => self.own_password.clone(),
        };
        let side = match kind {
            LinkKind::Command => "cmd",
            LinkKind::PubSub => "pubsub",
            LinkKind::Trial => return None,
        };
        let me = self.id.as_str().get(..8).unwrap_or_default();
        Some(Greeting {
            auth,
            client_name: format!("sentinel-{me}-{side}"),
            renames: Arc::clone(&options.renames),
        })
    }

    /// Sends a PING and notes since when one is unanswered.
    pub(super) fn ping(&mut self, now: Mono, id: InstId) {
        if self.send(id, Call::Ping, Purpose::Ping)
            && let Some(line) = self.line_mut(id)
        {
            line.pinged = Some(now);
            line.unanswered.get_or_insert(now);
        }
    }

    /// Writes a call to the instance's command socket, or keeps it until that stands. False if
    /// there is no such socket.
    pub(super) fn send(&mut self, id: InstId, what: Call, purpose: Purpose) -> bool {
        let call = CallId::new(self.fresh());
        let Some(inst) = self.instances.get(&id) else {
            return false;
        };
        let Some(master) = self.masters.get(&inst.master) else {
            return false;
        };
        let renames = Arc::clone(&master.options.renames);
        let socket = self
            .lines
            .get_mut(&inst.line)
            .and_then(|line| line.command.as_mut());
        let Some(socket) = socket else { return false };
        socket.pending.insert(call, Waiting { inst: id, purpose });
        match socket.local {
            None => socket.queue.push((call, what, renames)),
            Some(local) => {
                let link = socket.link;
                let what = self.with_local(what, local);
                self.out.push_back(Output::Call {
                    link,
                    call,
                    what,
                    renames,
                });
            }
        }
        true
    }

    /// A hello carries the local end of the socket it leaves by, unless told otherwise.
    fn with_local(&self, call: Call, local: IpAddr) -> Call {
        match call {
            Call::Publish(mut hello) if self.options.announce_ip.is_none() => {
                hello.from.host = Host::Ip(local);
                Call::Publish(hello)
            }
            other => other,
        }
    }

    /// The hello about a master. Its host is filled in when it is sent.
    pub(super) fn hello(&self, name: &MasterName) -> Option<Hello> {
        let host = self.options.announce_ip.clone();
        let host = host.unwrap_or(Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        Some(Hello {
            from: Addr::new(host, self.options.announce_port.unwrap_or(self.port)),
            id: self.id,
            current_epoch: self.epoch,
            master: name.clone(),
            configuration: Configuration {
                epoch: self.masters.get(name)?.config_epoch,
                addr: self.current_addr(name)?,
            },
        })
    }

    /// A connection stands: what was written to it early goes out.
    pub(super) fn on_link_up(&mut self, link: LinkId, local: IpAddr) {
        let Some(line) = self
            .sockets
            .get(&link)
            .and_then(|id| self.lines.get_mut(id))
        else {
            return;
        };
        let sockets = [line.command.as_mut(), line.pubsub.as_mut()];
        let Some(socket) = sockets.into_iter().flatten().find(|s| s.link == link) else {
            return;
        };
        socket.local = Some(local);
        for (call, what, renames) in core::mem::take(&mut socket.queue) {
            let what = self.with_local(what, local);
            self.out.push_back(Output::Call {
                link,
                call,
                what,
                renames,
            });
        }
    }

    /// A connection is gone; nobody answers what was sent on it.
    pub(super) fn on_link_down(&mut self, link: LinkId) {
        let Some(line) = self
            .sockets
            .remove(&link)
            .and_then(|id| self.lines.get_mut(&id))
        else {
            return;
        };
        line.command.take_if(|socket| socket.link == link);
        line.pubsub.take_if(|socket| socket.link == link);
    }

    /// Closes one side of a line.
    pub(super) fn close(&mut self, line: LineId, kind: LinkKind) {
        let Some(line) = self.lines.get_mut(&line) else {
            return;
        };
        let socket = match kind {
            LinkKind::Command => line.command.take(),
            LinkKind::PubSub => line.pubsub.take(),
            LinkKind::Trial => None,
        };
        if let Some(socket) = socket {
            self.sockets.remove(&socket.link);
            self.out.push_back(Output::Close { link: socket.link });
        }
    }

    /// Closes both sides.
    pub(super) fn close_both(&mut self, line: LineId) {
        self.close(line, LinkKind::Command);
        self.close(line, LinkKind::PubSub);
    }

    /// One user less; the last one closes it.
    pub(super) fn release(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        line.refs = line.refs.saturating_sub(1);
        if line.refs == 0 {
            self.close_both(id);
            self.lines.remove(&id);
        }
    }

    /// A peer known under several masters has one line (spec §5.2).
    pub(super) fn share_line(&mut self, id: InstId) {
        let Some(inst) = self.instances.get(&id) else {
            return;
        };
        let Some(peer) = inst.run_id else { return };
        let own = inst.line;
        let others = self
            .masters
            .values()
            .filter_map(|master| master.peers.get(&peer));
        let mut lines = others
            .filter_map(|other| self.instances.get(other))
            .map(|i| i.line);
        let Some(shared) = lines.find(|line| *line != own) else {
            return;
        };
        self.release(own);
        if let Some(inst) = self.instances.get_mut(&id) {
            inst.line = shared;
        }
        if let Some(line) = self.lines.get_mut(&shared) {
            line.refs += 1;
        }
    }
}
