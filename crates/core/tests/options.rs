//! Options that are changed at run time: SET, CONFIG SET and DEBUG (spec §11).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::output::LinkKind;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::time::Span;
use bench::{Bench, P1, R1, events, field, only, text};

fn words(words: &[&str]) -> Vec<Arc<str>> {
    words.iter().map(|word| Arc::from(*word)).collect()
}

fn reply(said: &[String]) -> String {
    let line = only(said, "reply ")[0];
    line.splitn(3, ' ').nth(2).unwrap().to_owned()
}

fn config_set(bench: &mut Bench, set: &[&str]) -> String {
    bench.ask(Command::ConfigSet { words: words(set) });
    let (_, line) = bench.history.last().unwrap().clone();
    let said = [vec![line], bench.settle()].concat();
    reply(&said)
}

#[test]
fn set_changes_every_option_and_tells_each() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.set(&["Down-After-Milliseconds", "4000", "failover-timeout", "5"]);
    assert_eq!(
        events(&said),
        [
            "+set master mymaster 127.0.0.1 6379 Down-After-Milliseconds 4000",
            "+set master mymaster 127.0.0.1 6379 failover-timeout 5"
        ]
    );
    bench.set(&["parallel-syncs", "6", "quorum", "7"]);
    bench.set(&["master-reboot-down-after-period", "0"]);
    bench.set(&["primary-reboot-down-after-period", "8"]);
    bench.settle();
    let options = &bench.on_disk().options;
    assert_eq!(options.down_after, Span::ms(4000));
    assert_eq!(options.failover_timeout, Span::ms(5));
    assert_eq!((options.parallel_syncs, options.quorum.get()), (6, 7));
    assert_eq!(options.master_reboot_down_after, Span::ms(8));
}

#[test]
fn set_refuses_bad_values_and_keeps_what_came_before_them() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let table: [(&[&str], &str); 7] = [
        (
            &["quorum", "0"],
            "-ERR Invalid argument '0' for SENTINEL SET 'quorum'",
        ),
        (
            &["parallel-syncs", "x"],
            "-ERR Invalid argument 'x' for SENTINEL SET 'parallel-syncs'",
        ),
        (
            &["nope", "1"],
            "-ERR Unknown option or number of arguments for SENTINEL SET 'nope'",
        ),
        (
            &["quorum"],
            "-ERR Unknown option or number of arguments for SENTINEL SET 'quorum'",
        ),
        (
            &["rename-command", "PING"],
            "-ERR Unknown option or number of arguments for SENTINEL SET 'rename-command'",
        ),
        (
            &["notification-script", "/bin/true"],
            "-ERR Reconfiguration of scripts path is denied for security reasons. Check the \
             deny-scripts-reconfig configuration directive in your Sentinel configuration",
        ),
        (
            &["quorum", "3", "quorum", "-3"],
            "-ERR Invalid argument '-3' for SENTINEL SET 'quorum'",
        ),
    ];
    for (set, expected) in table {
        assert_eq!(reply(&bench.set(set)), expected);
    }
    bench.settle();
    assert_eq!(bench.on_disk().options.quorum.get(), 3);
}

#[test]
fn set_of_a_password_hides_it_and_makes_the_data_links_again() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let peer = bench.link(P1, LinkKind::Command);
    let said = bench.set(&["auth-pass", "s3cret"]);
    assert_eq!(
        events(&said),
        ["+set master mymaster 127.0.0.1 6379 auth-pass ******"]
    );
    for line in ["close 6379 cmd", "connect 6379 pubsub", "connect 6380 cmd"] {
        assert!(said.contains(&line.to_owned()), "{line}");
    }
    assert_eq!(bench.link(P1, LinkKind::Command), peer);
}

#[test]
fn set_of_a_renamed_command_replaces_and_removes() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.set(&["rename-command", "config", "SECRET"]);
    let told = "+set master mymaster 127.0.0.1 6379 rename-command config SECRET";
    assert_eq!(events(&said), [told]);
    bench.settle();
    assert_eq!(bench.on_disk().options.renames.word("CONFIG"), "SECRET");
    bench.set(&["rename-command", "CONFIG", "config"]);
    bench.settle();
    assert!(!bench.on_disk().options.renames.contains("config"));
}

