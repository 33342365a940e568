//! Clocks that stand still.

use super::holds;

/// S16 fell here once, by a mistake of the model: a Sentinel whose machine stood still was restarted
/// meanwhile, and when the machine was to go on its clock went back by all of that time.
#[test]
fn a_clock_goes_back_for_nobody_who_has_looked_at_it() {
    holds(
        "
    seed 734201370084638933
    param masters 3
    param replicas 3
    param clients 0
    param faults_ms 132596
    fault 89000 freeze 47802 1 s2
    fault 105000 crash 1458 1 s2
    fault 124000 aim-promoted 5 2 r8
    fault 147000 failover 0 0 s2 s2 r11
        ",
    );
}
