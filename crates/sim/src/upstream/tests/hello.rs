//! Finding peers and replicas, and believing what peers say.

use std::net::{IpAddr, Ipv4Addr};

use bartizan_core::addr::Host;
use bartizan_core::ids::{Epoch, LinkId, MasterName};
use bartizan_core::input::Input;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::output::Call;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::Hello;

use super::bench::*;

#[test]
fn replicas_are_found_by_info_and_peers_by_hello() {
    let mut state = known(2, &[]);
    state.masters[0].replicas.clear();
    let mut bench = Bench::new(state);
    bench.run(200);
    bench.hello('b', 0, 0, 1);
    assert_eq!(
        bench.event_names(),
        ["+monitor", "+slave", "+slave", "+sentinel"]
    );
    assert!(bench.has_event("+slave slave 127.0.0.1:2 127.0.0.1 2 @ mymaster 127.0.0.1 1"));
    let peer = format!(
        "+sentinel sentinel {} 127.0.0.1 20001 @ mymaster 127.0.0.1 1",
        id('b')
    );
    assert!(bench.has_event(&peer));
    let saved = &bench.last_write().masters[0];
    assert_eq!(saved.replicas, [at(2), at(3)]);
    assert_eq!(saved.sentinels, [(id('b'), peer_addr('b'))]);
    bench.hello('b', 0, 0, 1);
    assert_eq!(bench.events.len(), 4, "a known peer is no news");
}

#[test]
fn hellos_go_to_everybody_from_the_local_end_of_the_link() {
    let mut bench = Bench::new(known(2, &['b']));
    let start = bench.now.as_ms();
    bench.run(2200);
    for addr in [at(1), at(2), peer_addr('b')] {
        let told = bench.times(&addr, is_publish);
        assert_eq!(told.len(), 1, "{addr}");
        assert!((2000..=2200).contains(&(told[0] - start)));
    }
    let (_, _, call) = bench
        .calls
        .iter()
        .find(|(_, _, call)| is_publish(call))
        .unwrap();
    let expected = Hello {
        from: at(20_000),
        id: id('a'),
        current_epoch: Epoch::ZERO,
        master: mymaster(),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: at(1),
        },
    };
    assert_eq!(*call, Call::Publish(expected));
}

#[test]
fn an_announced_address_is_told_instead_of_the_local_one() {
    let mut state = known(2, &[]);
    let ip = Host::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)));
    state.options.announce_ip = Some(ip.clone());
    state.options.announce_port = Some(5000);
    let mut bench = Bench::new(state);
    bench.run(2200);
    let found = bench.calls.iter().find_map(|(_, _, call)| match call {
        Call::Publish(hello) => Some(hello.from.clone()),
        _ => None,
    });
    let from = found.unwrap();
    assert_eq!((from.host, from.port), (ip, 5000));
}

#[test]
fn a_newer_epoch_is_adopted_and_saved_before_the_configuration_is_looked_at() {
    let mut bench = Bench::new(known(2, &['b']));
    bench.hello('b', 7, 3, 1);
    assert_eq!(bench.event_names(), ["+monitor", "+new-epoch"]);
    assert_eq!(bench.last_write().current_epoch, Epoch::new(7));
    let saved = bench.last_write().masters[0].configuration.epoch;
    assert_eq!(
        saved,
        Epoch::ZERO,
        "the configuration's epoch came after the write"
    );
    assert_eq!(
        bench.sut.durable().masters[0].configuration.epoch,
        Epoch::new(3)
    );
    bench.hello('b', 8, 7, 2);
    assert_eq!(
        bench.event_names()[2..5],
        ["+new-epoch", "+config-update-from", "+switch-master"]
    );
    bench.hello('b', 8, 7, 1);
    assert_eq!(
        bench.master_addr(),
        "2",
        "an epoch that is not newer moves nothing"
    );
}

#[test]
fn a_hello_about_an_unknown_master_is_ignored_whole() {
    let mut bench = Bench::new(known(2, &['b']));
    let hello = Hello {
        from: peer_addr('c'),
        id: id('c'),
        current_epoch: Epoch::new(9),
        master: MasterName::new("other"),
        configuration: Configuration {
            epoch: Epoch::new(9),
            addr: at(2),
        },
    };
    let reply = bench.ask(Command::Publish { hello: Some(hello) });
    assert_eq!(reply, Reply::Integer(1));
    assert_eq!(
        bench.ask(Command::Publish { hello: None }),
        Reply::Integer(1)
    );
    assert_eq!(bench.event_names(), ["+monitor"]);
    assert_eq!(bench.sut.durable().current_epoch, Epoch::ZERO);
}

#[test]
fn our_own_hello_is_known_on_pubsub_but_not_by_publish() {
    let mut bench = Bench::new(known(2, &[]));
    bench.run(200);
    let hello = Hello {
        from: at(20_000),
        id: id('a'),
        current_epoch: Epoch::ZERO,
        master: mymaster(),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: at(1),
        },
    };
    let link = bench.pubsub_link(&at(1));
    bench.give(Input::Heard {
        link,
        hello: Some(hello.clone()),
    });
    bench.give(Input::Heard {
        link: LinkId::new(999_999),
        hello: Some(hello.clone()),
    });
    assert!(!bench.has_event("+sentinel"));
    bench.ask(Command::Publish { hello: Some(hello) });
    assert!(bench.has_event("+sentinel"));
}

#[test]
fn a_peer_that_moved_is_found_again_and_an_address_has_one_owner() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    let mut hello = Hello {
        from: at(30_000),
        id: id('b'),
        current_epoch: Epoch::ZERO,
        master: mymaster(),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: at(1),
        },
    };
    bench.ask(Command::Publish {
        hello: Some(hello.clone()),
    });
    let moved = format!(
        "+sentinel-address-switch master mymaster 127.0.0.1 1 ip 127.0.0.1 port 30000 for {}",
        id('b')
    );
    assert!(bench.has_event(&moved));
    hello.id = id('d');
    bench.ask(Command::Publish { hello: Some(hello) });
    let names = bench.event_names();
    assert_eq!(names[2..], ["+sentinel-invalid-addr", "+sentinel"]);
    let ids: Vec<_> = bench.last_write().masters[0]
        .sentinels
        .iter()
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(ids, [id('c'), id('d')]);
}

#[test]
fn masters_share_one_line_to_a_peer() {
    let mut state = known(2, &['b']);
    let mut second = state.masters[0].clone();
    second.name = MasterName::new("other");
    second.configuration.addr = at(2);
    second.replicas.clear();
    state.masters[0].replicas = vec![at(3)];
    state.masters.push(second);
    let mut bench = Bench::new(state);
    bench.run(5000);
    let lines = bench
        .connects
        .iter()
        .filter(|(_, to, _)| *to == peer_addr('b'))
        .count();
    assert_eq!(lines, 1);
    let pings = bench.times(&peer_addr('b'), is_ping).len();
    assert!(
        (4..=6).contains(&pings),
        "one stream of PING, not two: {pings}"
    );
    assert_eq!(
        bench.times(&peer_addr('b'), is_publish).len(),
        4,
        "hellos are per master"
    );
    bench.ask(Command::Remove {
        name: MasterName::new("other"),
    });
    bench.run(2000);
    let lines = bench
        .connects
        .iter()
        .filter(|(_, to, _)| *to == peer_addr('b'))
        .count();
    assert_eq!(lines, 1, "the line survives for the other master");
    let Reply::Array(peers) = bench.sut.query(bench.now, &Query::Sentinels(mymaster())) else {
        panic!("no array")
    };
    assert_eq!(peers.len(), 1);
}
