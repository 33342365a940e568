//! Many masters at once, played by the load tool: the smallest that still goes through all of
//! it. How fast it is has no place here; `cargo xtask bench scale` measures that.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::time::Duration;

use bartizan_load::client::Stop;
use bartizan_load::scale::{Plan, measure};
use bartizan_load::sentinels::Program;
use bartizan_load::troupe::Place;

#[test]
fn many_masters_that_die_together_are_all_replaced_and_everybody_is_told() {
    const PATIENCE: Duration = Duration::from_secs(120);
    let plan = Plan {
        masters: 20,
        replicas: 40,
        kill: 5,
        sentinels: 3,
        down_after: Duration::from_secs(2),
        idle: Duration::ZERO,
        clients: 0,
        discovery_bound: PATIENCE,
        failover_bound: PATIENCE,
        place: Place::Here,
    };
    let program = Program {
        label: "bartizan".to_owned(),
        path: env!("CARGO_BIN_EXE_bartizan").to_owned(),
    };
    let outcome = measure(&program, &plan, &Stop::default(), &|_| {}).unwrap();
    assert!(
        outcome.discovered.iter().all(Option::is_some),
        "{outcome:?}"
    );
    assert_eq!(
        (outcome.promoted.len(), outcome.unfinished),
        (5, 0),
        "{outcome:?}"
    );
    assert_eq!(outcome.agreed.len(), 5, "{outcome:?}");
}
