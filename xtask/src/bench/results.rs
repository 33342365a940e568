//! Results of parts, one JSON file each, in a folder that cargo made and git ignores.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::repeat;
use crate::shell;

/// Where the results of full runs, or of quick ones, are.
pub(crate) fn folder(quick: bool) -> Result<PathBuf> {
    let name = if quick { "bench-quick" } else { "bench" };
    Ok(shell::target_dir()?.join(name))
}

/// Puts a part's results in place of older ones: all of them or none.
pub(crate) fn store(folder: &Path, name: &str, value: &Value) -> Result<()> {
    let path = folder.join(format!("{name}.json"));
    let beside = folder.join(format!("{name}.json.new"));
    fs::write(&beside, serde_json::to_string_pretty(value)?)
        .and_then(|()| fs::rename(&beside, &path))
        .with_context(|| format!("writing {}", path.display()))
}

/// All that is there, by part.
#[derive(Debug, Default)]
pub(crate) struct Results {
    parts: BTreeMap<String, Value>,
}

impl Results {
    /// Reads a folder; of one that is not there, nothing.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut parts = BTreeMap::new();
        let Ok(entries) = fs::read_dir(folder) else {
            return Ok(Self::default());
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&path)?;
            let mut value: Value = serde_json::from_str(&text)
                .with_context(|| format!("reading {}", path.display()))?;
            if let Some(rows) = value.get_mut("results").and_then(Value::as_array_mut) {
                *rows = repeat::united(rows);
            }
            parts.insert(name.into_owned(), value);
        }
        Ok(Self { parts })
    }

    #[cfg(test)]
    pub(crate) fn of(parts: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let parts = parts.into_iter();
        Self {
            parts: parts.map(|(name, part)| (name.to_owned(), part)).collect(),
        }
    }

    /// The names of the parts that are there and start so, and what is known of each.
    pub(crate) fn parts(&self, start: &str) -> impl Iterator<Item = (&str, &Value)> {
        let found = self.parts.iter();
        found
            .filter(move |(name, _)| name.starts_with(start))
            .map(|(name, part)| (name.as_str(), part))
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Value> {
        self.parts.get(name)
    }

    /// All rows of a part.
    pub(crate) fn rows(&self, part: &str) -> &[Value] {
        let rows = self.part(part).and_then(|part| part.get("results"));
        rows.and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// What a part says of a program.
    pub(crate) fn row(&self, part: &str, program: &str) -> Option<&Value> {
        let is_its = |row: &&Value| row.get("program").and_then(Value::as_str) == Some(program);
        self.rows(part).iter().find(is_its)
    }

    /// A figure of that.
    pub(crate) fn figure(&self, part: &str, program: &str, path: &str) -> Option<f64> {
        figure(self.row(part, program)?, path)
    }

    /// The rows of a program in all parts of many masters, fewest masters first.
    pub(crate) fn of_many(&self, start: &str, program: &str) -> Vec<&Value> {
        let parts = self.parts(start);
        let mut rows: Vec<&Value> = parts
            .filter_map(|(name, _)| self.row(name, program))
            .collect();
        rows.sort_by_key(|row| ["masters", "killed"].map(|name| row[name].as_u64()));
        rows
    }
}

/// A number by its JSON pointer.
pub(crate) fn figure(row: &Value, path: &str) -> Option<f64> {
    row.pointer(path)?.as_f64()
}
