//! Files as real servers leave them: what they mean, and what a rewrite makes of them.

mod common;

use bartizan_core::ids::Epoch;
use bartizan_core::time::Span;
use common::{addr, read, rewritten};

macro_rules! golden {
    ($name:literal) => {
        (
            include_str!(concat!("golden/", $name, ".conf")),
            include_str!(concat!("golden/", $name, ".rewritten.conf")),
        )
    };
}

#[test]
fn a_rewrite_of_each_file_is_as_recorded_and_stays_so() {
    let files = [
        golden!("redis-7.0-discovered"),
        golden!("redis-7.0-failed-over"),
        golden!("redis-7.0-known-slave"),
        golden!("redis-7.2"),
        golden!("valkey-8"),
    ];
    for (before, after) in files {
        pretty_eq(&rewritten(before), after);
        pretty_eq(&rewritten(after), after);
        let (old, new) = (read(before).unwrap(), read(after).unwrap());
        assert_eq!(old.durable, new.durable);
        assert_eq!(old.server, new.server);
        assert!(!new.fresh);
    }
}

#[test]
fn a_file_that_knows_the_fleet_is_read() {
    let (text, _) = golden!("redis-7.0-discovered");
    let loaded = read(text).unwrap();
    let master = &loaded.durable.masters[0];
    assert_eq!(master.configuration.addr, addr("127.0.0.1", 17931));
    assert_eq!((master.replicas.len(), master.sentinels.len()), (2, 2));
    assert_eq!(master.options.down_after, Span::ms(1000));
    assert_eq!(master.options.renames.word("CONFIG"), "CONFIG");
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_file_after_a_failover_is_read() {
    let (text, _) = golden!("redis-7.0-failed-over");
    let loaded = read(text).unwrap();
    let names: Vec<_> = loaded
        .durable
        .masters
        .iter()
        .map(|m| m.name.as_str())
        .collect();
    assert_eq!(names, ["mymaster", "other"]);
    let master = &loaded.durable.masters[0];
    assert_eq!(master.configuration.addr, addr("127.0.0.1", 17933));
    assert_eq!(master.configuration.epoch, Epoch::new(1));
    assert_eq!(master.voted_epoch, Epoch::new(1));
    assert_eq!(master.options.master_reboot_down_after, Span::ms(500));
    assert_eq!(loaded.durable.options.announce_port, Some(17941));
    let users: Vec<_> = loaded
        .server
        .users
        .iter()
        .map(|user| user.name.as_str())
        .collect();
    assert_eq!(users, ["bob", "default"]);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_file_that_redis_7_0_cannot_start_from_again_is_read() {
    let (text, after) = golden!("redis-7.0-known-slave");
    let replicas = &read(text).unwrap().durable.masters[0].replicas;
    assert_eq!(
        *replicas,
        [addr("127.0.0.1", 17999), addr("127.0.0.1", 17912)]
    );
    assert!(!after.contains("known-slave"));
}

#[test]
fn a_file_of_valkey_is_read() {
    let (text, _) = golden!("valkey-8");
    let loaded = read(text).unwrap();
    let master = &loaded.durable.masters[0];
    assert_eq!(master.options.master_reboot_down_after, Span::ms(3000));
    assert_eq!(master.replicas, [addr("fd00::2", 6379)]);
    assert_eq!(loaded.server.log_format, bartizan_conf::LogFormat::Logfmt);
}

fn pretty_eq(is: &str, should: &str) {
    assert!(is == should, "--- is\n{is}\n--- should be\n{should}");
}
