//! What was asked for of one master's failover.

use super::Target;
use crate::bench::results::{Results, figure};
use crate::bench::run::{OURS, THEIRS};
use crate::bench::tables::ratio;

/// What is asked of one master's failover, in ms; a bound counts from down-after where a master
/// has to be found dead first.
struct Case {
    what: &'static str,
    parts: &'static [&'static str],
    mark: &'static str,
    from_down_after: bool,
    median: f64,
    worst: f64,
}

const fn case(
    what: &'static str,
    parts: &'static [&'static str],
    mark: &'static str,
    (from_down_after, median, worst): (bool, f64, f64),
) -> Case {
    Case {
        what,
        parts,
        mark,
        from_down_after,
        median,
        worst,
    }
}

/// Where a target is one of every failover, the worst of these counts.
const EACH: &[&str] = &["latency-kill", "latency-stop", "latency-manual"];

const CASES: [Case; 11] = [
    case(
        "kill -9 → a write is acknowledged",
        &["latency-kill"],
        "write",
        (true, 40.0, 150.0),
    ),
    case(
        "SIGSTOP → write",
        &["latency-stop"],
        "write",
        (true, 150.0, 300.0),
    ),
    case(
        "SENTINEL FAILOVER → write",
        &["latency-manual"],
        "write",
        (false, 40.0, 120.0),
    ),
    case(
        "write → all Sentinels agree",
        EACH,
        "agree after write",
        (false, 20.0, 100.0),
    ),
    case(
        "promotion → every Sentinel published it",
        EACH,
        "heard after promotion",
        (false, 20.0, 100.0),
    ),
    case(
        "write → all replicas follow, link up",
        EACH,
        "follow after write",
        (false, 100.0, 1200.0),
    ),
    case(
        "start → everything known to everyone",
        EACH,
        "discovery",
        (false, 200.0, 500.0),
    ),
    case(
        "the round is lost → next try",
        &["latency-lost"],
        "next try",
        (false, 500.0, 2000.0),
    ),
    case(
        "leader killed at +elected-leader → write",
        &["latency-leader"],
        "write",
        (true, 1000.0, 3000.0),
    ),
    case(
        "crash-detection 200, down-after 30000: kill -9 → write",
        &["latency-crash"],
        "write",
        (false, 400.0, 400.0),
    ),
    case(
        "crash-detection: all Sentinels agree after the write",
        &["latency-crash"],
        "agree after write",
        (false, 20.0, 100.0),
    ),
];

/// All of them.
pub(super) fn targets(results: &Results) -> Vec<Target> {
    CASES.iter().map(|case| judge(results, case)).collect()
}

/// Median and worst; none if a round had no such mark.
struct Took {
    median: f64,
    worst: f64,
    bound_s: f64,
    is_whole: bool,
}

fn judge(results: &Results, case: &Case) -> Target {
    let first = case.parts.first().copied().unwrap_or_default();
    let measured = results.figure(first, OURS, "/down_after_ms");
    let base = measured.filter(|_| case.from_down_after).unwrap_or(0.0);
    let (median, worst) = (base + case.median, base + case.worst);
    let ours = slowest(results, case, OURS);
    let theirs = slowest(results, case, THEIRS);
    let both = ours.as_ref().zip(theirs.as_ref());
    let whole = both.filter(|(ours, theirs)| ours.is_whole && theirs.is_whole);
    Target {
        what: case.what.to_owned(),
        asked: match measured {
            None if case.from_down_after => format!("down-after + {median:.0} ({worst:.0})"),
            _ => format!("{median:.0} ({worst:.0})"),
        },
        ours: shown(ours.as_ref()),
        theirs: shown(theirs.as_ref()),
        ratio: ratio(whole.map(|(o, _)| o.median), whole.map(|(_, t)| t.median)),
        reached: ours.map(|ours| ours.is_whole && ours.median <= median && ours.worst <= worst),
    }
}

fn shown(took: Option<&Took>) -> String {
    match took {
        None => "–".to_owned(),
        Some(took) if took.is_whole => format!("{:.0} ({:.0})", took.median, took.worst),
        Some(took) => format!("> {:.0} s in some rounds", took.bound_s),
    }
}

/// Of several modes the slowest, and nothing if one is missing.
fn slowest(results: &Results, case: &Case, program: &str) -> Option<Took> {
    let mut all = Took {
        median: 0.0,
        worst: 0.0,
        bound_s: 0.0,
        is_whole: true,
    };
    for part in case.parts {
        let row = results.row(part, program)?;
        let of = |name: &str| figure(row, &format!("/marks_ms/{}/{name}", case.mark));
        all.is_whole &= of("count").is_some() && of("count") == figure(row, "/rounds");
        all.median = all.median.max(of("median").unwrap_or(0.0));
        all.worst = all.worst.max(of("worst").unwrap_or(0.0));
        all.bound_s = all.bound_s.max(figure(row, "/bound_s").unwrap_or(0.0));
    }
    Some(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn kill(program: &str, count: u64, median: f64, worst: f64) -> Value {
        let write = json!({"count": count, "median": median, "worst": worst});
        json!({
            "program": program, "rounds": 20, "down_after_ms": 1000.0, "bound_s": 40.0,
            "marks_ms": {"write": write},
        })
    }

    fn verdict(ours: Value) -> Target {
        let both = json!({"results": [ours, kill(THEIRS, 20, 2000.0, 2200.0)]});
        judge(&Results::of([("latency-kill", both)]), &CASES[0])
    }

    #[test]
    fn median_and_worst_both_have_to_be_within_their_bounds() {
        let good = verdict(kill(OURS, 20, 1030.0, 1100.0));
        assert_eq!((good.reached, good.ratio.as_str()), (Some(true), "0.52"));
        assert_eq!(verdict(kill(OURS, 20, 1050.0, 1100.0)).reached, Some(false));
        assert_eq!(verdict(kill(OURS, 20, 1030.0, 1151.0)).reached, Some(false));
    }

    #[test]
    fn a_round_that_did_not_end_is_a_target_that_is_not_reached() {
        let target = verdict(kill(OURS, 19, 1030.0, 1100.0));
        assert_eq!((target.reached, target.ratio.as_str()), (Some(false), "–"));
    }
}
