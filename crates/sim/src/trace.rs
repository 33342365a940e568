//! What happened, as lines for people and as one number for machines.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bartizan_core::notify::event::Event;

use crate::rand::mix;
use crate::sched::At;

/// Lines kept of each process.
const KEPT: usize = 60;

/// The history of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    /// Print each line as it happens.
    aloud: bool,
    lines: VecDeque<(At, String)>,
    kept: usize,
}

impl Trace {
    /// A history of a world with this many processes; `aloud` keeps everything.
    pub const fn new(nodes: usize, aloud: bool) -> Self {
        Self {
            hash: 0,
            aloud,
            lines: VecDeque::new(),
            kept: KEPT * nodes,
        }
    }

    /// One number for all that happened. Two runs of one plan have the same.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Something happened that no line tells.
    pub const fn mix(&mut self, word: u64) {
        self.hash = mix(self.hash ^ word);
    }

    /// A Sentinel emitted an event.
    pub fn event(&mut self, at: At, host: usize, event: &Event) {
        self.mix_text(&event.payload);
        self.line(at, || {
            format!("s{host} {} {}", event.kind.name(), event.payload)
        });
    }

    /// A server changed.
    pub fn server(&mut self, at: At, server: usize, what: &str) {
        self.mix_text(what);
        self.line(at, || format!("r{server} {what}"));
    }

    /// Something a Sentinel said to an operator.
    pub fn note(&mut self, at: At, host: usize, what: &str) {
        self.mix_text(what);
        self.line(at, || format!("s{host} says {what}"));
    }

    /// The world changed: a fault, a phase.
    pub fn world(&mut self, at: At, what: &str) {
        self.mix_text(what);
        self.line(at, || format!("-- {what}"));
    }

    /// The last lines, oldest first.
    pub fn tail(&self, count: usize) -> String {
        let skip = self.lines.len().saturating_sub(count);
        let mut text = String::new();
        for (at, line) in self.lines.iter().skip(skip) {
            // Writing into a String does not fail.
            let _ = writeln!(text, "{at} {line}");
        }
        text
    }

    fn line(&mut self, at: At, make: impl FnOnce() -> String) {
        if !self.aloud && self.lines.len() >= self.kept {
            self.lines.pop_front();
        }
        self.lines.push_back((at, make()));
    }

    fn mix_text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(8) {
            let word = chunk
                .iter()
                .fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
            self.mix(word);
        }
    }
}
