//! A patient client: one question at a time, and how long each answer took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Watcher, spawn};
use crate::client::{Client, Stop};
use crate::stage::scene::Scene;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);
/// How far the next master's number is from the last one's: with no common factor with round
/// numbers, so that every master has its turn.
const STRIDE: usize = 7;

/// Which part of a run it is, for all observers.
#[derive(Clone, Debug, Default)]
pub struct Phase(Arc<AtomicUsize>);

/// The parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Until everything is known.
    Discovery,
    /// While nothing happens.
    Idle,
    /// Since masters were killed.
    Failover,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Discovery, Self::Idle, Self::Failover];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Idle => "idle",
            Self::Failover => "failover",
        }
    }
}

impl Phase {
    /// From here on it is this part.
    pub fn begin(&self, part: Part) {
        self.0.store(part as usize, Ordering::Relaxed);
    }

    /// The present part.
    pub fn now(&self) -> Part {
        let number = self.0.load(Ordering::Relaxed);
        Part::ALL.get(number).copied().unwrap_or(Part::Failover)
    }
}

/// An answer, or the lack of one until the end.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The part in which the question was asked.
    pub part: Part,
    /// How long the answer took.
    pub took: Duration,
}

/// Asks a Sentinel for one master after the other, from its start on. The time until it takes
/// connections is no part of an answer.
///
/// # Errors
/// When no thread can be started.
pub fn start(port: u16, masters: usize, phase: Phase, stop: Stop) -> Result<Watcher<Vec<Sample>>> {
    spawn("probe", move || {
        let mut samples = Vec::new();
        let mut client = None;
        let mut number = 0;
        while !stop.is_set() {
            std::thread::sleep(PAUSE);
            if client.is_none() {
                client = Client::connect(port).ok();
            }
            let Some(connected) = &mut client else {
                continue;
            };
            number = (number + STRIDE) % masters;
            let name = Scene::name(number);
            let (asked, part) = (Instant::now(), phase.now());
            let answer = connected.call(&["SENTINEL", "get-master-addr-by-name", &name], &stop);
            samples.push(Sample {
                part,
                took: asked.elapsed(),
            });
            if answer.is_err() {
                client = None;
            }
        }
        Ok(samples)
    })
}