#[test]
fn config_set_checks_all_before_it_sets_any() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let table: [(&[&str], &str); 5] = [
        (
            &["announce-port", "1", "nope", "1"],
            "-ERR Invalid argument 'nope' to SENTINEL CONFIG SET",
        ),
        (
            &["announce-port", "1", "announce-port", "2"],
            "-ERR Duplicate argument 'announce-port' to SENTINEL CONFIG SET",
        ),
        (
            &["announce-port", "1", "announce-ip"],
            "-ERR Missing argument 'announce-ip' value",
        ),
        (
            &["announce-port", "65536"],
            "-ERR Invalid value '65536' to SENTINEL CONFIG SET 'announce-port'",
        ),
        (
            &["resolve-hostnames", "maybe"],
            "-ERR Invalid value 'maybe' to SENTINEL CONFIG SET 'resolve-hostnames'",
        ),
    ];
    for (set, expected) in table {
        assert_eq!(config_set(&mut bench, set), expected);
    }
    let got = bench.query(&Query::ConfigGet(words(&["announce-port"])));
    assert_eq!(text(&got), "{announce-port=0}");
    assert_eq!(config_set(&mut bench, &["Announce-Port", "77"]), "+OK");
    let got = bench.query(&Query::ConfigGet(words(&["announce-port"])));
    assert_eq!(text(&got), "{announce-port=77}");
}

#[test]
fn an_empty_announce_ip_is_none_and_the_address_of_the_link_is_announced_again() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    assert_eq!(config_set(&mut bench, &["announce-ip", "192.0.2.7"]), "+OK");
    let said = bench.advance(2000);
    assert!(
        only(&said, "6379 HELLO 192.0.2.7,5000,me").len() == 1,
        "{said:?}"
    );
    assert_eq!(config_set(&mut bench, &["announce-ip", ""]), "+OK");
    let said = bench.advance(2000);
    assert!(
        only(&said, "6379 HELLO 127.0.0.1,5000,me").len() == 1,
        "{said:?}"
    );
}

#[test]
fn config_set_of_the_log_level_is_told_to_whoever_writes_the_log() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.ask(Command::ConfigSet {
        words: words(&["LogLevel", "Warning", "announce-port", "7"]),
    });
    assert!(said.contains(&"loglevel warning".to_owned()), "{said:?}");
    assert_eq!(
        config_set(&mut bench, &["loglevel", "chatty"]),
        "-ERR Invalid value 'chatty' to SENTINEL CONFIG SET 'loglevel'"
    );
    let same = bench.ask(Command::ConfigSet {
        words: words(&["loglevel", "warning"]),
    });
    assert!(
        !same.iter().any(|line| line.starts_with("loglevel")),
        "{same:?}"
    );
}

#[test]
fn config_set_of_the_sentinels_password_makes_the_links_to_peers_again() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let said = bench.ask(Command::ConfigSet {
        words: words(&["sentinel-pass", "x"]),
    });
    assert_eq!(only(&said, "close"), ["close 5001 cmd"]);
    assert_eq!(only(&said, "connect"), ["connect 5001 cmd"]);
}

#[test]
fn debug_tunes_the_periods_and_refuses_nonsense() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let table: [(&[&str], &str); 4] = [
        (&["ping-period", "500"], "+OK"),
        (
            &["ping-period", "0"],
            "-ERR Invalid argument '0' for SENTINEL DEBUG 'ping-period'",
        ),
        (
            &["nope", "1"],
            "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'nope'",
        ),
        (
            &["info-period"],
            "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'info-period'",
        ),
    ];
    for (set, expected) in table {
        let said = bench.ask(Command::Debug { words: words(set) });
        assert_eq!(reply(&said), expected);
        assert_eq!(only(&said, "persist"), [""; 0], "never saved");
    }
    let periods = bench.query(&Query::DebugGet);
    assert_eq!(field(&periods, "PING-PERIOD"), "500");
}

#[test]
fn where_rescued_writes_go_is_set_all_or_nothing_and_shown_where_it_is_set() {
    let mut bench = Bench::calm(&[R1], 1, 1);
    let get =
        |bench: &Bench, pattern: &str| text(&bench.query(&Query::ConfigGet(words(&[pattern]))));
    assert_eq!(get(&bench, "rescue-*"), "{}");
    assert_eq!(
        get(&bench, "rescue-max-bytes"),
        "{rescue-max-bytes=1073741824}"
    );
    let wrong = ["rescue-dir", "/srv/saved", "rescue-max-bytes", "much"];
    assert_eq!(
        config_set(&mut bench, &wrong),
        "-ERR Invalid value 'much' to SENTINEL CONFIG SET 'rescue-max-bytes'"
    );
    assert_eq!(get(&bench, "rescue-*"), "{}");
    let right = ["rescue-dir", "/srv/saved", "rescue-max-bytes", "64mb"];
    assert_eq!(config_set(&mut bench, &right), "+OK");
    bench.settle();
    let options = &bench.synced.last().unwrap().options;
    assert_eq!(options.rescue_dir.as_deref(), Some("/srv/saved"));
    assert_eq!(options.rescue_max_bytes, Some(64 << 20));
    let shown = get(&bench, "rescue-*");
    assert_eq!(shown, "{rescue-dir=/srv/saved rescue-max-bytes=67108864}");
}
