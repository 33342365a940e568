//! Truths over any state and any text.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use bartizan_conf::{
    LogLevel, PaperWorld, Rewriter, ServerOptions, Source, UserLine, load, render,
};
use bartizan_core::addr::{Addr, Host};
use bartizan_core::fencing::{Fencing, MinReplicas};
use bartizan_core::ids::{Epoch, MasterName, Quorum, ReplId, RunId};
use bartizan_core::limits;
use bartizan_core::model::branches::Branch;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState, SharedState};
use bartizan_core::provide::options::{GlobalOptions, MasterOptions, Periods, Renames, Secret};
use bartizan_core::report::Fork;
use bartizan_core::rescue::RescueMode;
use bartizan_core::time::Span;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

/// Text with all that a careless writer would break.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        r##"[ -~]{1,12}"##,
        r##"[\x00-\x7f]{1,6}"##,
        "[#\"'\\\\ \t\r\n]{1,6}",
        "\\PC{1,6}",
    ]
}

fn host(names: bool) -> impl Strategy<Value = Host> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| Host::Ip(std::net::IpAddr::from(ip))),
        any::<[u8; 16]>().prop_map(|ip| Host::Ip(std::net::IpAddr::from(ip))),
    ];
    let name = "[g-z][a-z.-]{0,20}".prop_map(|name| Host::parse(&name).unwrap());
    if names {
        prop_oneof![ip, name].boxed()
    } else {
        ip.boxed()
    }
}

fn addr(names: bool) -> impl Strategy<Value = Addr> {
    (host(names), any::<u16>()).prop_map(|(host, port)| Addr::new(host, port))
}

fn run_id() -> impl Strategy<Value = RunId> {
    any::<[u8; 20]>().prop_map(RunId::from_random)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![0u64..100, 0..=limits::LARGEST_EPOCH].prop_map(Epoch::new)
}

fn span() -> impl Strategy<Value = Span> {
    let longest = u64::try_from(i64::MAX).unwrap();
    prop_oneof![Just(30_000), Just(180_000), Just(5000), 1..longest].prop_map(Span::ms)
}

fn arc() -> impl Strategy<Value = Arc<str>> {
    odd_text().prop_map(|text| Arc::from(text.as_str()))
}

fn secret() -> impl Strategy<Value = Secret> {
    odd_text().prop_map(|text| Secret::new(&text))
}

fn renames() -> impl Strategy<Value = Arc<Renames>> {
    btree_map("[a-zA-Z]{1,8}|[ -~]{1,5}", odd_text(), 0..3).prop_map(|map| {
        let mut renames = Renames::default();
        map.iter().for_each(|(old, new)| renames.insert(old, new));
        Arc::new(renames)
    })
}

fn options() -> impl Strategy<Value = MasterOptions> {
    let numbers = (
        1u32..,
        span(),
        span(),
        any::<u32>(),
        prop_oneof![Just(Span::ZERO), span()],
        prop_oneof![Just(Span::ZERO), span()],
        prop_oneof![
            Just(RescueMode::Off),
            Just(RescueMode::Stream),
            Just(RescueMode::Snapshot)
        ],
    );
    let texts = (
        option::of(arc()),
        option::of(arc()),
        option::of(arc()),
        option::of(secret()),
    );
    let fencing = prop_oneof![
        Just(Fencing::Off),
        (1u32..).prop_map(|lag| Fencing::MinReplicas { lag })
    ];
    (numbers, texts, renames(), fencing).prop_map(|(numbers, texts, renames, fencing)| {
        let (quorum, down_after, failover_timeout, parallel_syncs, reboot, crash_detection, rescue) = numbers;
        let (notification_script, client_reconfig_script, auth_user, auth_pass) = texts;
        MasterOptions {
            quorum: Quorum::new(quorum).unwrap(),
            down_after,
            failover_timeout,
            parallel_syncs,
            notification_script,
            client_reconfig_script,
            auth_user,
            auth_pass,
            master_reboot_down_after: reboot,
            crash_detection,
            rescue,
            fencing,
            renames,
        }
    })
}

