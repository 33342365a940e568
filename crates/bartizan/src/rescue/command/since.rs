//! What has been changed on a server since the fork, read from its own backlog: a promoted master
//! goes on with the history that it had in common with the former one, and the bytes behind the
//! fork are what it alone has been told since.

use std::collections::BTreeSet;

use bartizan_core::report::{Fork, Info};
use bartizan_wire::resp::Frame;

use super::units::Key;
use crate::rescue::carry_out::{ask, read_lead};
use crate::rescue::conn::{Conn, text};
use crate::rescue::keys::{Keys, keys};
use crate::rescue::range::Range;
use crate::rescue::sheet::shown;
use crate::rescue::stream::{Kind, Lead, Reader, kind};

/// What is known of it.
#[derive(Debug)]
pub(super) enum Since {
    /// Of the keys that were asked for, these have been changed.
    Changed(BTreeSet<Key>),
    /// It is not known, and why.
    Unknown(String),
}

impl Since {
    /// Asks a server, over a connection of its own, which of `wanted` were changed since `fork`.
    pub(super) async fn ask(mut conn: Conn, fork: Fork, wanted: &BTreeSet<Key>) -> Self {
        match changes(&mut conn, fork, wanted).await {
            Ok(changed) => Self::Changed(changed),
            Err(why) => Self::Unknown(why),
        }
    }
}

async fn changes(
    conn: &mut Conn,
    fork: Fork,
    wanted: &BTreeSet<Key>,
) -> Result<BTreeSet<Key>, String> {
    let told = |trouble: crate::rescue::conn::Trouble| trouble.to_string();
    let info: Info = match conn.call(&["INFO"]).await.map_err(told)? {
        Frame::Bulk(text) | Frame::Verbatim { text, .. } => bartizan_wire::info::parse(&text),
        Frame::Error(why) => return Err(format!("INFO is refused: {}", text(&why))),
        other => return Err(format!("INFO is answered by {other:?}")),
    };
    let range = Range::since(fork, info.history.as_ref())?;
    if range.wanted() == 0 {
        return Ok(BTreeSet::new());
    }
    // Listed meanwhile as a replica that everybody knows already.
    ask(conn, info.replicas.first(), &range)
        .await
        .map_err(told)?;
    let lead = Lead::read(&read_lead(conn, &range).await.map_err(told)?);
    let mut found = Found {
        wanted,
        database: lead.database,
        changed: BTreeSet::new(),
    };
    let mut reader = Reader::new();
    let mut missing = range.wanted();
    while missing > 0 {
        let mut bytes = conn.bytes(missing).await.map_err(told)?;
        missing = missing.saturating_sub(bytes.len() as u64);
        let broken = |broken: crate::rescue::stream::Broken| broken.to_string();
        while let Some(argv) = reader.next(&mut bytes).map_err(broken)? {
            found.take(&argv)?;
        }
    }
    Ok(found.changed)
}

/// What the stream has told so far.
struct Found<'k> {
    wanted: &'k BTreeSet<Key>,
    database: Option<u64>,
    changed: BTreeSet<Key>,
}

impl Found<'_> {
    fn take(&mut self, argv: &[Vec<u8>]) -> Result<(), String> {
        match kind(argv) {
            Kind::Select(database) => self.database = Some(database),
            Kind::Multi | Kind::Exec | Kind::Noise(_) => {}
            Kind::Write => match keys(argv) {
                Keys::None => {}
                Keys::Of(keys) => {
                    let database = self
                        .database
                        .ok_or("its backlog does not say which database was selected")?;
                    let touched = keys.iter().map(|key| (database, key.to_vec()));
                    self.changed
                        .extend(touched.filter(|key| self.wanted.contains(key)));
                }
                Keys::Unknown => {
                    let name = argv.first().map_or_else(String::new, |name| shown(name));
                    let (all, one) = (
                        name.eq_ignore_ascii_case("FLUSHALL"),
                        name.eq_ignore_ascii_case("FLUSHDB"),
                    );
                    if all || one {
                        let gone = self.wanted.iter();
                        let gone = gone.filter(|key| all || self.database == Some(key.0));
                        self.changed.extend(gone.cloned());
                        return Ok(());
                    }
                    return Err(format!("{name} was carried out there since, on any keys"));
                }
            },
        }
        Ok(())
    }
}
