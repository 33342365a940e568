//! Switchovers that lose nothing: `SENTINEL FAILOVER` of a master that is well.

use crate::harness::resp::{Client, info};
use crate::harness::{Flavor, Fleet, NAME, Plan, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// An application that appends numbers to a list at whatever server the Sentinel names, and
/// remembers each that was acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Writer {
    fn start(sentinel: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || write_until(&stopped, sentinel));
        Self { stop, thread }
    }

    fn stop(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer ends well")
    }
}

fn write_until(stop: &AtomicBool, sentinel: u16) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    let mut master: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(client) = &mut master else {
            master = find_master(sentinel);
            if master.is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            continue;
        };
        number += 1;
        match client.call(&["RPUSH", "written", &number.to_string()]) {
            Ok(reply) if !reply.is_error("") => acknowledged.push(number),
            // READONLY, or the connection is gone: ask again where the master is.
            _ => master = None,
        }
    }
    acknowledged
}

fn find_master(sentinel: u16) -> Option<Client> {
    let mut sentinel = Client::connect(sentinel).ok()?;
    let reply = sentinel
        .call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])
        .ok()?;
    let port = reply.items()?.get(1)?.text()?.parse().ok()?;
    Client::connect(port).ok()
}

fn kept(port: u16) -> Vec<u64> {
    let mut client = Client::connect(port).expect("the master answers");
    let reply = client
        .call(&["LRANGE", "written", "0", "-1"])
        .expect("a list");
    let items = reply.items().expect("a list").to_vec();
    items
        .iter()
        .filter_map(|item| item.text()?.parse().ok())
        .collect()
}

fn stat(port: u16, name: &str) -> String {
    let found = info(port, "stats").into_iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

#[test]
fn switchovers_of_a_healthy_master_lose_no_acknowledged_write() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel loses writes here: data-safety §1
    }
    let fleet = Fleet::start(Plan::default());
    let full_syncs: Vec<String> = fleet
        .servers
        .iter()
        .map(|s| stat(s.port, "sync_full"))
        .collect();
    let writer = Writer::start(fleet.sentinels[2].port);
    let mut master = 0;
    for round in 0..6 {
        eventually("a failover is possible", || {
            let how: &[&str] = if round % 2 == 0 {
                &[]
            } else {
                &["COORDINATED"]
            };
            let words = [&["SENTINEL", "FAILOVER", NAME], how].concat();
            fleet.sentinels[round % 3]
                .ask(&words)
                .is_some_and(|reply| reply.is_ok())
        });
        master = fleet.await_new_master(master);
        fleet.await_settled();
    }
    let acknowledged = writer.stop();

    let kept = kept(fleet.servers[master].port);
    let lost: Vec<_> = acknowledged.iter().filter(|n| !kept.contains(n)).collect();
    assert!(
        acknowledged.len() > 100,
        "the writer wrote: {}",
        acknowledged.len()
    );
    assert!(
        lost.is_empty(),
        "{} of {} lost",
        lost.len(),
        acknowledged.len()
    );
    for (server, before) in fleet.servers.iter().zip(full_syncs) {
        assert_eq!(
            stat(server.port, "sync_full"),
            before,
            "only partial resyncs"
        );
    }
}

#[test]
fn a_dry_run_names_the_replica_and_moves_nothing() {
    if Flavor::UnderTest.is_upstream() {
        return; // an extension
    }
    let fleet = Fleet::start(Plan::default());
    let reply = fleet.sentinels[0].call(&["SENTINEL", "FAILOVER", NAME, "COORDINATED", "DRYRUN"]);
    assert_eq!(reply.field("lossless").as_deref(), Some("yes"), "{reply:?}");
    let taken = reply
        .pairs()
        .iter()
        .filter(|(_, verdict)| verdict == "taken")
        .count();
    assert_eq!(taken, 1, "{reply:?}");
    assert_eq!(fleet.servers[0].role(), "master");
}

#[test]
fn a_server_that_was_drained_is_not_the_master() {
    if Flavor::UnderTest.is_upstream() {
        return; // an extension
    }
    let fleet = Fleet::start(Plan::default());
    let port = fleet.servers[0].port.to_string();
    let words = ["SENTINEL", "DRAIN", NAME, "127.0.0.1", &port];
    eventually("the master is drained", || {
        fleet.sentinels[1]
            .ask(&words)
            .is_some_and(|reply| reply.is_ok())
    });
    eventually("it is a replica", || fleet.servers[0].role() == "slave");
    assert!(
        fleet.sentinels[2].call(&words).is_ok(),
        "it can be said again"
    );
}

#[test]
fn a_coordinated_failover_that_a_server_does_not_permit_is_refused_and_moves_nothing() {
    if Flavor::UnderTest.is_upstream() {
        return; // an extension
    }
    let lines = |_| {
        let rules = "user default on nopass ~* &* +@all -client|pause";
        vec![rules.to_owned()]
    };
    let fleet = Fleet::start_with(Plan::default(), lines);
    eventually("it is known that the master forbids it", || {
        let missing = fleet.sentinels[0].master().field("missing-permissions");
        missing.as_deref() == Some("+client|pause")
    });
    let reply = fleet.sentinels[0].call(&["SENTINEL", "FAILOVER", NAME, "COORDINATED"]);
    assert!(
        reply.is_error("NOTSAFE our user there lacks +client|pause"),
        "{reply:?}"
    );
    assert_eq!(fleet.servers[0].role(), "master");
    // The plain one goes the way it always went.
    eventually("a failover is possible", || {
        let words = ["SENTINEL", "FAILOVER", NAME];
        fleet.sentinels[0]
            .ask(&words)
            .is_some_and(|reply| reply.is_ok())
    });
    fleet.await_new_master(0);
}
