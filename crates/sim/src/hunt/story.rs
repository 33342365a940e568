//! What a fleet of any kind went through, told from outside: from events, from what Sentinels
//! answer, and from what servers are. The hazards of redis-sentinel are stated in these words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bartizan_core::addr::Addr;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use crate::checks::Violation;
use crate::plan::Plan;
use crate::sched::At;
use crate::server::{Server, Standing};
use crate::world::World;

/// How often Sentinels are asked and servers looked at.
const LOOK_EVERY_US: u64 = 20_000;

/// An election won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Won {
    /// When.
    pub at: At,
    /// By which Sentinel.
    pub host: usize,
    /// For which group.
    pub group: usize,
    /// In which epoch it stood.
    pub epoch: u64,
}

/// What the fleet went through.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Elections won, forced failovers among them.
    pub won: Vec<Won>,
    /// Epochs of a group's configuration under which two addresses were told: group and epoch.
    pub two_addresses: BTreeSet<(usize, u64)>,
    /// How long two live Sentinels named different masters, in milliseconds; the longest time.
    pub disagreed_ms: u64,
    /// How long two servers of one group followed each other, in milliseconds; the longest time.
    pub circle_ms: u64,
    /// `+odown` of a master that fewer than a quorum held to be down, followed by an election
    /// won by the same Sentinel.
    pub below_quorum: Vec<Won>,
    /// How long a new address was told to clients while no majority of Sentinels told it, in
    /// milliseconds; the longest time.
    pub alone_ms: u64,
    /// Addresses that were told by some, never by a majority, and then given up.
    pub overruled: BTreeSet<Addr>,
    /// From the last fault of the plan to the moment when all live Sentinels first name another
    /// master than at first, one that is up and says so, in milliseconds.
    pub replaced_after_ms: Option<u64>,
    /// Whether all live Sentinels name one master, up and saying so, when the faults end.
    pub agreed_at_end: bool,
    /// Which Sentinels died.
    pub died: BTreeSet<usize>,
    /// Writes acknowledged to applications, and how many of them the last master lacks.
    pub acknowledged: u64,
    /// Writes acknowledged and lost.
    pub lost: u64,
    /// What fell of our own invariants.
    pub violation: Option<Violation>,
    /// All that happened, in lines.
    pub text: String,
}

impl Story {
    /// Plays a plan and tells what happened until its faults are healed.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut teller = Teller {
            began: plan
                .faults
                .iter()
                .map(|fault| fault.at_ms)
                .min()
                .unwrap_or(0),
            ..Teller::default()
        };
        let mut world = World::new(plan.clone(), true);
        world.start();
        while world.step() && world.sched.now() < world.faults_end() {
            teller.look(&world);
        }
        world.sum_up();
        let stats = world.stats();
        (teller.story.acknowledged, teller.story.lost) = (stats.acknowledged, stats.lost);
        teller.story.violation = world.checks.broken().cloned();
        teller.story.text = world.trace().tail(usize::MAX);
        teller.finish(&plan.params)
    }

    /// Two Sentinels that won in one epoch for one group: that epoch.
    #[must_use]
    pub fn two_leaders(&self) -> Option<u64> {
        let pair = |a: &Won| {
            let other = |b: &&Won| (a.group, a.epoch) == (b.group, b.epoch) && a.host != b.host;
            self.won.iter().find(other).map(|_| a.epoch)
        };
        self.won.iter().find_map(pair)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "elected")?;
        for won in &self.won {
            let Won {
                at,
                host,
                group,
                epoch,
            } = won;
            write!(f, " s{host}/m{group}/e{epoch}@{at}")?;
        }
        if let Some(epoch) = self.two_leaders() {
            write!(f, "; TWO LEADERS in epoch {epoch}")?;
        }
        for (group, epoch) in &self.two_addresses {
            write!(f, "; TWO ADDRESSES of m{group} in epoch {epoch}")?;
        }
        if !self.below_quorum.is_empty() {
            write!(f, "; {} elections BELOW QUORUM", self.below_quorum.len())?;
        }
        write!(
            f,
            "; disagreed {} ms, circle {} ms, told alone {} ms, overruled {:?}, replaced after \
             {:?} ms, agreed at the end: {}, {} writes, {} lost",
            self.disagreed_ms,
            self.circle_ms,
            self.alone_ms,
            self.overruled,
            self.replaced_after_ms,
            self.agreed_at_end,
            self.acknowledged,
            self.lost,
        )?;
        self.violation
            .iter()
            .try_for_each(|violation| write!(f, "; VIOLATED {violation}"))
    }
}

