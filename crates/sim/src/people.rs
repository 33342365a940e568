//! Who there is in a world: the processes, their addresses, and the file that each Sentinel is
//! given.

use std::net::{IpAddr, Ipv4Addr};

use bartizan_core::addr::{Addr, Host as HostName};
use bartizan_core::fencing::Fencing;
use bartizan_core::ids::{Epoch, Quorum, RunId};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState, SharedState};
use bartizan_core::provide::options::{GlobalOptions, MasterOptions, Periods};
use bartizan_core::time::Span;

use crate::client::Client;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::host::Host;
use crate::net::{Node, Reach};
use crate::rand::{Purpose, Stream, id_bytes};
use crate::sched::At;
use crate::server::{Link, Server, Standing};
use crate::world::{World, count};

impl World {
    pub(crate) fn people(&mut self, per_group: usize) {
        let (hosts, seed) = (count(self.plan.params.sentinels), self.plan.seed);
        let ids = Stream::new(seed, Purpose::Ids);
        let nowhere = self.addresses.len();
        self.net.set_reach(&mut self.sched, nowhere, Reach::Dark);
        for h in 0..hosts {
            let host = self.new_host(
                h,
                RunId::from_random(id_bytes(ids.of(2 << 32 | h as u64), 0)),
            );
            self.hosts.push(host);
        }
        for (s, addr) in self
            .addresses
            .iter()
            .skip(hosts)
            .take(self.groups.len() * per_group)
            .enumerate()
        {
            let run_id = RunId::from_random(id_bytes(ids.of(1 << 32 | s as u64), 0));
            let master = self.addresses.get(hosts + s - s % per_group);
            let standing = match master {
                Some(master) if s % per_group > 0 => Standing::Replica {
                    of: master.clone(),
                    link: Link::Down {
                        since: At(0),
                        conn: None,
                    },
                },
                _ => Standing::Master,
            };
            let mut server = Server::new(hosts + s, s / per_group, addr.clone(), run_id, standing);
            server.min_replicas.to_write =
                u32::try_from(self.plan.params.min_replicas).unwrap_or(u32::MAX);
            self.servers.push(server);
        }
        for c in 0..count(self.plan.params.clients) {
            let node = hosts + self.servers.len() + c;
            self.clients
                .push(Client::new(node, c % self.groups.len().max(1)));
        }
    }

    fn new_host(&self, h: usize, id: RunId) -> Host {
        let params = &self.plan.params;
        let draws = Stream::new(self.plan.seed, Purpose::Clock).of(h as u64);
        let drift = params.drift_ppm.min(500_000);
        let rate = draws.range(1, 1_000_000 - drift, 1_000_001 + drift);
        let clock = Clock::new(draws.range(0, 0, 1 << 32), rate);
        let file = self.first_file(id);
        let ours = self.plan.is_ours(h);
        // What a redis-sentinel writes is not for our parser to read.
        let disk = if self.bytes && ours {
            Disk::of_text(file)
        } else {
            Disk::new(file)
        };
        let addr = address(h, count(params.sentinels), 0);
        let ip = addr.host.ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let mut host = Host::new(h, id, addr, ip, clock, disk);
        host.ours = ours;
        host
    }

    /// The file that an operator writes: the masters, and nothing learnt.
    fn first_file(&self, my_id: RunId) -> Durable {
        let params = &self.plan.params;
        let periods = Periods::default();
        let quorum = u32::try_from(params.quorum).ok().and_then(Quorum::new);
        let mut options = MasterOptions::new(quorum.unwrap_or(ONE), &periods);
        options.down_after = Span::ms(params.down_after_ms);
        options.crash_detection = Span::ms(params.crash_detection_ms);
        options.fencing = match u32::try_from(params.fencing_lag) {
            Ok(lag) if lag > 0 => Fencing::MinReplicas { lag },
            _ => Fencing::Off,
        };
        options.failover_timeout = Span::ms(params.failover_timeout_ms);
        options.parallel_syncs = u32::try_from(params.parallel_syncs).unwrap_or(1);
        let (hosts, per_group) = (count(params.sentinels), count(params.replicas + 1));
        let state = |g: usize| {
            Some(MasterState {
                branches: Vec::new(),
                own_values: Vec::new(),
                name: self.groups.name(g)?.clone(),
                configuration: Configuration {
                    epoch: Epoch::ZERO,
                    addr: self.addresses.get(hosts + g * per_group)?.clone(),
                },
                options: options.clone(),
                voted_epoch: Epoch::ZERO,
                replicas: Vec::new(),
                sentinels: Vec::new(),
            })
        };
        let mut masters: Vec<SharedState> = (0..self.groups.len())
            .filter_map(|g| state(g).map(Into::into))
            .collect();
        masters.sort_by(|a, b| a.name.cmp(&b.name));
        let global = GlobalOptions::default();
        Durable {
            my_id,
            current_epoch: Epoch::ZERO,
            options: global,
            periods,
            masters,
        }
    }
}

/// A quorum of one.
pub(crate) const ONE: Quorum = match Quorum::new(1) {
    Some(quorum) => quorum,
    None => unreachable!(),
};

/// Where a process listens after it has moved `moves` times.
pub(crate) fn address(node: Node, hosts: usize, moves: u8) -> Addr {
    let octet = |n: usize| u8::try_from(n % 250).unwrap_or(0);
    let (net, port) = if node < hosts { (1, 26379) } else { (2, 6379) };
    let n = if node < hosts { node } else { node - hosts };
    let ip = Ipv4Addr::new(10, net + moves * 2, octet(n / 250), octet(n) + 1);
    Addr::new(HostName::Ip(IpAddr::V4(ip)), port)
}