fn master(names: bool) -> impl Strategy<Value = MasterState> {
    let configuration = (epoch(), addr(names));
    let replicas = btree_set(addr(names), 0..5);
    let sentinels = btree_map(run_id(), addr(names), 0..4);
    let heir = option::of("[0-9a-f]{39}2");
    let branches = vec(("[0-9a-f]{39}1", any::<u64>(), heir), 0..4);
    let own_values = btree_map(addr(names), any::<(u32, u32)>(), 0..4);
    (
        configuration,
        options(),
        epoch(),
        replicas,
        sentinels,
        branches,
        own_values,
    )
        .prop_map(
            |(
                (epoch, addr),
                options,
                voted_epoch,
                mut replicas,
                sentinels,
                branches,
                own_values,
            )| {
                let id = |text: String| ReplId::parse(text.as_bytes()).unwrap();
                let branch = |(left, offset, heir): (String, u64, Option<String>)| Branch {
                    left: Fork {
                        id: id(left),
                        offset,
                    },
                    id: heir.map(id),
                };
                let values =
                    |(addr, (to_write, max_lag))| (addr, MinReplicas { to_write, max_lag });
                replicas.remove(&addr);
                MasterState {
                    name: MasterName::new(""),
                    configuration: Configuration { epoch, addr },
                    options,
                    voted_epoch,
                    branches: branches.into_iter().map(branch).collect(),
                    own_values: own_values.into_iter().map(values).collect(),
                    replicas: replicas.into_iter().collect(),
                    sentinels: sentinels.into_iter().collect(),
                }
            },
        )
}

fn global(names: bool) -> impl Strategy<Value = GlobalOptions> {
    let announce = (
        option::of(host(true)),
        option::of(1u16..),
        any::<[bool; 2]>(),
        proptest::sample::select(LogLevel::ALL).prop_map(LogLevel::threshold),
    );
    let rescue = (
        option::of(arc().prop_filter("an empty directory is none", |dir| !dir.is_empty())),
        option::of(any::<u64>()),
    );
    let login = (option::of(arc()), option::of(secret()));
    (announce, login, rescue).prop_map(
        move |(announce, (sentinel_user, sentinel_pass), (rescue_dir, rescue_max_bytes))| {
            let (announce_ip, announce_port, flags, log_threshold) = announce;
            GlobalOptions {
                announce_ip,
                announce_port,
                sentinel_user,
                sentinel_pass,
                resolve_hostnames: names,
                announce_hostnames: flags[0],
                scripts_reconfig: flags[1],
                log_threshold,
                rescue_dir,
                rescue_max_bytes,
            }
        },
    )
}

fn durable() -> impl Strategy<Value = Durable> {
    any::<bool>().prop_flat_map(|names| {
        let masters = btree_map(odd_text(), master(names), 0..4);
        // A default changed at run time must not make the file forget a value.
        let default_down_after = prop_oneof![Just(Span::ms(30_000)), Just(Span::ms(5000))];
        (
            run_id(),
            epoch(),
            global(names),
            masters,
            default_down_after,
        )
            .prop_map(
                |(my_id, current_epoch, options, masters, default_down_after)| {
                    let named = |(name, state): (String, MasterState)| MasterState {
                        name: MasterName::new(&name),
                        ..state
                    };
                    let masters: Vec<SharedState> =
                        masters.into_iter().map(|it| named(it).into()).collect();
                    let newest = masters.iter().map(|m| m.configuration.epoch).max();
                    let current_epoch = newest.map_or(current_epoch, |e| current_epoch.max(e));
                    let periods = Periods {
                        default_down_after,
                        ..Periods::default()
                    };
                    Durable {
                        my_id,
                        current_epoch,
                        options,
                        periods,
                        masters,
                    }
                },
            )
    })
}

