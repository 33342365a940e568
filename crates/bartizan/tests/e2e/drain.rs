//! `bartizan drain`: a server is made safe to stop.

use crate::harness::{Flavor, Fleet, NAME, Plan};
use std::process::{Command, Output};

fn drain(words: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(Flavor::UnderTest.program())
        .arg("drain")
        .args(words)
        .env_remove("REDISCLI_AUTH")
        .output()
        .expect("it runs");
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_master_is_drained_by_the_word_of_a_hook_and_can_be_drained_again() {
    if Flavor::UnderTest.is_upstream() {
        return; // an extension
    }
    let fleet = Fleet::start(Plan::default());
    let server = format!("127.0.0.1:{}", fleet.servers[0].port);
    let conf = fleet.sentinels[1].conf.display().to_string();
    let words = [NAME, &conf, "--server", &server];
    let (code, said) = drain(&words);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("it can be stopped\n"), "{said}");
    let new = fleet.await_new_master(0);
    assert_ne!(new, 0);
    let port = fleet.sentinels[2].port.to_string();
    let words = [NAME, "--port", &port, "--server", &server, "--quiet"];
    assert_eq!(drain(&words), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_drained_is_told_with_a_code_that_says_whether_to_wait() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let plan = Plan {
        replicas: 0,
        sentinels: vec![Flavor::UnderTest],
        quorum: 1,
        ..Plan::default()
    };
    let fleet = Fleet::start(plan);
    let port = fleet.sentinels[0].port.to_string();
    let (code, said) = drain(&["nobody", "--port", &port]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("No such master"), "{said}");
    // Nobody could take over: it may come yet.
    let (code, said) = drain(&[NAME, "--port", &port, "--timeout", "2"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("NOGOODSLAVE"), "{said}");
    assert!(said.contains("not within 2 seconds"), "{said}");
    // A Redis server is no Sentinel.
    let data = fleet.servers[0].port.to_string();
    let (code, said) = drain(&[NAME, "--port", &data]);
    assert_eq!(code, Some(1), "{said}");
    // The password is wanted, and taken from where it is.
    let set = ["CONFIG", "SET", "requirepass", "data-secret"];
    assert!(
        fleet.servers[0]
            .ask(&set)
            .is_some_and(|reply| reply.is_ok())
    );
    let (code, said) = drain(&[NAME, "--port", &data, "--pass", "wrong"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    let (code, said) = drain(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("Exit codes"), "{said}");
}
