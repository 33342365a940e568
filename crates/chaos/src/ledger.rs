//! The accounting: every acknowledged write is in the final data set, or rescued, or lost for a
//! reason that the history of the run proves. What is none of these is unexplained.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::fleet::Who;
use crate::live::resp::{Client, Value};
use crate::scratch::Scratch;
use crate::writer::Ack;

/// A server was killed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    /// Which.
    pub(crate) server: Who,
    /// When.
    pub(crate) at: Instant,
    /// Since when it had been frozen or cut off, if it was.
    pub(crate) unreachable_since: Option<Instant>,
}

/// What happened to servers in a run, as far as a loss can be explained by it.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Kills, in order.
    pub(crate) kills: Vec<Kill>,
    /// When a server ceased to be the master that clients are sent to, in order.
    pub(crate) left: Vec<(Who, Instant)>,
    /// Rescues that Sentinels called incomplete: of which server, when, and their words.
    pub(crate) incomplete: Vec<(Who, Instant, String)>,
    /// Nobody rescues, as with redis-sentinel.
    pub(crate) without_rescue: bool,
}

/// What became of acknowledged writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// All of them.
    pub(crate) acknowledged: usize,
    /// In the final data set.
    pub(crate) kept: usize,
    /// Not there, but in a rescued file.
    pub(crate) rescued: usize,
    /// In neither, by reason.
    pub(crate) lost: BTreeMap<String, usize>,
    /// Lost for no reason that is known.
    pub(crate) unexplained: Vec<(Ack, &'static str)>,
}

impl Account {
    /// Lost, for whatever reason.
    pub(crate) fn lost(&self) -> usize {
        self.lost.values().sum::<usize>() + self.unexplained.len()
    }

    /// Adds another run's.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.kept += other.kept;
        self.rescued += other.rescued;
        for (reason, count) in &other.lost {
            *self.lost.entry(reason.clone()).or_default() += count;
        }
        self.unexplained.extend(&other.unexplained);
    }

    /// `acknowledged = kept + rescued + lost`, in words.
    pub(crate) fn line(&self) -> String {
        let mut line = format!(
            "{} acknowledged = {} kept + {} rescued + {} lost",
            self.acknowledged,
            self.kept,
            self.rescued,
            self.lost()
        );
        for (reason, count) in &self.lost {
            line += &format!("; {count} {reason}");
        }
        if !self.unexplained.is_empty() {
            line += &format!("; {} UNEXPLAINED", self.unexplained.len());
        }
        line
    }
}

/// Balances the books: `acks` of one writer stand in the order in which they came.
pub(crate) fn balance(
    acks: &[Ack],
    kept: &BTreeSet<String>,
    rescued: &BTreeSet<String>,
    history: &History,
) -> Account {
    let mut account = Account {
        acknowledged: acks.len(),
        ..Account::default()
    };
    // A server's writes are one stream, so what it keeps of a connection has no holes.
    let mut last_kept: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for ack in acks.iter().filter(|ack| kept.contains(&ack.key())) {
        last_kept.insert((ack.writer, ack.connection), ack.number);
    }
    for ack in acks {
        let key = ack.key();
        let last = last_kept.get(&(ack.writer, ack.connection));
        if kept.contains(&key) {
            account.kept += 1;
        } else if rescued.contains(&key) {
            account.rescued += 1;
        } else if last.is_some_and(|last| *last > ack.number) {
            account.unexplained.push((*ack, "a later one was kept"));
        } else if let Some(reason) = history.reason(ack) {
            *account.lost.entry(reason).or_default() += 1;
        } else {
            account.unexplained.push((*ack, "nothing explains it"));
        }
    }
    account
}

impl History {
    /// Why a write may be lost.
    fn reason(&self, ack: &Ack) -> Option<String> {
        if self.kills.iter().any(|kill| self.explains(kill, ack)) {
            return Some("were on a master that was killed before it passed them on".to_owned());
        }
        let incomplete = self.incomplete.iter();
        let told = incomplete
            .into_iter()
            .find(|(server, at, _)| *server == ack.server && *at >= ack.at);
        if let Some((_, _, why)) = told {
            return Some(format!("told as not rescued ({why})"));
        }
        let left = |(server, at): &(Who, Instant)| *server == ack.server && *at >= ack.at;
        let replaced = self.without_rescue
            && (self.left.iter().any(left)
                || self.left.iter().any(|(server, _)| *server == ack.server));
        replaced.then(|| "were discarded when their master was made a replica".to_owned())
    }

