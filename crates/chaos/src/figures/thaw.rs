//! A master that was frozen, replaced, and thawed with clients that stay with it: for how long it
//! is writable after its first answer, and whether what it acknowledged is all in the rescued
//! file: replayed onto the data at the fork, that has to give the data which the master had.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bartizan_load::client::Stop;

use super::{Plan, row};
use crate::fleet::{self, Who};
use crate::ledger::{self, Account};
use crate::scratch::Scratch;
use crate::stage::Stage;
use crate::writer::{Diet, Memory};

const WRITERS: u32 = 2;
const PACE: Duration = Duration::from_millis(5);
/// The first whom a thawed master answers are those who waited.
const STUCK_PATIENCE: Duration = Duration::from_secs(120);
const USUAL: usize = 30;

/// What one round showed.
#[derive(Debug)]
struct Round {
    /// From the first answer of the thawed master to the last write that it acknowledged; `None`
    /// when it acknowledged none.
    writable: Option<Duration>,
    /// Writes that it acknowledged after it was thawed.
    late: usize,
    /// Those of them that are in no rescued file.
    missing: usize,
    /// What the comparison of the data sets said.
    replayed: Replayed,
    account: Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replayed {
    Equal,
    Different,
    NoFile,
}

pub(super) fn run(plan: &Plan, stop: &Stop) -> Result<()> {
    let mut stage = Stage::set(&plan.program, plan.seed, stop)?;
    let mut rounds = Vec::new();
    let mut total = Account::default();
    for number in 1..=plan.count.unwrap_or(USUAL) {
        let round = round(&mut stage).with_context(|| format!("round {number}"))?;
        let writable = round.writable.unwrap_or_default().as_secs_f64() * 1000.0;
        println!(
            "round {number}: writable for {writable:.1} ms, {} acknowledged late, {} of them not \
             rescued; replayed: {:?}",
            round.late, round.missing, round.replayed
        );
        if round.missing > 0 || round.replayed == Replayed::Different {
            println!("{}", stage.timeline(&[]));
        }
        total.absorb(&round.account);
        rounds.push(round);
    }
    println!("{}", total.line());
    row(
        "writable from its first answer on",
        rounds
            .iter()
            .map(|round| round.writable.unwrap_or_default()),
    );
    let count = |what| rounds.iter().filter(|round| round.replayed == what).count();
    println!(
        "replayed onto the data at the fork: equal {}, different {}, no file {}",
        count(Replayed::Equal),
        count(Replayed::Different),
        count(Replayed::NoFile)
    );
    let ours = !plan.program.is_upstream();
    ensure!(
        total.unexplained.is_empty() && (!ours || count(Replayed::Different) == 0),
        "acknowledged writes are gone, and nothing explains it"
    );
    Ok(())
}

fn round(stage: &mut Stage) -> Result<Round> {
    stage.begin();
    let old = stage.settle()?;
    stage.write(WRITERS, PACE, Duration::from_secs(1))?;
    stage.pass(Duration::from_millis(300))?;
    // From here on only the clients of the old master write: what the new one has is the fork.
    let before = stage.stop_writers()?;
    for _ in 0..WRITERS {
        stage.write_to(old, Diet::Mixed, STUCK_PATIENCE)?;
    }
    stage.pass(Duration::from_millis(300))?;
    stage.freeze(old);
    let new = await_replaced(stage, old)?;
    let fork = data_of(stage, new)?;
    let own = log_of(stage, old)?;
    let known = rescue_files(stage);

    let thawed = Instant::now();
    stage.thaw(old);
    stage.settle()?;
    stage.pass(Duration::from_millis(200))?;
    let outcome = stage.close_with(before)?;
    let (late, writable) = late_writes(&outcome.memories, old, thawed);
    let files = rescue_files(stage);
    let news: Vec<&PathBuf> = files.iter().filter(|file| !known.contains(file)).collect();
    let rescued = ledger::rescued_in(news.iter().map(|file| file.as_path()))?;
    let missing = late.iter().filter(|key| !rescued.contains(*key)).count();
    let replayed = match news.first() {
        None => Replayed::NoFile,
        Some(file) if same(&fork, &own, file)? => Replayed::Equal,
        Some(_) => Replayed::Different,
    };
    Ok(Round {
        writable,
        late: late.len(),
        missing,
        replayed,
        account: outcome.account,
    })
}

/// Until all Sentinels name another server and the third one follows it.
fn await_replaced(stage: &mut Stage, old: Who) -> Result<Who> {
    let mut new = old;
    stage.until("the frozen master is replaced", |stage| {
        new = stage.master().unwrap_or(old);
        let third = fleet::servers().find(|server| ![old, new].contains(server));
        let follows = third.is_some_and(|third| {
            let fields = fleet::replication(third);
            fleet::field(&fields, "master_link_status") == "up"
                && fleet::field(&fields, "master_host") == new.addr().ip().to_string()
        });
        Ok(new != old && follows)
    })?;
    Ok(new)
}

/// The keys that the old master acknowledged after it was thawed, and the time from the first of
/// its answers to the last write that it took.
fn late_writes(memories: &[Memory], old: Who, thawed: Instant) -> (Vec<String>, Option<Duration>) {
    let acks = memories.iter().flat_map(|memory| &memory.acks);
    let late: Vec<_> = acks
        .filter(|ack| ack.server == old && ack.at >= thawed)
        .collect();
    // Whoever was waiting when it was frozen is answered first, be it with an error.
    let waited = memories.iter().flat_map(|memory| &memory.waits);
    let answers = waited
        .filter(|wait| wait.server == old)
        .map(|wait| wait.from + wait.took)
        .filter(|answered| *answered >= thawed);
    let first = answers.chain(late.iter().map(|ack| ack.at)).min();
    let last = late.iter().map(|ack| ack.at).max();
    let writable = first
        .zip(last)
        .map(|(first, last)| last.saturating_duration_since(first));
    (late.iter().map(|ack| ack.key()).collect(), writable)
}

/// A copy of a server's data as it is now.
fn data_of(stage: &mut Stage, server: Who) -> Result<tempfile::TempDir> {
    let file = stage.fleet.dir(server).join("dump.rdb");
    if file.exists() {
        fs::remove_file(&file)?;
    }
    // It may be refused while the log is rewritten, after a full resync.
    stage.until("a snapshot is made", |_| {
        let _ = fleet::ask(server, &["BGSAVE"]);
        Ok(file.exists())
    })?;
    let copy = tempfile::tempdir()?;
    fs::copy(&file, copy.path().join("dump.rdb"))?;
    Ok(copy)
}

/// The log of a server, of which later appends become part: hard links, which stay when the server
/// throws its data away.
fn log_of(stage: &Stage, server: Who) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir_in(stage.fleet.root())?;
    let to = copy.path().join("appendonlydir");
    fs::create_dir(&to)?;
    for entry in fs::read_dir(stage.fleet.dir(server).join("appendonlydir"))? {
        let entry = entry?;
        fs::hard_link(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(copy)
}

fn rescue_files(stage: &Stage) -> Vec<PathBuf> {
    ledger::rescue_files(stage.rescue_dirs().into_iter())
}

/// Whether the data at the fork with the rescued file played into it is the data that the old
/// master had when it was made a replica.
fn same(fork: &tempfile::TempDir, own: &tempfile::TempDir, file: &Path) -> Result<bool> {
    let mut replayed = Scratch::start(fork.path(), "no")?;
    replayed.play(file)?;
    let had = Scratch::start(own.path(), "yes")?;
    Ok(replayed.digest()? == had.digest()?)
}