/// Since when something has been so, and for how long at most.
#[derive(Clone, Copy, Debug, Default)]
struct Spell {
    since: Option<At>,
    longest_us: u64,
}

impl Spell {
    fn note(&mut self, now: At, is_so: bool) {
        if is_so {
            let since = *self.since.get_or_insert(now);
            self.longest_us = self.longest_us.max(now.since(since));
        } else {
            self.since = None;
        }
    }
}

#[derive(Debug, Default)]
struct Teller {
    story: Story,
    /// When the last fault began, in milliseconds.
    began: u64,
    looked: At,
    told: BTreeMap<(usize, u64), Addr>,
    by_majority: BTreeSet<Addr>,
    by_some: BTreeSet<Addr>,
    disagreed: Spell,
    circle: Spell,
    alone: Spell,
    first: BTreeMap<usize, Addr>,
}

impl Teller {
    fn look(&mut self, world: &World) {
        let now = world.sched.now();
        if now.since(self.looked) < LOOK_EVERY_US {
            return;
        }
        self.looked = now;
        for host in world.hosts.iter().filter(|host| host.brain.is_none()) {
            self.story.died.insert(host.node);
        }
        for group in 0..world.groups.len() {
            self.look_at(world, group);
        }
    }

    fn look_at(&mut self, world: &World, group: usize) {
        let now = world.sched.now();
        let answers: Vec<(Addr, u64)> = (0..world.hosts.len())
            .filter_map(|h| Some((world.master_addr(h, group)?, config_epoch(world, h, group)?)))
            .collect();
        for (addr, epoch) in &answers {
            let first = self
                .told
                .entry((group, *epoch))
                .or_insert_with(|| addr.clone());
            if first != addr {
                self.story.two_addresses.insert((group, *epoch));
            }
        }
        let mut votes: BTreeMap<&Addr, usize> = BTreeMap::new();
        for (addr, _) in &answers {
            *votes.entry(addr).or_default() += 1;
        }
        self.disagreed.note(now, votes.len() > 1);
        let majority = world.hosts.len() / 2 + 1;
        let known = |addr: &Addr| self.by_majority.contains(addr);
        let alone: Vec<Addr> = votes
            .iter()
            .filter(|(addr, n)| **n < majority && !known(addr))
            .map(|(addr, _)| (*addr).clone())
            .collect();
        self.alone.note(now, !alone.is_empty());
        self.by_some.extend(alone);
        for (addr, n) in &votes {
            if *n >= majority {
                self.by_majority.insert((*addr).clone());
            }
        }
        let mine = || {
            world
                .servers
                .iter()
                .filter(move |server| server.group == group && server.up)
        };
        let circle = mine().any(|a| mine().any(|b| follows(a, b) && follows(b, a)));
        self.circle.note(now, circle);
        let one = votes.len() == 1
            && votes
                .keys()
                .all(|addr| mine().any(|s| s.addr == **addr && s.is_master()));
        self.story.agreed_at_end = one;
        let Some(addr) = votes.keys().next().map(|addr| (*addr).clone()) else {
            return;
        };
        let first = self.first.entry(group).or_insert_with(|| addr.clone());
        if one && *first != addr && self.story.replaced_after_ms.is_none() {
            let now_ms = now.0 / 1000;
            self.story.replaced_after_ms = Some(now_ms.saturating_sub(self.began));
        }
    }

