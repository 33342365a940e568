//! Connections: when they are made, re-made and given up, and what is sent on them (spec §5).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::net::IpAddr;
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{CallId, LinkId};
use bartizan_core::input::{Answer, Input, LinkError, Talk};
use bartizan_core::output::{Call, LinkKind, Output};
use bartizan_core::provide::options::{Credentials, Secret};
use bartizan_core::provide::query::Query;
use bartizan_core::sentinel::{Boot, Sentinel};
use bartizan_core::time::Span;
use bench::{
    Bench, LOCAL, MASTER, P1, R1, Reach, START, addr, boot_of, events, field, hello, master_state,
    name, only, text,
};

/// The greetings of the first connections, by port and kind.
fn greetings(boot: Boot) -> Vec<(u16, LinkKind, Option<Credentials>, String)> {
    let mut sentinel = Sentinel::new(boot, START);
    let mut found = Vec::new();
    while let Some(output) = sentinel.poll_output() {
        if let Output::Connect {
            kind,
            port,
            greeting,
            ..
        } = output
        {
            found.push((port, kind, greeting.auth, greeting.client_name));
        }
    }
    found
}

fn connects(said: &[String]) -> usize {
    only(said, "connect 6379 cmd").len()
}

#[test]
fn servers_get_two_connections_and_peers_one() {
    let bench = Bench::boot(boot_of(vec![master_state(&[R1], 1, 1)]));
    let said: Vec<_> = bench.history.iter().map(|(_, line)| line.clone()).collect();
    assert_eq!(
        only(&said, "connect"),
        [
            "connect 6379 cmd",
            "connect 6379 pubsub",
            "connect 6380 cmd",
            "connect 6380 pubsub",
            "connect 5001 cmd"
        ]
    );
}

#[test]
fn connections_are_named_after_us() {
    let found = greetings(boot_of(vec![master_state(&[], 1, 1)]));
    let names: Vec<_> = found.iter().map(|(_, _, _, name)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "sentinel-dddddddd-cmd",
            "sentinel-dddddddd-pubsub",
            "sentinel-dddddddd-cmd"
        ]
    );
}

#[test]
fn servers_and_peers_have_passwords_of_their_own() {
    let mut boot = boot_of(vec![master_state(&[], 1, 1)]);
    boot.durable.masters[0].options.auth_pass = Some(Secret::new("data"));
    boot.durable.masters[0].options.auth_user = Some(Arc::from("watcher"));
    boot.durable.options.sentinel_pass = Some(Secret::new("peers"));
    boot.own_password = Some(Credentials {
        user: None,
        password: Secret::new("own"),
    });
    let shown = |auth: &Option<Credentials>| {
        let auth = auth.as_ref().unwrap();
        let user = auth.user.as_deref().unwrap_or("-");
        format!("{user} {}", auth.password.reveal())
    };
    let found = greetings(boot.clone());
    let auths: Vec<_> = found.iter().map(|(_, _, auth, _)| shown(auth)).collect();
    assert_eq!(auths, ["watcher data", "watcher data", "- peers"]);
    boot.durable.options.sentinel_pass = None;
    assert_eq!(shown(&greetings(boot)[2].2), "- own", "our own, else");
}

#[test]
fn a_user_without_a_password_says_nothing() {
    let mut boot = boot_of(vec![master_state(&[], 0, 1)]);
    boot.durable.masters[0].options.auth_user = Some(Arc::from("watcher"));
    assert!(greetings(boot).iter().all(|(_, _, auth, _)| auth.is_none()));
}

#[test]
fn a_new_command_link_brings_ping_and_info_at_once_and_a_hello_behind_the_pong() {
    let mut bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1)]));
    let command = up(&mut bench, LinkKind::Command, LOCAL);
    assert_eq!(command, ["6379 PING", "6379 INFO"]);
    up(&mut bench, LinkKind::PubSub, LOCAL);
    assert_eq!(subscribe(&mut bench, Talk::Both), [""; 0]);
    let said = bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
    assert_eq!(
        said,
        [
            "connect 6379 trial",
            "6379 HELLO 127.0.0.1,5000,me,0,mymaster,127.0.0.1,6379,0"
        ]
    );
}

#[test]
fn the_local_address_of_the_command_link_is_announced() {
    let mut bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1)]));
    up(&mut bench, LinkKind::Command, "10.1.2.3".parse().unwrap());
    up(&mut bench, LinkKind::PubSub, LOCAL);
    subscribe(&mut bench, Talk::Both);
    let said = bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
    assert!(said[1].starts_with("6379 HELLO 10.1.2.3,5000,"), "{said:?}");
}

