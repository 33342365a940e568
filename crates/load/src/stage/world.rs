//! All played servers together: what one does to the others. No sockets.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddrV4;
use std::ops::Range;
use std::time::Instant;

use super::scene::Scene;
use super::server::{Follower, Link, Role, Server};

/// The servers of some groups of a scene.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: Vec<Server>,
    by_addr: HashMap<SocketAddrV4, usize>,
    groups: HashMap<usize, Range<usize>>,
    /// Replicas that want to connect to a master, and when.
    wishes: BTreeSet<(Instant, usize)>,
}

impl World {
    pub(crate) fn new(scene: &Scene, groups: Range<usize>) -> Self {
        let mut world = Self {
            servers: Vec::new(),
            by_addr: HashMap::new(),
            groups: HashMap::new(),
            wishes: BTreeSet::new(),
        };
        for group in groups {
            let first = world.servers.len();
            let master = scene.master_addr(group);
            for number in scene.servers_of(group) {
                let addr = scene.addr(number);
                let role = if addr == master {
                    Role::Master
                } else {
                    Role::Replica {
                        of: master,
                        link: Link::Up,
                    }
                };
                world.by_addr.insert(addr, world.servers.len());
                world.servers.push(Server::new(number, group, addr, role));
            }
            world.groups.insert(group, first..world.servers.len());
        }
        world
    }

    /// The servers of the group to which this one belongs.
    fn group_of(&self, server: usize) -> Range<usize> {
        let group = self
            .servers
            .get(server)
            .and_then(|s| self.groups.get(&s.group));
        group.cloned().unwrap_or_default()
    }

    /// Whoever follows this server with its link up: hellos published on it travel to them.
    pub(crate) fn followers(&self, server: usize) -> impl Iterator<Item = usize> + '_ {
        let addr = self.servers.get(server).map(|s| s.addr);
        self.group_of(server).filter(move |other| {
            let follower = self.servers.get(*other);
            addr.zip(follower)
                .is_some_and(|(addr, follower)| follower.follows(addr))
        })
    }

    /// The text of INFO.
    pub(crate) fn info(&self, server: usize, now: Instant) -> String {
        let followers = self
            .followers(server)
            .filter_map(|other| self.servers.get(other));
        let followers: Vec<Follower> = followers.map(|s| Follower { addr: s.addr }).collect();
        let mut text = String::with_capacity(6000);
        if let Some(server) = self.servers.get(server) {
            server.info(&followers, now, &mut text);
        }
        text
    }

    /// `REPLICAOF NO ONE`. Gives whether that was news.
    pub(crate) fn promote(&mut self, server: usize) -> bool {
        self.servers.get_mut(server).is_some_and(Server::promote)
    }

    /// `REPLICAOF host port`
    pub(crate) fn follow(&mut self, server: usize, of: SocketAddrV4, now: Instant) {
        let next = self.servers.get_mut(server).and_then(|s| s.follow(of, now));
        self.wishes.extend(next.map(|at| (at, server)));
    }

    /// The present master of a group, if it lives.
    pub(crate) fn master_of(&self, group: usize) -> Option<usize> {
        self.groups.get(&group)?.clone().find(|number| {
            self.servers
                .get(*number)
                .is_some_and(|s| s.alive && s.is_master())
        })
    }

    /// A server is dead: its followers lose their link.
    pub(crate) fn kill(&mut self, server: usize, now: Instant) {
        let orphans: Vec<usize> = self.followers(server).collect();
        if let Some(server) = self.servers.get_mut(server) {
            server.alive = false;
        }
        for orphan in orphans {
            let next = self
                .servers
                .get_mut(orphan)
                .and_then(|s| s.lose_master(now));
            self.wishes.extend(next.map(|at| (at, orphan)));
        }
    }

    /// When the next replica tries to connect.
    pub(crate) fn next_wish(&self) -> Option<Instant> {
        self.wishes.first().map(|(at, _)| *at)
    }

    /// Lets replicas connect whose time has come.
    pub(crate) fn connect_due(&mut self, now: Instant) {
        while let Some((_, server)) = self.wishes.pop_first_if(now) {
            let Some(of) = self.servers.get(server).and_then(|s| s.wants(now)) else {
                continue;
            };
            let master = self
                .by_addr
                .get(&of)
                .and_then(|number| self.servers.get(*number));
            let id = master
                .filter(|master| master.alive)
                .map(Server::replication_id);
            let Some(replica) = self.servers.get_mut(server) else {
                continue;
            };
            match id {
                Some(id) => replica.connect(id),
                None => self
                    .wishes
                    .extend(replica.fail_to_connect(now).map(|at| (at, server))),
            }
        }
    }
}

trait PopDue {
    fn pop_first_if(&mut self, now: Instant) -> Option<(Instant, usize)>;
}

impl PopDue for BTreeSet<(Instant, usize)> {
    fn pop_first_if(&mut self, now: Instant) -> Option<(Instant, usize)> {
        self.first()
            .is_some_and(|(at, _)| *at <= now)
            .then(|| self.pop_first())?
    }
}
