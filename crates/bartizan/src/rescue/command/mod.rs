//! `bartizan rescue`: what people do with the files of rescues.

mod conflict;
mod replay;
mod since;
mod units;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use super::sheet::Sheet;
use crate::access::Access;
use crate::exit::Exit;

/// Look at, and play, the writes that were saved from masters that came back.
#[derive(Debug, Parser)]
#[command(name = "bartizan rescue", disable_version_flag = true)]
struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List what has been saved.
    List {
        /// The directory, or the sentinel.conf that names it.
        #[arg(value_name = "FILE.conf")]
        file: Option<PathBuf>,
        /// The directory.
        #[arg(long, value_name = "DIR", conflicts_with = "file")]
        dir: Option<PathBuf>,
    },
    /// Show what one file holds.
    Show {
        /// The .resp, .rdb or .json file.
        file: PathBuf,
    },
    /// Play a .resp file on a server.
    ///
    /// A key that is on the server is left alone, and so is one that was removed there since the
    /// fork, with everything about it in the file: what was written there since must not be lost.
    /// So is a transaction, and a command with several keys, if one of them is left alone. Commands
    /// that concern a whole database, or whose keys are not known, are left out. All of it is
    /// reported, beginning with the keys that have been changed on the server since the fork. That
    /// is read from the server's own backlog, over a connection as of a replica (+psync, +replconf);
    /// where the backlog does not reach back so far, or the server has been restarted or replaced
    /// since, the report says that it cannot be known. --force plays everything.
    ///
    /// Commands are played in transactions under WATCH, so that a key that a client makes in this
    /// moment is left alone too. Messages (PUBLISH) are not sent again. Ctrl-C stops it between two
    /// transactions; the same call goes on from there.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
}

const REPLAY_EXAMPLES: &str = "\
Exit status:
  0  everything that may be played was played, or would be (--dry-run)
  1  a command failed, it was stopped, or it could not begin

What would be done, and which keys have been changed since:
  bartizan rescue replay FILE.resp --to 10.0.0.2:6379 --dry-run
What the new master does not have:
  bartizan rescue replay FILE.resp --to 10.0.0.2:6379
Some keys, over what the new master has:
  bartizan rescue replay FILE.resp --to 10.0.0.2:6379 --key 'order:*' --force";

#[derive(Debug, Args)]
struct Replay {
    /// The .resp file.
    file: PathBuf,
    /// The server, as a rule the present master.
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    #[command(flatten)]
    access: Access,
    /// Say what would be done and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Only commands, and whole transactions, with a key that fits.
    #[arg(long, value_name = "GLOB")]
    key: Option<String>,
    /// Change keys that exist as well.
    #[arg(long)]
    force: bool,
}

/// Carries out `bartizan rescue <words>`.
///
/// # Errors
/// What went wrong, for people.
pub(crate) fn run(words: &[String]) -> anyhow::Result<Exit> {
    let name = std::iter::once("bartizan rescue");
    let words = match Words::try_parse_from(name.chain(words.iter().map(String::as_str))) {
        Ok(words) => words,
        Err(error) => {
            let _ = error.print();
            return Ok(if error.use_stderr() {
                Exit::Failure
            } else {
                Exit::Success
            });
        }
    };
    match words.what {
        What::List { file, dir } => crate::say(&list(&directory(file, dir)?)?),
        What::Show { file } => crate::say(&show(&file)?),
        What::Replay(replay) => replay::run(&replay),
    }
}

/// What `bartizan rescue replay` tells.
#[cfg(test)]
pub(super) fn said(words: &[String]) -> anyhow::Result<String> {
    let name = std::iter::once("bartizan rescue");
    let words = Words::try_parse_from(name.chain(words.iter().map(String::as_str)))?;
    let What::Replay(replay) = words.what else {
        anyhow::bail!("another command");
    };
    Ok(replay::said(&replay)?.0)
}