    fn finish(mut self, params: &crate::params::Params) -> Story {
        let ms = |spell: Spell| spell.longest_us / 1000;
        let mut story = core::mem::take(&mut self.story);
        story.disagreed_ms = ms(self.disagreed);
        story.circle_ms = ms(self.circle);
        story.alone_ms = ms(self.alone);
        story.overruled = self
            .by_some
            .difference(&self.by_majority)
            .cloned()
            .collect();
        let text = core::mem::take(&mut story.text);
        Reader::new(params).read(&text, &mut story);
        story.text = text;
        story
    }
}

/// Whether a server was told to follow another, with or without success.
fn follows(server: &Server, master: &Server) -> bool {
    matches!(&server.standing, Standing::Replica { of, .. } if *of == master.addr)
}

/// `config-epoch` of SENTINEL MASTER.
fn config_epoch(world: &World, h: usize, group: usize) -> Option<u64> {
    let host = world.hosts.get(h)?;
    let query = Query::Master(world.groups.name(group)?.clone());
    let now = host.clock.mono(world.sched.now());
    let Reply::Map(fields) = host.brain.as_ref()?.query(now, &query) else {
        return None;
    };
    let found = fields.into_iter().find(|(name, _)| name == "config-epoch");
    match found?.1 {
        Reply::Bulk(text) => text.parse().ok(),
        _ => None,
    }
}

/// Reads the lines of a history.
#[derive(Debug)]
struct Reader {
    quorum: u64,
    /// The newest epoch that each Sentinel told of.
    epochs: BTreeMap<usize, u64>,
    standing: BTreeMap<(usize, usize), u64>,
    /// Which address each Sentinel holds to be subjectively down, and until when it did.
    down: BTreeMap<(usize, String), bool>,
    /// Sentinels that hold a master to be objectively down though no quorum does.
    alone: BTreeSet<(usize, usize)>,
}

impl Reader {
    fn new(params: &crate::params::Params) -> Self {
        Self {
            quorum: params.quorum,
            epochs: BTreeMap::new(),
            standing: BTreeMap::new(),
            down: BTreeMap::new(),
            alone: BTreeSet::new(),
        }
    }

    fn read(&mut self, text: &str, story: &mut Story) {
        for line in text.lines() {
            let _ = self.line(line, story);
        }
    }

    fn line(&mut self, line: &str, story: &mut Story) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let host: usize = words.get(1)?.strip_prefix('s')?.parse().ok()?;
        let at = moment(words.first()?)?;
        let word = |n: usize| words.get(n + 3).copied();
        let group = || word(1)?.strip_prefix('m')?.parse::<usize>().ok();
        match *words.get(2)? {
            "+new-epoch" => {
                self.epochs.insert(host, word(0)?.parse().ok()?);
            }
            "+sdown" | "-sdown" if word(0)? == "master" => {
                let is_down = words.get(2)?.starts_with('+');
                self.down.insert((host, word(2)?.to_owned()), is_down);
            }
            "+odown" => {
                let addr = word(2)?;
                let agree = self
                    .down
                    .iter()
                    .filter(|((_, a), down)| a == addr && **down);
                if (agree.count() as u64) < self.quorum {
                    self.alone.insert((host, group()?));
                } else {
                    self.alone.remove(&(host, group()?));
                }
            }
            "+switch-master" => {
                let group = word(0)?.strip_prefix('m')?.parse().ok()?;
                self.alone.remove(&(host, group));
            }
            "+try-failover" => {
                let epoch = self.epochs.get(&host).copied().unwrap_or(0);
                self.standing.insert((host, group()?), epoch);
            }
            "+elected-leader" => {
                let group = group()?;
                let epoch = self.standing.get(&(host, group)).copied().unwrap_or(0);
                let won = Won {
                    at,
                    host,
                    group,
                    epoch,
                };
                story.won.push(won);
                if self.alone.contains(&(host, group)) {
                    story.below_quorum.push(won);
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// The time in front of a line.
fn moment(text: &str) -> Option<At> {
    let (seconds, micros) = text.split_once('.')?;
    Some(At(
        seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?
    ))
}
