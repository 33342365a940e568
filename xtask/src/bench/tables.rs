//! The tables of the page.

use serde_json::Value;

use super::results::{Results, figure};
use super::run::{OURS, THEIRS};

/// A table in Markdown.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// Two digits that say something; a dash where there is nothing to compare.
pub(crate) fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    match ours.zip(theirs) {
        Some((ours, theirs)) if theirs > 0.0 => {
            let ratio = ours / theirs;
            if ratio < 0.1 {
                format!("{ratio:.3}")
            } else {
                format!("{ratio:.2}")
            }
        }
        _ => "–".to_owned(),
    }
}

/// A figure with so many digits behind the point.
pub(crate) fn number(figure: Option<f64>, digits: usize, unit: &str) -> String {
    figure.map_or_else(
        || "–".to_owned(),
        |figure| format!("{figure:.digits$}{unit}"),
    )
}

/// The parts of one master, what happens there, and which marks are shown.
const CASES: [(&str, &str, &[Mark]); 6] = [
    ("latency-kill", "kill -9", &MARKS),
    ("latency-stop", "SIGSTOP", &MARKS),
    ("latency-manual", "SENTINEL FAILOVER", &MARKS),
    (
        "latency-leader",
        "leader killed at +elected-leader, from its death",
        &MARKS,
    ),
    (
        "latency-lost",
        "nobody is elected",
        &[("next try", "given up → next try")],
    ),
    (
        "latency-crash",
        "kill -9, down-after 30000, Bartizan with crash-detection 200",
        &MARKS,
    ),
];

/// The name of a mark, and what it means.
type Mark = (&'static str, &'static str);

const MARKS: [Mark; 6] = [
    ("write", "a write is acknowledged"),
    ("all agree", "all Sentinels agree"),
    ("all heard", "every Sentinel published +switch-master"),
    ("heard after promotion", "the same, from the promotion"),
    ("follow", "replicas follow, link up"),
    ("discovery", "before: start → everybody known to everybody"),
];

/// Failovers of one master.
pub(crate) fn one_master(results: &Results) -> String {
    let mut rows = Vec::new();
    for (part, what, marks) in CASES {
        let (ours, theirs) = (results.row(part, OURS), results.row(part, THEIRS));
        if ours.or(theirs).is_none() {
            continue;
        }
        for (index, (mark, means)) in marks.iter().enumerate() {
            let median = |row: Option<&Value>| figure(row?, &format!("/marks_ms/{mark}/median"));
            rows.push(vec![
                if index == 0 { what } else { "" }.to_owned(),
                (*means).to_owned(),
                took(ours, mark),
                took(theirs, mark),
                ratio(median(ours), median(theirs)),
            ]);
        }
    }
    let head = [
        "case",
        "ms since the break, median (worst)",
        "Bartizan",
        "redis-sentinel",
        "ratio of medians",
    ];
    format!("{}\n{}", rounds(results), table(&head, rows))
}

/// How many rounds each part had.
fn rounds(results: &Results) -> String {
    let counts: Vec<String> = CASES
        .iter()
        .filter_map(|(part, ..)| {
            let of = |program| results.figure(part, program, "/rounds");
            let mode = part.trim_start_matches("latency-");
            let (ours, theirs) = (of(OURS), of(THEIRS));
            let theirs = theirs.filter(|_| ours != theirs);
            let both = theirs.map_or(String::new(), |theirs| format!(" and {theirs}"));
            Some(format!("{mode} {}{both}", ours?))
        })
        .collect();
    format!("Rounds: {}.\n", counts.join(", "))
}

fn took(row: Option<&Value>, mark: &str) -> String {
    let Some(row) = row else {
        return "–".to_owned();
    };
    let of = |name: &str| figure(row, &format!("/marks_ms/{mark}/{name}"));
    let rounds = figure(row, "/rounds").unwrap_or(0.0);
    let bound = figure(row, "/bound_s").unwrap_or(0.0);
    match (of("count"), of("median"), of("worst")) {
        (Some(count), Some(median), Some(worst)) if count >= rounds => {
            format!("{median:.0} ({worst:.0})")
        }
        (Some(count), Some(median), _) => {
            format!("{median:.0} in {count} of {rounds} rounds, else > {bound:.0} s")
        }
        _ => format!("> {bound:.0} s"),
    }
}

