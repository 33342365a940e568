//! `scale`: many masters, many killed at once, one program after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bartizan_load::scale::{Outcome, Plan, measure};
use bartizan_load::sentinels::Program;
use bartizan_load::stats::{Summary, json_of, round};
use bartizan_load::troupe::{Place, open_files};
use bartizan_load::watch::crowd::Answers;
use bartizan_load::watch::probe::Part;
use serde_json::{Value, json};

use crate::options::{Words, on_interrupt};

pub(crate) const HELP: &str = "\
Plays many masters with their replicas to real Sentinels, and kills many masters at once.

  --program LABEL=PATH   what to measure; may be given again: one after the other
  --run M:K[:R]          M masters, of which K are killed, with R replicas each (2; 0.96 is one
                         for most, and `fit` as many as files may be opened, 2 at
                         most); may be given again; 1000:100 without it
  --sentinels 3          how many watch
  --down-after 5000      ms; the failover timeout and the rest are as by default
  --idle 20              seconds in which nothing happens, for the cost of that
  --clients 0            clients that ask one Sentinel as fast as it answers, for --idle seconds
                         and during the failovers (they disturb the other figures)
  --discovery-bound 300  seconds to wait until everything is known
  --failover-bound 120   seconds to wait for the failovers
  --json FILE            where the results go

What is measured, from outside and the same way for every program:
  discovered  from the start of the first Sentinel until `INFO sentinel` of each tells of every
              master, up, with all replicas and Sentinels
  CPU, RSS    of the dearest Sentinel while nothing happens, from /proc
  answers     one patient client per Sentinel asks get-master-addr-by-name every 5 ms from the
              start on: how long each answer took; a start that answers nobody shows here
  promoted    from the kill (nobody listens, connections are reset) until the replica executed
              REPLICAOF NO ONE
  all know    … until every Sentinel gives the address of the promoted replica
  writes      renames onto the configuration file, as the kernel tells them
  false       +sdown of somebody who is well, and +tilt, over the whole run

A Sentinel has two links to each server, so `ulimit -n` bounds M: 20,000 files are some 3,200
masters with two replicas. The servers are played by as many processes as that limit asks for.
Example, in half a minute:
  cargo xtask bench scale --run 50:10 --idle 5";

pub(crate) fn run(args: &[String]) -> Result<()> {
    if args.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let mut words = Words::parse(args)?;
    let programs = words.programs()?;
    let plans = plans(&mut words)?;
    let json = words.take("json");
    words.end()?;
    let interrupted = on_interrupt()?;
    let began = Instant::now();
    let mut rows = Vec::new();
    let mut failed = None;
    'all: for plan in &plans {
        for program in &programs {
            let head = format!("M={} K={} {}", plan.masters, plan.kill, program.label);
            let say =
                |what: &str| eprintln!("[{:>5.0} s] {head}: {what}", began.elapsed().as_secs_f64());
            match measure(program, plan, &interrupted, &say) {
                Ok(outcome) => {
                    rows.push(row(program, plan, &outcome));
                    println!("{}", line(rows.last().unwrap_or(&Value::Null)));
                }
                Err(error) => {
                    failed = Some(error.context(head));
                    break 'all;
                }
            }
        }
    }
    if let Some(path) = json {
        std::fs::write(&path, serde_json::to_string_pretty(&rows)?)
            .with_context(|| format!("writing {path}"))?;
    }
    failed.map_or(Ok(()), Err)
}

fn plans(words: &mut Words) -> Result<Vec<Plan>> {
    let mut runs = words.take_all("run");
    if runs.is_empty() {
        runs.push("1000:100".to_owned());
    }
    let base = Plan {
        masters: 0,
        replicas: 0,
        kill: 0,
        sentinels: words.number("sentinels", 3)?,
        down_after: Duration::from_millis(words.number("down-after", 5000)?),
        idle: words.seconds("idle", 20)?,
        clients: words.number("clients", 0)?,
        discovery_bound: words.seconds("discovery-bound", 300)?,
        failover_bound: words.seconds("failover-bound", 120)?,
        place: Place::Processes,
    };
    runs.iter()
        .map(|run| plan(run, &base).with_context(|| format!("--run {run}")))
        .collect()
}