/// A link to the master comes up.
fn up(bench: &mut Bench, kind: LinkKind, local: IpAddr) -> Vec<String> {
    let link = bench.link(MASTER, kind).unwrap();
    bench.up.push(link);
    bench.give(Input::LinkUp { link, local })
}

/// The subscription on the master stands.
fn subscribe(bench: &mut Bench, talk: Talk) -> Vec<String> {
    let link = bench.link(MASTER, LinkKind::PubSub).unwrap();
    bench.give(Input::Subscribed { link, talk })
}

/// The connection that a hello about the master is waiting on.
fn hello_waits_on(bench: &Bench) -> Option<LinkKind> {
    let hello = |call: &&(LinkId, CallId, Call)| matches!(call.2, Call::Publish(_));
    let (link, _, _) = bench.calls.iter().find(hello)?;
    Some(bench.links[link].1)
}

#[test]
fn hellos_go_over_the_pubsub_link_where_that_takes_calls() {
    for (talk, kind) in [
        (Talk::Both, LinkKind::PubSub),
        (Talk::Listen, LinkKind::Command),
    ] {
        let mut bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1)]));
        up(&mut bench, LinkKind::Command, LOCAL);
        bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
        assert_eq!(hello_waits_on(&bench), None, "it is not known yet where to");
        up(&mut bench, LinkKind::PubSub, LOCAL);
        subscribe(&mut bench, talk);
        assert_eq!(hello_waits_on(&bench), Some(kind));
    }
}

#[test]
fn hellos_go_over_the_command_link_where_there_is_no_other() {
    let mut bench = Bench::boot(boot_of(vec![master_state(&[], 0, 1)]));
    up(&mut bench, LinkKind::Command, LOCAL);
    up(&mut bench, LinkKind::PubSub, LOCAL);
    let link = bench.link(MASTER, LinkKind::PubSub).unwrap();
    let why = LinkError::Failed(Arc::from("SUBSCRIBE refused: NOPERM"));
    bench.give(Input::LinkDown { link, why });
    bench.reply(MASTER, |call| *call == Call::Ping, Answer::Pong);
    assert_eq!(hello_waits_on(&bench), Some(LinkKind::Command));
}

#[test]
fn a_server_that_holds_back_a_hello_is_sent_no_other_and_its_pings_go_on() {
    for talk in [Talk::Both, Talk::Listen] {
        let mut bench = Bench::calm_with(&[], 0, 1, |_| {});
        bench.host(MASTER).talk = talk;
        bench.kill(MASTER);
        bench.revive(MASTER);
        bench.advance(3000);
        bench.host(MASTER).pauses = true;
        let said = bench.advance(10_000);
        assert_eq!(only(&said, "6379 HELLO").len(), 1);
        let pings = only(&said, "6379 PING").len();
        match talk {
            Talk::Both => assert!(pings >= 10, "{pings}"),
            Talk::Listen | Talk::Refuse => assert!(pings <= 5, "{pings}"),
        }
        assert_eq!(only(&said, "+sdown").is_empty(), talk == Talk::Both);
    }
}

#[test]
fn a_hung_server_is_sent_no_hello_while_it_owes_a_pong() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.hang(MASTER);
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "6379 HELLO"), [""; 0]);
    bench.revive(MASTER);
    let said = bench.advance(1000);
    assert_eq!(only(&said, "6379 HELLO").len(), 1);
}

#[test]
fn port_zero_is_never_connected() {
    let mut boot = boot_of(vec![master_state(&[], 0, 1)]);
    boot.durable.masters[0].configuration.addr.port = 0;
    let mut bench = Bench::boot(boot);
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "connect"), [""; 0]);
    assert_eq!(only(&said, "+sdown").len(), 1);
}

#[test]
fn a_link_that_lasted_is_made_again_at_once() {
    let mut bench = Bench::calm(&[], 0, 1);
    let link = bench.link(MASTER, LinkKind::Command).unwrap();
    let why = LinkError::Closed;
    let said = bench.give(Input::LinkDown { link, why });
    assert_eq!(said, ["connect 6379 cmd"]);
}

#[test]
fn refused_connections_are_tried_with_growing_pauses_of_at_most_a_second() {
    let mut bench = Bench::calm_with(&[], 0, 1, |boot| {
        boot.durable.masters[0].options.down_after = Span::secs(600);
    });
    bench.kill(MASTER);
    let first = connects(&bench.advance(1000));
    assert!((3..=6).contains(&first), "{first} in the first second");
    bench.advance(10_000);
    let later = connects(&bench.advance(60_000));
    assert!((50..=60).contains(&later), "{later} in a minute");
}

