//! What a run happens on: the fleet, its news, the writers, and the history that is told when
//! something is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bartizan_load::client::Stop;

use crate::dice::Dice;
use crate::fleet::{self, CLIENTS, Fleet, NAME, NEIGHBOURS, Program, SENTINELS, Who};
use crate::ledger::{self, Account, History, Kill};
use crate::net::Host;
use crate::news::{Event, News};
use crate::writer::{Ack, Aim, Diet, Manner, Memory, Writer};

/// Long enough for anything that should happen at all, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Longer waits for an answer are part of the history that is told.
const NOTED_WAIT: Duration = Duration::from_millis(300);

/// The stage.
#[derive(Debug)]
pub(crate) struct Stage {
    // Before the fleet, whose end would be an error to everybody who talks to it.
    writers: Vec<Writer>,
    /// What the Sentinels publish.
    pub(crate) news: News,
    /// The processes and the network.
    pub(crate) fleet: Fleet,
    /// Chance.
    pub(crate) dice: Dice,
    stop: Stop,
    next_writer: u32,
    acts: Vec<(Instant, String)>,
    unreachable: BTreeMap<Who, Instant>,
    kills: Vec<Kill>,
    began: Instant,
    mark: usize,
    snapshots: BTreeSet<PathBuf>,
}

/// What came out of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What became of the writes.
    pub(crate) account: Account,
    /// What each writer remembers.
    pub(crate) memories: Vec<Memory>,
}

impl Stage {
    /// Starts a fleet and waits until everybody knows everybody.
    pub(crate) fn set(program: &Program, seed: u64, stop: &Stop) -> Result<Self> {
        let fleet = Fleet::start(program)?;
        let stage = Self {
            writers: Vec::new(),
            news: News::start()?,
            fleet,
            dice: Dice(seed),
            stop: stop.clone(),
            next_writer: 0,
            acts: Vec::new(),
            unreachable: BTreeMap::new(),
            kills: Vec::new(),
            began: Instant::now(),
            mark: 0,
            snapshots: BTreeSet::new(),
        };
        let mut stage = stage;
        stage.settle().context("starting the fleet")?;
        Ok(stage)
    }

    /// A new page of history.
    pub(crate) fn begin(&mut self) {
        self.acts.clear();
        self.kills.clear();
        self.unreachable.clear();
        self.began = Instant::now();
        self.mark = self.news.mark();
    }

