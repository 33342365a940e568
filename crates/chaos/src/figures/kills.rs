//! Random kills during switchovers: for how long is anybody who writes left waiting?

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bartizan_load::client::Stop;

use super::{Plan, row};
use crate::fleet::{self, Who};
use crate::ledger::Account;
use crate::stage::{Stage, longest_gap};

const WRITERS: u32 = 4;
const PACE: Duration = Duration::from_millis(5);
/// Longer than any pause may be, so that a pause is seen from its beginning to its end.
const WRITER_PATIENCE: Duration = Duration::from_secs(20);
const USUAL: usize = 200;
/// A pause is half of down-after at most, with the time that Redis needs to see that it is over; the
/// rest is the machine's.
const LONGEST_WAIT: Duration = Duration::from_millis(600);

/// Moments at which a kill hits a switchover where it hurts; others are chosen by the clock.
const STEPS: &[&str] = &[
    "+try-failover",
    "+elected-leader",
    "+selected-slave",
    "+writes-paused",
    "+failover-state-send-slaveof-noone",
    "+promoted-slave",
    "+switch-master",
];

pub(super) fn run(plan: &Plan, stop: &Stop) -> Result<()> {
    let mut stage = Stage::set(&plan.program, plan.seed, stop)?;
    let mut total = Account::default();
    let (mut waits, mut gaps) = (Vec::new(), Vec::new());
    let mut victims: Vec<(Who, usize)> = Who::all().map(|who| (who, 0)).collect();
    for round in 1..=plan.count.unwrap_or(USUAL) {
        stage.begin();
        stage.write(WRITERS, PACE, WRITER_PATIENCE)?;
        stage.pass_some(200, 400)?;
        let victim = strike(&mut stage)?;
        if let Some(count) = victims.iter_mut().find(|(who, _)| *who == victim) {
            count.1 += 1;
        }
        stage.pass_some(100, 1500)?;
        let outcome = stage.close()?;
        let longest = outcome.memories.iter().flat_map(|memory| &memory.waits);
        let longest = longest.map(|wait| wait.took).max().unwrap_or_default();
        if longest > LONGEST_WAIT || outcome.account.lost() > 0 {
            println!(
                "round {round}: a write waited for {} ms",
                longest.as_millis()
            );
            println!("{}", outcome.account.line());
            println!("{}", stage.timeline(&outcome.memories));
        }
        waits.push(longest);
        gaps.extend(outcome.memories.iter().filter_map(|m| longest_gap(&m.acks)));
        total.absorb(&outcome.account);
    }
    let killed: Vec<String> = victims
        .iter()
        .map(|(who, n)| format!("{who}: {n}"))
        .collect();
    println!("killed: {}", killed.join(", "));
    println!("{}", total.line());
    row("the longest wait of a round for an answer", waits);
    row(
        "a writer's longest gap in a round",
        gaps.into_iter().map(|(_, gap)| gap),
    );
    ensure!(
        total.unexplained.is_empty(),
        "acknowledged writes are gone, and nothing explains it"
    );
    Ok(())
}

/// Asks for a switchover, kills somebody at some moment of it, and starts it again.
fn strike(stage: &mut Stage) -> Result<Who> {
    let sentinel = stage.any_sentinel();
    let mark = stage.news.mark();
    let all: Vec<Who> = Who::all().collect();
    let victim = stage.dice.one_of(&all).copied().unwrap_or(sentinel);
    let step = stage
        .dice
        .one_of(STEPS)
        .copied()
        .unwrap_or("+switch-master");
    let by_clock = stage.dice.below(2) == 0;
    let delay = Duration::from_micros(stage.dice.below(60_000));
    stage.switch_over(sentinel, &[])?;
    if by_clock {
        let end = Instant::now() + delay;
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
    } else {
        stage.await_event(mark, step, Duration::from_secs(3))?;
    }
    stage.kill(victim);
    stage.pass_some(0, 1000)?;
    stage.restart(victim)?;
    let end = Instant::now() + Duration::from_secs(5);
    while fleet::at_rest().is_err() && Instant::now() < end {
        stage.pass(Duration::from_millis(20))?;
    }
    Ok(victim)
}
