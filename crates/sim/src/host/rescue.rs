//! Rescues: a Sentinel reads what a returned master alone has. The data come from the server's
//! model; how they travel is not modelled, only how long that takes and when it cannot.

use std::sync::Arc;

use bartizan_core::addr::{Addr, Host as HostName};
use bartizan_core::ids::RescueId;
use bartizan_core::input::Input;
use bartizan_core::report::Fork;
use bartizan_core::rescue::{Rescue, Rescued};

use crate::rand::{Purpose, Stream};
use crate::replication::History;
use crate::sched::Ev;
use crate::world::World;

/// How long a rescue takes, in microseconds: a connection, a transfer, a sync.
const TAKES_US: (u64, u64) = (1_000, 40_000);

impl World {
    /// A Sentinel begins to read.
    pub(super) fn start_rescue(&mut self, h: usize, id: RescueId, rescue: Box<Rescue>) {
        let draws = Stream::new(self.plan.seed, Purpose::Replication).of(h as u64);
        let took = draws.range(id.get(), TAKES_US.0, TAKES_US.1);
        self.check_rescue(h, &rescue);
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if host.rescues.insert(id, rescue).is_some() {
            let text = format!("s{h} asks for {id:?} twice");
            return self.checks.fail("S13", text);
        }
        let life = host.life;
        self.sched.after_us(took, Ev::RescueEnd(h, life, id));
    }

    /// It has what the server had at this moment.
    pub(crate) fn end_rescue(&mut self, h: usize, life: u32, id: RescueId) {
        let Some(host) = self.hosts.get_mut(h).filter(|host| host.life == life) else {
            return;
        };
        if self.sched.now() < host.hung_until {
            let until = host.hung_until;
            return self.sched.at(until, Ev::RescueEnd(h, life, id));
        }
        if let Some(rescue) = host.rescues.remove(&id) {
            let outcome = match self.rescued(h, &rescue) {
                Ok(outcome) => outcome,
                Err(why) => Rescued::Partly {
                    file: None,
                    why: Arc::from(why),
                },
            };
            self.note_rescue(&rescue, &outcome);
            self.host_input(h, Input::Rescued { id, outcome });
        }
    }

    fn rescued(&self, h: usize, rescue: &Rescue) -> Result<Rescued, &'static str> {
        let addr = Addr::new(HostName::Ip(rescue.ip), rescue.addr.port);
        let node = self.node_at(&addr);
        let server = self.server_at(node).and_then(|s| self.servers.get(s));
        let server = server.ok_or("nobody listens there")?;
        let us = self.host_node(h);
        if !server.up || self.net.blocked(us, node) || self.net.blocked(node, us) {
            return Err("the connection was lost");
        }
        let now = self.sched.now();
        let trouble = &server.trouble;
        if now < server.hung_until || now < trouble.busy_until || now < trouble.loading_until {
            return Err("the server does not answer");
        }
        if trouble.noauth || trouble.noperm {
            return Err("the server does not allow it");
        }
        range(&server.history, rescue)
    }
}

/// What a history has behind the fork. Where it goes on after the server was fenced is asked for
/// anew, as the product does.
fn range(history: &History, rescue: &Rescue) -> Result<Rescued, &'static str> {
    let place = history.place().ok_or("the server has no history")?;
    let Some(fork) = rescue.fork else {
        return Ok(Rescued::Whole {
            file: Arc::from(format!("{}-{}.rdb", rescue.master, place.id)),
            commands: 0,
        });
    };
    let (id, fork, end) = (fork.id, fork.offset, rescue.history.offset);
    let grew = |before: Fork| before.id == id && before.offset >= fork;
    if place.id != rescue.history.id || place.id != id && !place.before.is_some_and(grew) {
        return Err("the server's history is another one");
    }
    if place.offset < end {
        return Err("the server's history is shorter than it said");
    }
    if place.kept_from.is_none_or(|from| from > fork) {
        return Err("the backlog begins behind the fork");
    }
    let commands = history.whole_writes(fork, place.offset).count();
    if commands == 0 {
        return Ok(Rescued::Nothing);
    }
    Ok(Rescued::Whole {
        file: Arc::from(format!(
            "{}-{id}-{fork}-{}.resp",
            rescue.master, place.offset
        )),
        commands: u64::try_from(commands).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bartizan_core::ids::MasterName;
    use bartizan_core::rescue::RescueMode;

    use super::*;
    use crate::replication::{ReplId, StreamItem};

    /// A master with ten writes, of which the first `common` are a replica's too.
    fn diverged(common: usize) -> (History, Rescue) {
        let mut history = History::empty(ReplId(7));
        let mut fork = history.offset;
        for n in 0..10 {
            history.push(&StreamItem::Write(n));
            if n + 1 == common as u64 {
                fork = history.offset;
            }
        }
        let place = history.place().unwrap();
        let rescue = Rescue {
            master: MasterName::new("m"),
            addr: Addr::new(HostName::parse("10.2.0.1").unwrap(), 6379),
            ip: IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1)),
            heir: Addr::new(HostName::parse("10.2.0.2").unwrap(), 6379),
            auth: None,
            fork: Some(Fork {
                id: place.id,
                offset: fork + 1,
            }),
            history: place,
            mode: RescueMode::Stream,
            dir: None,
            max_bytes: 0,
        };
        (history, rescue)
    }

    #[test]
    fn what_lies_behind_the_fork_is_had_to_the_last_write() {
        let (history, rescue) = diverged(4);
        let Ok(Rescued::Whole { commands, .. }) = range(&history, &rescue) else {
            panic!("{:?}", range(&history, &rescue));
        };
        assert_eq!(commands, 6);
        let (history, rescue) = diverged(10);
        assert_eq!(range(&history, &rescue), Ok(Rescued::Nothing));
    }

    #[test]
    fn a_history_that_is_another_or_not_kept_cannot_be_had() {
        let (mut history, rescue) = diverged(4);
        history.backlog_from = rescue.fork.unwrap().offset;
        assert!(range(&history, &rescue).is_err());
        history.backlog_from = rescue.fork.unwrap().offset - 1;
        assert!(range(&history, &rescue).is_ok());
        history.fork(ReplId(8));
        assert!(range(&history, &rescue).is_err());
    }
}
