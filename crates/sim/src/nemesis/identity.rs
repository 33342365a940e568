//! Processes that are not who they were: servers under a new address, strangers at a known one,
//! Sentinels with an old file.

use bartizan_core::addr::Addr;

use crate::net::Node;
use crate::people::address;
use crate::replication::StreamItem;
use crate::sched::At;
use crate::server::{Data, Link, Server, Sort, Standing, outside};
use crate::world::{Place, World};

/// How many writes another cluster's server has.
const THEIRS: u64 = 20;

/// Whether a write is another cluster's.
pub(crate) const fn is_theirs(write: u64) -> bool {
    write > u64::MAX - THEIRS
}

impl World {
    /// A process that is down will come back as somebody else.
    pub(super) fn change_identity(&mut self, node: Node) {
        match self.place(node) {
            Place::Sentinel(h) => {
                if let Some(host) = self.hosts.get_mut(h) {
                    host.disk.restore_first();
                }
            }
            Place::Server(s) => {
                let Some(condition) = self.nemesis.condition(node) else {
                    return;
                };
                condition.moves = condition.moves % 100 + 1;
                let addr = address(node, self.hosts.len(), condition.moves);
                self.listen_at(s, addr);
            }
            Place::Client(_) | Place::Nowhere => {}
        }
    }

    /// Somebody sets a Sentinel that is down up again with a copy of another's file.
    pub(super) fn copy_file(&mut self, node: Node, other: Node) {
        let (Place::Sentinel(to), Place::Sentinel(from)) = (self.place(node), self.place(other))
        else {
            return;
        };
        let Some(file) = self.hosts.get(from).map(|host| host.disk.synced.clone()) else {
            return;
        };
        if let Some(host) = self.hosts.get_mut(to) {
            host.id = file.my_id;
            host.disk.replace(file);
        }
    }

    /// The address at which a server was set up.
    pub(crate) fn home(&self, server: &Server) -> Addr {
        address(server.node, self.hosts.len(), 0)
    }

    fn listen_at(&mut self, s: usize, addr: Addr) {
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let old = std::mem::replace(&mut server.addr, addr.clone());
        let (node, group) = (server.node, server.group);
        let now = self.sched.now();
        self.trace.server(now, s, &format!("moves to {addr}"));
        self.rename_node(node, &old, addr.clone());
        self.groups.add(addr.clone(), group);
        self.checks.add_addr(addr, group);
    }

    /// A server under an address that no Sentinel was ever told cannot be found, unless it is in
    /// a master's INFO. Who is not when everything is healed goes back to where people know it; a
    /// master that was just promoted under its new address is known there.
    pub(super) fn bring_the_lost_home(&mut self) {
        for s in 0..self.servers.len() {
            let Some(server) = self.servers.get(s) else {
                continue;
            };
            let node = server.node;
            let home = address(node, self.hosts.len(), 0);
            let promoted = server.is_master() && self.is_known(server.group, &server.addr);
            let linked = self.is_linked_to_a_master(&server.standing);
            if server.addr != home && !linked && !promoted {
                self.move_to(s, home);
            }
        }
    }

    /// A server is started at another address, with its data.
    pub(crate) fn move_to(&mut self, s: usize, addr: Addr) {
        let Some(server) = self.servers.get(s) else {
            return;
        };
        self.drop_connections(server.node, false);
        self.listen_at(s, addr);
        self.boot_server(s, Data::Kept);
    }

    fn is_linked_to_a_master(&self, standing: &Standing) -> bool {
        let Standing::Replica {
            of,
            link: Link::Up { .. },
        } = standing
        else {
            return false;
        };
        let mut all = self.servers.iter();
        all.any(|server| server.addr == *of && server.is_master())
    }

    /// Another cluster's server takes the address of one of ours.
    pub(super) fn stranger_comes(&mut self, s: usize, n: u64) {
        let Some(server) = self.servers.get(s).filter(|server| server.up) else {
            return;
        };
        if self.nemesis.displaced.contains_key(&s) {
            return;
        }
        let node = server.node;
        self.nemesis.displaced.insert(s, Box::new(server.clone()));
        self.drop_connections(node, false);
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        let sort = match n {
            0 => Sort::Older,
            1 => Sort::Replica,
            2 => Sort::Younger,
            _ => Sort::Blank,
        };
        server.trouble.stranger = Some(sort);
        server.standing = match sort {
            Sort::Replica => Standing::Replica {
                of: outside(),
                link: Link::Down {
                    since: At(0),
                    conn: None,
                },
            },
            Sort::Older | Sort::Younger | Sort::Blank => Standing::Master,
        };
        self.boot_server(s, Data::Empty);
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        server.trouble.stranger = Some(sort);
        if sort == Sort::Older {
            server.started = At(0);
        }
        if sort != Sort::Blank {
            let theirs = (0..THEIRS).map(|n| StreamItem::Write(u64::MAX - n));
            theirs.for_each(|write| server.history.push(&write));
        }
    }