/// Many masters: both programs and their ratio for each run.
pub(crate) fn many_masters(results: &Results) -> String {
    let head = [
        "M",
        "replicas",
        "killed",
        "",
        "discovered",
        "CPU",
        "RSS",
        "all CPU",
        "answers p99 (worst): discovery",
        "idle",
        "promoted",
        "all know",
        "not done",
        "twice",
        "overruled",
        "writes",
        "false +sdown",
        "TILT",
    ];
    let rows = pairs(results, "scale-")
        .into_iter()
        .flat_map(|(ours, theirs)| {
            let mut rows = vec![many_row(ours, "Bartizan")];
            if let Some(theirs) = theirs {
                rows.push(many_row(theirs, "redis-sentinel"));
                rows.push(ratio_row(ours, theirs, head.len()));
            }
            rows
        });
    table(&head, rows)
}

/// The rows of both programs for the same run.
fn pairs<'a>(results: &'a Results, start: &str) -> Vec<(&'a Value, Option<&'a Value>)> {
    let theirs = results.of_many(start, THEIRS);
    let ours = results.of_many(start, OURS).into_iter();
    ours.map(|ours| {
        let is_same =
            |row: &&&Value| row["masters"] == ours["masters"] && row["killed"] == ours["killed"];
        (ours, theirs.iter().find(is_same).copied())
    })
    .collect()
}

fn many_row(row: &Value, program: &str) -> Vec<String> {
    let of = |path: &str| figure(row, path);
    let whole = |path: &str| number(of(path), 0, "");
    let answers = |part: &str| {
        let (p99, worst) = (
            of(&format!("/answers_ms/{part}/p99")),
            of(&format!("/answers_ms/{part}/worst")),
        );
        match p99 {
            Some(_) => format!("{} ({})", number(p99, 1, ""), number(worst, 0, " ms")),
            None => "–".to_owned(),
        }
    };
    let spread = |what: &str| {
        let at = |name: &str| number(of(&format!("/{what}/{name}")), 2, "");
        match of(&format!("/{what}/count")) {
            Some(count) => {
                let killed = of("/killed").filter(|killed| *killed > count);
                let some = killed.map(|killed| format!(", {count} of {killed}"));
                let spread = [at("median"), at("p99"), at("worst")].join(" / ");
                format!("{spread} s{}", some.unwrap_or_default())
            }
            None => "–".to_owned(),
        }
    };
    let not_in_time = || format!("not in {} s", whole("/discovery_bound_s"));
    let writes = ["discovery", "idle", "failover"].map(|part| whole(&format!("/writes/{part}")));
    let killed = of("/killed").is_some_and(|killed| killed > 0.0);
    let failed_over = killed && of("/discovered_s").is_some();
    let if_killed = |path: &str| {
        if failed_over {
            whole(path)
        } else {
            "–".to_owned()
        }
    };
    vec![
        whole("/masters"),
        whole("/replicas"),
        whole("/killed"),
        program.to_owned(),
        of("/discovered_s").map_or_else(not_in_time, |s| format!("{s:.1} s")),
        number(of("/idle_cpu"), 3, ""),
        number(megabytes(row), 1, " MB"),
        number(all_cpu(row), 2, ""),
        answers("discovery"),
        answers("idle"),
        spread("promoted_s"),
        spread("all_know_s"),
        if_killed("/unfinished"),
        if_killed("/promoted_twice"),
        if_killed("/overruled"),
        writes.join(" + "),
        whole("/false_sdown"),
        whole("/tilts"),
    ]
}

fn megabytes(row: &Value) -> Option<f64> {
    figure(row, "/memory_kb").map(|kb| kb / 1024.0)
}

/// What Sentinels and played servers used of the machine when nothing happened, at most.
fn all_cpu(row: &Value) -> Option<f64> {
    let each = figure(row, "/idle_cpu")?;
    Some(each * figure(row, "/sentinels")? + figure(row, "/players_cpu")?)
}

fn ratio_row(ours: &Value, theirs: &Value, columns: usize) -> Vec<String> {
    // A start or failovers that did not end are compared with nothing.
    let known = [ours, theirs].map(|row| figure(row, "/discovered_s").is_some()) == [true, true];
    let done = [ours, theirs].map(|row| figure(row, "/unfinished") == Some(0.0)) == [true, true];
    let of = |path: &str| ratio(figure(ours, path).filter(|_| known), figure(theirs, path));
    let of_all = |path: &str| if done { of(path) } else { ratio(None, None) };
    let mut row = vec![String::new(); columns];
    let filled = [
        (3, "ratio".to_owned()),
        (4, of("/discovered_s")),
        (5, of("/idle_cpu")),
        (6, of("/memory_kb")),
        (8, of("/answers_ms/discovery/p99")),
        (9, of("/answers_ms/idle/p99")),
        (10, of_all("/promoted_s/median")),
        (11, of_all("/all_know_s/median")),
        (15, of("/writes/discovery")),
    ];
    for (column, text) in filled {
        if let Some(cell) = row.get_mut(column) {
            *cell = text;
        }
    }
    row
}

