//! The search: breadth first, every world once, so that the first counterexample is a shortest.

use core::fmt;
use std::collections::VecDeque;
use std::sync::Arc;

use super::arena::Arena;
use super::choice::Choice;
use super::scenario::Scenario;
use super::seen::Seen;
use super::settle::settle;
use super::world::World;

/// What a search found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which scenario.
    pub name: &'static str,
    /// How many different worlds.
    pub worlds: usize,
    /// How many choices were tried.
    pub choices: u64,
    /// Every path of this many choices was tried.
    pub depth: u32,
    /// Whether no path is longer: everything that can happen was tried.
    pub is_complete: bool,
    /// How many different Sentinels occurred, and how many of their steps were computed.
    pub sentinels: (usize, usize),
    /// How many worlds nothing more can happen in, and how many worlds (of these, and of those
    /// that the limit left) were followed until the fleet had settled.
    pub ends: (usize, usize),
    /// The most elections that were won in one world.
    pub elections: usize,
    /// What broke, if anything.
    pub violation: Option<Violation>,
}

/// A property that broke, and the way there.
#[derive(Clone, Debug)]
pub struct Violation {
    /// In words, beginning with the property's name.
    pub what: Arc<str>,
    /// The choices that lead to it, with what the Sentinels told of each.
    pub path: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} worlds, {} choices, depth {}{}, {} Sentinels ({} steps), {} ends, {} worlds followed, {} elections at most",
            self.name,
            self.worlds,
            self.choices,
            self.depth,
            if self.is_complete { " (complete)" } else { "" },
            self.sentinels.0,
            self.sentinels.1,
            self.ends.0,
            self.ends.1,
            self.elections,
        )?;
        let Some(violation) = &self.violation else {
            return Ok(());
        };
        writeln!(f, "{}", violation.what)?;
        violation
            .path
            .iter()
            .try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Where a world came from: the one before, and the choice.
type Origin = Option<(u32, Choice)>;

struct Search<'a> {
    scenario: &'a Scenario,
    arena: Arena,
    seen: Seen,
    origins: Vec<Origin>,
    queue: VecDeque<(u32, u32, World)>,
    report: Report,
}

/// Tries everything that can happen in a scenario.
pub fn search(scenario: &Scenario) -> Report {
    let (start, arena) = scenario.start();
    let mut search = Search {
        scenario,
        arena,
        seen: Seen::default(),
        origins: vec![None],
        queue: VecDeque::new(),
        report: Report {
            name: scenario.name,
            worlds: 0,
            choices: 0,
            depth: 0,
            is_complete: true,
            sentinels: (0, 0),
            ends: (0, 0),
            elections: 0,
            violation: None,
        },
    };
    search.seen.insert(start.print());
    if let Some(broken) = start.broken.clone() {
        search.found(0, broken);
    }
    search.queue.push_back((0, 0, start));
    search.run();
    search.report.worlds = search.seen.len();
    search.report.sentinels = search.arena.size();
    search.report
}

impl Search<'_> {
    fn run(&mut self) {
        while let Some((place, depth, world)) = self.queue.pop_front() {
            if self.report.violation.is_some() {
                self.report.is_complete = false;
                return;
            }
            self.report.depth = depth;
            if depth >= self.scenario.depth || self.seen.len() >= self.scenario.most_worlds {
                self.queue.push_front((place, depth, world));
                return self.stop();
            }
            let choices = world.choices(&self.arena);
            self.report.elections = self.report.elections.max(world.history.elections());
            if choices.is_empty() {
                self.end(place, &world);
            }
            for choice in choices {
                self.branch(place, depth, &world, choice);
            }
        }
    }

    /// The limit is reached: what the worlds that are left would do next was not tried. Some of
    /// them, evenly spread, are followed as they are.
    fn stop(&mut self) {
        self.report.is_complete = false;
        let left = self.scenario.most_ends.saturating_sub(self.report.ends.1);
        let stride = (self.queue.len() / left.max(1)).max(1);
        let queue = std::mem::take(&mut self.queue);
        for (place, _, world) in queue.iter().step_by(stride).take(left) {
            self.follow(*place, world);
        }
    }

    fn branch(&mut self, place: u32, depth: u32, world: &World, choice: Choice) {
        let mut next = world.clone();
        next.choose(&mut self.arena, choice);
        self.report.choices += 1;
        if let Some(broken) = next.broken.clone() {
            self.origins.push(Some((place, choice)));
            let place = u32::try_from(self.origins.len() - 1).unwrap_or(u32::MAX);
            return self.found(place, broken);
        }
        if self.seen.insert(next.print()) {
            self.origins.push(Some((place, choice)));
            let place = u32::try_from(self.origins.len() - 1).unwrap_or(u32::MAX);
            next.lines = Vec::new();
            self.queue.push_back((place, depth + 1, next));
        }
    }

    fn end(&mut self, place: u32, world: &World) {
        self.report.ends.0 += 1;
        if self.report.ends.1 < self.scenario.most_ends {
            self.follow(place, world);
        }
    }

    fn follow(&mut self, place: u32, world: &World) {
        self.report.ends.1 += 1;
        if let Err(unsettled) = settle(world, &self.arena) {
            self.found(place, unsettled.0.into());
        }
    }

    fn found(&mut self, place: u32, what: Arc<str>) {
        if self.report.violation.is_some() {
            return;
        }
        let mut choices = Vec::new();
        let mut at = place;
        while let Some(Some((before, choice))) = self
            .origins
            .get(usize::try_from(at).unwrap_or(usize::MAX))
            .copied()
        {
            choices.push(choice);
            at = before;
        }
        choices.reverse();
        let path = retell(self.scenario, &choices);
        self.report.violation = Some(Violation { what, path });
    }
}

/// The same choices once more, with what the Sentinels told.
fn retell(scenario: &Scenario, choices: &[Choice]) -> Vec<String> {
    let (mut world, mut arena) = scenario.start();
    let mut lines = Vec::new();
    for choice in choices {
        let what = match choice {
            Choice::Deliver(route) => world
                .heads()
                .find(|(known, _)| known == route)
                .map(|(_, msg)| format!(" {msg:?}")),
            _ => None,
        };
        lines.push(format!("{choice}{}", what.unwrap_or_default()));
        world.choose(&mut arena, *choice);
        lines.extend(world.lines.iter().map(|line| format!("    {line}")));
    }
    lines
}
