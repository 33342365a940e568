//! The fallback: the whole data set as an RDB file. It is a state, not a list of what was done,
//! and costs the server a fork.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::rescue::{Rescue, Rescued};
use bartizan_wire::resp::Frame;
use tokio::time::Instant;

use super::carry_out::{Told, introduce, look};
use super::conn::{Conn, Patience, Trouble, Way, text};
use super::range::Range;
use super::save::Full;
use super::sheet::Tally;
use super::store::{Draft, Store};

/// All that a snapshot may take.
const LONGEST: Duration = Duration::from_secs(300);
/// A server may wait for more replicas before it begins (`repl-diskless-sync-delay`).
const SILENCE: Duration = Duration::from_secs(20);
/// Bytes of the mark at the end of a snapshot of unknown length.
const MARK: usize = 40;

/// How the end of the snapshot is told.
#[derive(Debug)]
enum End {
    /// It has this many bytes.
    Length(u64),
    /// These bytes follow it.
    Mark(Vec<u8>),
}

#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error(transparent)]
    Full(#[from] Full),
}

/// Saves the whole data set, since the stream cannot be had because of `said`.
pub(super) async fn carry_out(order: &Rescue, store: &Store, way: &Way, said: &str) -> Rescued {
    let taken = async {
        let (mut conn, _) = look(order, way).await?;
        let offset = ask(&mut conn, order).await?;
        let draft = receive(&mut conn, store).await?;
        Ok::<_, Stop>((offset, draft))
    };
    let (end, draft) = match taken.await {
        Ok(taken) => taken,
        Err(stop) => {
            return Rescued::Partly {
                file: None,
                why: Arc::from(format!(
                    "{said}; a snapshot could not be had either: {stop}"
                )),
            };
        }
    };
    // All of it is wanted where nobody knows where the history was left.
    let (id, fork) = order
        .fork
        .map_or((order.history.id, 0), |fork| (fork.id, fork.offset));
    let range = Range {
        id,
        from: fork,
        fork,
        end,
    };
    let mut told = Told {
        order,
        range: &range,
        end,
        why: None,
        notes: vec![format!(
            "the whole data set and not a list of writes, since the stream could not be had: \
             {said}"
        )],
    };
    let stem = told.stem();
    let tally = Tally {
        bytes: draft.good(),
        ..Tally::default()
    };
    let path = told.name_file(draft, &stem, "rdb");
    told.describe(store, &stem, path.as_ref(), tally, None);
    told.outcome(path, 0)
}

/// Asks for everything; gives the offset that it stands for.
async fn ask(conn: &mut Conn, order: &Rescue) -> Result<u64, Trouble> {
    conn.set_patience(Patience {
        silence: SILENCE,
        until: Instant::now() + LONGEST,
    });
    introduce(conn, Some(&order.heir)).await?;
    // Unknown before Redis 6.2, where the stream that follows is not read.
    conn.call(&["REPLCONF", "rdb-only", "1"]).await?;
    match conn.call(&["PSYNC", "?", "-1"]).await? {
        Frame::Simple(line) if line.starts_with(b"FULLRESYNC") => {
            let line = text(&line);
            let offset = line.split(' ').nth(2).and_then(|n| n.parse().ok());
            offset.ok_or(Trouble::Odd("PSYNC", line))
        }
        Frame::Error(why) => Err(Trouble::Refused("PSYNC", text(&why))),
        other => Err(Trouble::Odd("PSYNC", format!("{other:?}"))),
    }
}

async fn receive(conn: &mut Conn, store: &Store) -> Result<Draft, Stop> {
    let end = header(conn).await?;
    let mut draft = store.draft().map_err(Full::from)?;
    match end {
        End::Length(mut missing) => {
            fits(missing, store)?;
            while missing > 0 {
                let bytes = conn.bytes(missing).await?;
                missing = missing.saturating_sub(bytes.len() as u64);
                draft.put(bytes).map_err(Full::from)?;
            }
        }
        End::Mark(mark) => {
            // The last bytes are held back: they may be the mark.
            let mut tail: Vec<u8> = Vec::new();
            while !tail.ends_with(&mark) {
                tail.extend_from_slice(conn.bytes(u64::MAX).await?);
                if !tail.ends_with(&mark) {
                    let sure = tail.len().saturating_sub(MARK);
                    draft
                        .put(tail.get(..sure).unwrap_or_default())
                        .map_err(Full::from)?;
                    tail.drain(..sure);
                    fits(draft.length(), store)?;
                }
            }
            let sure = tail.len().saturating_sub(MARK);
            draft
                .put(tail.get(..sure).unwrap_or_default())
                .map_err(Full::from)?;
        }
    }
    draft.mark();
    Ok(draft)
}

/// Half a snapshot is of no use to anybody, so one that does not fit is not begun.
fn fits(bytes: u64, store: &Store) -> Result<(), Full> {
    match store.max_bytes() {
        Some(limit) if bytes > limit => Err(Full::Limit(limit)),
        _ => Ok(()),
    }
}

/// `$<length>` or `$EOF:<mark>`, after line feeds while the server is busy making it.
async fn header(conn: &mut Conn) -> Result<End, Trouble> {
    const LONGEST_HEADER: usize = 64;
    let mut line = Vec::new();
    loop {
        match conn.bytes(1).await?.first() {
            Some(b'\n') if line.is_empty() => {}
            Some(b'\n') => break,
            Some(byte) if line.len() < LONGEST_HEADER => line.push(*byte),
            _ => break,
        }
    }
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_end_matches('\r');
    let odd = || Trouble::Odd("PSYNC", text(line.as_bytes()));
    let word = line.strip_prefix('$').ok_or_else(odd)?;
    match word.strip_prefix("EOF:") {
        Some(mark) if mark.len() == MARK => Ok(End::Mark(mark.as_bytes().to_vec())),
        Some(_) => Err(odd()),
        None => word.parse().map(End::Length).map_err(|_| odd()),
    }
}
