//! The commands behind a fork, as they go into their file.

use std::io;

use bartizan_wire::resp::{Argv, command};

use super::sheet::Tally;
use super::store::{Draft, Store};
use super::stream::{Kind, kind};

/// Takes the commands of a stream in their order and writes those that matter.
#[derive(Debug)]
pub(super) struct Saver<'s> {
    store: &'s Store,
    /// The database that is selected in the stream; `None` while nobody knows.
    database: Option<u64>,
    group: Group,
    placed: Option<File>,
    unplaced: Option<File>,
    /// What has been left out.
    noise: Tally,
}

/// Where in a transaction the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// In none.
    None,
    /// Behind MULTI; nothing of it has been written.
    Begun,
    /// In one of which something has been written.
    Open,
}

/// A file under way.
#[derive(Debug)]
struct File {
    draft: Draft,
    /// The database that is selected in the file.
    database: Option<u64>,
    /// What it holds up to the last mark.
    tally: Tally,
    /// What the open transaction adds to it.
    group: Tally,
}

/// Why no more can be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Full {
    /// `rescue-max-bytes`.
    #[error("rescue-max-bytes ({0}) is reached")]
    Limit(u64),
    /// The disk.
    #[error("cannot write the file: {}", crate::disk::reason(.0))]
    Disk(#[from] io::Error),
}

/// What has been written.
pub(super) struct Saved {
    /// The file to keep and what it holds.
    pub(super) placed: Option<(Draft, Tally)>,
    /// Writes whose database is not known, and how many.
    pub(super) unplaced: Option<(Draft, u64)>,
    /// What was left out.
    pub(super) noise: Tally,
}

impl<'s> Saver<'s> {
    /// Nothing taken yet; `database` is selected.
    pub(super) fn new(store: &'s Store, database: Option<u64>) -> Self {
        Self {
            store,
            database,
            group: Group::None,
            placed: None,
            unplaced: None,
            noise: Tally::default(),
        }
    }

    /// The next command.
    ///
    /// # Errors
    /// When it does not fit; nothing may be taken after it.
    pub(super) fn take(&mut self, argv: &Argv) -> Result<(), Full> {
        match kind(argv) {
            Kind::Select(database) => self.database = Some(database),
            Kind::Noise(noise) => self.noise.left_out(noise),
            Kind::Multi => self.group = Group::Begun,
            Kind::Exec => {
                if self.group == Group::Open {
                    for file in [&mut self.placed, &mut self.unplaced].into_iter().flatten() {
                        file.end_group()?;
                    }
                }
                self.group = Group::None;
            }
            Kind::Write => self.write(argv)?,
        }
        Ok(())
    }

    /// Whether what was taken ends within a transaction.
    pub(super) fn is_in_group(&self) -> bool {
        self.group != Group::None
    }

    /// The end.
    pub(super) fn finish(self) -> Saved {
        let whole = |file: File| {
            let mut tally = file.tally;
            tally.bytes = file.draft.good();
            (tally.commands > 0).then_some((file.draft, tally))
        };
        let unplaced = self.unplaced.and_then(whole);
        Saved {
            placed: self.placed.and_then(whole),
            unplaced: unplaced.map(|(draft, tally)| (draft, tally.commands)),
            noise: self.noise,
        }
    }

    fn write(&mut self, argv: &Argv) -> Result<(), Full> {
        let file = match self.database {
            Some(_) => &mut self.placed,
            None => &mut self.unplaced,
        };
        let file = match file {
            Some(file) => file,
            None => file.insert(File::new(self.store.draft()?)),
        };
        let mut bytes = Vec::new();
        if let Some(database) = self.database
            && file.database != self.database
        {
            command(&[b"SELECT", database.to_string().as_bytes()], &mut bytes);
            file.database = self.database;
        }
        if self.group == Group::Begun {
            command(&[b"MULTI"], &mut bytes);
            self.group = Group::Open;
            file.group.transactions += 1;
        }
        command(argv, &mut bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(limit) = self.store.max_bytes()
            && file.draft.length().saturating_add(length) > limit
        {
            return Err(Full::Limit(limit));
        }
        file.draft.put(&bytes)?;
        let database = self.database.unwrap_or_default();
        if self.group == Group::None {
            file.tally.count(argv, database);
            file.draft.mark();
        } else {
            file.group.count(argv, database);
        }
        Ok(())
    }
}

impl File {
    fn new(draft: Draft) -> Self {
        Self {
            draft,
            database: None,
            tally: Tally::default(),
            group: Tally::default(),
        }
    }

    fn end_group(&mut self) -> Result<(), Full> {
        if self.draft.length() > self.draft.good() {
            let mut bytes = Vec::new();
            command(&[b"EXEC"], &mut bytes);
            self.draft.put(&bytes)?;
            self.draft.mark();
            self.tally.absorb(std::mem::take(&mut self.group));
        }
        Ok(())
    }
}
