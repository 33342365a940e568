//! The simulator, built in release mode with the core's deliberate bugs to choose from.

use crate::shell;
use anyhow::Result;

pub(crate) const HELP: &str = "\
Passes its arguments to the simulator in crates/sim, built in release mode:
  run --minutes 10       new seeds on all cores, progress every five seconds
  run --seeds A..B       these seeds
  replay SEED|FILE       every line of the history, and the trace twice
  shrink SEED|FILE       a smaller plan in which the same property falls
  story FILE             what a fleet went through under a plan, seed by seed
  hazards [--all]        redis-sentinel's hazards, with redis-sentinels and with Bartizans
  mutants                finds every deliberate bug of the core within its number of seeds
  bench                  virtual seconds a second
  election …             how long a mass failover takes
`cargo xtask sim help` lists all options.";

/// The same seeds every time: as many as take some forty-five seconds on two cores.
const FIXED_SEEDS: &str = "0..250";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    simulator(&words)
}

/// What the simulator contributes to `cargo xtask test`.
pub(crate) fn gate() -> Result<()> {
    println!("--- seeds {FIXED_SEEDS}");
    simulator(&["run", "--seeds", FIXED_SEEDS])?;
    println!("--- a minute of new seeds");
    simulator(&["run", "--minutes", "1"])?;
    println!("--- hazards of redis-sentinel");
    simulator(&["hazards"])?;
    println!("--- deliberate bugs");
    simulator(&["mutants"])
}

fn simulator(args: &[&str]) -> Result<()> {
    let mut words = vec![
        "run",
        "--quiet",
        "--release",
        "--package",
        "bartizan-sim",
        "--features",
        "mutants",
        "--",
    ];
    words.extend(args);
    shell::cargo(&words, &[])
}
