//! What our user lacks at a real server is told and shown, and the rest goes on without it.

use super::acl::shown;
use super::acl_users::{fleet_with, printed};
use crate::harness::{Flavor, Fleet, Plan, Sentinel, eventually};

/// What can be found out to be missing, as in the printed line; PING shows by itself, and HELLO is
/// allowed to everybody.
fn rules() -> Vec<String> {
    let words = printed("bartizan");
    let rules = words
        .split_whitespace()
        .filter(|word| word.starts_with('+'));
    rules
        .filter(|rule| !["+ping", "+hello"].contains(rule))
        .map(str::to_owned)
        .collect()
}

/// A user's name, or a master's, for who lacks this.
fn without(rule: &str) -> String {
    format!("no-{}", rule.trim_start_matches('+').replace('|', "-"))
}

#[test]
fn each_permission_that_is_missing_is_named_and_with_the_printed_line_there_is_none() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel finds out when a failover needs it
    }
    let all = printed("bartizan");
    let mut users = vec![format!("user complete {all}")];
    for rule in rules() {
        users.push(format!(
            "user {} {}",
            without(&rule),
            all.replace(&format!(" {rule}"), "")
        ));
    }
    let alone = Plan {
        replicas: 0,
        sentinels: Vec::new(),
        ..Plan::default()
    };
    let mut fleet = Fleet::servers_only(alone, |_| users.clone());
    // One server stands for as many masters as there are users.
    let server = fleet.servers[0].port;
    let watched = |name: &str| {
        format!(
            "sentinel monitor {name} 127.0.0.1 {server} 1\nsentinel auth-user {name} {name}\n\
             sentinel auth-pass {name} secret\nsentinel fencing {name} min-replicas 1\n"
        )
    };
    let mut lines = watched("complete");
    for rule in rules() {
        lines.push_str(&watched(&without(&rule)));
    }
    let (port, dir) = (fleet.free_port(), fleet.root().join("sentinel"));
    std::fs::create_dir(&dir).unwrap();
    let sentinel = Sentinel::start(Flavor::UnderTest, port, dir, &lines);
    let missing = |name: &str| {
        sentinel
            .call(&["SENTINEL", "MASTER", name])
            .field("missing-permissions")
    };
    eventually("every one is found out", || {
        rules().iter().all(|rule| missing(&without(rule)).is_some())
    });
    for rule in rules() {
        let name = without(&rule);
        assert_eq!(missing(&name).as_ref(), Some(&rule), "{name}");
        let told = sentinel.logged("+missing-permissions");
        let ours = format!("master {name} 127.0.0.1 {server} {rule}");
        let count = told.iter().filter(|line| line.ends_with(&ours)).count();
        assert_eq!(count, 1, "{name}: {told:#?}");
    }
    assert_eq!(missing("complete"), None);
    let syncs = fleet.servers[0].info_field("sync_full");
    assert_eq!(syncs.as_deref(), Some("0"), "nothing was done on trial");
    assert_eq!(fleet.servers[0].role(), "master");
}

#[test]
fn without_pause_and_psync_failovers_go_on_and_switchovers_without_loss_say_why_not() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let line = printed("bartizan");
    let fleet = fleet_with(&line.replace(" +client|pause", "").replace(" +psync", ""));
    let words = "+client|pause +psync";
    eventually("all servers are known to refuse", || {
        fleet.sentinels.iter().all(|sentinel| {
            let rows = sentinel.replicas();
            let mut rows = rows.iter().chain([]).collect::<Vec<_>>();
            let master = sentinel.master();
            rows.push(&master);
            rows.iter()
                .all(|row| row.field("missing-permissions").as_deref() == Some(words))
        })
    });
    let coordinated = ["SENTINEL", "FAILOVER", "mymaster", "COORDINATED"];
    let reply = shown(&fleet.sentinels[0].call(&coordinated));
    assert!(
        reply.contains("NOTSAFE our user there lacks +client|pause"),
        "{reply}"
    );
    let plain = fleet.sentinels[0].call(&["SENTINEL", "FAILOVER", "mymaster"]);
    assert!(plain.is_ok(), "{}", shown(&plain));
    let new = fleet.await_new_master(0);
    fleet.await_replica_of(0, new);
    // Once for each server, whatever happened since.
    for sentinel in &fleet.sentinels {
        let told = sentinel.logged("+missing-permissions").len();
        assert_eq!(told, fleet.servers.len(), "{}", sentinel.log());
    }
    // It is mended: seen at the next look, which a new connection as another user is.
    for server in &fleet.servers {
        server.ask(&["ACL", "SETUSER", "bartizan", "+client|pause", "+psync"]);
    }
    for sentinel in &fleet.sentinels {
        sentinel.call(&["SENTINEL", "SET", "mymaster", "auth-pass", "secret"]);
    }
    eventually("nothing is missing any more", || {
        fleet.sentinels.iter().all(|sentinel| {
            let ended = sentinel.logged("-missing-permissions").len();
            ended == fleet.servers.len() && sentinel.master().field("missing-permissions").is_none()
        })
    });
}