fn plan(run: &str, base: &Plan) -> Result<Plan> {
    let mut parts = run.split(':');
    let masters: usize = parts
        .next()
        .unwrap_or_default()
        .parse()
        .context("how many masters?")?;
    let kill: usize = parts
        .next()
        .map_or(Ok(0), str::parse)
        .context("how many are killed?")?;
    let replicas = replicas(masters, parts.next().unwrap_or("2"))?;
    if parts.next().is_some() || kill > masters {
        bail!("M:K or M:K:R, and K at most M");
    }
    Ok(Plan {
        masters,
        kill,
        replicas,
        ..base.clone()
    })
}

/// How many replicas there are in all.
fn replicas(masters: usize, each: &str) -> Result<usize> {
    /// Files that a Sentinel opens besides its two links to each server: those of clients and
    /// other Sentinels, and what it keeps back for itself.
    const OTHER_FILES: usize = 600;
    if each == "fit" {
        let servers = open_files().saturating_sub(OTHER_FILES) / 2;
        return Ok(servers.saturating_sub(masters).min(2 * masters));
    }
    // Hundredths, so that a share of masters can be without a replica.
    let (whole, hundredths) = each.split_once('.').unwrap_or((each, ""));
    let whole: usize = whole.parse().context("how many replicas?")?;
    let hundredths: usize = format!("{hundredths:0<2}")
        .parse()
        .context("how many replicas?")?;
    if hundredths > 99 {
        bail!("two digits behind the point");
    }
    Ok(masters * whole + masters * hundredths / 100)
}

/// Everything that came out, for a file.
fn row(program: &Program, plan: &Plan, outcome: &Outcome) -> Value {
    let seconds = |durations: &[Duration]| Summary::of(durations.iter().map(Duration::as_secs_f64));
    let known: Option<Vec<f64>> = outcome
        .discovered
        .iter()
        .map(|d| d.map(|d| d.as_secs_f64()))
        .collect();
    let discovered = known.and_then(|known| Summary::of(known).map(|s| round(s.worst)));
    let worst = |figures: &[f64]| Summary::of(figures.iter().copied()).map(|s| round(s.worst));
    let memory = outcome.idle_memory.iter().max().map(|bytes| bytes / 1024);
    let answers: serde_json::Map<String, Value> = Part::ALL
        .iter()
        .map(|part| {
            let took = outcome
                .samples
                .iter()
                .filter(|s| s.part == *part)
                .map(|s| s.took);
            (part.name().to_owned(), json_of(Summary::of_ms(took)))
        })
        .collect();
    let writes: serde_json::Map<String, Value> = Part::ALL
        .iter()
        .map(|part| {
            let most = outcome
                .writes
                .iter()
                .filter_map(|w| w.get(*part as usize))
                .max();
            (part.name().to_owned(), json!(most))
        })
        .collect();
    let crowds: serde_json::Map<String, Value> = outcome
        .crowds
        .iter()
        .map(|(part, answers)| (part.name().to_owned(), crowd(answers)))
        .collect();
    json!({
        "program": program.label,
        "masters": plan.masters,
        "replicas": plan.replicas,
        "sentinels": plan.sentinels,
        "down_after_s": plan.down_after.as_secs_f64(),
        "open_files": open_files(),
        "discovery_bound_s": plan.discovery_bound.as_secs_f64(),
        "failover_bound_s": plan.failover_bound.as_secs_f64(),
        "discovered_s": discovered,
        "discovery_cpu_s": seconds(&outcome.discovery_cpu).map(|s| round(s.worst)),
        "idle_cpu": worst(&outcome.idle_cpu),
        "players_cpu": round(outcome.players_cpu),
        "memory_kb": memory,
        "answers_ms": answers,
        "writes": writes,
        "killed": plan.kill,
        "promoted_each_s": each(&outcome.promoted),
        "promoted_s": json_of(seconds(&outcome.promoted)),
        "all_know_s": json_of(seconds(&outcome.agreed)),
        "failover_cpu_s": seconds(&outcome.failover_cpu).map(|s| round(s.worst)),
        "unfinished": outcome.unfinished,
        "promoted_twice": outcome.promoted_twice,
        "overruled": outcome.overruled,
        "false_sdown": outcome.false_sdown,
        "tilts": outcome.tilts,
        "clients": plan.clients,
        "crowd": crowds,
    })
}

