//! Summaries of many figures.

use std::time::Duration;

use serde_json::{Value, json};

/// How many figures there are, and how large.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Half are at most this.
    pub median: f64,
    /// Ninety-nine of a hundred are at most this.
    pub p99: f64,
    /// The largest.
    pub worst: f64,
}

impl Summary {
    /// Of figures in any order; `None` of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let worst = *figures.last()?;
        let at = |share: usize| {
            let rank = (figures.len() * share).div_ceil(100).max(1);
            figures.get(rank - 1).copied().unwrap_or(worst)
        };
        Some(Self {
            count: figures.len(),
            median: at(50),
            p99: at(99),
            worst,
        })
    }

    /// Of durations, in milliseconds.
    pub fn of_ms(durations: impl IntoIterator<Item = Duration>) -> Option<Self> {
        Self::of(
            durations
                .into_iter()
                .map(|took| took.as_secs_f64() * 1000.0),
        )
    }

    /// For a file of results.
    pub fn json(&self) -> Value {
        json!({
            "count": self.count,
            "median": round(self.median),
            "p99": round(self.p99),
            "worst": round(self.worst),
        })
    }
}

/// A summary for a file of results, `null` of none.
pub fn json_of(summary: Option<Summary>) -> Value {
    summary.map_or(Value::Null, |summary| summary.json())
}

/// To three digits behind the point: more would claim what was not measured.
pub fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let summary = Summary::of((1..=200).rev().map(f64::from)).unwrap();
        assert_eq!(
            (summary.median, summary.p99, summary.worst),
            (100.0, 198.0, 200.0)
        );
        let one = Summary::of([7.0]).unwrap();
        assert_eq!((one.median, one.p99, one.worst), (7.0, 7.0, 7.0));
        assert_eq!(Summary::of([]), None);
    }
}
