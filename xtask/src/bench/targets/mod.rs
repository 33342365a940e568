//! What was asked for, beside what was measured.

mod many;
mod one;

use super::results::Results;
use super::tables::table;

/// One row of the table of targets.
struct Target {
    what: String,
    asked: String,
    ours: String,
    theirs: String,
    ratio: String,
    /// `None`: not measured.
    reached: Option<bool>,
}

/// All targets as a table, with how many are reached in front.
pub(crate) fn page(results: &Results) -> String {
    let mut targets = one::targets(results);
    targets.extend(many::targets(results));
    let reached = targets.iter().filter(|t| t.reached == Some(true)).count();
    let missed = targets.iter().filter(|t| t.reached == Some(false)).count();
    let head = [
        "target",
        "asked, at most",
        "Bartizan",
        "redis-sentinel",
        "ratio",
        "reached",
    ];
    let rows = targets.iter().map(|target| {
        let verdict = match target.reached {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        vec![
            target.what.clone(),
            target.asked.clone(),
            target.ours.clone(),
            target.theirs.clone(),
            target.ratio.clone(),
            verdict.to_owned(),
        ]
    });
    let all = targets.len();
    format!(
        "{reached} of {all} reached, {missed} not, {} not measured. Of times of one master: \
         median (worst of all rounds) in ms.\n\n{}",
        all - reached - missed,
        table(&head, rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        let page = page(&Results::default());
        assert!(
            page.starts_with("0 of 28 reached, 0 not, 28 not measured."),
            "{page}"
        );
    }
}