fn server() -> impl Strategy<Value = ServerOptions> {
    let rules = vec(odd_text(), 0..4);
    let users = btree_map(odd_text(), rules, 1..4);
    let texts = (option::of(odd_text()), odd_text(), option::of(odd_text()));
    let numbers = (any::<u16>(), 0u32..=0o777, 1u32..);
    (
        users,
        texts,
        numbers,
        any::<bool>(),
        vec("[a-z0-9.:*-]{1,9}", 0..4),
    )
        .prop_map(
            |(users, (requirepass, logfile, pidfile), (port, mode, maxclients), yes, bind)| {
                let mut server = ServerOptions::default();
                let user = |(name, rules)| UserLine { name, rules };
                server.users = users.into_iter().map(user).collect();
                (server.requirepass, server.logfile, server.pidfile) =
                    (requirepass, logfile, pidfile);
                (server.port, server.unixsocket_mode, server.maxclients) = (port, mode, maxclients);
                (server.daemonize, server.bind) = (yes, bind);
                server.loglevel = if yes {
                    LogLevel::Nothing
                } else {
                    LogLevel::Debug
                };
                server.tls.port = port;
                server
                    .renamed_commands
                    .insert("SHUTDOWN".to_owned(), String::new());
                server
                    .inert
                    .insert("save".to_owned(), vec![vec![String::new()]]);
                server
            },
        )
}

/// A file that somebody wrote by hand: comments, valid lines of all kinds, disorder.
fn hand_written() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "# [ -~]{0,20}",
        Just(String::new()),
        Just("port 26380".to_owned()),
        Just("  loglevel   \"verbose\"".to_owned()),
        Just("bind 127.0.0.1".to_owned()),
        Just("sentinel monitor old 10.0.0.1 6379 2".to_owned()),
        Just("SENTINEL down-after-milliseconds old 5".to_owned()),
        Just("sentinel known-slave old 10.0.0.2 6379".to_owned()),
        Just("sentinel resolve-hostnames no".to_owned()),
        Just("user default on nopass ~* &* +@all".to_owned()),
        Just("save 900 1".to_owned()),
        Just("# Generated by CONFIG REWRITE".to_owned()),
    ];
    vec(line, 0..25).prop_map(|lines| lines.join("\n"))
}

