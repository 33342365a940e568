//! The harness itself: nothing that it starts may stay behind.

use crate::harness::{Flavor, Fleet, Plan};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[test]
fn no_process_outlives_its_fleet() {
    let fleet = small_fleet();
    let pids = pids(&fleet);
    let root = fleet.root().to_path_buf();
    assert!(pids.iter().all(|pid| is_there(*pid)));

    drop(fleet);

    assert!(!pids.iter().any(|pid| is_there(*pid)));
    assert!(!root.exists());
}

#[test]
fn no_process_outlives_a_test_that_panics() {
    let mut left = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let fleet = small_fleet();
        left = pids(&fleet);
        panic!("on purpose; the logs below belong to it");
    }));
    assert!(outcome.is_err() && left.len() == 2);
    assert!(!left.iter().any(|pid| is_there(*pid)));
}

fn small_fleet() -> Fleet {
    let plan = Plan {
        replicas: 0,
        ..Plan::default()
    };
    let mut fleet = Fleet::servers_only(plan, |_| vec![]);
    fleet.add_sentinel(Flavor::UnderTest);
    fleet
}

fn pids(fleet: &Fleet) -> Vec<u32> {
    let servers = fleet.servers.iter().map(|server| server.pid());
    let sentinels = fleet.sentinels.iter().map(|sentinel| sentinel.pid());
    servers.chain(sentinels).collect()
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
