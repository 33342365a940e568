//! Golden transcripts: a real redis-sentinel and a Bartizan, side by side, watch the same real
//! redis-servers and each other, hear the same commands, and have to answer the same.
//!
//! The commands are in `tables/`, one file a theme; `table.rs` tells how to read them. What must
//! differ (ids, ages, ports) is masked, see `mask.rs`. What differs on purpose carries a line
//! `differs: reason`; such a line that no longer differs fails the test, so that it stays true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the harness is test code outside of #[test] functions; it fails by panicking"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod mask;
mod pair;
mod reply;
mod table;

use pair::Pair;
use table::Table;

/// Runs a table and panics with all that was found wrong. What other versions than 7.0 answer is
/// not in the tables.
fn check(name: &str) {
    let Some(version) = pair::version() else {
        panic!("redis-sentinel does not say which version it is");
    };
    if !version.starts_with("7.0.") {
        eprintln!("skipped: the tables are for redis-sentinel 7.0, and this is {version}");
        return;
    }
    let table = Table::read(name);
    let mut pair = Pair::start(&table.config);
    let mut findings = Vec::new();
    for block in &table.blocks {
        for protocol in &block.protocols {
            findings.extend(pair.run(block, *protocol));
        }
    }
    let wrong = pair::judge(findings);
    assert!(
        wrong.is_empty(),
        "{} of {} commands:\n{}",
        wrong.len(),
        table.commands(),
        wrong.join("\n")
    );
}

#[test]
fn connection_commands_answer_as_redis_sentinel_does() {
    check("connection");
}

#[test]
fn commands_about_clients_answer_as_redis_sentinel_does() {
    check("client");
}

#[test]
fn commands_about_commands_answer_as_redis_sentinel_does() {
    check("command");
}

#[test]
fn info_and_role_answer_as_redis_sentinel_does() {
    check("info");
}

#[test]
fn publish_and_subscribe_answer_as_redis_sentinel_does() {
    check("pubsub");
}

#[test]
fn sentinel_queries_answer_as_redis_sentinel_does() {
    check("sentinel-queries");
}

#[test]
fn sentinel_changes_answer_as_redis_sentinel_does() {
    check("sentinel-changes");
}

#[test]
fn protocol_errors_are_answered_as_redis_sentinel_does() {
    check("protocol");
}

#[test]
fn strangers_are_answered_as_redis_sentinel_does() {
    check("password");
}

#[test]
fn acl_commands_answer_as_redis_sentinel_does() {
    check("acl");
}

#[test]
fn every_table_is_run() {
    for name in Table::all() {
        let call = format!("check(\"{name}\")");
        assert!(include_str!("main.rs").contains(&call), "{name}");
    }
}

/// What the transcripts are worth: enough of them, and hardly any that differ.
#[test]
fn the_tables_hold_several_hundred_commands_and_few_differ() {
    let (mut commands, mut differing) = (0, 0);
    for name in Table::all() {
        let table = Table::read(&name);
        commands += table.commands();
        differing += table.differing();
    }
    eprintln!("{commands} commands, {differing} of them differ on purpose");
    assert!(commands >= 800, "{commands}");
    assert!(differing * 8 < commands, "{differing} of {commands}");
}
