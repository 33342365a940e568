//! What a file means.

mod common;

use bartizan_conf::{LogLevel, PaperWorld, Source, load};
use bartizan_core::ids::{Epoch, RunId};
use bartizan_core::time::Span;
use common::{Files, addr, read, read_in};

const MONITOR: &str = "sentinel monitor m 127.0.0.1 6379 1\n";

#[test]
fn an_empty_file_has_the_defaults_and_a_fresh_id() {
    let loaded = read("").unwrap();
    assert!(loaded.fresh);
    assert_eq!(loaded.durable.my_id, common::fresh_id());
    assert_eq!(loaded.server, bartizan_conf::ServerOptions::default());
    assert_eq!(
        (loaded.server.port, loaded.server.protected_mode),
        (26379, false)
    );
}

#[test]
fn an_option_may_stand_before_its_monitor_line() {
    let text = format!("SENTINEL Down-After-Milliseconds m 5000\n{MONITOR}");
    let loaded = read(&text).unwrap();
    assert_eq!(loaded.durable.masters[0].options.down_after, Span::ms(5000));
}

#[test]
fn numbers_are_read_as_far_as_they_go_and_that_is_told() {
    let loaded = read(&format!("{MONITOR}sentinel failover-timeout m 60s\n")).unwrap();
    assert_eq!(
        loaded.durable.masters[0].options.failover_timeout,
        Span::ms(60)
    );
    assert_eq!(loaded.warnings[0].message, "`60s` is read as the number 60");
    assert_eq!(loaded.warnings[0].line, 2);
}

#[test]
fn a_config_epoch_raises_the_current_epoch() {
    let loaded = read(&format!(
        "{MONITOR}sentinel config-epoch m 9\nsentinel current-epoch 3\n"
    ));
    assert_eq!(loaded.unwrap().durable.current_epoch, Epoch::new(9));
}

#[test]
fn what_cannot_be_true_is_dropped() {
    let own = "0123456789abcdef0123456789abcdef01234567";
    let other = "1123456789abcdef0123456789abcdef01234567";
    let text = format!(
        "{MONITOR}sentinel known-sentinel m 1.1.1.1 26379 {own}\n\
         sentinel known-sentinel m 1.1.1.2 26379 {other}\n\
         sentinel known-sentinel m 1.1.1.3 26379\n\
         sentinel known-sentinel m 1.1.1.4 26379 short\n\
         sentinel known-replica m 127.0.0.1 6379\n\
         sentinel known-slave m 127.0.0.1 6380\n\
         sentinel known-replica m 127.0.0.1 6380\n\
         sentinel myid {own}\n"
    );
    let loaded = read(&text).unwrap();
    let master = &loaded.durable.masters[0];
    assert_eq!(master.replicas, [addr("127.0.0.1", 6380)]);
    let other = RunId::parse(other.as_bytes()).unwrap();
    assert_eq!(master.sentinels, [(other, addr("1.1.1.2", 26379))]);
    assert!(!loaded.fresh);
}

