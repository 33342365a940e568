//! What can happen next in a small world.

use core::fmt;

use super::arena::{Arena, Phase};
use super::node::{Rename, Stimulus};
use super::word::SENTINELS;
use super::world::{Route, World};

/// How many deadlines without consequence one tick may pass over.
const IDLE_DEADLINES: u32 = 100;

/// What may still go wrong, and how much time may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// How often each Sentinel's clock may reach a deadline that matters.
    pub ticks: [u8; 3],
    /// Crashes of Sentinels, in all.
    pub crashes: u8,
    /// Writes that fail, in all.
    pub failed_writes: u8,
    /// Pairs of Sentinels that lose each other, in all.
    pub cuts: u8,
    /// The Sentinels at which an operator may still ask for a failover.
    pub operators: [bool; 3],
    /// Messages and writes are quicker than any timer: clocks move only when all is delivered.
    pub timely: bool,
    /// Server 1 passes news on to its subscribers, at any later time.
    pub pubsub: bool,
}

/// One thing that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The oldest message of a route arrives.
    Deliver(Route),
    /// A pending write is done.
    Write(u8),
    /// A pending write fails.
    FailWrite(u8),
    /// Time passes at one Sentinel until something comes of it.
    Tick(u8),
    /// A Sentinel dies and starts again.
    Crash(u8, Rename),
    /// An operator wants a failover.
    Operator(u8),
    /// Two Sentinels lose each other.
    Cut(u8, u8),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver(route) => write!(
                f,
                "deliver {:?} of s{} and {:?}",
                route.lane, route.owner, route.far
            ),
            Self::Write(n) => write!(f, "s{n}'s write is done"),
            Self::FailWrite(n) => write!(f, "s{n}'s write fails"),
            Self::Tick(n) => write!(f, "time passes at s{n}"),
            Self::Crash(n, Rename::Lost) => write!(f, "s{n} crashes and restarts"),
            Self::Crash(n, Rename::Done) => {
                write!(f, "s{n} crashes, its write just done, and restarts")
            }
            Self::Operator(n) => write!(f, "SENTINEL FAILOVER at s{n}"),
            Self::Cut(a, b) => write!(f, "s{a} and s{b} lose each other"),
        }
    }
}

impl World {
    /// Everything that can happen next.
    pub fn choices(&self, arena: &Arena) -> Vec<Choice> {
        let mut choices: Vec<_> = self
            .heads()
            .map(|(route, _)| Choice::Deliver(route))
            .collect();
        let writing: Vec<u8> = (0..SENTINELS)
            .filter(|n| self.view(arena, *n).is_some_and(|view| view.writes))
            .collect();
        for n in &writing {
            choices.push(Choice::Write(*n));
            if self.budget.failed_writes > 0 {
                choices.push(Choice::FailWrite(*n));
            }
        }
        let is_still = self.is_quiet() && writing.is_empty();
        for (n, left) in (0..SENTINELS).zip(self.budget.ticks) {
            if left > 0 && (is_still || !self.budget.timely) {
                choices.push(Choice::Tick(n));
            }
        }
        if self.budget.crashes > 0 {
            choices.extend((0..SENTINELS).map(|n| Choice::Crash(n, Rename::Lost)));
            let done = writing.iter().map(|n| Choice::Crash(*n, Rename::Done));
            choices.extend(done);
        }
        for (n, wanted) in (0..SENTINELS).zip(self.budget.operators) {
            if wanted {
                choices.push(Choice::Operator(n));
            }
        }
        if self.budget.cuts > 0 {
            let pairs = [(0, 1), (0, 2), (1, 2)].into_iter();
            let whole = pairs.filter(|(a, b)| !self.is_cut(*a, *b));
            choices.extend(whole.map(|(a, b)| Choice::Cut(a, b)));
        }
        choices
    }

    /// Lets it happen, and all the noise that follows from it.
    pub fn choose(&mut self, arena: &mut Arena, choice: Choice) {
        self.lines.clear();
        match choice {
            Choice::Deliver(route) => self.deliver(arena, route),
            Choice::Write(n) => self.perform(arena, n, Stimulus::Written),
            Choice::FailWrite(n) => {
                self.budget.failed_writes -= 1;
                self.perform(arena, n, Stimulus::Unwritten);
            }
            Choice::Tick(n) => {
                if let Some(left) = self.budget.ticks.get_mut(usize::from(n)) {
                    *left = left.saturating_sub(1);
                }
                self.tick(arena, n);
            }
            Choice::Crash(n, rename) => {
                self.budget.crashes -= 1;
                self.restart(arena, n, rename);
            }
            Choice::Operator(n) => {
                if let Some(wanted) = self.budget.operators.get_mut(usize::from(n)) {
                    *wanted = false;
                }
                self.perform(arena, n, Stimulus::Failover);
            }
            Choice::Cut(a, b) => {
                self.budget.cuts -= 1;
                self.cut(arena, a, b);
            }
        }
        self.deliver_noise(arena);
    }

    /// Lets a Sentinel's clock go on until something comes of it. PINGs and periodic INFOs on the
    /// way are answered at once.
    pub(crate) fn tick(&mut self, arena: &mut Arena, n: u8) {
        self.take_news();
        let before = self.heads().count();
        for _ in 0..IDLE_DEADLINES {
            let phase = self.view(arena, n).map_or(Phase::Idle, |view| view.phase);
            self.perform(arena, n, Stimulus::Tick);
            self.deliver_noise(arena);
            let now = self.view(arena, n).map_or(Phase::Idle, |view| view.phase);
            if self.take_news() || now != phase || self.heads().count() != before {
                return;
            }
        }
    }
}