#[test]
fn a_link_that_breaks_again_and_again_is_not_hammered() {
    let mut bench = Bench::calm(&[], 0, 1);
    let mut attempts = 0;
    for _ in 0..600 {
        attempts += connects(&bench.advance(100));
        for link in bench.links_of(MASTER) {
            let why = LinkError::Closed;
            attempts += connects(&bench.give(Input::LinkDown { link, why }));
        }
    }
    assert!((30..=90).contains(&attempts), "{attempts} in a minute");
}

#[test]
fn a_connection_that_does_not_come_about_is_given_up() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.kill(MASTER);
    bench.host(MASTER).reach = Reach::Deaf;
    let said = bench.advance(30_000);
    let closed = only(&said, "close 6379 cmd").len();
    assert!((3..=6).contains(&closed), "{closed}");
}

#[test]
fn a_link_on_which_a_ping_stays_unanswered_is_made_again() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.advance(20_000);
    bench.hang(MASTER);
    let began = bench.now;
    bench.until("close 6379 cmd", 10_000);
    let waited = bench.now.since(began).as_ms();
    assert!(
        (2500..=3010).contains(&waited),
        "half of down-after: {waited}"
    );
}

#[test]
fn a_young_link_is_given_its_time() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.hang(MASTER);
    bench.until("close 6379 cmd", 20_000);
    let age = bench.now.since(START).as_ms();
    assert!((15_000..=15_002).contains(&age), "{age}");
}

#[test]
fn a_silent_pubsub_link_is_made_again() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.host(MASTER).listens = false;
    let said = bench.advance(60_000);
    let closed = only(&said, "close 6379 pubsub").len();
    assert!((3..=4).contains(&closed), "{closed}");
    assert_eq!(only(&said, "close 6379 cmd"), [""; 0]);
}

#[test]
fn a_broken_pubsub_link_does_not_stop_the_pings() {
    let mut bench = Bench::calm(&[], 0, 1);
    let link = bench.link(MASTER, LinkKind::PubSub).unwrap();
    bench.host(MASTER).reach = Reach::Mute;
    let why = LinkError::Failed(Arc::from("NOAUTH"));
    bench.give(Input::LinkDown { link, why });
    bench.host(MASTER).reach = Reach::Up;
    assert_eq!(events(&bench.advance(60_000)), [""; 0]);
}

#[test]
fn pings_come_a_tenth_of_down_after_apart_and_at_least_every_second() {
    for (down_after, a_minute) in [(5000, 120), (30_000, 60), (200, 1200)] {
        let mut bench = Bench::calm_with(&[], 0, 1, |boot| {
            boot.durable.masters[0].options.down_after = Span::ms(down_after);
        });
        let pings = only(&bench.advance(60_000), "6379 PING").len();
        assert_eq!(pings, a_minute, "{down_after}");
    }
}

#[test]
fn replicas_are_pinged_every_second_and_at_least_every_down_after() {
    for (down_after, a_minute) in [(5000, 60), (30_000, 60), (200, 300)] {
        let mut bench = Bench::calm_with(&[R1], 0, 1, |boot| {
            boot.durable.masters[0].options.down_after = Span::ms(down_after);
        });
        let pings = only(&bench.advance(60_000), "6380 PING").len();
        assert_eq!(pings, a_minute, "{down_after}");
    }
}

#[test]
fn a_hello_to_a_replica_comes_every_two_seconds_though_others_are_heard_of_there() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    let link = bench.link(R1, LinkKind::PubSub).unwrap();
    let (mut pings, mut hellos) = (0, 0);
    for _ in 0..100 {
        let heard = Input::Heard { link, hello: None };
        let mut said = bench.give(heard);
        said.extend(bench.advance(600));
        pings += only(&said, "6380 PING").len();
        hellos += only(&said, "6380 HELLO").len();
    }
    assert_eq!((pings, hellos), (30, 30), "one of each in two seconds");
}

/// A hello with our id, from that port, as a replica tells it to those who listen there.
fn echo(bench: &mut Bench, port: u16, epoch: u64) {
    let link = bench.link(R1, LinkKind::PubSub).unwrap();
    let mut hello = hello(0, epoch, epoch, MASTER);
    hello.from = addr(port);
    let hello = Some(hello);
    bench.give(Input::Heard { link, hello });
}