    /// A kill takes what the server had alone: everything behind the moment from which nobody
    /// heard it, or what it was about to pass on while it still was the master.
    fn explains(&self, kill: &Kill, ack: &Ack) -> bool {
        if kill.server != ack.server || kill.at < ack.at {
            return false;
        }
        let gone = kill.unreachable_since.unwrap_or(kill.at);
        let left_before = self
            .left
            .iter()
            .any(|(server, at)| *server == ack.server && *at > ack.at && *at < gone);
        ack.at >= gone || !left_before
    }
}

/// Which of these writes are in a server's data set.
///
/// # Errors
/// When the server does not answer.
pub(crate) fn kept(server: Who, acks: &[Ack]) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for part in acks.chunks(1000) {
        let keys: Vec<String> = part.iter().map(Ack::key).collect();
        let mut words = vec!["MGET"];
        words.extend(keys.iter().map(String::as_str));
        let reply = ask_patiently(server, &words)?;
        let values = reply.items().context("MGET answers an array")?;
        let there = keys
            .iter()
            .zip(values)
            .filter(|(_, value)| value.text().is_some());
        found.extend(there.map(|(key, _)| key.clone()));
    }
    Ok(found)
}

/// Asks again when the connection is closed: demotions close those of all clients.
fn ask_patiently(server: Who, words: &[&str]) -> Result<Value> {
    const TRIES: u32 = 20;
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut tries = 0;
    loop {
        tries += 1;
        let asked = crate::fleet::connect(server).and_then(|mut client| {
            client.set_patience(Some(PATIENCE))?;
            client.call(words)
        });
        match asked {
            Err(_) if tries < TRIES => std::thread::sleep(Duration::from_millis(100)),
            other => return other.with_context(|| format!("asking {server} what it has")),
        }
    }
}

/// The keys that are set in the rescued files of these directories.
///
/// # Errors
/// When a file cannot be read or is not what redis-cli could play.
pub(crate) fn rescued(dirs: impl Iterator<Item = PathBuf>) -> Result<BTreeSet<String>> {
    rescued_in(rescue_files(dirs).iter().map(PathBuf::as_path))
}

/// The keys that are set in these files.
///
/// # Errors
/// As for [`rescued`].
pub(crate) fn rescued_in<'a>(files: impl Iterator<Item = &'a Path>) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for file in files {
        for command in commands(file)? {
            if let [verb, key, ..] = command.as_slice()
                && verb.eq_ignore_ascii_case("SET")
            {
                keys.insert(key.clone());
            }
        }
    }
    Ok(keys)
}

/// The files of rescued streams below these directories.
pub(crate) fn rescue_files(dirs: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    files_of(dirs, "resp")
}

/// The files of rescued data sets below these directories.
pub(crate) fn snapshot_files(dirs: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    files_of(dirs, "rdb")
}

/// Which of these keys a rescued data set has.
///
/// # Errors
/// When a server cannot load it.
pub(crate) fn in_snapshot(file: &Path, keys: &[String]) -> Result<BTreeSet<String>> {
    let dir = tempfile::tempdir()?;
    fs::copy(file, dir.path().join("dump.rdb"))?;
    let loaded = Scratch::start(dir.path(), "no")?;
    loaded.which_of(keys)
}

fn files_of(dirs: impl Iterator<Item = PathBuf>, kind: &str) -> Vec<PathBuf> {
    let entries = dirs.filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .collect();
    files.sort();
    files
}

/// The commands of a rescued file.
fn commands(file: &Path) -> Result<Vec<Vec<String>>> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let mut rest = bytes.as_slice();
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let command = command(&mut rest)
            .with_context(|| format!("{} is not plain RESP all through", file.display()))?;
        commands.push(command);
    }
    Ok(commands)
}

/// One command off the front: an array of bulk strings.
fn command(rest: &mut &[u8]) -> Option<Vec<String>> {
    let count = header(rest, b'*')?;
    (0..count)
        .map(|_| {
            let length = header(rest, b'$')?;
            let (word, behind) = rest.split_at_checked(length)?;
            *rest = behind.strip_prefix(b"\r\n")?;
            Some(String::from_utf8_lossy(word).into_owned())
        })
        .collect()
}

fn header(rest: &mut &[u8], kind: u8) -> Option<usize> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, behind) = rest.split_at_checked(end)?;
    *rest = behind.get(2..)?;
    let (first, digits) = line.split_first()?;
    let digits = std::str::from_utf8(digits).ok()?;
    (*first == kind).then(|| digits.parse().ok())?
}