/// All of them, in seconds.
fn each(durations: &[Duration]) -> Vec<f64> {
    durations
        .iter()
        .map(|took| round(took.as_secs_f64()))
        .collect()
}

fn crowd(answers: &Answers) -> Value {
    let count = u32::try_from(answers.took.len()).unwrap_or(u32::MAX);
    let rate = f64::from(count) / answers.lasted.as_secs_f64().max(0.001);
    json!({
        "per_second": rate.round(),
        "answers_ms": json_of(Summary::of_ms(answers.took.iter().copied())),
    })
}

/// A row for people.
fn line(row: &Value) -> String {
    let at = |path: &str| match row.pointer(path) {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut text = format!(
        "{} M={} K={}: discovered {} s (CPU {} s); idle CPU {}, RSS {} KB; answers p99/max ms: \
         discovery {}/{}, idle {}/{}, failover {}/{}; promoted median/p99/max {}/{}/{} s of {}; \
         all know {}/{}/{} s of {}; not done {}, twice {}, overruled {}; writes {}+{}+{}; false +sdown {}, \
         tilt {}; failover CPU {} s; players' CPU {}",
        at("/program"),
        at("/masters"),
        at("/killed"),
        at("/discovered_s"),
        at("/discovery_cpu_s"),
        at("/idle_cpu"),
        at("/memory_kb"),
        at("/answers_ms/discovery/p99"),
        at("/answers_ms/discovery/worst"),
        at("/answers_ms/idle/p99"),
        at("/answers_ms/idle/worst"),
        at("/answers_ms/failover/p99"),
        at("/answers_ms/failover/worst"),
        at("/promoted_s/median"),
        at("/promoted_s/p99"),
        at("/promoted_s/worst"),
        at("/promoted_s/count"),
        at("/all_know_s/median"),
        at("/all_know_s/p99"),
        at("/all_know_s/worst"),
        at("/all_know_s/count"),
        at("/unfinished"),
        at("/promoted_twice"),
        at("/overruled"),
        at("/writes/discovery"),
        at("/writes/idle"),
        at("/writes/failover"),
        at("/false_sdown"),
        at("/tilts"),
        at("/failover_cpu_s"),
        at("/players_cpu"),
    );
    for part in ["idle", "failover"] {
        let path = |field: &str| at(&format!("/crowd/{part}/{field}"));
        if row.pointer(&format!("/crowd/{part}")).is_some() {
            text.push_str(&format!(
                "; crowd of {} {part}: {}/s, p50/p99/max {}/{}/{} ms",
                at("/clients"),
                path("per_second"),
                path("answers_ms/median"),
                path("answers_ms/p99"),
                path("answers_ms/worst"),
            ));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_so_many_each_a_share_or_what_fits() {
        assert_eq!(replicas(100, "2").unwrap(), 200);
        assert_eq!(replicas(100, "0.5").unwrap(), 50);
        assert_eq!(replicas(10, "fit").unwrap(), 20);
        let many = open_files();
        assert_eq!(replicas(many, "fit").unwrap(), 0);
        let most = many / 4;
        assert!(2 * (most + replicas(most, "fit").unwrap()) <= many);
        assert!(replicas(100, "0.123").is_err());
    }
}
