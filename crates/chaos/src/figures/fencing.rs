//! A master with `fencing min-replicas 1` is cut off with a client, in every other round with a
//! Sentinel too: for how long does it go on taking writes?

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bartizan_load::client::Stop;

use super::{Plan, row};
use crate::faults;
use crate::fleet::{NEIGHBOURS, Who};
use crate::ledger::Account;
use crate::stage::Stage;
use crate::writer::Diet;

const WRITERS: u32 = 2;
const PACE: Duration = Duration::from_millis(10);
const WRITER_PATIENCE: Duration = Duration::from_secs(1);
/// Longer than it may take writes, and than a failover takes.
const APART: Duration = Duration::from_secs(5);
const USUAL: usize = 60;

pub(super) fn run(plan: &Plan, stop: &Stop) -> Result<()> {
    let mut stage = Stage::set(&plan.program, plan.seed, stop)?;
    let mut total = Account::default();
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for number in 1..=plan.count.unwrap_or(USUAL) {
        let with = (number % 2 == 0).then(|| stage.any_sentinel());
        let done = round(&mut stage, with);
        let (figure, account) =
            done.with_context(|| format!("{}\nround {number}", stage.timeline(&[])))?;
        let company = with.map_or_else(|| "alone".to_owned(), |who| format!("with {who}"));
        let ms = figure.as_millis();
        println!("round {number}: cut off {company}, it took writes for {ms} ms");
        total.absorb(&account);
        if with.is_some() {
            beside.push(figure);
        } else {
            alone.push(figure);
        }
    }
    println!("{}", total.line());
    row("cut off with a client, it took writes for", alone);
    row("cut off with a client and a Sentinel", beside);
    let clean = total.unexplained.is_empty();
    ensure!(
        clean,
        "acknowledged writes are gone, and nothing explains it"
    );
    Ok(())
}

fn round(stage: &mut Stage, with: Option<Who>) -> Result<(Duration, Account)> {
    stage.begin();
    stage.settle()?;
    faults::fence(stage)?;
    let old = stage.master()?;
    stage.write(WRITERS, PACE, WRITER_PATIENCE)?;
    stage.write_to(old, Diet::Keys, WRITER_PATIENCE)?;
    stage.pass_some(500, 1500)?;
    let cut = Instant::now();
    let inside: Vec<Who> = [old].into_iter().chain(with).collect();
    stage.isolate(&inside, &[NEIGHBOURS])?;
    stage.pass(APART)?;
    let outcome = stage.close()?;
    let healed = cut + APART;
    let acks = outcome.memories.iter().flat_map(|memory| &memory.acks);
    let alone = acks.filter(|ack| ack.server == old && ack.at < healed);
    let last = alone.map(|ack| ack.at).max();
    let figure = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(cut));
    Ok((figure, outcome.account))
}