#[test]
fn a_replica_that_passes_our_hellos_on_from_its_master_is_told_none_of_its_own() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    bench.advance(10_000);
    let mut hellos = 0;
    for _ in 0..30 {
        echo(&mut bench, 5000, 0);
        hellos += only(&bench.advance(2000), "6380 HELLO").len();
    }
    assert!(hellos <= 1, "{hellos} in a minute");
    bench.until("6380 HELLO", 2000);
}

#[test]
fn a_hello_of_ours_that_is_out_of_date_or_made_up_spares_a_replica_none() {
    for (port, epoch) in [(5000, 7), (5001, 0)] {
        let mut bench = Bench::calm(&[R1], 0, 1);
        let mut hellos = 0;
        for _ in 0..30 {
            echo(&mut bench, port, epoch);
            hellos += only(&bench.advance(2000), "6380 HELLO").len();
        }
        assert_eq!(hellos, 30, "in a minute, port {port}, epoch {epoch}");
    }
}

#[test]
fn a_server_that_is_heard_of_is_pinged_less_and_its_hang_is_seen_as_soon() {
    let mut bench = Bench::calm(&[], 0, 1);
    let link = bench.link(MASTER, LinkKind::PubSub).unwrap();
    let mut pings = 0;
    for _ in 0..200 {
        let heard = Input::Heard { link, hello: None };
        pings += only(&bench.give(heard), "6379 PING").len();
        pings += only(&bench.advance(300), "6379 PING").len();
    }
    assert_eq!(pings, 30, "one for each hello in a minute");
    bench.hang(MASTER);
    let began = bench.now;
    bench.until("+sdown", 10_000);
    let waited = bench.now.since(began).as_ms();
    assert!((5000..=5501).contains(&waited), "{waited}");
}

#[test]
fn one_ping_is_under_way_at_a_time() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.hang(MASTER);
    let said = bench.advance(10_000);
    assert_eq!(only(&said, "6379 PING").len(), 1);
}

#[test]
fn info_is_asked_for_every_ten_seconds_and_every_second_during_a_failover() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    bench.host(P1).vote = bench::Vote::Withholds;
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "6380 INFO").len(), 6);
    bench.hang(MASTER);
    bench.until("+odown", 6000);
    let said = bench.advance(10_000);
    assert!(only(&said, "6380 INFO").len() >= 10);
}

#[test]
fn a_replica_whose_own_link_is_down_is_asked_every_second() {
    let mut bench = Bench::calm(&[R1], 1, 2);
    bench.host(R1).info.master_link_up = false;
    bench.advance(11_000);
    let said = bench.advance(10_000);
    assert_eq!(only(&said, "6380 INFO").len(), 10);
}

#[test]
fn an_info_without_an_answer_is_asked_for_again_no_sooner_than_with_one() {
    let mut bench = Bench::calm(&[], 0, 2);
    bench.advance(10_000);
    bench.hang(MASTER);
    let said = bench.advance(10_000);
    assert_eq!(only(&said, "6379 INFO").len(), 1);
}

#[test]
fn a_dead_process_is_owed_no_answers() {
    let mut bench = Bench::calm(&[], 0, 2);
    bench.hang(MASTER);
    bench.advance(2000);
    let pending = |bench: &Bench| {
        let master = bench.query(&Query::Master(name()));
        field(&master, "link-pending-commands")
    };
    assert_ne!(pending(&bench), "0");
    bench.kill(MASTER);
    assert_eq!(pending(&bench), "0");
    bench.advance(10_000);
    assert_eq!(pending(&bench), "0", "connections are refused all the time");
}

#[test]
fn calls_without_an_answer_are_bounded() {
    let mut bench = Bench::calm_with(&[], 0, 1, |boot| {
        boot.durable.masters[0].options.down_after = Span::secs(3600);
    });
    bench.hang(MASTER);
    let said = bench.advance(1_800_000);
    let sent = only(&said, "6379 ").len();
    let pending = field(
        &bench.query(&Query::Master(name())),
        "link-pending-commands",
    );
    assert_eq!((sent, pending), (100, "100".to_owned()));
}

#[test]
fn answers_of_a_link_that_is_gone_are_ignored() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.hang(MASTER);
    bench.advance(2000);
    let (link, call, _) = bench.calls[0].clone();
    bench.give(Input::LinkDown {
        link,
        why: LinkError::Closed,
    });
    bench.up.clear();
    let answer = Answer::Pong;
    assert_eq!(bench.give(Input::Answer { link, call, answer }), [""; 0]);
}

