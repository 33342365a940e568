//! Hellos: how peers are found, epochs spread and new configurations are heard of (spec §7).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use bartizan_core::addr::Host;
use bartizan_core::ids::MasterName;
use bartizan_core::input::Input;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bench::{
    Bench, Disk, MASTER, P1, R1, addr, boot_of, events, hello, id, master_state, name, only, text,
};

fn master_addr(bench: &Bench) -> String {
    text(&bench.query(&Query::MasterAddr(name())))
}

#[test]
fn a_hello_introduces_a_peer() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    let said = bench.hear(hello(1, 0, 0, MASTER));
    assert_eq!(
        said,
        [
            "+sentinel sentinel p1 127.0.0.1 5001 @ mymaster 127.0.0.1 6379",
            "connect 5001 cmd",
            "persist e0, mymaster at 6379 since e0, voted e0"
        ]
    );
    bench.settle();
    assert_eq!(bench.on_disk().sentinels, [(id(1), addr(P1))]);
}

#[test]
fn a_hello_that_a_peer_publishes_here_does_too() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    let hello = Some(hello(1, 0, 0, MASTER));
    let said = bench.ask(Command::Publish { hello });
    assert_eq!(only(&said, "+sentinel").len(), 1);
    assert_eq!(only(&said, "reply"), ["reply 1 :1"]);
}

#[test]
fn a_leader_whose_configuration_we_adopt_is_answered_when_it_is_on_disk() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    let hello = Some(hello(1, 3, 3, R1));
    let said = bench.ask(Command::Publish { hello });
    assert_eq!(only(&said, "reply"), [""; 0]);
    assert_eq!(only(&bench.disk_done(), "reply"), ["reply 1 :1"]);
}

#[test]
fn what_is_no_hello_is_answered_all_the_same() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    let said = bench.ask(Command::Publish { hello: None });
    assert_eq!(said, ["reply 1 :1"]);
}

#[test]
fn a_known_peer_is_no_news() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    assert_eq!(bench.hear(hello(1, 0, 0, MASTER)), [""; 0]);
}

#[test]
fn our_own_hello_teaches_nothing() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    assert_eq!(bench.hear(hello(0, 9, 9, R1)), [""; 0]);
    let said = bench.ask(Command::Publish {
        hello: Some(hello(0, 9, 9, R1)),
    });
    assert_eq!(said, ["reply 1 :1"]);
}

#[test]
fn a_hello_about_an_unknown_master_is_ignored_with_its_epoch() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let mut heard = hello(2, 9, 9, R1);
    heard.master = MasterName::new("MyMaster");
    assert_eq!(bench.hear(heard), [""; 0]);
}

#[test]
fn a_higher_epoch_is_taken_over_and_saved() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.hear(hello(1, 5, 0, MASTER));
    assert_eq!(said, ["persist e5, mymaster at 6379 since e0, voted e0"]);
    assert_eq!(bench.settle(), ["+new-epoch 5"]);
    assert_eq!(bench.hear(hello(1, 4, 0, MASTER)), [""; 0], "never down");
}

#[test]
fn an_epoch_beyond_belief_is_not_taken_over_and_neither_is_its_configuration() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    for epoch in [u64::MAX, 1 << 63, (1 << 32) + 1] {
        assert_eq!(bench.hear(hello(1, epoch, epoch, R1)), [""; 0], "{epoch}");
    }
    assert_eq!(master_addr(&bench), "[127.0.0.1 6379]");
}

#[test]
fn a_newer_configuration_switches_the_master_when_it_is_on_disk() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    assert_eq!(
        bench.hear(hello(1, 3, 3, R1)),
        ["persist e3, mymaster at 6380 since e3, voted e0"]
    );
    assert_eq!(master_addr(&bench), "[127.0.0.1 6379]");
    assert_eq!(
        bench.disk_done()[..4],
        [
            "+new-epoch 3",
            "+config-update-from sentinel p1 127.0.0.1 5001 @ mymaster 127.0.0.1 6379",
            "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380",
            "+slave slave 127.0.0.1:6379 127.0.0.1 6379 @ mymaster 127.0.0.1 6380"
        ]
    );
    assert_eq!(master_addr(&bench), "[127.0.0.1 6380]");
}

#[test]
fn a_configuration_is_knowledge_and_holds_though_it_could_not_be_saved() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    bench.hear(hello(1, 3, 3, R1));
    let said = bench.disk_failed();
    assert_eq!(only(&said, "+switch-master").len(), 1);
}

