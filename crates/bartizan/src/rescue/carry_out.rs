//! One rescue from beginning to end: look, ask, read, save.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::addr::Addr;
use bartizan_core::report::{Info, Role};
use bartizan_core::rescue::{Rescue, RescueMode, Rescued};
use bartizan_wire::resp::Frame;
use tokio::time::Instant;

use super::conn::{Conn, Patience, Trouble, Way, text};
use super::range::Range;
use super::save::{Full, Saved, Saver};
use super::sheet::{Sheet, Tally};
use super::snapshot;
use super::store::{Draft, Store, safe};
use super::stream::{Broken, Lead, Reader};
use crate::disk::reason;

/// All that a rescue of a stream may take.
const LONGEST: Duration = Duration::from_secs(60);
/// A server that says nothing for so long has hung.
const SILENCE: Duration = Duration::from_secs(3);

/// Saves what the returned master alone has. Always ends, within minutes at most.
pub(super) async fn carry_out(order: &Rescue, store: &Store, way: &Way) -> Rescued {
    match look(order, way).await {
        Err(trouble) => nothing_had(&format!("cannot ask {}: {trouble}", order.addr)),
        Ok((mut conn, info)) => {
            let said = match Range::of(order, info.history.as_ref()) {
                Ok(range) if range.wanted() == 0 => return Rescued::Nothing,
                Ok(range) => match ask(&mut conn, Some(&order.heir), &range).await {
                    Ok(()) => return stream(order, store, conn, &range, &info).await,
                    Err(trouble) => trouble.to_string(),
                },
                Err(why) => why,
            };
            if order.mode == RescueMode::Snapshot {
                return snapshot::carry_out(order, store, way, &said).await;
            }
            nothing_had(&said)
        }
    }
}

fn nothing_had(why: &str) -> Rescued {
    Rescued::Partly {
        file: None,
        why: Arc::from(why),
    }
}

/// Connects and asks where the server stands.
pub(super) async fn look(order: &Rescue, way: &Way) -> Result<(Conn, Info), Trouble> {
    let to = SocketAddr::new(order.ip, order.addr.port);
    let patience = Patience {
        silence: SILENCE,
        until: Instant::now() + LONGEST,
    };
    let mut conn = Conn::open(to, way, patience).await?;
    if let Some(login) = &order.auth {
        conn.authenticate(login).await?;
    }
    let info = match conn.call(&["INFO"]).await? {
        Frame::Bulk(text) | Frame::Verbatim { text, .. } => bartizan_wire::info::parse(&text),
        Frame::Error(why) => return Err(Trouble::Refused("INFO", text(&why))),
        other => return Err(Trouble::Odd("INFO", format!("{other:?}"))),
    };
    match info.role {
        Some(Role::Master) => Ok((conn, info)),
        _ => Err(Trouble::Odd("INFO", "it is no master any more".to_owned())),
    }
}

/// Asks for the stream. The server was looked at just before, so it continues; a full resync
/// would be cut off here.
pub(super) async fn ask(
    conn: &mut Conn,
    listed_as: Option<&Addr>,
    range: &Range,
) -> Result<(), Trouble> {
    introduce(conn, listed_as).await?;
    let from = range.from.to_string();
    let reply = conn.call(&["PSYNC", range.id.as_str(), &from]).await?;
    match reply {
        Frame::Simple(line) if line.starts_with(b"CONTINUE") => Ok(()),
        Frame::Simple(line) => Err(Trouble::Odd("PSYNC", text(&line))),
        Frame::Error(why) => Err(Trouble::Refused("PSYNC", text(&why))),
        other => Err(Trouble::Odd("PSYNC", format!("{other:?}"))),
    }
}

