//! Playing a file on a server, without overwriting what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bartizan_core::ids::ReplId;
use bartizan_core::report::Fork;
use bartizan_wire::glob;
use bartizan_wire::resp::{Frame, command};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Replay;
use super::conflict::{Keys, Why};
use super::since::Since;
use super::units::{Key, Unit, Units};
use crate::access;
use crate::exit::Exit;
use crate::rescue::conn::{Conn, Patience, Way};
use crate::rescue::sheet::shown;

/// Units played in one transaction.
const BATCH: usize = 200;
/// Keys asked about at a time.
const ASKED: usize = 1000;
/// Times a transaction is tried that clients get in the way of.
const TRIES: usize = 10;
/// Keys and errors that are named.
const NAMED: usize = 50;
/// A server that says nothing for so long has hung.
const SILENCE: Duration = Duration::from_secs(60);
/// More than any replay takes.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where an interrupted replay stopped; kept beside the file until it is finished.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    to: String,
    key: Option<String>,
    force: bool,
    units: u64,
    left: Vec<Key>,
}

/// What has been done.
#[derive(Debug, Default)]
struct Done {
    units: u64,
    commands: u64,
    left: u64,
    unknown: BTreeMap<String, u64>,
    failed: u64,
    errors: Vec<String>,
}

/// Plays a file.
///
/// # Errors
/// What prevents it, for people.
pub(super) fn run(replay: &Replay) -> anyhow::Result<Exit> {
    let (report, exit) = said(replay)?;
    // A reader who has left is no error.
    let _ = writeln!(std::io::stdout(), "{report}");
    Ok(exit)
}

/// The same; gives what is to be told.
pub(super) fn said(replay: &Replay) -> anyhow::Result<(String, Exit)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(play(replay))
}

async fn play(replay: &Replay) -> anyhow::Result<(String, Exit)> {
    let mut player = Player::new(replay).await?;
    player.survey().await?;
    if !replay.dry_run {
        player.play().await?;
    }
    player.report()
}

struct Player<'r> {
    replay: &'r Replay,
    conn: Conn,
    keys: Keys,
    /// Why nobody can say which of them have been changed since the fork.
    unknown: Option<String>,
    /// Keys that are as this replay has made them.
    mine: BTreeSet<Key>,
    resumed: Progress,
    done: Done,
    stop: Arc<AtomicBool>,
}