    /// The stranger goes, and who was there before is back.
    pub(super) fn stranger_goes(&mut self, s: usize) {
        let Some(displaced) = self.nemesis.displaced.remove(&s) else {
            return;
        };
        self.drop_connections(displaced.node, false);
        let Some(server) = self.servers.get_mut(s) else {
            return;
        };
        // The process was moved meanwhile, whoever it is.
        let (life, up, addr) = (server.life, server.up, server.addr.clone());
        *server = *displaced;
        (server.life, server.up, server.addr) = (life, up, addr);
        if up {
            self.boot_server(s, Data::Saved);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::run::{Outcome, play};

    fn played(faults: &str) -> Outcome {
        let plan = format!("seed 13\nparam bytes 1\n{faults}");
        play(&Plan::parse(&plan).unwrap(), false)
    }

    fn fallen(outcome: &Outcome) -> Option<&'static str> {
        outcome.violation.as_ref().map(|v| v.property)
    }

    #[test]
    fn a_server_that_moves_is_found_or_replaced() {
        let replica = played("fault 20000 moved 3000 1 r1\n");
        assert_eq!(fallen(&replica), None);
        let master = played("fault 20000 moved 3000 1 r0\n");
        assert_eq!(fallen(&master), None);
        assert_eq!(master.stats.failovers, 1);
    }

    #[test]
    fn one_sentinel_with_an_old_file_learns_from_its_peers() {
        let outcome = played("fault 20000 crash 15000 0 r0\nfault 60000 old-file 3000 0 s1\n");
        assert_eq!(fallen(&outcome), None);
    }

    #[test]
    fn when_all_sentinels_are_given_old_files_the_master_is_lost() {
        let outcome = played(
            "fault 20000 crash 15000 0 r0\nfault 60000 old-file 3000 0 s0\n\
             fault 60000 old-file 3000 0 s1\nfault 60000 old-file 3000 0 s2\n",
        );
        assert_eq!(fallen(&outcome), Some("X5"));
    }

    #[test]
    fn a_stranger_in_a_replicas_place_is_left_alone() {
        for n in [0, 1] {
            let outcome = played(&format!("fault 20000 stranger 60000 {n} r1\n"));
            assert_eq!(fallen(&outcome), None, "{n}");
            assert_eq!(outcome.stats.turned, 0, "{n}");
        }
    }

    #[test]
    fn one_that_nothing_tells_from_a_server_of_the_group_is_saved_and_then_taken_in() {
        for n in [2, 3] {
            let outcome = played(&format!("fault 20000 stranger 60000 {n} r1\n"));
            assert_eq!(fallen(&outcome), None, "{n}");
            assert_eq!(outcome.stats.turned, 1, "{n}");
        }
    }

    #[test]
    fn strangers_are_left_alone_in_the_places_of_masters_that_were_replaced() {
        let outcome =
            played("fault 20000 failover 0 0 s0 s0 r0\nfault 60000 stranger 30000 0 r0\n");
        assert_eq!(fallen(&outcome), None);
        assert_eq!(outcome.stats.turned, 0);
    }

    #[test]
    fn a_lie_about_the_master_that_a_client_publishes_costs_nothing() {
        let outcome = played("fault 20000 lie 0 4 s0 s1 r0\n");
        assert_eq!(fallen(&outcome), None);
        assert_eq!(outcome.stats.failovers, 0);
    }

    #[test]
    fn a_lie_about_the_master_that_is_told_to_a_sentinel_costs_one_failover() {
        let outcome = played("fault 20000 lie 0 5 s0 s1 r0\n");
        assert_eq!(fallen(&outcome), None);
        assert_eq!(outcome.stats.failovers, 1);
    }

    #[test]
    fn one_redis_sentinel_that_believes_a_published_lie_still_costs_one_failover() {
        let outcome = played("param upstream 1\nfault 20000 lie 0 4 s0 s1 r0\n");
        assert_eq!(fallen(&outcome), None);
        assert_eq!(outcome.stats.failovers, 1);
    }
}
