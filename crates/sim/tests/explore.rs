//! The bounded model check of `bartizan_sim::explore`; `docs/model-check.md` tells what it covers.

use bartizan_sim::explore::scenario::Scenario;
use bartizan_sim::explore::search::search;

/// The whole check, as `docs/model-check.md` reports it:
/// `cargo test --release -p bartizan-sim --test explore -- --ignored --nocapture`.
/// `EXPLORE=name` picks one scenario.
#[test]
#[ignore = "takes minutes"]
fn everything() {
    let wanted = std::env::var("EXPLORE").ok();
    for scenario in Scenario::all() {
        if wanted.as_ref().is_some_and(|name| name != scenario.name) {
            continue;
        }
        let started = std::time::Instant::now();
        let report = search(&scenario);
        println!("{report}  {:.1} s", started.elapsed().as_secs_f64());
    }
}
