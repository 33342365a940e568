//! What becomes of a fleet in which two Sentinels have one id, because somebody set one up with a
//! copy of the other's file.
#![allow(
    clippy::unwrap_used,
    reason = "a test helper that fails fails its test"
)]

use bartizan_sim::plan::Plan;
use bartizan_sim::run::{Outcome, play};

/// s1 dies, and comes back with the file of s0.
const COPIED: &str = "seed 13\nfault 20000 copied-file 3000 0 s1 s0 r0\n";

fn played(faults: &str) -> Outcome {
    play(&Plan::parse(&format!("{COPIED}{faults}")).unwrap(), false)
}

#[test]
fn two_sentinels_with_one_id_leave_a_master_that_is_well_alone() {
    for bytes in [0, 1] {
        let outcome = played(&format!("param bytes {bytes}\n"));
        assert!(outcome.violation.is_none(), "{}", outcome.report());
        assert_eq!(outcome.stats.failovers, 0);
    }
}

#[test]
fn two_sentinels_with_one_id_replace_a_lost_master_and_end_up_agreeing() {
    for sentinels in [3, 5] {
        let outcome = played(&format!(
            "param sentinels {sentinels}\nfault 40000 crash 15000 0 r0\n"
        ));
        assert!(outcome.violation.is_none(), "{}", outcome.report());
        assert!(outcome.stats.failovers > 0, "{}", outcome.report());
    }
}
