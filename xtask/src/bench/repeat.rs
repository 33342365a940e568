//! Several runs of the same: one row of each program, with the median of every figure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// What must not happen in any run: of these the worst counts.
const WORST: [&str; 5] = [
    "unfinished",
    "overruled",
    "promoted_twice",
    "false_sdown",
    "tilts",
];

/// The rows of a part, those of one program as one.
pub(super) fn united(rows: &[Value]) -> Vec<Value> {
    let program = |row: &Value| {
        row.get("program")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let mut seen = BTreeSet::new();
    let mut united = Vec::new();
    for row in rows {
        let Some(name) = program(row) else {
            united.push(row.clone());
            continue;
        };
        if !seen.insert(name.clone()) {
            continue;
        }
        let its: Vec<&Value> = rows
            .iter()
            .filter(|row| program(row).as_ref() == Some(&name))
            .collect();
        let mut one = middle("", &its);
        if its.len() > 1
            && let Some(fields) = one.as_object_mut()
        {
            fields.insert("runs".to_owned(), json!(its.len()));
        }
        united.push(one);
    }
    united
}

/// Of numbers the median, where one that is missing is the largest; of objects that of each field;
/// of anything else the first.
fn middle(name: &str, values: &[&Value]) -> Value {
    let first = values.first().copied().unwrap_or(&Value::Null);
    if let Some(fields) = values.iter().find_map(|value| value.as_object()) {
        let of = |key: &String| {
            let all: Vec<&Value> = values
                .iter()
                .map(|value| value.get(key).unwrap_or(&Value::Null))
                .collect();
            (key.clone(), middle(key, &all))
        };
        return Value::Object(fields.keys().map(of).collect::<Map<_, _>>());
    }
    if !values.iter().any(|value| value.is_number()) {
        return first.clone();
    }
    let mut sorted = values.to_vec();
    let size = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    sorted.sort_by(|a, b| size(a).total_cmp(&size(b)));
    let at = if WORST.contains(&name) {
        sorted.len().saturating_sub(1)
    } else {
        sorted.len() / 2
    };
    sorted.get(at).copied().unwrap_or(&Value::Null).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &str, p99: Value, unfinished: u64) -> Value {
        json!({"program": program, "each": [1, 2], "unfinished": unfinished, "ms": {"p99": p99}})
    }

    #[test]
    fn runs_of_a_program_become_one_row_with_the_median_of_each_figure() {
        let rows = [
            run("a", json!(3.5), 0),
            run("b", json!(9), 0),
            run("a", json!(2.5), 0),
            run("b", json!(7), 0),
            run("a", json!(9.5), 0),
            run("b", json!(8), 0),
        ];
        let united = united(&rows);
        assert_eq!(united.len(), 2);
        assert_eq!(united[0]["ms"]["p99"], json!(3.5));
        assert_eq!(united[0]["runs"], json!(3));
        assert_eq!(united[0]["each"], json!([1, 2]));
        assert_eq!(united[1]["ms"]["p99"], json!(8));
    }

    #[test]
    fn what_went_wrong_in_one_run_went_wrong() {
        let rows = [
            run("a", json!(3.5), 0),
            run("a", json!(3.5), 7),
            run("a", json!(3.5), 0),
        ];
        assert_eq!(united(&rows)[0]["unfinished"], json!(7));
    }

    #[test]
    fn figure_that_most_runs_lack_is_missing() {
        let rows = [
            run("a", Value::Null, 0),
            run("a", json!(3.5), 0),
            run("a", Value::Null, 0),
        ];
        assert_eq!(united(&rows)[0]["ms"]["p99"], Value::Null);
    }

    #[test]
    fn what_was_run_once_stays_as_it_is() {
        let rows = [
            run("a", Value::Null, 1),
            json!({"name": "hot path", "median_ns": 5}),
        ];
        assert_eq!(united(&rows), rows);
    }
}
