//! Switchovers of a healthy master under load.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bartizan_load::client::Stop;

use super::{Plan, row};
use crate::news::Event;
use crate::stage::Stage;
use crate::writer::{Ack, Memory};

/// 1,500 writes a second by five writers.
const WRITERS: u32 = 5;
const PACE: Duration = Duration::from_micros(3_333);
const WRITER_PATIENCE: Duration = Duration::from_secs(1);
const USUAL: usize = 100;

pub(super) fn run(plan: &Plan, stop: &Stop) -> Result<()> {
    let mut stage = Stage::set(&plan.program, plan.seed, stop)?;
    stage.begin();
    stage.write(WRITERS, PACE, WRITER_PATIENCE)?;
    let started = Instant::now();
    let (mut spans, mut steps) = (Vec::new(), Vec::new());
    for round in 0..plan.count.unwrap_or(USUAL) {
        stage.pass_some(300, 600)?;
        let coordinated = round % 2 == 1 && !plan.program.is_upstream();
        let how: &[&str] = if coordinated { &["COORDINATED"] } else { &[] };
        let (old, sentinel) = (stage.master()?, stage.any_sentinel());
        let mark = stage.news.mark();
        stage.switch_over(sentinel, how)?;
        let agreed = Instant::now();
        stage.until("the master is another one", |stage| {
            Ok(stage.master().is_ok_and(|master| master != old))
        })?;
        stage.settle()?;
        spans.push((agreed, Instant::now()));
        steps.extend(Steps::of(&stage.news.since(mark)));
    }
    let took = started.elapsed().as_secs_f64();
    let outcome = stage.close()?;
    let acknowledged = outcome.account.acknowledged;
    println!("{}", outcome.account.line());
    println!(
        "{} switchovers in {took:.0} s, under {:.0} acknowledged writes a second",
        spans.len(),
        f64::from(u32::try_from(acknowledged).unwrap_or(u32::MAX)) / took
    );
    row(
        "a writer's longest gap in a switchover",
        gaps(&outcome.memories, &spans),
    );
    row(
        "the longest of all writers' gaps",
        longest(&outcome.memories, &spans),
    );
    Steps::show(&steps, &outcome.memories);
    let held = outcome.memories.iter().flat_map(|memory| &memory.waits);
    row(
        "writes answered after 10 ms or more",
        held.map(|wait| wait.took),
    );
    let clean = outcome.account.unexplained.is_empty();
    ensure!(
        clean,
        "acknowledged writes are gone, and nothing explains it"
    );
    Ok(())
}

/// When a switchover was agreed to and when everything was at rest again. An order may be carried
/// out before the answer to it is read, so a little before that belongs to it too.
type Span = (Instant, Instant);
const BEFORE: Duration = Duration::from_millis(150);

/// Where the time goes, by the moments at which events reached us.
#[derive(Clone, Copy, Debug)]
struct Steps {
    paused: Instant,
    promoted: Instant,
    switched: Instant,
}

impl Steps {
    /// Those of one switchover; none if it went another way.
    fn of(events: &[Event]) -> Option<Self> {
        let at = |kind: &str| Some(events.iter().find(|event| event.kind == kind)?.at);
        Some(Self {
            paused: at("+writes-paused")?,
            promoted: at("+promoted-slave")?,
            switched: at("+switch-master")?,
        })
    }

    fn show(all: &[Self], memories: &[Memory]) {
        let since = |from: Instant, to: Instant| to.saturating_duration_since(from);
        row(
            "  writes paused -> replica promoted",
            all.iter().map(|it| since(it.paused, it.promoted)),
        );
        row(
            "  promoted -> on disk, and a client told",
            all.iter().map(|it| since(it.promoted, it.switched)),
        );
        let back = |it: &Self| {
            let next = |memory: &Memory| {
                let first = memory.acks.partition_point(|ack| ack.at < it.switched);
                Some(memory.acks.get(first)?.at)
            };
            let last = memories.iter().filter_map(next).max();
            last.map(|last| since(it.switched, last))
        };
        row(
            "  a client told -> all of them write again",
            all.iter().filter_map(back),
        );
    }
}

fn gaps(memories: &[Memory], spans: &[Span]) -> Vec<Duration> {
    let all = memories.iter();
    all.flat_map(|memory| spans.iter().filter_map(|span| gap(&memory.acks, *span)))
        .collect()
}

fn longest(memories: &[Memory], spans: &[Span]) -> Vec<Duration> {
    let of_span = |span: &Span| memories.iter().filter_map(|m| gap(&m.acks, *span)).max();
    spans.iter().filter_map(of_span).collect()
}

/// The longest time between two acknowledgements that begins in a span.
fn gap(acks: &[Ack], (from, to): Span) -> Option<Duration> {
    let first = acks.partition_point(|ack| ack.at + BEFORE < from);
    let end = acks.partition_point(|ack| ack.at < to);
    let here = acks.get(first..(end + 1).min(acks.len()))?;
    let pairs = here.iter().zip(here.iter().skip(1));
    pairs
        .map(|(one, next)| next.at.saturating_duration_since(one.at))
        .max()
}
