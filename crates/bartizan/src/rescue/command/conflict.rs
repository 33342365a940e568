//! Which keys of a file are left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::units::{Key, Unit};

/// What is known of the keys of a file.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Left alone, and why.
    left: BTreeMap<Key, Why>,
    /// All that the file is about.
    all: BTreeSet<Key>,
    /// The keys of commands and transactions with more than one.
    groups: Vec<Vec<Key>>,
}

/// Why a key is left alone. What matters most to an operator comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// It has been changed on the server since the fork, or removed.
    Changed,
    /// It is on the server, and nobody can say whether it has been changed.
    Exists,
    /// It is on the server, as it was at the fork.
    Same,
    /// It stands in one command or transaction with a key that is left alone.
    Together,
}

impl Why {
    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Changed => "has been changed on the server since the fork",
            Self::Exists => "is on the server; it may have been changed since the fork",
            Self::Same => "is on the server, unchanged since the fork",
            Self::Together => "is changed together with a key that is left alone",
        }
    }
}

impl Keys {
    /// The file has this unit.
    pub(super) fn add(&mut self, unit: &Unit) {
        let Some(keys) = unit.keys() else {
            return;
        };
        self.all.extend(keys.iter().cloned());
        if keys.len() > 1 {
            self.groups.push(keys);
        }
    }

    /// All keys of the file.
    pub(super) const fn all(&self) -> &BTreeSet<Key> {
        &self.all
    }

    /// What is left alone and why.
    pub(super) const fn left(&self) -> &BTreeMap<Key, Why> {
        &self.left
    }

    /// These are left alone; with them goes what they are changed together with.
    pub(super) fn leave(&mut self, keys: impl IntoIterator<Item = Key>, why: Why) {
        let before = self.left.len();
        for key in keys {
            // That it is there says more than what it stands together with.
            let known = self.left.entry(key).or_insert(why);
            *known = (*known).min(why);
        }
        let mut grown = self.left.len() > before;
        while grown {
            grown = false;
            for group in &self.groups {
                let touched = group.iter().any(|key| self.left.contains_key(key));
                if touched && !group.iter().all(|key| self.left.contains_key(key)) {
                    grown = true;
                    for key in group {
                        self.left.entry(key.clone()).or_insert(Why::Together);
                    }
                }
            }
        }
    }

    /// Whether a unit may be played.
    pub(super) fn allows(&self, unit: &Unit) -> bool {
        unit.keys()
            .is_some_and(|keys| keys.iter().all(|key| !self.left.contains_key(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(line: &str) -> Unit {
        let argv = line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
        Unit {
            commands: vec![(0, argv)],
        }
    }

    #[test]
    fn what_is_changed_together_is_left_alone_together() {
        let lines = ["MSET a 1 b 1", "RENAME b c", "SET d 1", "FLUSHALL"];
        let units = lines.map(unit);
        let mut keys = Keys::default();
        units.iter().for_each(|unit| keys.add(unit));
        assert_eq!(keys.all().len(), 4);
        assert_eq!(
            units.each_ref().map(|unit| keys.allows(unit)),
            [true, true, true, false]
        );
        keys.leave([(0, b"c".to_vec())], Why::Exists);
        assert_eq!(
            units.each_ref().map(|unit| keys.allows(unit)),
            [false, false, true, false]
        );
        assert_eq!(keys.left().get(&(0, b"a".to_vec())), Some(&Why::Together));
    }
}
