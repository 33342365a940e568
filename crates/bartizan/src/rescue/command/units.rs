//! A `.resp` file, as what is played whole: single commands and transactions.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use bartizan_wire::resp::Argv;

use crate::rescue::keys::{Keys, keys};
use crate::rescue::stream::{Kind, Reader, kind};

/// A database and a key in it.
pub(super) type Key = (u64, Vec<u8>);

/// A command, or the commands of a transaction, each with its database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// In their order.
    pub(super) commands: Vec<(u64, Argv)>,
}

impl Unit {
    /// The keys of all of it; `None` when they are not all known.
    pub(super) fn keys(&self) -> Option<Vec<Key>> {
        let mut found = Vec::new();
        for (database, argv) in &self.commands {
            match keys(argv) {
                Keys::Of(keys) => found.extend(keys.iter().map(|key| (*database, key.to_vec()))),
                Keys::None => {}
                Keys::Unknown => return None,
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}

/// Reads a file unit by unit.
#[derive(Debug)]
pub(super) struct Units {
    file: File,
    reader: Reader,
    buffer: Vec<u8>,
    used: usize,
    database: Option<u64>,
    /// The transaction that is open.
    open: Option<Unit>,
    /// Bytes read.
    read: u64,
}

impl Units {
    /// Opens a file; gives its length, too.
    ///
    /// # Errors
    /// When it cannot be opened or is no list of commands.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, u64)> {
        if path.extension().is_some_and(|ending| ending == "rdb") {
            bail!(
                "{} is a snapshot and no list of commands: start a server on it to look at it",
                path.display()
            );
        }
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let length = file.metadata()?.len();
        let units = Self {
            file,
            reader: Reader::new(),
            buffer: Vec::new(),
            used: 0,
            database: None,
            open: None,
            read: 0,
        };
        Ok((units, length))
    }

    /// Bytes read so far.
    pub(super) const fn position(&self) -> u64 {
        self.read
    }

    /// The next unit; `None` at the end.
    ///
    /// # Errors
    /// When the file is no list of commands, or ends in the middle.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Unit>> {
        loop {
            let Some(argv) = self.command()? else {
                if self.open.is_some() || !self.reader.is_at_rest() {
                    bail!("the file ends within a command or a transaction");
                }
                return Ok(None);
            };
            if let Some(unit) = self.take(argv)? {
                return Ok(Some(unit));
            }
        }
    }

    fn take(&mut self, argv: Argv) -> anyhow::Result<Option<Unit>> {
        match kind(&argv) {
            Kind::Select(database) => self.database = Some(database),
            Kind::Multi => self.open = Some(Unit::default()),
            Kind::Exec => return Ok(self.open.take()),
            Kind::Noise(_) => {}
            Kind::Write => {
                let Some(database) = self.database else {
                    bail!(
                        "the file does not say which database its first commands are for; \
                         put a SELECT in front (printf '*2\\r\\n$6\\r\\nSELECT\\r\\n$1\\r\\n0\\r\\n')"
                    );
                };
                match &mut self.open {
                    Some(unit) => unit.commands.push((database, argv)),
                    None => {
                        let commands = vec![(database, argv)];
                        return Ok(Some(Unit { commands }));
                    }
                }
            }
        }
        Ok(None)
    }

    fn command(&mut self) -> anyhow::Result<Option<Argv>> {
        const CHUNK: u64 = 256 << 10;
        loop {
            let mut rest = self.buffer.get(self.used..).unwrap_or_default();
            let before = rest.len();
            let argv = self.reader.next(&mut rest)?;
            self.used += before - rest.len();
            self.read += u64::try_from(before - rest.len()).unwrap_or_default();
            if argv.is_some() {
                return Ok(argv);
            }
            self.buffer.clear();
            self.used = 0;
            let file = Read::by_ref(&mut self.file);
            if file.take(CHUNK).read_to_end(&mut self.buffer)? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bartizan_wire::resp::command;

    use super::*;

    #[test]
    fn a_file_is_read_as_commands_and_whole_transactions() {
        let mut bytes = Vec::new();
        for line in [
            "SELECT 2", "SET a 1", "MULTI", "SET b 1", "SELECT 3", "DEL c d", "EXEC", "PING",
        ] {
            command(&line.split(' ').collect::<Vec<_>>(), &mut bytes);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.resp");
        std::fs::write(&path, &bytes).unwrap();
        let (mut units, length) = Units::open(&path).unwrap();
        let key = |database: u64, key: &str| (database, key.as_bytes().to_vec());
        let first = units.next().unwrap().unwrap();
        assert_eq!(first.keys(), Some(vec![key(2, "a")]));
        let second = units.next().unwrap().unwrap();
        let keys = vec![key(2, "b"), key(3, "c"), key(3, "d")];
        assert_eq!(second.keys(), Some(keys));
        assert_eq!(units.next().unwrap(), None);
        assert_eq!(units.position(), length);

        bytes.truncate(bytes.len() - 20);
        std::fs::write(&path, &bytes).unwrap();
        let (mut units, _) = Units::open(&path).unwrap();
        assert!(units.next().unwrap().is_some());
        assert!(units.next().is_err(), "half a transaction is none");
    }
}
