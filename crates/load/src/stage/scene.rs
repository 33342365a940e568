//! Which servers there are, and where: the same for whoever computes it.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::Range;

use anyhow::{Result, bail};

/// The port of every server; they differ in their address.
const PORT: u16 = 7411;
/// Second bytes of 127.x.0.0 to choose from, so that several runs can go side by side.
const NETS: Range<u8> = 64..120;
/// Servers in one 127.x.y.0.
const PER_SUBNET: usize = 250;
/// Most servers of one scene: as many as have an address in 127.x.0.0.
pub const MOST_SERVERS: usize = PER_SUBNET * 250;

/// M masters with their replicas, spread over a part of 127.0.0.0/8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    masters: usize,
    /// Replicas of all masters together; each master has its even share.
    replicas: usize,
    net: u8,
}

/// Keeps a part of 127.0.0.0/8 ours for as long as it lives.
#[derive(Debug)]
pub struct Ground {
    _guard: TcpListener,
}

impl Scene {
    /// A scene on ground that no other run has.
    ///
    /// # Errors
    /// When it is larger than the addresses allow, or all ground is taken.
    pub fn new(masters: usize, replicas: usize) -> Result<(Self, Ground)> {
        if masters == 0 || masters + replicas > MOST_SERVERS {
            bail!(
                "between one master and {MOST_SERVERS} servers, not {masters} masters and {replicas} replicas"
            );
        }
        for net in NETS {
            let last = Ipv4Addr::new(127, net, 255, 254);
            if let Ok(guard) = TcpListener::bind((last, PORT)) {
                let scene = Self {
                    masters,
                    replicas,
                    net,
                };
                return Ok((scene, Ground { _guard: guard }));
            }
        }
        bail!(
            "port {PORT} is taken on all of 127.{}.255.254 and up",
            NETS.start
        )
    }

    /// From the words of [`Scene::words`].
    pub fn parse(words: &[&str]) -> Option<Self> {
        let [masters, replicas, net] = words else {
            return None;
        };
        Some(Self {
            masters: masters.parse().ok()?,
            replicas: replicas.parse().ok()?,
            net: net.parse().ok()?,
        })
    }

    /// What another process needs to know to play in the same scene.
    pub fn words(&self) -> [String; 3] {
        [
            self.masters.to_string(),
            self.replicas.to_string(),
            self.net.to_string(),
        ]
    }

    /// How many masters there are, each with its group.
    pub const fn masters(&self) -> usize {
        self.masters
    }

    /// How many servers there are, masters included.
    pub const fn servers(&self) -> usize {
        self.masters + self.replicas
    }

    /// How many replicas a group has.
    pub fn replicas_of(&self, group: usize) -> usize {
        self.servers_of(group).len() - 1
    }

    /// The numbers of a group's servers; the first is the master.
    pub fn servers_of(&self, group: usize) -> Range<usize> {
        let before = |group: usize| group + group * self.replicas / self.masters;
        before(group)..before(group + 1)
    }

    /// Where a server listens.
    pub fn addr(&self, server: usize) -> SocketAddrV4 {
        let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let (subnet, host) = (server / PER_SUBNET, server % PER_SUBNET);
        SocketAddrV4::new(
            Ipv4Addr::new(127, self.net, byte(subnet), byte(host + 1)),
            PORT,
        )
    }

    /// Where a group's master listens at first.
    pub fn master_addr(&self, group: usize) -> SocketAddrV4 {
        self.addr(self.servers_of(group).start)
    }

    /// The name under which Sentinels watch a group.
    pub fn name(group: usize) -> String {
        format!("m{group:05}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_in_one_group_and_has_an_address_of_its_own() {
        for (masters, replicas) in [(5, 10), (7, 3), (5, 0), (300, 600)] {
            let (scene, _ground) = Scene::new(masters, replicas).unwrap();
            let mut seen = Vec::new();
            for group in 0..masters {
                seen.extend(scene.servers_of(group));
            }
            assert_eq!(seen, (0..scene.servers()).collect::<Vec<_>>());
            let mut addrs: Vec<_> = seen.iter().map(|server| scene.addr(*server)).collect();
            addrs.dedup();
            assert_eq!(addrs.len(), scene.servers());
        }
    }

    #[test]
    fn two_runs_do_not_share_ground() {
        let (one, _first) = Scene::new(3, 6).unwrap();
        let (two, _second) = Scene::new(3, 6).unwrap();
        assert_ne!(one.addr(0), two.addr(0));
        let words = one.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(Scene::parse(&words), Some(one));
    }
}