/// The directory that is meant; `rescue` here, where nothing is said.
fn directory(file: Option<PathBuf>, dir: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let Some(file) = file else {
        return Ok(dir.unwrap_or_else(|| PathBuf::from("rescue")));
    };
    if file.is_dir() {
        return Ok(file);
    }
    let sources = crate::cli::Sources {
        file: Some(file),
        ..crate::cli::Sources::default()
    };
    let config = crate::config::read(&sources)?;
    let options = &config.loaded.durable.options;
    let store = super::store(&config.path, options.rescue_dir.as_deref(), 0);
    Ok(store.dir().to_owned())
}

pub(super) fn list(dir: &Path) -> anyhow::Result<String> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(format!("{}: nothing has been rescued\n", dir.display()));
        }
        Err(error) => return Err(error).with_context(|| dir.display().to_string()),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let mut text = String::new();
    for path in &paths {
        let line = match sheet(path) {
            Ok(sheet) => {
                let files: Vec<&str> = [&sheet.file, &sheet.unplaced]
                    .into_iter()
                    .filter_map(Option::as_deref)
                    .collect();
                let what = if files.is_empty() {
                    "no file".to_owned()
                } else {
                    files.join("  ")
                };
                let whole = if sheet.complete {
                    "whole"
                } else {
                    "INCOMPLETE"
                };
                format!(
                    "{}  {}  {}  {} commands, {} keys, {} bytes  {whole}  {what}",
                    sheet.saved_at,
                    sheet.master,
                    sheet.address,
                    sheet.tally.commands,
                    sheet.tally.keys.count,
                    sheet.tally.bytes,
                )
            }
            Err(error) => format!("{}: {error:#}", path.display()),
        };
        let _ = writeln!(text, "{line}");
    }
    if paths.is_empty() {
        text = format!("{}: nothing has been rescued\n", dir.display());
    }
    Ok(text)
}

fn sheet(path: &Path) -> anyhow::Result<Sheet> {
    let mut path = path.with_extension("");
    // What could not be placed is described together with what could.
    if path.extension().is_some_and(|more| more == "unplaced") {
        path.set_extension("");
    }
    // The name may have dots of its own.
    path.as_mut_os_string().push(".json");
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

pub(super) fn show(file: &Path) -> anyhow::Result<String> {
    let sheet = sheet(file)?;
    let tally = &sheet.tally;
    let mut text = format!(
        "master      {}\naddress     {}\nsaved at    {}\nkind        {}\nfile        {}\n\
         history     {} from {} to {} (the server had it to {})\n\
         commands    {} in {} bytes, {} transactions\n",
        sheet.master,
        sheet.address,
        sheet.saved_at,
        sheet.kind,
        sheet.file.as_deref().unwrap_or("none"),
        sheet.replication_id,
        sheet.fork,
        sheet.end,
        sheet.server_end,
        tally.commands,
        tally.bytes,
        tally.transactions,
    );
    for (name, count) in &tally.by_command {
        let _ = writeln!(text, "            {count} {name}");
    }
    let databases: Vec<String> = tally.databases.iter().map(u64::to_string).collect();
    let more = if tally.keys.and_more { " or more" } else { "" };
    let _ = writeln!(text, "databases   {}", databases.join(" "));
    let _ = writeln!(text, "keys        {}{more}", tally.keys.count);
    for key in &tally.keys.first {
        let _ = writeln!(text, "            {key}");
    }
    let noise = &tally.noise;
    let _ = writeln!(
        text,
        "left out    {} PING, {} REPLCONF GETACK, {} hellos",
        noise.ping, noise.getack, noise.hello
    );
    if let Some(unplaced) = &sheet.unplaced {
        let _ = writeln!(text, "database not known  {unplaced}");
    }
    for note in &sheet.notes {
        let _ = writeln!(text, "note        {note}");
    }
    let _ = match &sheet.why {
        None => writeln!(text, "complete    yes"),
        Some(why) => writeln!(text, "complete    NO: {why}"),
    };
    Ok(text)
}
