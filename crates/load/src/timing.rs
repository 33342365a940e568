//! `latency`: one master fails at a time, program beside program, round after round.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bartizan_load::latency::{MARKS, Marks, Mode, Plan, round};
use bartizan_load::stats::{Summary, json_of, round as round_to};
use serde_json::{Map, Value, json};

use crate::options::{Words, on_interrupt};

pub(crate) const HELP: &str = "\
Fails one real master at a time over, and measures from outside how long it takes.

  --program LABEL=PATH   what to measure; given again, the programs take turns in each round
  --mode MODE            kill, stop, manual, leader or lost; may be given again; all without it
  --rounds 20            for each mode and program
  --down-after 1000      ms
  --failover-timeout 10000   ms
  --sentinels 3  --replicas 2
  --lines TEXT           one more line for the Sentinels' files; may be given again
  --settle 1500          ms in which nothing happens before
  --bound 40             seconds to wait for the end
  --json FILE            where the results go

What happens to the master: it is killed (SIGKILL), stopped (SIGSTOP), failed over by hand, or
killed with the Sentinel that is then elected (leader): as soon as that says so, it is killed too,
and times count from its death. Or (lost) it is killed while all Sentinels but one are stopped, and
a quorum of one lets that one try alone: nobody elects it, it gives up, and tries again.
What is measured, in ms from then on, median and worst:
  discovery    from the start of the first Sentinel until each knows everybody
  promoted     a replica calls itself master (ROLE)
  write        a writer that asks the Sentinels in turn has a SET acknowledged by the new master
  all agree    every living Sentinel gives the same new address
  first/all heard   the first, and the last, Sentinel published +switch-master
  heard after promotion   the same, from the promotion
  agree after write       the difference of the two, of the same round
  follow       all other replicas follow the new master, with their links up
  follow after write      the difference of the two
  next try     (lost) from -failover-abort-not-elected to the same Sentinel's next +try-failover";

pub(crate) fn run(args: &[String]) -> Result<()> {
    if args.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let mut words = Words::parse(args)?;
    let programs = words.programs()?;
    let modes = modes(&mut words)?;
    let rounds: usize = words.number("rounds", 20)?;
    let base = Plan {
        mode: Mode::Kill,
        replicas: words.number("replicas", 2)?,
        sentinels: words.number("sentinels", 3)?,
        down_after: Duration::from_millis(words.number("down-after", 1000)?),
        failover_timeout: Duration::from_millis(words.number("failover-timeout", 10_000)?),
        settle: Duration::from_millis(words.number("settle", 1500)?),
        bound: words.seconds("bound", 40)?,
        lines: words
            .take_all("lines")
            .iter()
            .map(|line| format!("{line}\n"))
            .collect(),
    };
    let json = words.take("json");
    words.end()?;
    let interrupted = on_interrupt()?;
    let began = Instant::now();
    let mut tables = Vec::new();
    for mode in modes {
        let mut rows: Vec<Vec<Marks>> = vec![Vec::new(); programs.len()];
        for number in 1..=rounds {
            for (program, row) in programs.iter().zip(&mut rows) {
                // Not always at the same place between two PINGs.
                let jitter = Duration::from_millis((u64::try_from(number)? * 137) % 1000);
                let settle = base.settle + jitter;
                let plan = Plan {
                    mode,
                    settle,
                    ..base.clone()
                };
                let marks = round(program, &plan, &interrupted)
                    .with_context(|| format!("{} {}", mode.name(), program.label))?;
                let mark = end_of(mode);
                let took = marks.get(mark).map_or_else(
                    || format!("not in {} s", plan.bound.as_secs()),
                    |took| format!("after {:.0} ms", took.as_secs_f64() * 1000.0),
                );
                eprintln!(
                    "[{:>5.0} s] {} {number}/{rounds} {}: {mark} {took}",
                    began.elapsed().as_secs_f64(),
                    mode.name(),
                    program.label
                );
                row.push(marks);
            }
        }
        for (program, row) in programs.iter().zip(&rows) {
            tables.push(table(mode, &program.label, &base, row));
            println!("{}", line(tables.last().unwrap_or(&Value::Null)));
        }
        if let Some(path) = &json {
            std::fs::write(path, serde_json::to_string_pretty(&tables)?)
                .with_context(|| format!("writing {path}"))?;
        }
    }
    Ok(())
}

fn modes(words: &mut Words) -> Result<Vec<Mode>> {
    let named = words.take_all("mode");
    if named.is_empty() {
        return Ok(Mode::ALL.to_vec());
    }
    let mut modes = Vec::new();
    for name in named {
        match Mode::ALL.into_iter().find(|mode| mode.name() == name) {
            Some(mode) => modes.push(mode),
            None => bail!("--mode {name}: kill, stop, manual, leader or lost"),
        }
    }
    Ok(modes)
}

/// The mark that a round is about.
const fn end_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Lost => "next try",
        _ => "write",
    }
}

fn table(mode: Mode, label: &str, plan: &Plan, rounds: &[Marks]) -> Value {
    let mut marks = Map::new();
    for mark in MARKS {
        let took = rounds.iter().filter_map(|marks| marks.get(mark)).copied();
        marks.insert(mark.to_owned(), json_of(Summary::of_ms(took)));
    }
    let ends = rounds.iter().filter_map(|marks| marks.get(end_of(mode)));
    let each: Vec<f64> = ends
        .map(|took| round_to(took.as_secs_f64() * 1000.0))
        .collect();
    json!({
        "program": label,
        "mode": mode.name(),
        "rounds": rounds.len(),
        "down_after_ms": plan.down_after.as_secs_f64() * 1000.0,
        "lines": plan.lines,
        "marks_ms": marks,
        "each_ms": each,
        "bound_s": plan.bound.as_secs_f64(),
        "without_write": rounds.iter().filter(|marks| !marks.contains_key("write")).count(),
    })
}

fn line(table: &Value) -> String {
    let text = |path: &str| {
        table
            .pointer(path)
            .map(Value::to_string)
            .unwrap_or_default()
    };
    let mut line = format!("{} {}:", text("/mode"), text("/program"));
    for mark in MARKS {
        let figure = |name: &str| {
            let value = table.pointer(&format!("/marks_ms/{mark}/{name}"));
            value
                .and_then(Value::as_f64)
                .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0}"))
        };
        line.push_str(&format!(
            " {mark} {} ({})",
            figure("median"),
            figure("worst")
        ));
    }
    line.push_str(&format!("; without a write: {}", text("/without_write")));
    line
}
