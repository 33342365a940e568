//! Names, addresses, files and hellos to test with.

use std::net::{IpAddr, Ipv4Addr};

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, Quorum, RunId};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::provide::options::{GlobalOptions, MasterOptions, Periods};
use bartizan_core::report::Hello;
use bartizan_core::sentinel::Boot;
use bartizan_core::time::{Mono, Span};

use super::{Bench, Disk, Vote};

/// Everything listens on this address; the port tells hosts apart.
pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const MASTER: u16 = 6379;
pub(crate) const R1: u16 = 6380;
pub(crate) const R2: u16 = 6381;
pub(crate) const R3: u16 = 6382;
/// `P1 + n` is the port of peer `n + 1`.
pub(crate) const P1: u16 = 5001;
pub(crate) const P2: u16 = 5002;
pub(crate) const START: Mono = Mono::from_ms(1_000_000);

/// Sentinel ids in the order in which they stand for `mymaster`: `id(0)` is ours and the first.
pub(crate) fn id(n: usize) -> RunId {
    RunId::parse(&[b"de9a6230"[n]; 40]).unwrap()
}

pub(crate) fn addr(port: u16) -> Addr {
    Addr::new(Host::Ip(LOCAL), port)
}

pub(crate) fn name() -> MasterName {
    MasterName::new("mymaster")
}

/// The process behind a data port, of the given generation.
pub(crate) fn run_id(port: u16, generation: u16) -> RunId {
    RunId::parse(format!("{port:020}{generation:020}").as_bytes()).unwrap()
}

/// What the file says of one master with these replicas, peers and quorum.
pub(crate) fn master_state(replicas: &[u16], peers: usize, quorum: u32) -> MasterState {
    let mut options = MasterOptions::new(Quorum::new(quorum).unwrap(), &Periods::default());
    options.down_after = Span::secs(5);
    options.failover_timeout = Span::secs(60);
    MasterState {
        name: name(),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: addr(MASTER),
        },
        options,
        branches: Vec::new(),
        own_values: Vec::new(),
        voted_epoch: Epoch::ZERO,
        replicas: replicas.iter().map(|port| addr(*port)).collect(),
        sentinels: (1..=peers).map(|n| (id(n), addr(peer_port(n)))).collect(),
    }
}

pub(crate) fn peer_port(n: usize) -> u16 {
    P1 + u16::try_from(n).unwrap() - 1
}

pub(crate) fn boot_of(masters: Vec<MasterState>) -> Boot {
    Boot {
        durable: Durable {
            my_id: id(0),
            current_epoch: Epoch::ZERO,
            options: GlobalOptions::default(),
            periods: Periods::default(),
            masters: masters.into_iter().map(Into::into).collect(),
        },
        fresh: false,
        seed: 7,
        port: 5000,
        own_password: None,
    }
}

/// A hello of peer `n` about `mymaster`: the peer's current epoch, and the configuration.
pub(crate) fn hello(n: usize, current: u64, config: u64, master: u16) -> Hello {
    Hello {
        from: addr(peer_port(n)),
        id: id(n),
        current_epoch: Epoch::new(current),
        master: name(),
        configuration: Configuration {
            epoch: Epoch::new(config),
            addr: addr(master),
        },
    }
}

/// Peers that agree that the master is down, whatever they do with their votes.
pub(crate) fn group(peers: usize, quorum: u32, vote: Vote) -> Bench {
    let mut bench = Bench::calm(&[R1], peers, quorum);
    for n in 1..=peers {
        let peer = bench.host(peer_port(n));
        peer.says_down = true;
        peer.vote = vote;
    }
    bench.hang(MASTER);
    bench
}

/// Our vote is on its way to a slow disk.
pub(crate) fn standing(peers: usize, quorum: u32, vote: Vote) -> Bench {
    let mut bench = group(peers, quorum, vote);
    bench.disk = Disk::Slow;
    bench.until("persist", 6000);
    bench
}