fn loaded(text: &[u8]) -> bartizan_conf::Loaded {
    let source = Source {
        path: "f",
        text,
        extra: b"",
    };
    match load(&source, common::fresh_id(), &mut PaperWorld) {
        Ok(loaded) => loaded,
        Err(error) => panic!("{error:?}\nin\n{}", String::from_utf8_lossy(text)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_as_the_same(
        before in hand_written(), mut durable in durable(), server in server(),
    ) {
        let text = render(before.as_bytes(), &durable, &server);
        let back = loaded(&text);
        durable.periods = Periods::default();
        prop_assert_eq!(&back.durable, &durable);
        prop_assert!(!back.fresh);
        // What the server options do not name is kept from the file.
        let mut wanted = server.clone();
        // The level in force is the core's to keep.
        wanted.loglevel = LogLevel::of(durable.options.log_threshold);
        wanted.inert = back.server.inert.clone();
        prop_assert_eq!(&back.server, &wanted);
    }

    #[test]
    fn writing_twice_changes_nothing(
        before in hand_written(), durable in durable(), server in server(),
    ) {
        let once = render(before.as_bytes(), &durable, &server);
        let twice = render(&once, &durable, &server);
        prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }

    #[test]
    fn writing_again_and_again_does_not_make_the_file_grow(
        states in vec(durable(), 1..6), server in server(),
    ) {
        let mut text = Vec::new();
        for state in states.iter().chain(&states) {
            text = render(&text, state, &server);
            let lines = text.iter().filter(|b| **b == b'\n').count();
            let fresh = render(b"", state, &server);
            let needed = fresh.iter().filter(|b| **b == b'\n').count();
            // At most an empty line beside each line that says something.
            prop_assert!(lines <= 2 * needed + 1, "{} lines for {}", lines, needed);
        }
    }

    #[test]
    fn what_was_written_before_does_not_change_what_is_written(
        before in hand_written(), states in vec(durable(), 1..4), by_hand in hand_written(),
        server in server(),
    ) {
        let mut rewriter = Rewriter::default();
        let mut text = before.into_bytes();
        let mut check = |text: &[u8], state: &Durable| -> Result<Vec<u8>, TestCaseError> {
            let new = rewriter.render(text, state, &server);
            let fresh = render(text, state, &server);
            prop_assert_eq!(String::from_utf8_lossy(&new.text), String::from_utf8_lossy(&fresh));
            Ok(fresh)
        };
        for state in &states {
            text = check(&text, state)?;
            // One master changes, one is gone, and then somebody edits the file.
            let mut other = state.clone();
            if let Some(master) = other.masters.first_mut() {
                master.voted_epoch = master.voted_epoch.next();
                let addr = master.configuration.addr.clone();
                master.replicas.push(addr);
            }
            text = check(&text, &other)?;
            other.masters.pop();
            text = check(&text, &other)?;
            text.extend(by_hand.as_bytes());
            text = check(&text, &other)?;
            other.periods.default_down_after = Span::ms(1);
            text = check(&text, &other)?;
        }
    }

    #[test]
    fn comments_survive_in_their_order(before in hand_written(), durable in durable()) {
        let comments = |text: &str| -> Vec<String> {
            let signature = "# Generated by CONFIG REWRITE";
            // Comments to everybody else only: directives of ours.
            let is_ours = |line: &str| line.starts_with("#bartizan sentinel ");
            let lines = text.lines().map(str::trim).filter(|line| !is_ours(line));
            lines.filter(|l| l.starts_with('#') && *l != signature).map(str::to_owned).collect()
        };
        let text = render(before.as_bytes(), &durable, &ServerOptions::default());
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(comments(&text), comments(&before));
    }

    #[test]
    fn no_bytes_make_it_panic(text in vec(any::<u8>(), 0..300), extra in vec(any::<u8>(), 0..60)) {
        check_any(&text, &extra);
    }

    #[test]
    fn no_words_make_it_panic(words in vec(any_word(), 0..40)) {
        check_any(words.join(" ").replace("\n ", "\n").as_bytes(), b"");
    }
}

fn any_word() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "sentinel",
        "monitor",
        "m",
        "127.0.0.1",
        "::1",
        "0",
        "1",
        "-1",
        "99999999999999999999",
        "known-replica",
        "known-sentinel",
        "config-epoch",
        "port",
        "bind",
        "user",
        "\"",
        "'",
        "\n",
        "\n",
        "\n",
        "myid",
        "yes",
        "include",
        "rename-command",
        "announce-ip",
        "parallel-syncs",
        "loglevel",
        "save",
        "\"\\x00\"",
        "down-after-milliseconds",
    ];
    prop_oneof![
        proptest::sample::select(KNOWN).prop_map(str::to_owned),
        "\\PC{0,4}"
    ]
}

/// Loads, and rewrites what loads; an error has to point into its line.
fn check_any(text: &[u8], extra: &[u8]) {
    let source = Source {
        path: "f",
        text,
        extra,
    };
    match load(&source, common::fresh_id(), &mut PaperWorld) {
        Ok(first) => {
            let new = render(text, &first.durable, &first.server);
            assert_eq!(loaded(&new).durable, first.durable);
        }
        Err(error) => assert!(error.text.get(error.span.clone()).is_some(), "{error:?}"),
    }
    let _ = render(text, &loaded(b"").durable, &ServerOptions::default());
}
