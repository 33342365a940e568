//! What is told of a rescued file in the `.json` beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::keys::{Keys, keys};
use super::stream::Noise;

/// Keys that are named.
const NAMED_KEYS: usize = 100;
/// Keys that are told apart.
const COUNTED_KEYS: usize = 1_000_000;
/// Of a key's name.
const LONGEST_KEY: usize = 256;

/// What is told of a rescued file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// The master's name in the Sentinels.
    pub(crate) master: String,
    /// The server that the writes were made on.
    pub(crate) address: String,
    /// When they were saved (UTC).
    pub(crate) saved_at: String,
    /// `stream` or `snapshot`.
    pub(crate) kind: String,
    /// The name of the file that has them, beside this one.
    pub(crate) file: Option<String>,
    /// The history that the server and its replicas had in common.
    pub(crate) replication_id: String,
    /// The first byte of it that the server alone has.
    pub(crate) fork: u64,
    /// The last byte that is in the file.
    pub(crate) end: u64,
    /// The last byte that the server had.
    pub(crate) server_end: u64,
    /// Whether everything is in the file.
    pub(crate) complete: bool,
    /// What is missing and why.
    pub(crate) why: Option<String>,
    /// What was assumed.
    pub(crate) notes: Vec<String>,
    /// A second file: writes whose database is not known.
    pub(crate) unplaced: Option<String>,
    /// What the file holds.
    #[serde(flatten)]
    pub(crate) tally: Tally,
}

/// What a file holds, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Commands that write.
    pub(crate) commands: u64,
    /// Transactions among them.
    pub(crate) transactions: u64,
    /// How often each command stands in it.
    pub(crate) by_command: BTreeMap<String, u64>,
    /// The databases they write to.
    pub(crate) databases: BTreeSet<u64>,
    /// The keys they write to.
    pub(crate) keys: KeyCount,
    /// What was left out.
    pub(crate) noise: NoiseCount,
}

/// The keys that a file writes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyCount {
    /// How many.
    pub(crate) count: u64,
    /// There are more than were counted, or commands whose keys are not known.
    pub(crate) and_more: bool,
    /// The first of them, each with its database.
    pub(crate) first: Vec<String>,
    #[serde(skip)]
    seen: BTreeSet<u64>,
}

/// What servers and Sentinels said to each other, which was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoiseCount {
    /// `PING`
    pub(crate) ping: u64,
    /// `REPLCONF GETACK *`
    pub(crate) getack: u64,
    /// `PUBLISH __sentinel__:hello …`
    pub(crate) hello: u64,
}

impl Tally {
    /// One command more.
    pub(super) fn count(&mut self, argv: &[Vec<u8>], database: u64) {
        /// Modules can bring any number of commands.
        const COMMANDS: usize = 1000;
        self.commands += 1;
        self.databases.insert(database);
        let name = argv.first().map_or_else(String::new, |name| shown(name));
        let name = name.to_ascii_uppercase();
        if self.by_command.len() < COMMANDS || self.by_command.contains_key(&name) {
            *self.by_command.entry(name).or_default() += 1;
        }
        match keys(argv) {
            Keys::Of(keys) => keys.iter().for_each(|key| self.keys.add(database, key)),
            Keys::None => {}
            Keys::Unknown => self.keys.and_more = true,
        }
    }

    /// What another has counted since.
    pub(super) fn absorb(&mut self, other: Self) {
        self.commands += other.commands;
        self.transactions += other.transactions;
        for (name, count) in other.by_command {
            *self.by_command.entry(name).or_default() += count;
        }
        self.databases.extend(other.databases);
        self.keys.absorb(other.keys);
    }

    /// Something that was left out.
    pub(super) const fn left_out(&mut self, noise: Noise) {
        let count = match noise {
            Noise::Ping => &mut self.noise.ping,
            Noise::GetAck => &mut self.noise.getack,
            Noise::Hello => &mut self.noise.hello,
        };
        *count += 1;
    }
}

impl KeyCount {
    fn absorb(&mut self, other: Self) {
        let mut seen = other.seen;
        seen.retain(|hash| !self.seen.contains(hash));
        let room = COUNTED_KEYS.saturating_sub(self.seen.len());
        self.and_more |= other.and_more || seen.len() > room;
        self.seen.extend(seen.into_iter().take(room));
        self.count = u64::try_from(self.seen.len()).unwrap_or(u64::MAX);
        for key in other.first {
            if self.first.len() < NAMED_KEYS && !self.first.contains(&key) {
                self.first.push(key);
            }
        }
    }

    fn add(&mut self, database: u64, key: &[u8]) {
        let mut hasher = DefaultHasher::new();
        (database, key).hash(&mut hasher);
        let hash = hasher.finish();
        if self.seen.contains(&hash) {
            return;
        }
        if self.seen.len() >= COUNTED_KEYS {
            self.and_more = true;
            return;
        }
        self.seen.insert(hash);
        self.count += 1;
        if self.first.len() < NAMED_KEYS {
            self.first.push(format!("{database}:{}", shown(key)));
        }
    }
}

/// Bytes for people: what is no plain text is escaped, what is long is cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let short = bytes.get(..LONGEST_KEY).unwrap_or(bytes);
    let mut text = match std::str::from_utf8(short) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => short.escape_ascii().to_string(),
    };
    if short.len() < bytes.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_by_their_database_and_named_up_to_a_bound() {
        let mut tally = Tally::default();
        let set = |key: String| vec![b"set".to_vec(), key.into_bytes(), b"v".to_vec()];
        for n in 0..150 {
            tally.count(&set(format!("k{n}")), 0);
        }
        tally.count(&set("k0".to_owned()), 0);
        tally.count(&set("k0".to_owned()), 3);
        assert_eq!((tally.commands, tally.keys.count), (152, 151));
        assert_eq!(tally.keys.first.len(), NAMED_KEYS);
        assert_eq!(tally.databases, BTreeSet::from([0, 3]));
        assert_eq!(tally.by_command, BTreeMap::from([("SET".to_owned(), 152)]));
        assert!(!tally.keys.and_more);
        tally.count(&[b"FLUSHALL".to_vec()], 0);
        assert!(tally.keys.and_more);
    }

    #[test]
    fn what_is_told_reads_back() {
        let sheet = Sheet {
            master: "m".to_owned(),
            address: "10.0.0.1:6379".to_owned(),
            saved_at: "2026-01-02T03:04:05Z".to_owned(),
            kind: "stream".to_owned(),
            file: Some("m.resp".to_owned()),
            replication_id: "a".repeat(40),
            fork: 3697,
            end: 5254,
            server_end: 5254,
            complete: true,
            why: None,
            notes: Vec::new(),
            unplaced: None,
            tally: Tally::default(),
        };
        let text = serde_json::to_string_pretty(&sheet).unwrap();
        assert_eq!(serde_json::from_str::<Sheet>(&text).unwrap(), sheet);
    }
}