/// Says what we can read, and as whom we are to be listed: the server counts us among its replicas
/// meanwhile, and a Sentinel that takes it for the master takes everybody in that list for a replica
/// of the group, for ever. So it is an address that all of them know: as a rule that of the master
/// that the group has now.
///
/// Servers that do not know it, or do not allow it, continue all the same.
pub(super) async fn introduce(conn: &mut Conn, listed_as: Option<&Addr>) -> Result<(), Trouble> {
    if let Some(addr) = listed_as {
        let (host, port) = (addr.host.to_string(), addr.port.to_string());
        let words = ["REPLCONF", "ip-address", &host, "listening-port", &port];
        conn.call(&words).await?;
    }
    conn.call(&["REPLCONF", "capa", "eof", "capa", "psync2"])
        .await?;
    Ok(())
}

/// Why reading ended before the end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Full(#[from] Full),
}

async fn stream(
    order: &Rescue,
    store: &Store,
    mut conn: Conn,
    range: &Range,
    info: &Info,
) -> Rescued {
    let mut notes = Vec::new();
    let lead = match read_lead(&mut conn, range).await {
        Ok(bytes) => Lead::read(&bytes),
        Err(trouble) => return nothing_had(&trouble.to_string()),
    };
    let database = lead
        .database
        .or_else(|| only_database(&bartizan_wire::unpack(&info.text)));
    if let (None, Some(database)) = (lead.database, database) {
        notes.push(format!(
            "the backlog does not say which database was selected at the fork: it is taken to \
             be {database}, the only one with keys"
        ));
    }
    let mut saver = Saver::new(store, database);
    let mut at = range.fork;
    let read = read(&mut conn, range, &lead, &mut saver, &mut at).await;
    let mut why = read.err().map(|stop| {
        let missing = (range.end + 1).saturating_sub(at);
        format!("{stop}; {missing} of {} bytes are missing", range.wanted())
    });
    if why.is_none() && saver.is_in_group() {
        why = Some("the history ends within a transaction, which is left out".to_owned());
    }
    let end = at.saturating_sub(1);
    let told = Told {
        order,
        range,
        end,
        why,
        notes,
    };
    told.keep(store, saver.finish())
}

/// The bytes before the fork.
pub(super) async fn read_lead(conn: &mut Conn, range: &Range) -> Result<Vec<u8>, Trouble> {
    let mut lead = Vec::new();
    let mut missing = range.lead();
    while missing > 0 {
        let bytes = conn.bytes(missing).await?;
        missing = missing.saturating_sub(bytes.len() as u64);
        lead.extend_from_slice(bytes);
    }
    Ok(lead)
}

/// The commands behind the fork. `at` is moved behind the last byte that was understood.
async fn read(
    conn: &mut Conn,
    range: &Range,
    lead: &Lead,
    saver: &mut Saver<'_>,
    at: &mut u64,
) -> Result<(), Stop> {
    for argv in &lead.open {
        saver.take(argv)?;
    }
    let mut reader = Reader::new();
    let mut missing = range.wanted();
    while missing > 0 {
        let mut bytes = conn.bytes(missing).await?;
        missing = missing.saturating_sub(bytes.len() as u64);
        while let Some(argv) = reader.next(&mut bytes)? {
            saver.take(&argv)?;
            *at = range.end + 1 - missing - bytes.len() as u64;
        }
    }
    if !reader.is_at_rest() {
        let cut = "the server's history ends within a command".to_owned();
        return Err(Trouble::Odd("PSYNC", cut).into());
    }
    Ok(())
}

/// The only database that has keys, if there is just one.
fn only_database(info: &str) -> Option<u64> {
    let mut databases = info.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let number = name.strip_prefix("db")?.parse().ok()?;
        rest.starts_with("keys=").then_some(number)
    });
    let first = databases.next();
    if databases.next().is_some() {
        None
    } else {
        first
    }
}

