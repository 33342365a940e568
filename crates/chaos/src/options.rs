//! Words of the command line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bartizan_load::client::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::faults::{self, Fault};
use crate::figures;
use crate::fleet::Program;
use crate::runs::{self, Plan};

const HELP: &str = "\
Usage: cargo xtask chaos [run] [OPTIONS]         faults, each with its accounting
       cargo xtask chaos switchovers [OPTIONS]   what a planned switchover costs a writer
       cargo xtask chaos thaw [OPTIONS]          a master that was frozen, replaced and thawed
       cargo xtask chaos fencing [OPTIONS]       for how long a fenced master takes writes alone
       cargo xtask chaos kills [OPTIONS]         random kills during switchovers
       cargo xtask chaos selection               what the test command runs
       cargo xtask chaos faults                  lists the faults

  --runs N          so many runs (the usual: one of every fault)
  --minutes N       as many runs as begin within this time
  --fault NAME      this fault alone; may be given again
  --seed S          where chance begins (the usual: the time)
  --count N         rounds of switchovers (100), thaw (30), fencing (60) or kills (200)
  --rescue MODE     `sentinel rescue`: off, stream (the usual) or snapshot
  --program PATH    another Sentinel, such as redis-sentinel
  --verbose         the history of every run, not only of a failed one
  --keep            leave the files of a failed run behind";

/// Words that were understood.
#[derive(Debug, Default)]
struct Words {
    runs: Option<usize>,
    minutes: Option<u64>,
    faults: Vec<&'static Fault>,
    seed: Option<u64>,
    count: Option<usize>,
    program: Option<String>,
    rescue: Option<String>,
    verbose: bool,
    keep: bool,
}

pub(crate) fn dispatch(args: &[String]) -> Result<()> {
    if args.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let (what, rest) = match args.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (first.as_str(), rest),
        _ => ("run", args),
    };
    let words = Words::parse(rest)?;
    let stop = on_interrupt()?;
    match what {
        "faults" => list(),
        "run" => return runs::run(&words.plan()?, &stop),
        "selection" => {
            let faults = runs::selection();
            let runs = faults.len();
            let plan = Plan {
                faults,
                runs,
                ..words.plan()?
            };
            return runs::run(&plan, &stop);
        }
        "switchovers" | "thaw" | "fencing" | "kills" => {
            return figures::run(what, &words.figures()?, &stop);
        }
        other => bail!("there is no {other:?}; try --help"),
    }
    Ok(())
}

impl Words {
    fn parse(args: &[String]) -> Result<Self> {
        let mut found = Self::default();
        let mut args = args.iter();
        while let Some(word) = args.next() {
            let mut value = || args.next().with_context(|| format!("{word} wants a value"));
            match word.as_str() {
                "--runs" => found.runs = Some(number(value()?)?),
                "--minutes" => found.minutes = Some(number(value()?)?),
                "--seed" => found.seed = Some(number(value()?)?),
                "--count" => found.count = Some(number(value()?)?),
                "--rescue" => found.rescue = Some(rescue_mode(value()?)?),
                "--program" => found.program = Some(value()?.clone()),
                "--verbose" => found.verbose = true,
                "--keep" => found.keep = true,
                "--fault" => {
                    let name = value()?;
                    let fault = faults::named(name);
                    found
                        .faults
                        .push(fault.with_context(|| format!("no fault {name:?}"))?);
                }
                other => bail!("there is no option {other}; try --help"),
            }
        }
        Ok(found)
    }

    fn plan(self) -> Result<Plan> {
        let program = self.program()?;
        let upstream = program.is_upstream();
        let all = faults::ALL.iter().filter(|fault| !(upstream && fault.ours));
        let faults = if self.faults.is_empty() {
            all.collect()
        } else {
            self.faults.clone()
        };
        let usual = if self.minutes.is_some() {
            usize::MAX
        } else {
            faults.len()
        };
        Ok(Plan {
            program,
            runs: self.runs.unwrap_or(usual),
            time: self
                .minutes
                .map(|minutes| Duration::from_secs(60 * minutes)),
            seed: self.seed(),
            faults,
            verbose: self.verbose,
            keep: self.keep,
        })
    }

    fn figures(self) -> Result<figures::Plan> {
        Ok(figures::Plan {
            program: self.program()?,
            count: self.count,
            seed: self.seed(),
        })
    }

    fn program(&self) -> Result<Program> {
        let path = self
            .program
            .clone()
            .context("which Sentinel? --program PATH")?;
        Ok(Program {
            path,
            rescue: self.rescue.clone(),
        })
    }

    fn seed(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seed
            .unwrap_or_else(|| now.map_or(1, |since| since.as_secs()))
    }
}

fn rescue_mode(word: &str) -> Result<String> {
    match word {
        "off" | "stream" | "snapshot" => Ok(word.to_owned()),
        _ => bail!("{word:?} is not off, stream or snapshot"),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    match word.parse() {
        Ok(number) => Ok(number),
        Err(_) => bail!("{word:?} is not a number that makes sense"),
    }
}

fn list() {
    for fault in faults::ALL {
        println!("{:<36}{}", fault.name, fault.brief);
    }
}

/// Set by the first Ctrl-C, so that everything is ended and removed; the second ends us at once.
fn on_interrupt() -> Result<Stop> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(stop)
}
