//! End-to-end tests: real redis-servers, real sentinel processes, loopback.
//!
//! One binary, so that all of them run side by side; one file per theme. Most of the time they
//! wait, so more threads than cores are right: `cargo test -p bartizan --test e2e -- --test-threads 8`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    reason = "the harness is test code outside of #[test] functions; it fails by panicking"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod acl;
mod acl_file;
mod acl_rules;
mod acl_users;
mod agreement;
mod background;
mod both_families;
mod commands;
mod config_file;
mod crash;
mod directives;
mod discovery;
mod drain;
mod failover;
mod fencing;
mod flood;
mod held_up;
mod homecoming;
mod hostile;
mod hostnames;
mod impostor;
mod manual;
mod mixed;
mod network;
mod orphans;
mod pauses;
mod permissions;
mod replay;
mod replies;
mod rescuers;
mod scripts;
mod secrets;
mod startup;
mod strangers;
mod switchover;
mod title;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_fleet;
#[cfg(feature = "tls")]
mod tls_users;
mod wicket;