#[test]
fn old_numeric_forms_of_an_address_are_addresses() {
    for (text, ip) in [
        ("0", "0.0.0.0"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
    ] {
        let loaded = read(&format!("sentinel monitor m {text} 1 1\n")).unwrap();
        assert_eq!(
            loaded.durable.masters[0].configuration.addr,
            addr(ip, 1),
            "{text}"
        );
    }
}

#[test]
fn a_name_is_a_host_when_names_are_resolved() {
    let text = "sentinel monitor m redis.example 1 1\nsentinel resolve-hostnames yes\n";
    let loaded = read(text).unwrap();
    assert_eq!(
        loaded.durable.masters[0].configuration.addr,
        addr("redis.example", 1)
    );
}

#[test]
fn the_command_line_counts_more_than_the_file() {
    let text = format!("port 1\nuser a off\n{MONITOR}sentinel down-after-milliseconds m 1\n");
    let extra = "port \"2\"\nuser \"a\" \"on\"\nsentinel \"down-after-milliseconds\" \"m\" \"2\"";
    let loaded = read_in(&text, extra, &mut Files::default()).unwrap();
    assert_eq!(loaded.server.port, 2);
    assert_eq!(loaded.server.users[0].rules, ["on"]);
    assert_eq!(loaded.durable.masters[0].options.down_after, Span::ms(2));
}

#[test]
fn the_file_knows_better_than_the_command_line_where_a_master_is() {
    let extra = "sentinel \"monitor\" \"m\" \"127.0.0.1\" \"7777\" \"2\"";
    let loaded = read_in(MONITOR, extra, &mut Files::default()).unwrap();
    assert_eq!(loaded.durable.masters[0].configuration.addr.port, 6379);
    let loaded = read_in("", extra, &mut Files::default()).unwrap();
    assert_eq!(loaded.durable.masters[0].configuration.addr.port, 7777);
}

#[test]
fn a_master_of_an_included_file_and_of_a_rewrite_is_one_master() {
    let included = "loglevel debug\nsentinel monitor m 127.0.0.1 6379 1\n\
                    sentinel parallel-syncs m 3\nsentinel known-replica m 127.0.0.1 6380\n\
                    sentinel known-sentinel m 1.1.1.1 1 1123456789abcdef0123456789abcdef01234567\n";
    let mut world = Files {
        files: vec![("m.conf", included)],
        ..Files::default()
    };
    let first = read_in("include m.conf\n", "", &mut world).unwrap();
    let mut durable = first.durable.clone();
    durable.masters[0].configuration.addr.port = 6380;
    durable.masters[0].configuration.epoch = Epoch::new(1);
    durable.masters[0].replicas = vec![addr("127.0.0.1", 6379)];
    durable.current_epoch = Epoch::new(1);

    let text = bartizan_conf::render(b"include m.conf\n", &durable, &first.server);
    let text = String::from_utf8(text).unwrap();
    let second = read_in(&text, "", &mut world).unwrap();

    assert_eq!(second.durable, durable);
    assert_eq!(second.server.loglevel, LogLevel::Debug);
    assert!(
        !text.contains("loglevel"),
        "the included file says it: {text}"
    );
}

#[test]
fn directories_are_entered_in_order() {
    let mut world = Files::default();
    read_in("dir /a\ndir b\n", "", &mut world).unwrap();
    assert_eq!(world.entered, ["/a", "b"]);
}

#[test]
fn a_pattern_includes_what_is_there() {
    let files = vec![("d/1", "port 1\n"), ("d/2", "timeout 2\n")];
    let mut world = Files {
        files,
        ..Files::default()
    };
    let loaded = read_in("include d/*\ninclude none/*\n", "", &mut world).unwrap();
    assert_eq!((loaded.server.port, loaded.server.timeout_secs), (1, 2));
}

#[test]
fn a_password_that_protects_nothing_is_told() {
    let loaded = read("requirepass x\nuser default on nopass ~* &* +@all\n").unwrap();
    assert!(loaded.warnings[0].message.contains("no effect"));
    assert!(read("requirepass x\n").unwrap().warnings.is_empty());
}

#[test]
fn directives_of_a_data_server_are_kept_and_mean_nothing() {
    let text = "save 900 1\nsave 300 10\nSLAVEOF no one\nclient-output-buffer-limit pubsub 1 2 3\n\
                tls-replication yes\nsentinel\n";
    let server = read(text).unwrap().server;
    assert_eq!(server.inert["save"].len(), 2);
    assert_eq!(server.inert["replicaof"], [["no", "one"]]);
    assert!(server.tls.replication);
}

#[test]
fn bytes_that_are_no_text_matter_only_where_they_are_read() {
    let load = |text: &[u8]| {
        let source = Source {
            path: "f",
            text,
            extra: b"",
        };
        load(&source, common::fresh_id(), &mut PaperWorld)
    };
    assert!(load(b"# caf\xe9\nmasterauth caf\xe9\n").is_ok());
    let error = load(b"requirepass caf\xe9\n").unwrap_err();
    assert_eq!(error.message, "the line is not UTF-8 text");
}
