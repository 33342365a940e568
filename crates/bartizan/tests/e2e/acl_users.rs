//! The users that `bartizan acl` prints are enough, and nothing that they do is refused.

use super::acl::shown;
use crate::harness::resp::Value;
use crate::harness::{Flavor, Fleet, Plan, Sentinel, eventually};
use std::process::Command;

/// The rules printed for one user.
pub(super) fn printed(name: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bartizan"))
        .arg("acl")
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let begin = format!("ACL SETUSER {name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&begin));
    line.unwrap_or_else(|| panic!("{name}: {text}"))
        .replace("PASSWORD", "secret")
}

/// Three sentinels that come in as the printed users, at servers and at each other.
fn fleet() -> Fleet {
    fleet_with(&printed("bartizan"))
}

/// The same, with these rules for the user at the servers.
pub(super) fn fleet_with(rules: &str) -> Fleet {
    let user = format!("user bartizan {rules}");
    let plan = Plan {
        sentinels: Vec::new(),
        ..Plan::default()
    };
    let mut fleet = Fleet::servers_only(plan, |_| vec![user.clone()]);
    let lines = fleet.monitor_lines(fleet.servers[0].port);
    let lines = format!(
        "{lines}sentinel auth-user mymaster bartizan\nsentinel auth-pass mymaster secret\n\
         sentinel sentinel-user peer\nsentinel sentinel-pass secret\n\
         user peer {}\nuser client {}\nuser default on nopass ~* &* +@all\n",
        printed("peer"),
        printed("client"),
    );
    for number in 0..3 {
        let dir = fleet.root().join(format!("sentinel-{number}"));
        std::fs::create_dir(&dir).unwrap();
        let port = fleet.free_port();
        let sentinel = Sentinel::start(Flavor::UnderTest, port, dir, &lines);
        fleet.sentinels.push(sentinel);
    }
    fleet.await_discovery();
    for sentinel in &fleet.sentinels {
        fleet.events.listen(sentinel.port).unwrap();
    }
    fleet
}

fn refusals(reply: Option<Value>) -> String {
    reply.as_ref().map_or_else(|| "no answer".to_owned(), shown)
}

#[test]
fn a_fleet_with_the_printed_users_fails_over_and_nothing_is_refused() {
    let mut fleet = fleet();
    eventually("peers come in as their user", || {
        fleet.sentinels.iter().all(|sentinel| {
            let list = sentinel.ask(&["CLIENT", "LIST"]);
            list.is_some_and(|list| shown(&list).matches("user=peer").count() == 2)
        })
    });
    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    let other = if new == 1 { 2 } else { 1 };
    fleet.await_replica_of(other, new);
    fleet.await_event_anywhere("+failover-end");
    for sentinel in &fleet.sentinels {
        assert!(sentinel.logged("+missing-permissions").is_empty());
    }
    for server in [new, other] {
        assert_eq!(refusals(fleet.servers[server].ask(&["ACL", "LOG"])), "[]");
    }
    for sentinel in &fleet.sentinels {
        assert_eq!(refusals(sentinel.ask(&["ACL", "LOG"])), "[]");
    }
}

#[test]
fn a_client_with_the_printed_user_finds_the_master_and_changes_nothing() {
    let fleet = fleet();
    let mut client = fleet.sentinels[0].client();
    let mut call = |words: &[&str]| shown(&client.call(words).unwrap());
    assert_eq!(call(&["AUTH", "client", "secret"]), "+OK");
    let master = format!("[127.0.0.1, {}]", fleet.servers[0].port);
    let wanted = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
    assert_eq!(call(&wanted), master);
    for what in ["REPLICAS", "SENTINELS", "MASTER"] {
        assert!(
            !call(&["SENTINEL", what, "mymaster"]).starts_with('-'),
            "{what}"
        );
    }
    for what in ["FAILOVER", "REMOVE", "RESET"] {
        let refused = call(&["SENTINEL", what, "mymaster"]);
        assert!(refused.starts_with("-NOPERM"), "{refused}");
    }
    assert_eq!(call(&["PSUBSCRIBE", "*"]), "[psubscribe, *, :1]");
}
