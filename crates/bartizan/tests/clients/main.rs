//! Real client libraries through a failover; `tests/clients` has the programs and what they
//! have to do. `cargo xtask clients` installs them and runs this.
//!
//! Every test starts one fleet and all programs beside each other, so that one failover serves
//! all of them. A client that does not follow is named, with the end of what it complained of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the harness is test code outside of #[test] functions; it fails by panicking"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod programs;
mod tls;

use harness::{Fleet, NAME, Plan};
use programs::{ALL, Cast, Login, Protocol, Variant};

#[test]
#[ignore = "needs the client libraries: cargo xtask clients"]
fn clients_follow_to_the_replica_that_replaces_a_killed_master() {
    let mut fleet = Fleet::start(Plan::default());
    let mut cast = Cast::start(&fleet, ALL, &Variant::default());
    fleet.servers[0].crash();
    cast.await_followed(&fleet.servers);
}

#[test]
#[ignore = "needs the client libraries: cargo xtask clients"]
fn clients_that_speak_resp3_follow_too() {
    let mut fleet = Fleet::start(Plan::default());
    let variant = Variant {
        protocol: Protocol::Resp3,
        ..Variant::default()
    };
    let mut cast = Cast::start(&fleet, ALL, &variant);
    fleet.servers[0].crash();
    cast.await_followed(&fleet.servers);
}

#[test]
#[ignore = "needs the client libraries: cargo xtask clients"]
fn clients_follow_when_the_master_stops_answering_without_closing_a_connection() {
    let fleet = Fleet::start(Plan::default());
    let mut cast = Cast::start(&fleet, ALL, &Variant::default());
    fleet.servers[0].freeze();
    cast.await_followed(&fleet.servers);
}

#[test]
#[ignore = "needs the client libraries: cargo xtask clients"]
fn clients_follow_a_failover_that_an_operator_asked_for() {
    let fleet = Fleet::start(Plan::default());
    let mut cast = Cast::start(&fleet, ALL, &Variant::default());
    let reply = fleet.sentinels[0].call(&["SENTINEL", "FAILOVER", NAME]);
    assert!(reply.is_ok(), "{reply:?}");
    cast.await_followed(&fleet.servers);
}

#[test]
#[ignore = "needs the client libraries: cargo xtask clients"]
fn clients_with_a_user_and_password_follow_on_sentinels_that_refuse_everybody_else() {
    let mut fleet = Fleet::start(Plan {
        sentinel_lines: "user application on >app-secret +@all &*\n\
                         user watcher on >peer-secret +@all &*\n\
                         sentinel sentinel-user watcher\n\
                         sentinel sentinel-pass peer-secret\n"
            .to_owned(),
        ..Plan::default()
    });
    for sentinel in &fleet.sentinels {
        assert!(sentinel.call(&["ACL", "SETUSER", "default", "off"]).is_ok());
        let reply = sentinel.call(&["SENTINEL", "MASTERS"]);
        assert!(reply.is_error("NOAUTH"), "{reply:?}");
    }
    let variant = Variant {
        login: Some(Login {
            user: "application",
            password: "app-secret",
        }),
        ..Variant::default()
    };
    let mut cast = Cast::start(&fleet, ALL, &variant);
    fleet.servers[0].crash();
    cast.await_followed(&fleet.servers);
}
