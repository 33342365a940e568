//! What operators put right after the faults: that for which a Sentinel lacks the knowledge since
//! they themselves took it away, and nothing that it could do.

use bartizan_core::addr::Addr;
use bartizan_core::output::ReplicaOf;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use crate::fault::Kind;
use crate::world::World;

impl World {
    /// Operators look after the groups in which they sent servers about, or made Sentinels forget
    /// them. They give the Sentinels time to come to the end of what these can do.
    pub(crate) fn repair(&mut self) {
        let theirs = [
            Kind::Remonitor,
            Kind::ResetMaster,
            Kind::Moved,
            Kind::Follow,
        ];
        let is_theirs = |kind: &Kind| theirs.contains(kind);
        if self.plan.faults.iter().any(|fault| is_theirs(&fault.kind)) {
            (0..self.groups.len()).for_each(|group| self.repair_group(group));
        }
    }

    fn repair_group(&mut self, group: usize) {
        let lone = |h: &usize| self.is_lone(*h, group);
        if let Some(h) = (0..self.hosts.len()).find(lone) {
            return self.tell_again(h, group);
        }
        let Some(master) = self.agreed_master(group) else {
            return;
        };
        let mine = || (0..).zip(&self.servers).filter(|(_, s)| s.group == group);
        // The master moved when nobody else was known who could be promoted: whoever moved it brings
        // it to where all look for it.
        if !mine().any(|(_, s)| s.addr == master) {
            let leader = mine().find(|(_, s)| s.up && s.is_master());
            if let Some((s, _)) = leader.or_else(|| mine().find(|(_, s)| s.up)) {
                self.move_to(s, master);
            }
            return;
        }
        // The master was told to follow somebody, and no Sentinel could promote another one: no
        // server is left, or all have been cut off from it for too long. Whoever said so takes it
        // back.
        let demoted = mine().find(|(_, s)| s.up && s.addr == master && !s.is_master());
        if let Some((s, _)) = demoted
            && !mine().any(|(_, s)| s.up && s.is_master())
        {
            return self.reconfigure(s, &ReplicaOf::NoOne, None);
        }
        // One that follows another replica when all Sentinels are made to forget, or when it
        // moves, is in no master's INFO: it is set up again as a new one would be.
        let lost: Vec<usize> = mine()
            .filter(|(_, s)| s.up && s.addr != master && !s.is_told(&master))
            .filter(|(_, s)| !self.is_known(group, &s.addr))
            .map(|(s, _)| s)
            .collect();
        for s in lost {
            self.reconfigure(s, &ReplicaOf::Master(master.clone()), None);
        }
    }

    /// Whether nothing can reach a Sentinel any more that could tell it of this group: it was told to
    /// watch an address where nobody is, as the others were made to believe just then, and since
    /// they were all made to forget, it knows nobody else and nobody knows it.
    fn is_lone(&self, h: usize, group: usize) -> bool {
        let Some(name) = self.groups.name(group) else {
            return false;
        };
        let Some(master) = self.master_addr(h, group) else {
            return false;
        };
        let list = |h: usize, query: Query| match self.query(h, &query) {
            Some(Reply::Array(all)) => all,
            _ => Vec::new(),
        };
        let alone = |query| list(h, query).is_empty();
        let id = self.hosts.get(h).map(|host| host.id.to_string());
        let mut others = (0..self.hosts.len()).filter(|other| *other != h);
        self.hosts.len() > 1
            && !self.servers.iter().any(|server| server.addr == master)
            && alone(Query::Sentinels(name.clone()))
            && alone(Query::Replicas(name.clone()))
            && others.all(|other| {
                let peers = list(other, Query::Sentinels(name.clone()));
                let is_it = |one: &Reply| id.as_ref().is_some_and(|id| has(one, "runid", id));
                !peers.iter().any(is_it)
            })
    }

    /// A Sentinel is told anew whom to watch, if the others have come to know somebody who is there.
    fn tell_again(&mut self, h: usize, group: usize) {
        let Some(name) = self.groups.name(group).cloned() else {
            return;
        };
        let told = self.master_to_monitor(h, group);
        if told.is_some_and(|addr| self.servers.iter().any(|server| server.addr == addr)) {
            self.ask(h, Command::Remove { name }, None);
            self.monitor_group(h, group);
        }
    }

    /// The master that all Sentinels name.
    fn agreed_master(&self, group: usize) -> Option<Addr> {
        let first = self.master_addr(0, group)?;
        let mut all = (0..self.hosts.len()).map(|h| self.master_addr(h, group));
        all.all(|one| one.as_ref() == Some(&first)).then_some(first)
    }

    /// Whether any Sentinel has this replica on its list.
    pub(crate) fn is_known(&self, group: usize, addr: &Addr) -> bool {
        let Some(name) = self.groups.name(group) else {
            return false;
        };
        let (host, port) = (addr.host.to_string(), addr.port.to_string());
        let is_it = |one: &Reply| has(one, "ip", &host) && has(one, "port", &port);
        (0..self.hosts.len()).any(|h| {
            let reply = self.query(h, &Query::Replicas(name.clone()));
            matches!(reply, Some(Reply::Array(all)) if all.iter().any(is_it))
        })
    }
}

/// Whether a Sentinel says this of one on a list.
fn has(one: &Reply, name: &str, value: &str) -> bool {
    let Reply::Map(fields) = one else {
        return false;
    };
    fields
        .iter()
        .any(|(field, is)| field == name && matches!(is, Reply::Bulk(text) if *text == value))
}