impl<'r> Player<'r> {
    async fn new(replay: &'r Replay) -> anyhow::Result<Self> {
        let conn = connect(replay).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                asked.store(true, Ordering::Relaxed);
            }
        });
        let resumed = std::fs::read(progress_file(replay))
            .ok()
            .and_then(|text| serde_json::from_slice::<Progress>(&text).ok())
            .filter(|p| (&p.to, &p.key, p.force) == (&replay.to, &replay.key, replay.force));
        Ok(Self {
            replay,
            conn,
            keys: Keys::default(),
            unknown: None,
            mine: BTreeSet::new(),
            resumed: resumed.unwrap_or_default(),
            done: Done::default(),
            stop,
        })
    }

    /// Whether a unit is asked for with `--key`.
    fn is_wanted(&self, unit: &Unit) -> bool {
        let Some(pattern) = &self.replay.key else {
            return true;
        };
        unit.keys().is_some_and(|keys| {
            keys.iter()
                .any(|(_, key)| glob::matches(pattern.as_bytes(), key))
        })
    }

    /// Reads the whole file and asks which of its keys are on the server.
    async fn survey(&mut self) -> anyhow::Result<()> {
        let (mut units, _) = Units::open(&self.replay.file)?;
        let mut number = 0;
        while let Some(unit) = units.next()? {
            number += 1;
            if self.is_wanted(&unit) {
                self.keys.add(&unit);
                if number <= self.resumed.units {
                    self.mine.extend(unit.keys().unwrap_or_default());
                }
            }
        }
        let left = std::mem::take(&mut self.resumed.left);
        for key in &left {
            self.mine.remove(key);
        }
        let fresh: BTreeSet<Key> = self.keys.all().difference(&self.mine).cloned().collect();
        let why = match self.since(&fresh).await {
            Since::Changed(changed) => {
                self.keys.leave(changed, Why::Changed);
                Why::Same
            }
            Since::Unknown(unknown) => {
                self.unknown = Some(unknown);
                Why::Exists
            }
        };
        self.keys.leave(left, why);
        let fresh: Vec<Key> = fresh.into_iter().collect();
        for some in fresh.chunks(ASKED) {
            let there = self.existing(some, false).await?;
            self.keys.leave(there, why);
        }
        Ok(())
    }

    /// Which of some keys have been changed on the server since the fork.
    async fn since(&self, keys: &BTreeSet<Key>) -> Since {
        let fork = match fork_of(&self.replay.file) {
            Ok(fork) => fork,
            Err(why) => return Since::Unknown(format!("{why:#}")),
        };
        match connect(self.replay).await {
            Ok(conn) => Since::ask(conn, fork, keys).await,
            Err(why) => Since::Unknown(format!("{why:#}")),
        }
    }

    /// Which of some keys are on the server; from now on watched, if that is wanted.
    async fn existing(&mut self, keys: &[Key], watched: bool) -> anyhow::Result<Vec<Key>> {
        let mut out = Vec::new();
        let mut answers = Vec::new();
        let mut selected = None;
        for key in keys {
            if selected != Some(key.0) {
                selected = Some(key.0);
                command(&[b"SELECT", key.0.to_string().as_bytes()], &mut out);
                answers.push(None);
            }
            if watched {
                command(&[b"WATCH", key.1.as_slice()], &mut out);
                answers.push(None);
            }
            command(&[b"EXISTS", key.1.as_slice()], &mut out);
            answers.push(Some(key));
        }
        self.conn.send(&out).await?;
        let mut there = Vec::new();
        for answer in answers {
            match (self.conn.reply().await?, answer) {
                (Frame::Error(why), _) => bail!("the server says: {}", shown(&why)),
                (Frame::Integer(1), Some(key)) => there.push(key.clone()),
                _ => {}
            }
        }
        Ok(there)
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        let (mut units, length) = Units::open(&self.replay.file)?;
        let bar = ProgressBar::new(length).with_style(
            ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let mut batch = Vec::new();
        loop {
            let unit = units.next()?;
            let at_end = unit.is_none();
            if let Some(unit) = unit {
                self.done.units += 1;
                if self.done.units > self.resumed.units && self.is_wanted(&unit) {
                    batch.push(unit);
                }
            }
            if at_end || batch.len() >= BATCH {
                self.play_batch(std::mem::take(&mut batch)).await?;
                bar.set_position(units.position());
            }
            if at_end || (batch.is_empty() && self.stop.load(Ordering::Relaxed)) {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Plays some units in one transaction; one by one when one of them is refused.
    async fn play_batch(&mut self, batch: Vec<Unit>) -> anyhow::Result<()> {
        if self.play_together(&batch).await? {
            return Ok(());
        }
        for unit in &batch {
            if !self.play_together(std::slice::from_ref(unit)).await? {
                self.done.failed += unit.commands.len() as u64;
                self.note_error(
                    unit,
                    "the server does not take it, or clients keep changing its keys",
                );
            }
        }
        Ok(())
    }

    /// Plays some units in one transaction. False when nothing was done.
    async fn play_together(&mut self, batch: &[Unit]) -> anyhow::Result<bool> {
        for _ in 0..TRIES {
            let allowed: Vec<&Unit> = batch.iter().filter(|unit| self.allows(unit)).collect();
            let mut touched: Vec<Key> = allowed
                .iter()
                .flat_map(|unit| unit.keys().unwrap_or_default())
                .collect();
            touched.sort_unstable();
            touched.dedup();
            if !self.replay.force {
                let fresh: Vec<Key> = touched
                    .iter()
                    .filter(|key| !self.mine.contains(*key))
                    .cloned()
                    .collect();
                let there = self.existing(&fresh, true).await?;
                if !there.is_empty() {
                    // A client has just made it.
                    self.keys.leave(there, Why::Changed);
                    self.conn.call(&["UNWATCH"]).await?;
                    continue;
                }
            }
            match self.transaction(&allowed).await? {
                Frame::Array(replies) => {
                    self.count(batch, &allowed, &replies);
                    self.mine.extend(touched);
                    return Ok(true);
                }
                Frame::Null | Frame::NullArray => {}
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    fn allows(&self, unit: &Unit) -> bool {
        self.replay.force || self.keys.allows(unit)
    }

    async fn transaction(&mut self, units: &[&Unit]) -> anyhow::Result<Frame> {
        let mut out = Vec::new();
        command(&["MULTI"], &mut out);
        let mut queued = 1;
        for (database, argv) in played(units) {
            command(&[b"SELECT", database.to_string().as_bytes()], &mut out);
            command(argv, &mut out);
            queued += 2;
        }
        command(&["EXEC"], &mut out);
        self.conn.send(&out).await?;
        for _ in 0..queued {
            self.conn.reply().await?;
        }
        Ok(self.conn.reply().await?)
    }

    fn count(&mut self, batch: &[Unit], allowed: &[&Unit], replies: &[Frame]) {
        // Every other reply is that of a SELECT.
        let replies = replies.iter().skip(1).step_by(2);
        for ((_, argv), reply) in played(allowed).zip(replies) {
            self.done.commands += 1;
            if let Frame::Error(why) = reply {
                self.done.failed += 1;
                if self.done.errors.len() < NAMED {
                    let name = argv.first().map_or_else(String::new, |name| shown(name));
                    self.done.errors.push(format!("{name}: {}", shown(why)));
                }
            }
        }
        for unit in batch {
            if !self.allows(unit) {
                self.leave_out(unit);
            }
        }
    }

    fn leave_out(&mut self, unit: &Unit) {
        self.done.left += unit.commands.len() as u64;
        if unit.keys().is_none() {
            for (_, argv) in &unit.commands {
                let name = argv.first().map_or_else(String::new, |name| shown(name));
                *self.done.unknown.entry(name).or_default() += 1;
            }
        }
    }

    fn note_error(&mut self, unit: &Unit, why: &str) {
        let first = unit.commands.first().and_then(|(_, argv)| argv.first());
        if self.done.errors.len() < NAMED {
            let name = first.map_or_else(String::new, |name| shown(name));
            self.done.errors.push(format!("{name}: {why}"));
        }
    }

    /// The keys of the file that are another matter on the server, with what is done about them.
    fn conflicts(&self) -> Vec<String> {
        let force = self.replay.force;
        let told = |why: Why| !force || why != Why::Together;
        let mut left: Vec<(Why, &Key)> =
            self.keys.left().iter().map(|(k, why)| (*why, k)).collect();
        left.retain(|(why, _)| told(*why));
        left.sort_unstable();
        let mut lines = Vec::new();
        let changed = left.iter().filter(|(why, _)| *why == Why::Changed);
        let changed = match &self.unknown {
            None => format!(
                "; {} of them changed on the server since the fork",
                changed.count()
            ),
            Some(why) => {
                lines.push(format!(
                    "which keys were changed or removed on the server since the fork is not known: \
                     {why}"
                ));
                String::new()
            }
        };
        if left.is_empty() {
            return lines;
        }
        let what = if force {
            "keys that are on the server, or were, are overwritten (--force)"
        } else {
            "keys are left alone"
        };
        lines.push(format!("{} {what}{changed}:", left.len()));
        for (why, (database, key)) in left.iter().take(NAMED) {
            lines.push(format!("  {database}:{} {}", shown(key), why.words()));
        }
        if left.len() > NAMED {
            lines.push(format!("  and {} more", left.len() - NAMED));
        }
        lines
    }

    fn report(self) -> anyhow::Result<(String, Exit)> {
        let mut lines = self.conflicts();
        let left = self.keys.left();
        for (name, count) in &self.done.unknown {
            lines.push(format!("{count} {name} left out: their keys are not known"));
        }
        lines.extend(
            self.done
                .errors
                .iter()
                .map(|error| format!("error: {error}")),
        );
        let interrupted = self.stop.load(Ordering::Relaxed);
        let path = progress_file(self.replay);
        if self.replay.dry_run {
            let all = self.keys.all().len();
            let spared = if self.replay.force { 0 } else { left.len() };
            lines.push(format!(
                "{} of {all} keys would be changed; nothing was done",
                all - spared
            ));
        } else {
            lines.push(format!(
                "{} commands played, {} left out, {} failed",
                self.done.commands, self.done.left, self.done.failed
            ));
            if interrupted {
                let progress = Progress {
                    to: self.replay.to.clone(),
                    key: self.replay.key.clone(),
                    force: self.replay.force,
                    units: self.done.units,
                    left: left.keys().cloned().collect(),
                };
                std::fs::write(&path, serde_json::to_vec(&progress)?)
                    .with_context(|| path.display().to_string())?;
                lines.push(format!(
                    "stopped behind command or transaction {}; the same call goes on from there \
                     ({} remembers it)",
                    self.done.units,
                    path.display()
                ));
            } else {
                let _ = std::fs::remove_file(&path);
            }
        }
        let failed = interrupted || self.done.failed > 0;
        let exit = if failed { Exit::Failure } else { Exit::Success };
        Ok((lines.join("\n"), exit))
    }
}

/// The commands that are sent: messages are not said again.
fn played<'u>(units: &'u [&Unit]) -> impl Iterator<Item = &'u (u64, Vec<Vec<u8>>)> {
    let is_message = |argv: &[Vec<u8>]| {
        argv.first().is_some_and(|name| {
            name.eq_ignore_ascii_case(b"PUBLISH") || name.eq_ignore_ascii_case(b"SPUBLISH")
        })
    };
    let commands = units.iter().flat_map(|unit| &unit.commands);
    commands.filter(move |(_, argv)| !is_message(argv))
}

/// Where the history of a file's writes was left, by the description beside it.
fn fork_of(file: &Path) -> anyhow::Result<Fork> {
    let sheet = super::sheet(file)?;
    let id = ReplId::parse(sheet.replication_id.as_bytes());
    Ok(Fork {
        id: id.context("the description beside the file has no replication id")?,
        offset: sheet.fork,
    })
}

fn progress_file(replay: &Replay) -> PathBuf {
    let mut name = replay.file.clone().into_os_string();
    name.push(".progress");
    PathBuf::from(name)
}

async fn connect(replay: &Replay) -> anyhow::Result<Conn> {
    let way = Way {
        source: None,
        tls: replay.access.tls()?,
    };
    let patience = Patience {
        silence: SILENCE,
        until: Instant::now() + LONGEST,
    };
    access::connect(&replay.to, &way, replay.access.login()?.as_ref(), patience).await
}
