//! What the world does by itself: the disk, connections, answers.

use std::sync::Arc;

use bartizan_core::ids::{CallId, LinkId};
use bartizan_core::input::{Answer, Input, LinkError, Talk};
use bartizan_core::output::{Call, LinkKind};

use super::{Acl, Bench, Disk, LOCAL, Reach, Trace};

impl Bench {
    /// The next thing that happens by itself.
    pub(super) fn reaction(&mut self) -> Option<Input> {
        self.disk_reaction()
            .or_else(|| self.connect_reaction())
            .or_else(|| self.subscription())
            .or_else(|| self.echo())
            .or_else(|| self.answer())
    }

    fn echo(&mut self) -> Option<Input> {
        let (port, hello) = self.echoes.pop_front()?;
        let link = self.link(port, LinkKind::PubSub)?;
        let hello = Some(hello);
        Some(Input::Heard { link, hello })
    }

    fn disk_reaction(&mut self) -> Option<Input> {
        if self.disk == Disk::Slow {
            return None;
        }
        let (seq, durable) = self.writing.take()?;
        if self.disk == Disk::Fails {
            self.record(|| Trace::Failed(durable));
            let why = Arc::from("No space left on device");
            return Some(Input::PersistFailed { seq, why });
        }
        self.record(|| Trace::Synced(durable.clone()));
        self.synced.push(durable);
        Some(Input::Persisted { seq })
    }

    fn connect_reaction(&mut self) -> Option<Input> {
        let ready = |link: &LinkId| self.reach_of(*link) != Reach::Deaf;
        let position = self.connecting.iter().position(ready)?;
        let link = self.connecting.remove(position);
        if self.reach_of(link) == Reach::Refused {
            self.forget(link);
            let why = LinkError::Refused;
            return Some(Input::LinkDown { link, why });
        }
        self.up.push(link);
        if self.links[&link].1 != LinkKind::Command {
            self.subscribing.push_back(link);
        }
        Some(Input::LinkUp { link, local: LOCAL })
    }

    fn subscription(&mut self) -> Option<Input> {
        let asks = |link: &LinkId| self.links[link].1 == LinkKind::Trial;
        let silent = |link: &LinkId| {
            let host = self.hosts.get(&self.links[link].0);
            asks(link) && host.is_some_and(|host| host.acl == Acl::Silent)
        };
        let ready = |link: &LinkId| self.reach_of(*link) == Reach::Up && !silent(link);
        let position = self.subscribing.iter().position(ready)?;
        let link = self.subscribing.remove(position)?;
        let (port, kind) = self.links[&link];
        let host = self.host(port);
        let talk = match (kind, host.acl) {
            (LinkKind::Trial, Acl::ForbidsToListen) => {
                let why = LinkError::Failed(Arc::from("SUBSCRIBE refused: NOPERM no permission"));
                return Some(Input::LinkDown { link, why });
            }
            (LinkKind::Trial, Acl::Forbids(_)) => Talk::Refuse,
            (LinkKind::Trial, _) => Talk::Listen,
            (LinkKind::Command | LinkKind::PubSub, _) => host.talk,
        };
        Some(Input::Subscribed { link, talk })
    }

    fn answer(&mut self) -> Option<Input> {
        let mut held = Vec::new();
        let mut ready = |(link, _, call): &(LinkId, CallId, Call)| {
            let pauses = |port| self.hosts.get(port).is_some_and(|host| host.pauses);
            let paused = self.links.get(link).is_some_and(|(port, _)| pauses(port));
            if paused && matches!(call, Call::Publish(_)) {
                held.push(*link);
            }
            self.reach_of(*link) == Reach::Up && !held.contains(link)
        };
        let position = self.calls.iter().position(&mut ready)?;
        let (link, call, what) = self.calls.remove(position);
        let (port, _) = self.links[&link];
        let answer = self.host(port).answer(&what);
        if let (Call::Publish(hello), Answer::Done, true) = (&what, &answer, port > 6000) {
            self.echoes.push_back((port, hello.clone()));
        }
        Some(Input::Answer { link, call, answer })
    }

    fn reach_of(&self, link: LinkId) -> Reach {
        let host = self
            .links
            .get(&link)
            .and_then(|(port, _)| self.hosts.get(port));
        host.map_or(Reach::Up, |host| host.reach)
    }
}