/// What is told of a rescue.
pub(super) struct Told<'r> {
    pub(super) order: &'r Rescue,
    pub(super) range: &'r Range,
    pub(super) end: u64,
    pub(super) why: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Told<'_> {
    /// Gives the files their names.
    fn keep(mut self, store: &Store, saved: Saved) -> Rescued {
        let stem = self.stem();
        let unplaced = saved.unplaced.and_then(|(draft, count)| {
            let more = match draft.keep(&format!("{stem}.unplaced.resp")) {
                Ok(path) => {
                    let name = name_of(&path);
                    self.also_missing(format!(
                        "the database of the first {count} commands is not known; they are in \
                         {name}"
                    ));
                    return Some(path);
                }
                Err(error) => reason(&error),
            };
            self.also_missing(format!(
                "the first {count} commands, whose database is not known, could not be saved: \
                 {more}"
            ));
            None
        });
        let nothing = saved.placed.is_none();
        let (path, mut tally) = match saved.placed {
            Some((draft, tally)) => (self.name_file(draft, &stem, "resp"), tally),
            None => (None, Tally::default()),
        };
        if nothing && self.why.is_none() {
            return Rescued::Nothing;
        }
        tally.noise = saved.noise.noise;
        let commands = tally.commands;
        let apart = unplaced.as_deref().map(name_of);
        self.describe(store, &stem, path.as_ref(), tally, apart);
        self.outcome(path.or(unplaced), commands)
    }

    pub(super) fn stem(&self) -> String {
        let id = self.range.id.as_str();
        format!(
            "{}-{}-{}-{}-{}",
            safe(self.order.master.as_str()),
            jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"),
            id.get(..8).unwrap_or(id),
            self.range.fork,
            self.end
        )
    }

    /// Names the file, or tells why that is not possible.
    pub(super) fn name_file(&mut self, draft: Draft, stem: &str, ending: &str) -> Option<PathBuf> {
        match draft.keep(&format!("{stem}.{ending}")) {
            Ok(path) => Some(path),
            Err(error) => {
                self.also_missing(format!("cannot write the file: {}", reason(&error)));
                None
            }
        }
    }

    fn also_missing(&mut self, what: String) {
        self.why = Some(match self.why.take() {
            Some(why) => format!("{why}; {what}"),
            None => what,
        });
    }

    /// Writes the `.json`. The writes are safe without it.
    pub(super) fn describe(
        &self,
        store: &Store,
        stem: &str,
        path: Option<&PathBuf>,
        tally: Tally,
        unplaced: Option<String>,
    ) {
        let ending = path.and_then(|path| path.extension());
        let sheet = Sheet {
            master: self.order.master.to_string(),
            address: self.order.addr.to_string(),
            saved_at: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            kind: match ending {
                Some(ending) if ending == "rdb" => "snapshot",
                _ => "stream",
            }
            .to_owned(),
            file: path.map(|path| name_of(path)),
            replication_id: self.range.id.to_string(),
            fork: self.range.fork,
            end: self.end,
            server_end: self.range.end,
            complete: self.why.is_none(),
            why: self.why.clone(),
            notes: self.notes.clone(),
            unplaced,
            tally,
        };
        if let Ok(mut text) = serde_json::to_string_pretty(&sheet) {
            text.push('\n');
            let name = path.map_or_else(
                || format!("{stem}.json"),
                |path| name_of(&path.with_extension("json")),
            );
            let _ = store.save(&name, text.as_bytes());
        }
    }

    pub(super) fn outcome(self, path: Option<PathBuf>, commands: u64) -> Rescued {
        let file = path.map(|path| Arc::from(path.display().to_string()));
        match (file, self.why) {
            (Some(file), None) => Rescued::Whole { file, commands },
            (file, why) => Rescued::Partly {
                file,
                why: Arc::from(why.unwrap_or_default()),
            },
        }
    }
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_alone_has_keys_must_be_the_selected_one() {
        let db = "# Keyspace\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n";
        assert_eq!(only_database(db), Some(3));
        let two = format!("db0:keys=1,expires=0\r\n{db}");
        assert_eq!(only_database(&two), None);
        assert_eq!(only_database("db_size:1\r\n"), None);
    }
}