#[test]
fn an_older_or_equal_configuration_changes_nothing() {
    let mut bench = Bench::calm_with(&[R1], 1, 1, |boot| {
        boot.durable.current_epoch = bartizan_core::ids::Epoch::new(7);
        boot.durable.masters[0].configuration.epoch = bartizan_core::ids::Epoch::new(7);
    });
    for epoch in [0, 6, 7] {
        assert_eq!(bench.hear(hello(1, 7, epoch, R1)), [""; 0], "{epoch}");
    }
}

#[test]
fn a_newer_epoch_for_the_same_address_is_saved_without_an_event() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.hear(hello(1, 3, 3, MASTER));
    assert_eq!(said, ["persist e3, mymaster at 6379 since e3, voted e0"]);
    assert_eq!(bench.settle(), ["+new-epoch 3"]);
    assert_eq!(bench.on_disk().configuration.epoch.get(), 3);
}

#[test]
fn the_new_master_may_be_a_server_that_was_not_known() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.ask(Command::Publish {
        hello: Some(hello(1, 3, 3, 6399)),
    });
    bench.host(6399).lead();
    let said = bench.settle();
    let switch = "+switch-master mymaster 127.0.0.1 6379 127.0.0.1 6399".to_owned();
    assert!(said.contains(&switch));
    assert!(said.contains(&"connect 6399 cmd".to_owned()));
    let kept = &bench.on_disk().replicas;
    assert_eq!(kept[..], [addr(MASTER), addr(R1)]);
}

#[test]
fn an_unknown_master_that_somebody_published_is_not_believed_but_told_of() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.hear(hello(1, 3, 3, 6399));
    let doubt = "+config-doubted sentinel p1 127.0.0.1 5001 @ mymaster 127.0.0.1 6379 \
                 127.0.0.1 6399 epoch 3";
    assert_eq!(events(&said), [doubt]);
    assert_eq!(events(&bench.settle()), ["+new-epoch 3"]);
    assert_eq!(master_addr(&bench), "[127.0.0.1 6379]");
    let again = bench.hear(hello(1, 4, 4, 6399));
    assert_eq!(only(&again, "+config-doubted"), [""; 0], "once");
    bench.settle();
    bench.ask(Command::Publish {
        hello: Some(hello(1, 4, 4, 6399)),
    });
    bench.settle();
    assert_eq!(
        master_addr(&bench),
        "[127.0.0.1 6399]",
        "until a peer says so itself"
    );
}

#[test]
fn a_name_is_no_address_unless_names_are_resolved() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let mut heard = hello(1, 3, 3, R1);
    heard.configuration.addr.host = Host::parse("redis.example").unwrap();
    bench.hear(heard);
    assert_eq!(events(&bench.settle()), ["+new-epoch 3"]);
    assert_eq!(master_addr(&bench), "[127.0.0.1 6379]");
    assert_eq!(
        bench.on_disk().configuration.epoch.get(),
        0,
        "nor its epoch"
    );
}

#[test]
fn a_new_master_whose_name_cannot_be_resolved_yet_is_taken_over_and_looked_up_until_it_can() {
    let mut bench = Bench::calm_with(&[R1], 1, 1, |boot| {
        boot.durable.options.resolve_hostnames = true;
    });
    let host = Host::parse("redis.example").unwrap();
    let mut heard = hello(1, 3, 3, 6399);
    heard.configuration.addr.host = host.clone();
    bench.ask(Command::Publish { hello: Some(heard) });
    let said = bench.settle();
    let switch = "+switch-master mymaster 127.0.0.1 6379 redis.example 6399";
    assert_eq!(only(&said, "+switch-master"), [switch]);
    assert_eq!(bench.on_disk().configuration.epoch.get(), 3, "and saved");
    assert_eq!(master_addr(&bench), "[redis.example 6399]");
    for _ in 0..3 {
        let host = host.clone();
        bench.give(Input::Resolved { host, ip: None });
        bench.until("resolve redis.example", 1100);
    }
    let ip = Some(bench::LOCAL);
    bench.host(6399).lead();
    let said = bench.give(Input::Resolved { host, ip });
    assert!(said.contains(&"connect 6399 cmd".to_owned()), "{said:?}");
    bench.settle();
    assert_eq!(master_addr(&bench), "[127.0.0.1 6399]");
}