#[test]
fn an_answer_counts_once() {
    let mut bench = Bench::calm(&[], 0, 2);
    bench.hang(MASTER);
    bench.until("+sdown", 6000);
    let (link, call, _) = bench.calls[0].clone();
    let answer = Answer::Pong;
    let twice = [(); 2].map(|()| {
        let answer = answer.clone();
        events(&bench.give(Input::Answer { link, call, answer })).len()
    });
    assert_eq!(twice, [1, 0]);
}

#[test]
fn calls_carry_the_masters_renamed_commands_and_peers_calls_do_not() {
    let mut boot = boot_of(vec![master_state(&[], 1, 1)]);
    let renames = Arc::make_mut(&mut boot.durable.masters[0].options.renames);
    renames.insert("ping", "XPING");
    let mut sentinel = Sentinel::new(boot, START);
    let mut links = Vec::new();
    while let Some(output) = sentinel.poll_output() {
        if let Output::Connect { link, .. } = output {
            links.push(link);
        }
    }
    let mut words = Vec::new();
    for link in [links[0], links[2]] {
        sentinel.handle(START, Input::LinkUp { link, local: LOCAL });
        while let Some(output) = sentinel.poll_output() {
            if let Output::Call {
                what: Call::Ping,
                renames,
                ..
            } = output
            {
                words.push(renames.word("PING").to_owned());
            }
        }
    }
    assert_eq!(words, ["XPING", "PING"]);
}

#[test]
fn a_name_is_looked_up_before_each_connection() {
    let mut boot = boot_of(vec![master_state(&[], 0, 1)]);
    let host = Host::parse("redis.example").unwrap();
    boot.durable.options.resolve_hostnames = true;
    boot.durable.masters[0].configuration.addr = Addr::new(host.clone(), MASTER);
    let mut bench = Bench::boot(boot);
    let asked = bench.history.iter().map(|(_, line)| line.as_str());
    assert_eq!(asked.filter(|line| line.starts_with("resolve")).count(), 1);
    let ip = Some(LOCAL);
    let said = bench.give(Input::Resolved { host, ip });
    assert_eq!(said, ["connect 6379 cmd", "connect 6379 pubsub"]);
    bench.settle();
    let told = text(&bench.query(&Query::MasterAddr(name())));
    assert_eq!(
        told, "[127.0.0.1 6379]",
        "as an address, unless told not to"
    );
    bench.kill(MASTER);
    let said = bench.advance(1000);
    assert!(!only(&said, "resolve redis.example").is_empty());
}

#[test]
fn a_name_that_cannot_be_resolved_is_tried_again() {
    let mut boot = boot_of(vec![master_state(&[], 0, 1)]);
    let host = Host::parse("redis.example").unwrap();
    boot.durable.options.resolve_hostnames = true;
    boot.durable.masters[0].configuration.addr = Addr::new(host.clone(), MASTER);
    let mut bench = Bench::boot(boot);
    for _ in 0..3 {
        let host = host.clone();
        bench.give(Input::Resolved { host, ip: None });
        bench.until("resolve redis.example", 1100);
    }
}

#[test]
fn a_link_that_fails_in_an_odd_way_is_worth_a_debug_line_and_a_refused_one_is_not() {
    let mut bench = Bench::calm(&[R1], 0, 1);
    let link = bench.link(R1, LinkKind::Command).unwrap();
    let why = LinkError::Failed(Arc::from("No route to host"));
    let said = bench.give(Input::LinkDown { link, why });
    assert_eq!(
        events(&said),
        [
            "-cmd-link-reconnection slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster 127.0.0.1 6379 \
          #No route to host"
        ]
    );
    let link = bench.link(MASTER, LinkKind::PubSub).unwrap();
    let why = LinkError::Refused;
    assert_eq!(events(&bench.give(Input::LinkDown { link, why })), [""; 0]);
}

#[test]
fn a_server_that_is_away_is_tried_over_one_connection_only() {
    let mut bench = Bench::calm(&[], 0, 1);
    bench.kill(MASTER);
    bench.advance(1000);
    let said = bench.advance(10_000);
    let tried = only(&said, "connect");
    assert!(tried.len() >= 9, "{tried:?}");
    assert!(tried.iter().all(|line| line.contains("cmd")), "{tried:?}");
    bench.revive(MASTER);
    let said = bench.advance(2000);
    assert!(said.iter().any(|line| line.contains("pubsub")), "{said:?}");
}