    /// Everything published since the page was begun.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.news.since(self.mark)
    }

    /// Writes a line of history.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.acts.push((Instant::now(), what.into()));
    }

    /// # Errors
    /// When somebody pressed Ctrl-C.
    pub(crate) fn go_on(&self) -> Result<()> {
        ensure!(!self.stop.is_set(), "interrupted");
        Ok(())
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.go_on()?;
            thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// Lets a time between these pass, by chance.
    pub(crate) fn pass_some(&mut self, from_ms: u64, to_ms: u64) -> Result<()> {
        let time = from_ms + self.dice.below(to_ms.saturating_sub(from_ms));
        self.pass(Duration::from_millis(time))
    }

    /// The master that all Sentinels name.
    pub(crate) fn master(&self) -> Result<Who> {
        fleet::named_by_all().context("the Sentinels do not name the same server")
    }

    /// The other servers.
    pub(crate) fn replicas(&self) -> Result<Vec<Who>> {
        let master = self.master()?;
        Ok(fleet::servers()
            .filter(|server| *server != master)
            .collect())
    }

    pub(crate) fn any_sentinel(&mut self) -> Who {
        let index = self.dice.below(u64::from(SENTINELS));
        Who::Sentinel(u8::try_from(index).unwrap_or(0))
    }

    pub(crate) fn kill(&mut self, who: Who) {
        if let Who::Server(_) = who {
            self.kills.push(Kill {
                server: who,
                at: Instant::now(),
                unreachable_since: self.unreachable.get(&who).copied(),
            });
        }
        self.fleet.kill(who);
        // What it still had to say before it was gone counts as said before the kill.
        if let Some(kill) = self.kills.last_mut().filter(|kill| kill.server == who) {
            kill.at = Instant::now();
        }
        self.note(format!("killed {who}"));
    }

    pub(crate) fn restart(&mut self, who: Who) -> Result<()> {
        self.note(format!("restarted {who}"));
        self.fleet.restart(who)
    }

    pub(crate) fn freeze(&mut self, who: Who) {
        self.unreachable.insert(who, Instant::now());
        self.fleet.freeze(who);
        self.note(format!("froze {who}"));
    }

    pub(crate) fn thaw(&mut self, who: Who) {
        self.unreachable.remove(&who);
        self.fleet.thaw(who);
        self.note(format!("thawed {who}"));
    }

    /// Nothing from `from` reaches `to`.
    pub(crate) fn cut(&mut self, from: &[Host], to: &[Host], what: &str) -> Result<()> {
        self.note(format!("cut: {what}"));
        self.fleet.net.cut(from, to)
    }

    /// Cuts these off from everybody else, both ways; the hosts of clients stay with their side.
    pub(crate) fn isolate(&mut self, who: &[Who], clients: &[Host]) -> Result<()> {
        let mut inside: Vec<Host> = who.iter().map(|who| who.host()).collect();
        inside.extend(clients);
        let everybody = Who::all().map(Who::host).chain([CLIENTS, NEIGHBOURS]);
        let outside: Vec<Host> = everybody.filter(|host| !inside.contains(host)).collect();
        let now = Instant::now();
        self.unreachable.extend(who.iter().map(|who| (*who, now)));
        let names: Vec<String> = who.iter().map(ToString::to_string).collect();
        self.note(format!("cut off {}", names.join(" and ")));
        self.fleet.net.part(&inside, &outside)
    }

    /// Everything runs and reaches everything again.
    pub(crate) fn heal(&mut self) -> Result<()> {
        self.unreachable.clear();
        self.fleet.heal()?;
        self.note("healed everything");
        Ok(())
    }

    /// Links are whole again; processes are left as they are.
    pub(crate) fn reconnect(&mut self) -> Result<()> {
        self.unreachable.clear();
        self.fleet.net.heal()
    }

    /// What somebody sends and is sent trickles; false where that cannot be had.
    pub(crate) fn slow(&mut self, who: Who) -> Result<bool> {
        self.note(format!("slow: {who}"));
        self.fleet.net.slow(who.host())
    }

    /// Resets somebody's connections; false where that cannot be had.
    pub(crate) fn reset_connections(&mut self, who: Who) -> Result<bool> {
        self.note(format!("reset the connections of {who}"));
        self.fleet.net.reset(who.host())
    }

    /// A killed server has no data any more.
    pub(crate) fn wipe(&mut self, who: Who) -> Result<()> {
        self.note(format!("{who} has lost its data"));
        self.fleet.wipe(who)
    }

    /// Starts writers that follow the Sentinels.
    pub(crate) fn write(&mut self, writers: u32, pace: Duration, patience: Duration) -> Result<()> {
        for _ in 0..writers {
            let namespace = self.fleet.net.namespace(CLIENTS);
            self.add_writer(Manner {
                aim: Aim::Master,
                words: Diet::Keys,
                namespace,
                pace,
                patience,
            })?;
        }
        Ok(())
    }

    /// Starts a writer that stays with a server.
    pub(crate) fn write_to(&mut self, server: Who, words: Diet, patience: Duration) -> Result<()> {
        let namespace = self.fleet.net.namespace(NEIGHBOURS);
        self.add_writer(Manner {
            aim: Aim::Stuck(server),
            words,
            namespace,
            pace: Duration::from_millis(5),
            patience,
        })
    }

    fn add_writer(&mut self, manner: Manner) -> Result<()> {
        self.next_writer += 1;
        self.writers.push(Writer::start(self.next_writer, manner)?);
        Ok(())
    }

    /// Ends all writers and takes what they remember.
    pub(crate) fn stop_writers(&mut self) -> Result<Vec<Memory>> {
        self.writers.iter().for_each(Writer::tell_to_stop);
        let writers = std::mem::take(&mut self.writers);
        writers.into_iter().map(Writer::stop).collect()
    }

    /// Waits for one of these events since a mark, from one Sentinel or any.
    pub(crate) fn await_event(
        &mut self,
        mark: usize,
        kind: &str,
        patience: Duration,
    ) -> Result<Option<Event>> {
        let end = Instant::now() + patience;
        loop {
            self.go_on()?;
            let left = end.saturating_duration_since(Instant::now());
            let slice = left.min(Duration::from_millis(200));
            if let Some(event) = self.news.wait(mark, slice, |event| event.kind == kind) {
                return Ok(Some(event));
            }
            if left.is_zero() {
                self.note(format!("{kind} was not seen"));
                return Ok(None);
            }
        }
    }

    /// Waits until something holds.
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !holds(self)? {
            self.go_on()?;
            self.fleet.check()?;
            if Instant::now() > end {
                bail!("not within {PATIENCE:?}: {what}");
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Asks a Sentinel for a switchover until it agrees; from then on it is under way.
    pub(crate) fn switch_over(&mut self, sentinel: Who, how: &[&str]) -> Result<()> {
        let mut words = vec!["SENTINEL", "FAILOVER", NAME];
        words.extend(how);
        self.note(format!("asking {sentinel}: {}", words.join(" ")));
        self.until("a Sentinel agrees to a switchover", |_| {
            let reply = fleet::ask(sentinel, &words);
            Ok(reply.is_some_and(|reply| reply.is_ok()))
        })
    }

    /// Waits until the fleet is at rest; returns its master.
    pub(crate) fn settle(&mut self) -> Result<Who> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.go_on()?;
            self.fleet.check()?;
            match fleet::at_rest() {
                Ok(master) => return Ok(master),
                Err(why) if Instant::now() > end => bail!("not at rest within {PATIENCE:?}: {why}"),
                Err(_) => thread::sleep(LOOK * 2),
            }
        }
    }

    /// Heals everything, waits for rest, ends the writers and balances the books.
    pub(crate) fn close(&mut self) -> Result<Outcome> {
        self.close_with(Vec::new())
    }

    /// The same, with what writers remember who ended before.
    pub(crate) fn close_with(&mut self, mut memories: Vec<Memory>) -> Result<Outcome> {
        self.heal()?;
        self.settle()?;
        // Long enough for every writer to be back, which shows that the fleet is of use again.
        self.pass(Duration::from_millis(300))?;
        memories.extend(self.stop_writers()?);
        let master = self.settle()?;
        self.await_equal_data(master)?;
        let acks: Vec<Ack> = memories.iter().flat_map(|m| m.acks.clone()).collect();
        let kept = ledger::kept(master, &acks)?;
        let mut rescued = ledger::rescued(self.rescue_dirs().into_iter())?;
        let missing = acks.iter().map(Ack::key);
        let missing = missing.filter(|key| !kept.contains(key) && !rescued.contains(key));
        let missing: Vec<String> = missing.collect();
        rescued.extend(self.found_in_snapshots(&missing)?);
        let account = ledger::balance(&acks, &kept, &rescued, &self.history());
        Ok(Outcome { account, memories })
    }

    /// Where Sentinels save what they rescue.
    pub(crate) fn rescue_dirs(&self) -> Vec<PathBuf> {
        let sentinels = (0..SENTINELS).map(Who::Sentinel);
        sentinels
            .map(|who| self.fleet.dir(who).join("rescue"))
            .collect()
    }

    /// Which of these keys are in a data set that was rescued since they were last looked at: no
    /// two pages have a key in common.
    fn found_in_snapshots(&mut self, keys: &[String]) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for file in ledger::snapshot_files(self.rescue_dirs().into_iter()) {
            if self.snapshots.insert(file.clone()) && !keys.is_empty() {
                found.extend(ledger::in_snapshot(&file, keys)?);
            }
        }
        Ok(found)
    }

    fn await_equal_data(&mut self, master: Who) -> Result<()> {
        self.until("every server has the same data", |_| {
            let whole = ledger::digest(master);
            let mut others = fleet::servers().map(ledger::digest);
            Ok(whole.is_some() && others.all(|other| other == whole))
        })
    }

    fn history(&self) -> History {
        let events = self.events();
        // `<name> <old ip> <old port> <new ip> <new port>`, first told by whoever was first.
        let switched = events.iter().filter(|event| event.kind == "+switch-master");
        let left = switched.filter_map(|event| {
            let old = event.payload.split(' ').nth(1)?;
            Some((Who::server_at(old)?, event.at))
        });
        let told = events
            .iter()
            .filter(|event| event.kind == "-rescue-incomplete");
        let incomplete = told.filter_map(|event| {
            let server = event.payload.split(' ').find_map(Who::server_at)?;
            Some((server, event.at, event.payload.clone()))
        });
        History {
            kills: self.kills.clone(),
            left: left.collect(),
            incomplete: incomplete.collect(),
            without_rescue: self.fleet.program.is_upstream(),
        }
    }

    /// The page of history: what was done and what was said, in order, and each writer's gap.
    pub(crate) fn timeline(&self, memories: &[Memory]) -> String {
        let mut lines: Vec<(Instant, String)> = self.acts.clone();
        for event in self.events() {
            let Event {
                by, kind, payload, ..
            } = &event;
            lines.push((event.at, format!("    {by}: {kind} {payload}")));
        }
        lines.sort_by_key(|(at, _)| *at);
        let mut text = String::new();
        for (at, line) in lines {
            let since = at.saturating_duration_since(self.began).as_secs_f64();
            let _ = writeln!(text, "{since:9.3} {line}");
        }
        let since = |at: Instant| at.saturating_duration_since(self.began).as_secs_f64();
        for memory in memories {
            for wait in memory.waits.iter().filter(|wait| wait.took > NOTED_WAIT) {
                let (from, took) = (since(wait.from), wait.took.as_millis());
                let _ = writeln!(
                    text,
                    "{from:9.3} a write waited {took} ms for {}",
                    wait.server
                );
            }
            if let (Some((from, gap)), Some(first)) =
                (longest_gap(&memory.acks), memory.acks.first())
            {
                let since = since(from);
                let gap = gap.as_secs_f64() * 1000.0;
                let _ = writeln!(
                    text,
                    "writer {}: longest gap {gap:.1} ms, at {since:.3}",
                    first.writer
                );
            }
        }
        text
    }
}

/// The longest time between two acknowledgements, and when it began.
pub(crate) fn longest_gap(acks: &[Ack]) -> Option<(Instant, Duration)> {
    let gaps = acks.iter().zip(acks.iter().skip(1));
    gaps.map(|(one, next)| (one.at, next.at.saturating_duration_since(one.at)))
        .max_by_key(|(_, gap)| *gap)
}