/// What a master costs, by how many there are.
pub(crate) fn growth(results: &Results) -> String {
    let head = [
        "M",
        "servers",
        "CPU: Bartizan",
        "redis-sentinel",
        "ratio",
        "CPU per master, µs a second: Bartizan",
        "redis-sentinel",
        "RSS: Bartizan",
        "redis-sentinel",
        "ratio",
        "RSS per master: Bartizan",
        "redis-sentinel",
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (ours, theirs) in pairs(results, "scale-") {
        let masters = figure(ours, "/masters").unwrap_or(1.0);
        let servers = masters + figure(ours, "/replicas").unwrap_or(0.0);
        let first = masters.to_string();
        if rows.iter().any(|row| row.first() == Some(&first)) {
            continue;
        }
        let (ours, theirs) = (Some(ours), theirs);
        let cpu = |row: Option<&Value>| figure(row?, "/idle_cpu");
        let memory = |row: Option<&Value>| megabytes(row?);
        let micros = |row| number(cpu(row).map(|cpu| cpu / masters * 1e6), 0, "");
        let each = |row| number(memory(row).map(|mb| mb * 1024.0 / masters), 0, " KB");
        rows.push(vec![
            first,
            servers.to_string(),
            number(cpu(ours), 3, ""),
            number(cpu(theirs), 3, ""),
            ratio(cpu(ours), cpu(theirs)),
            micros(ours),
            micros(theirs),
            number(memory(ours), 1, " MB"),
            number(memory(theirs), 1, " MB"),
            ratio(memory(ours), memory(theirs)),
            each(ours),
            each(theirs),
        ]);
    }
    table(&head, rows)
}

/// Clients that ask as fast as they are answered.
pub(crate) fn crowd(results: &Results) -> String {
    let head = [
        "M",
        "killed",
        "runs",
        "while",
        "answers a second: Bartizan",
        "redis-sentinel",
        "ratio",
        "median / p99 / worst: Bartizan",
        "redis-sentinel",
        "not done: Bartizan",
        "redis-sentinel",
    ];
    let mut rows = Vec::new();
    for (ours, theirs) in pairs(results, "crowd-") {
        let [masters, killed] =
            ["/masters", "/killed"].map(|path| number(figure(ours, path), 0, ""));
        let runs = number(figure(ours, "/runs").or(Some(1.0)), 0, "");
        for (part, means) in [
            ("idle", "nothing happens"),
            ("failover", "masters fail over"),
        ] {
            let at =
                |row: Option<&Value>, path: &str| figure(row?, &format!("/crowd/{part}/{path}"));
            let rate = |row: Option<&Value>| at(row, "per_second");
            let answers = |row: Option<&Value>| {
                let of = |name: &str| number(at(row, &format!("answers_ms/{name}")), 1, "");
                match rate(row) {
                    Some(_) => format!("{} / {} / {} ms", of("median"), of("p99"), of("worst")),
                    None => "–".to_owned(),
                }
            };
            let undone = |row: Option<&Value>| {
                let undone = row.and_then(|row| figure(row, "/unfinished"));
                number(
                    undone.filter(|_| part == "failover" && rate(row).is_some()),
                    0,
                    "",
                )
            };
            let ours = Some(ours);
            rows.push(vec![
                masters.clone(),
                killed.clone(),
                runs.clone(),
                means.to_owned(),
                number(rate(ours), 0, ""),
                number(rate(theirs), 0, ""),
                ratio(rate(ours), rate(theirs)),
                answers(ours),
                answers(theirs),
                undone(ours),
                undone(theirs),
            ]);
        }
    }
    table(&head, rows)
}

/// The hot paths alone.
pub(crate) fn micro(results: &Results) -> String {
    let rows = results.rows("micro").iter().map(|row| {
        let of = |path: &str| time(figure(row, path));
        vec![
            row["name"].as_str().unwrap_or_default().to_owned(),
            of("/median_ns"),
            format!("{} to {}", of("/low_ns"), of("/high_ns")),
        ]
    });
    table(&["hot path", "median", "95 % confidence"], rows)
}

fn time(nanoseconds: Option<f64>) -> String {
    match nanoseconds {
        None => "–".to_owned(),
        Some(ns) if ns < 1e3 => format!("{ns:.0} ns"),
        Some(ns) if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        Some(ns) => format!("{:.2} ms", ns / 1e6),
    }
}