/// Unexplained writes of one connection: whoever reads a failed run wants to see where the holes
/// are, not each write.
struct Span {
    first: Ack,
    last: Ack,
    why: &'static str,
    count: usize,
}

/// A line for each connection and reason.
pub(crate) fn spans(unexplained: &[(Ack, &'static str)]) -> Vec<String> {
    let mut spans: Vec<Span> = Vec::new();
    for &(ack, why) in unexplained {
        let same = |span: &&mut Span| {
            let connection = (span.first.writer, span.first.connection);
            connection == (ack.writer, ack.connection) && span.why == why
        };
        if let Some(span) = spans.iter_mut().find(same) {
            span.last = ack;
            span.count += 1;
        } else {
            spans.push(Span {
                first: ack,
                last: ack,
                why,
                count: 1,
            });
        }
    }
    let line = |span: &Span| {
        let (first, last) = (span.first.key(), span.last.key());
        let (server, connection) = (span.first.server, span.first.connection);
        let Span { count, why, .. } = span;
        format!("{count} from {first} to {last}, connection {connection} to {server}: {why}")
    };
    spans.iter().map(line).collect()
}

/// What a server's whole data set comes to; `None` when it does not answer.
pub(crate) fn digest(server: Who) -> Option<String> {
    let mut client: Client = crate::fleet::connect(server).ok()?;
    client.set_patience(Some(Duration::from_secs(20))).ok()?;
    let reply = client.call(&["DEBUG", "DIGEST"]).ok()?;
    reply.text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Who = Who::Server(0);

    fn ack(number: u32, at: Instant) -> Ack {
        Ack {
            writer: 1,
            number,
            connection: 1,
            at,
            server: A,
        }
    }

    fn keys(numbers: &[u32]) -> BTreeSet<String> {
        numbers
            .iter()
            .map(|number| format!("w1:{number}"))
            .collect()
    }

    fn acks(count: u32) -> (Instant, Vec<Ack>) {
        let start = Instant::now();
        let at = |number| start + Duration::from_millis(u64::from(number));
        (
            start,
            (1..=count).map(|number| ack(number, at(number))).collect(),
        )
    }

    #[test]
    fn every_write_is_kept_or_rescued_or_unexplained() {
        let (_, acks) = acks(4);
        let account = balance(&acks, &keys(&[1, 2]), &keys(&[3]), &History::default());
        assert_eq!((account.kept, account.rescued, account.lost()), (2, 1, 1));
        let (ack, why) = account.unexplained[0];
        assert_eq!((ack.number, why), (4, "nothing explains it"));
    }

    #[test]
    fn a_kill_explains_what_the_master_had_not_passed_on_but_no_hole() {
        let (start, acks) = acks(5);
        let kill = Kill {
            server: A,
            at: start + Duration::from_millis(9),
            unreachable_since: None,
        };
        let history = History {
            kills: vec![kill],
            ..History::default()
        };
        let account = balance(&acks, &keys(&[1, 3]), &keys(&[]), &history);
        assert_eq!(account.lost.values().sum::<usize>(), 2);
        assert_eq!(account.unexplained.len(), 1);
        assert_eq!(account.unexplained[0].0.number, 2);
    }

    #[test]
    fn a_kill_does_not_explain_what_was_lost_before_it_when_the_master_was_replaced() {
        let (start, acks) = acks(2);
        let after = |ms| start + Duration::from_millis(ms);
        let mut history = History {
            kills: vec![Kill {
                server: A,
                at: after(50),
                unreachable_since: None,
            }],
            left: vec![(A, after(10))],
            ..History::default()
        };
        let account = balance(&acks, &keys(&[1]), &keys(&[]), &history);
        assert_eq!(account.unexplained.len(), 1);
        // Unless nobody could reach it any more when it was replaced.
        history.kills[0].unreachable_since = Some(after(5));
        let account = balance(&acks, &keys(&[1]), &keys(&[]), &history);
        assert!(account.unexplained.is_empty());
        // A kill before the write explains nothing at all.
        history.kills[0].at = start;
        let account = balance(&acks, &keys(&[1]), &keys(&[]), &history);
        assert_eq!(account.unexplained.len(), 1);
    }

    #[test]
    fn a_rescued_file_is_read_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.resp");
        let text = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nset\r\n$4\r\nw1:7\r\n$1\r\n7\r\n";
        fs::write(&file, text).unwrap();
        let dirs = || std::iter::once(dir.path().to_path_buf());
        assert_eq!(rescued(dirs()).unwrap(), keys(&[7]));
        fs::write(&file, &text[..text.len() - 3]).unwrap();
        assert!(rescued(dirs()).is_err());
    }
}
