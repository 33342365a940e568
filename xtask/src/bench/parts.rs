//! What a full run consists of, and how long each part of it takes.

use std::time::Duration;

/// Something that is measured, and stored, as one.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name of its file of results.
    pub(crate) name: String,
    /// One after the other; their results go into one file.
    pub(crate) calls: Vec<Call>,
    /// How long it takes about, with a redis-sentinel that takes its time.
    pub(crate) about: Duration,
}

#[derive(Debug)]
pub(crate) enum Call {
    /// The load tool with these words and both programs, or one of them.
    Load(Vec<String>, Programs),
    /// All of criterion's, with these words for it.
    Micro(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Programs {
    Both,
    Bartizan,
    RedisSentinel,
}

/// The modes of `latency` in which both programs take turns, with the seconds that a round of both
/// takes.
const MODES: [(&str, u64); 3] = [("kill", 15), ("stop", 16), ("manual", 13)];

/// How many clients a crowd has.
pub(crate) const CROWD: usize = 50;

/// Everything, or a selection that is done in a quarter of an hour.
pub(crate) fn all(quick: bool) -> Vec<Part> {
    let mut parts = latency(if quick { 2 } else { 20 });
    if quick {
        parts.extend([scale(100, 20, 5), scale(300, 20, 5)]);
        parts.push(crowd((100, 20, 3), 1));
    } else {
        for (masters, killed) in [(100, 100), (300, 100), (1000, 100), (1000, 1000)] {
            parts.push(scale(masters, killed, 20));
        }
        parts.extend([scale(3000, 0, 20), scale(5000, 0, 20)]);
        parts.extend([crowd((100, 100, 20), 5), crowd((1000, 1000, 20), 3)]);
    }
    parts.push(Part {
        name: "micro".to_owned(),
        calls: vec![Call::Micro(if quick { &["--quick"] } else { &[] })],
        about: Duration::from_secs(if quick { 180 } else { 300 }),
    });
    parts
}

fn latency(rounds: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    for (mode, seconds) in MODES {
        let words = format!("latency --mode {mode} --rounds {rounds}");
        parts.push(Part {
            name: format!("latency-{mode}"),
            calls: vec![Call::Load(split(&words), Programs::Both)],
            about: Duration::from_secs(rounds * seconds),
        });
    }
    parts.extend([
        uneven("leader", "--mode leader", None, rounds, (9, 29)),
        uneven("lost", "--mode lost", None, rounds, (9, 29)),
        crash(rounds),
    ]);
    parts
}

/// A dead process that is seen at once, at the down-after that most have; redis-sentinel knows no
/// such directive and waits.
fn crash(rounds: u64) -> Part {
    let words = "--mode kill --down-after 30000 --bound 90";
    let line = "sentinel crash-detection mymaster 200";
    uneven("crash", words, Some(line), rounds, (5, 38))
}

/// A case that redis-sentinel waits long in: it gets few rounds, and Bartizan as many as always.
/// `seconds` are those of a round of Bartizan and of redis-sentinel.
fn uneven(
    name: &str,
    words: &str,
    our_line: Option<&str>,
    rounds: u64,
    seconds: (u64, u64),
) -> Part {
    let few = rounds.min(5);
    let mut ours = split(&format!("latency {words} --rounds {rounds}"));
    if let Some(line) = our_line {
        ours.extend(["--lines".to_owned(), line.to_owned()]);
    }
    let theirs = split(&format!("latency {words} --rounds {few}"));
    Part {
        name: format!("latency-{name}"),
        calls: vec![
            Call::Load(ours, Programs::Bartizan),
            Call::Load(theirs, Programs::RedisSentinel),
        ],
        about: Duration::from_secs(rounds * seconds.0 + few * seconds.1),
    }
}

/// Bounds of a wait. A redis-sentinel of a thousand masters gets nowhere for as long as one waits.
const DISCOVERY: u64 = 180;
const FAILOVER: u64 = 120;

fn scale(masters: u64, killed: u64, idle: u64) -> Part {
    Part {
        name: format!("scale-{masters}-{killed}"),
        calls: vec![Call::Load(many(masters, killed, idle, 1), Programs::Both)],
        about: many_take(masters, killed, idle),
    }
}

/// Apart from `scale`: the crowd costs the Sentinel that it asks more than the masters do. On a
/// machine that is busy to its last core one run says little, so both programs have several, by
/// turns.
fn crowd((masters, killed, idle): (u64, u64, u64), runs: u32) -> Part {
    let mut words = many(masters, killed, idle, runs);
    words.extend(["--clients".to_owned(), CROWD.to_string()]);
    Part {
        name: format!("crowd-{masters}-{killed}"),
        calls: vec![Call::Load(words, Programs::Both)],
        about: many_take(masters, killed, 2 * idle) * runs,
    }
}

fn many(masters: u64, killed: u64, idle: u64, runs: u32) -> Vec<String> {
    let mut words = split(&format!(
        "scale --idle {idle} --discovery-bound {DISCOVERY} --failover-bound {FAILOVER}"
    ));
    for _ in 0..runs {
        words.extend(["--run".to_owned(), format!("{masters}:{killed}:fit")]);
    }
    words
}

/// Bartizan needs a few seconds, redis-sentinel some of the bounds or all.
fn many_take(masters: u64, killed: u64, idle: u64) -> Duration {
    let ours = 15 + masters / 100 + idle + if killed > 0 { 15 + killed / 50 } else { 0 };
    let theirs = if masters < 1000 {
        15 + masters / 8 + idle + if killed > 0 { killed / 2 + 30 } else { 0 }
    } else {
        // Where it does discover everything, it does so just in time.
        DISCOVERY + 15 + if killed > 0 { idle + FAILOVER } else { 0 }
    };
    Duration::from_secs(ours + theirs)
}

fn split(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}