#[test]
fn a_peer_that_moved_is_followed() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let mut moved = hello(1, 0, 0, MASTER);
    moved.from = addr(5099);
    let said = bench.hear(moved);
    assert_eq!(
        said[..2],
        [
            "+sentinel-address-switch master mymaster 127.0.0.1 6379 ip 127.0.0.1 port 5099 for p1",
            "close 5001 cmd"
        ]
    );
    assert!(said.contains(&"connect 5099 cmd".to_owned()));
    bench.settle();
    assert_eq!(bench.on_disk().sentinels, [(id(1), addr(5099))]);
}

#[test]
fn a_peer_that_moved_is_followed_under_its_other_masters_too() {
    let mut other = master_state(&[], 1, 1);
    other.name = MasterName::new("other");
    other.configuration.addr = addr(7000);
    let mut bench = Bench::boot(boot_of(vec![master_state(&[], 1, 1), other]));
    bench.advance(3000);
    let mut moved = hello(1, 0, 0, MASTER);
    moved.from = addr(5099);
    let said = bench.hear(moved);
    let update = "+sentinel-address-update sentinel p1 127.0.0.1 5099 @ mymaster 127.0.0.1 6379 \
                  1 additional matching instances";
    assert_eq!(only(&said, "+sentinel-address-update"), [update]);
}

#[test]
fn who_claims_a_peers_address_takes_its_place() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let mut claim = hello(2, 0, 0, MASTER);
    claim.from = addr(P1);
    let said = bench.hear(claim);
    assert_eq!(
        events(&said),
        [
            "+sentinel-invalid-addr sentinel p1 127.0.0.1 5001 @ mymaster 127.0.0.1 6379",
            "+sentinel sentinel p2 127.0.0.1 5001 @ mymaster 127.0.0.1 6379"
        ]
    );
    bench.settle();
    assert_eq!(bench.on_disk().sentinels, [(id(2), addr(P1))]);
}

#[test]
fn masters_share_one_link_to_a_peer() {
    let mut other = master_state(&[], 1, 1);
    other.name = MasterName::new("other");
    other.configuration.addr = addr(7000);
    let mut bench = Bench::boot(boot_of(vec![master_state(&[], 1, 1), other]));
    bench.advance(3000);
    assert_eq!(bench.links_of(P1).len(), 1);
    let peers = text(&bench.query(&Query::Sentinels(name())));
    assert!(peers.contains("link-refcount=2"), "{peers}");
}

#[test]
fn hellos_go_to_every_instance_every_two_seconds() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.advance(20_000);
    let hello = "HELLO 127.0.0.1,5000,me,0,mymaster,127.0.0.1,6379,0";
    for port in [MASTER, R1, P1] {
        let told = only(&said, &format!("{port} {hello}")).len();
        assert_eq!(told, 10, "{port}");
    }
}

#[test]
fn hellos_carry_the_announced_address() {
    let mut bench = Bench::calm_with(&[R1], 1, 1, |boot| {
        boot.durable.options.announce_ip = Host::parse("10.9.8.7");
        boot.durable.options.announce_port = Some(1234);
    });
    let said = bench.advance(2000);
    let hello = "5001 HELLO 10.9.8.7,1234,me,0,mymaster,127.0.0.1,6379,0";
    assert!(said.contains(&hello.to_owned()));
}

#[test]
fn hellos_carry_an_epoch_only_when_it_is_on_disk() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.disk = Disk::Slow;
    bench.hear(hello(1, 5, 0, MASTER));
    let said = bench.advance(4000);
    assert!(!said.iter().any(|line| line.contains("me,5,")));
    bench.disk_done();
    let said = bench.advance(2000);
    assert!(said.iter().any(|line| line.contains("me,5,")));
}

#[test]
fn a_word_from_a_link_that_is_gone_harms_nobody() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let link = bartizan_core::ids::LinkId::new(9999);
    assert_eq!(bench.give(Input::Heard { link, hello: None }), [""; 0]);
}

#[test]
fn peers_are_bounded() {
    let mut bench = Bench::calm(&[], 0, 1);
    for n in 0..300_u16 {
        let mut heard = hello(1, 0, 0, MASTER);
        let text = format!("{n:040}");
        heard.id = bartizan_core::ids::RunId::parse(text.as_bytes()).unwrap();
        heard.from = addr(20_000 + n);
        bench.hear(heard);
    }
    let found = bench
        .history
        .iter()
        .filter(|(_, line)| line.starts_with("+sentinel "));
    assert_eq!(found.count(), 250);
}
