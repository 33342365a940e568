//! What was asked for of many masters.

use serde_json::Value;

use super::Target;
use crate::bench::results::{Results, figure};
use crate::bench::run::{OURS, THEIRS};
use crate::bench::tables::{number, ratio};

/// What is asked of many masters: a figure at most this.
struct Bound {
    what: &'static str,
    part: &'static str,
    path: &'static str,
    /// Added to the bound, in s.
    from_down_after: bool,
    at_most: f64,
    unit: &'static str,
    /// Whether it counts only if every failover was done.
    all_done: bool,
}

const fn bound(
    what: &'static str,
    (part, path): (&'static str, &'static str),
    (from_down_after, at_most, unit): (bool, f64, &'static str),
    all_done: bool,
) -> Bound {
    Bound {
        what,
        part,
        path,
        from_down_after,
        at_most,
        unit,
        all_done,
    }
}

const SOME: &str = "scale-1000-100";
const ALL: &str = "scale-1000-1000";

const BOUNDS: [Bound; 12] = [
    bound(
        "M = 1000: discovered by all",
        (SOME, "/discovered_s"),
        (false, 5.0, "s"),
        false,
    ),
    bound(
        "M = 1000: answers during discovery, p99",
        (SOME, "/answers_ms/discovery/p99"),
        (false, 20.0, "ms"),
        false,
    ),
    bound(
        "M = 1000: false +sdown",
        (SOME, "/false_sdown"),
        (false, 0.0, ""),
        false,
    ),
    bound(
        "M = 5000: false +sdown",
        ("scale-5000-0", "/false_sdown"),
        (false, 0.0, ""),
        false,
    ),
    bound(
        "M = 5000: TILT",
        ("scale-5000-0", "/tilts"),
        (false, 0.0, ""),
        false,
    ),
    bound(
        "M = 1000, 100 killed: promoted, worst",
        (SOME, "/promoted_s/worst"),
        (true, 0.5, "s"),
        true,
    ),
    bound(
        "M = 1000, 100 killed: all know, worst",
        (SOME, "/all_know_s/worst"),
        (true, 1.0, "s"),
        true,
    ),
    bound(
        "all 1000 killed: failovers not done",
        (ALL, "/unfinished"),
        (false, 0.0, ""),
        false,
    ),
    bound(
        "all 1000 killed: promoted, p99",
        (ALL, "/promoted_s/p99"),
        (true, 2.0, "s"),
        true,
    ),
    bound(
        "all 1000 killed: all know, worst",
        (ALL, "/all_know_s/worst"),
        (true, 4.0, "s"),
        true,
    ),
    bound(
        "all 1000 killed: configuration writes (tens)",
        (ALL, "/writes/failover"),
        (false, 99.0, ""),
        false,
    ),
    bound(
        "answers to 50 clients while 1000 failovers run, p99",
        ("crowd-1000-1000", "/crowd/failover/answers_ms/p99"),
        (false, 5.0, "ms"),
        true,
    ),
];

/// All of them.
pub(super) fn targets(results: &Results) -> Vec<Target> {
    let mut targets: Vec<Target> = BOUNDS.iter().map(|bound| within(results, bound)).collect();
    targets.push(against(
        results,
        ("idle CPU of a Sentinel, cores", "/idle_cpu", 3),
        0.7,
    ));
    targets.push(against(
        results,
        ("memory of a Sentinel, KB", "/memory_kb", 0),
        0.5,
    ));
    targets.push(throughput(results));
    for (what, path) in [("CPU", "/idle_cpu"), ("memory", "/memory_kb")] {
        targets.push(growth(results, what, path));
    }
    targets
}

fn within(results: &Results, bound: &Bound) -> Target {
    let row = results.row(bound.part, OURS);
    let ours = row.and_then(|row| figure(row, bound.path));
    let theirs = results.row(bound.part, THEIRS);
    let down_after = row.and_then(|row| figure(row, "/down_after_s"));
    let base = down_after.filter(|_| bound.from_down_after).unwrap_or(0.0);
    let at_most = base + bound.at_most;
    let counts = row.is_some_and(|row| counts(row, bound.all_done));
    let show = |row: Option<&Value>| show(row, bound);
    let their_figure = theirs
        .filter(|row| self::counts(row, bound.all_done))
        .and_then(|row| figure(row, bound.path));
    Target {
        what: bound.what.to_owned(),
        asked: match row {
            None if bound.from_down_after => {
                format!("down-after + {} {}", bound.at_most, bound.unit)
            }
            _ => plain(&format!("{at_most} {}", bound.unit)),
        },
        ours: show(row),
        theirs: show(theirs),
        ratio: ratio(ours.filter(|_| counts), their_figure),
        reached: row.map(|_| counts && ours.is_some_and(|ours| ours <= at_most)),
    }
}

/// Whether figures of a run say anything: it was discovered, and, where that matters, every
/// failover was done.
fn counts(row: &Value, all_done: bool) -> bool {
    let discovered = figure(row, "/discovered_s").is_some();
    discovered && (!all_done || undone(row) == Some(0.0))
}

fn undone(row: &Value) -> Option<f64> {
    let killed = figure(row, "/killed")?;
    let promoted = figure(row, "/promoted_s/count").unwrap_or(0.0);
    Some(figure(row, "/unfinished")?.max(killed - promoted))
}

fn show(row: Option<&Value>, bound: &Bound) -> String {
    let Some(row) = row else {
        return "–".to_owned();
    };
    if figure(row, "/discovered_s").is_none() {
        let waited = figure(row, "/discovery_bound_s").unwrap_or(0.0);
        return format!("not discovered in {waited:.0} s");
    }
    let shown = figure(row, bound.path).map_or_else(
        || "–".to_owned(),
        |figure| plain(&format!("{figure:.2} {}", bound.unit)),
    );
    match undone(row) {
        Some(undone) if bound.all_done && undone > 0.0 => format!("{shown}, {undone} not done"),
        _ => shown,
    }
}

/// Without digits and units that say nothing.
fn plain(text: &str) -> String {
    text.replace(".00", "").trim().to_owned()
}

/// A cost as a ratio to redis-sentinel's, where most masters were known to both.
fn against(results: &Results, (what, path, digits): (&str, &str, usize), at_most: f64) -> Target {
    let masters = |row: &Value| figure(row, "/masters").unwrap_or(0.0);
    let theirs = results.of_many("scale-", THEIRS);
    let largest = theirs.iter().rev().find(|row| figure(row, path).is_some());
    let ours = results.of_many("scale-", OURS);
    let same = largest.and_then(|row| {
        let is_same = |other: &&&Value| {
            other["masters"] == row["masters"] && other["killed"] == row["killed"]
        };
        ours.iter().find(is_same)
    });
    let (o, t) = (
        same.and_then(|row| figure(row, path)),
        largest.and_then(|row| figure(row, path)),
    );
    let at = largest.map_or(0.0, |row| masters(row));
    Target {
        what: format!("{what} at M = {at} (the most that redis-sentinel discovered in time)"),
        asked: format!("a ratio of {at_most}"),
        ours: number(o, digits, ""),
        theirs: number(t, digits, ""),
        // To the digit that decides.
        ratio: number(o.zip(t).map(|(o, t)| o / t), 3, ""),
        reached: o.zip(t).map(|(o, t)| o / t <= at_most),
    }
}

fn throughput(results: &Results) -> Target {
    let rate = |program| results.figure("crowd-100-100", program, "/crowd/idle/per_second");
    let (ours, theirs) = (rate(OURS), rate(THEIRS));
    Target {
        what: "answers a second to 50 clients, M = 100".to_owned(),
        asked: "a ratio of 1 (at least)".to_owned(),
        ours: number(ours, 0, ""),
        theirs: number(theirs, 0, ""),
        ratio: ratio(ours, theirs),
        reached: ours.zip(theirs).map(|(ours, theirs)| ours >= theirs),
    }
}

/// What a master costs among the most masters, against what it costs among the fewest.
fn growth(results: &Results, what: &str, path: &str) -> Target {
    /// More would not be linear any more.
    const AT_MOST: f64 = 1.2;
    let each = |program: &str| {
        let rows = results.of_many("scale-", program);
        // With fewer replicas than the others have a master costs less.
        let full = rows.iter().filter(|row| {
            let (masters, replicas) = (figure(row, "/masters"), figure(row, "/replicas"));
            masters.zip(replicas).is_some_and(|(m, r)| r >= 2.0 * m)
        });
        let costs: Vec<(f64, f64)> = full
            .filter_map(|row| figure(row, "/masters").zip(figure(row, path)))
            .collect();
        let (few, cost) = *costs.first()?;
        let (most, costs) = *costs.last()?;
        (most > few).then(|| (few, most, (costs / most) / (cost / few)))
    };
    let (ours, theirs) = (each(OURS), each(THEIRS));
    let show = |growth: Option<(f64, f64, f64)>| {
        growth.map_or_else(
            || "–".to_owned(),
            |(few, most, grown)| format!("{grown:.2} (M = {few} to {most})"),
        )
    };
    Target {
        what: format!(
            "linear growth: {what} per master at the largest M, as a multiple of that at the smallest"
        ),
        asked: format!("{AT_MOST}"),
        ours: show(ours),
        theirs: show(theirs),
        ratio: ratio(ours.map(|g| g.2), theirs.map(|g| g.2)),
        reached: ours.map(|(_, _, grown)| grown <= AT_MOST),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn thousand(unfinished: u64, discovered: Value) -> Option<bool> {
        let row = json!({
            "program": OURS, "killed": 1000, "unfinished": unfinished, "down_after_s": 5.0,
            "discovered_s": discovered, "promoted_s": {"count": 1000, "p99": 6.5},
        });
        let results = Results::of([(ALL, json!({"results": [row]}))]);
        let bound = BOUNDS
            .iter()
            .find(|bound| bound.path == "/promoted_s/p99")
            .unwrap();
        within(&results, bound).reached
    }

    #[test]
    fn failovers_that_were_fast_do_not_count_when_others_were_not_done() {
        assert_eq!(thousand(0, json!(3.0)), Some(true));
        assert_eq!(thousand(1, json!(3.0)), Some(false));
        assert_eq!(thousand(0, Value::Null), Some(false));
    }
}
