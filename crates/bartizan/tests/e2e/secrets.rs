//! Passwords stay where they belong: in the file and on the wire.

use crate::harness::{Flavor, Fleet, NAME, Plan, eventually};

#[test]
fn no_secret_is_in_a_log_an_error_or_an_event_and_links_follow_a_change_of_password() {
    let plan = Plan {
        replicas: 0,
        down_after_ms: 3_600_000,
        ..Plan::default()
    };
    let mut fleet = Fleet::servers_only(plan, |_| vec![]);
    let index = fleet.add_sentinel(Flavor::UnderTest);
    let set = ["CONFIG", "SET", "requirepass", "first-secret"];
    assert!(
        fleet.servers[0]
            .ask(&set)
            .is_some_and(|reply| reply.is_ok())
    );
    fleet.events.listen(fleet.sentinels[index].port).unwrap();
    let sentinel = &fleet.sentinels[index];
    let link_is_up = || {
        let age = sentinel.master().field("last-ok-ping-reply");
        age.and_then(|age| age.parse::<u64>().ok())
            .is_some_and(|age| age < 2_500)
    };

    assert!(
        sentinel
            .call(&["SENTINEL", "SET", NAME, "auth-pass", "wrong-secret"])
            .is_ok()
    );
    assert!(
        sentinel
            .call(&["SENTINEL", "SET", NAME, "auth-pass", "first-secret"])
            .is_ok()
    );
    eventually("the link follows the password", link_is_up);
    let config = ["SENTINEL", "CONFIG", "SET", "sentinel-pass", "peer-secret"];
    assert!(sentinel.call(&config).is_ok());

    let errors = [
        sentinel.call(&["AUTH", "stranger-secret"]),
        sentinel.call(&["AUTH", "default", "stranger-secret", "more"]),
        sentinel.call(&["HELLO", "3", "AUTH", "nobody", "stranger-secret"]),
        sentinel.call(&["ACL", "SETUSER", "u", "#stranger-secret"]),
        sentinel.call(&[
            "SENTINEL",
            "SET",
            NAME,
            "auth-pass",
            "first-secret",
            "auth-pass",
        ]),
        sentinel.call(&[
            "SENTINEL",
            "CONFIG",
            "SET",
            "sentinel-pass",
            "peer-secret",
            "nope",
            "1",
        ]),
    ];
    eventually("the changes are published", || {
        fleet.events.of_kind("+set").len() >= 2
    });

    let events = fleet.events.all();
    let said = format!(
        "{}{}{errors:?}{events:?}",
        sentinel.log(),
        sentinel.stderr()
    );
    assert!(!said.contains("-secret"), "{said}");
    assert!(
        sentinel.conf_text().contains("first-secret"),
        "it is in the file alone"
    );
}
