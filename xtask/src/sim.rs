//! The simulator, built in release mode with the core's deliberate bugs to choose from.

use crate::shell;
use anyhow::Result;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const HELP: &str = "\
Passes its arguments to the simulator in crates/sim, built in release mode:
  run --minutes 10       new seeds on all cores, progress every five seconds;
                         with --from SEED those that follow it
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
    let first = first_new_seed()?.to_string();
    println!("--- a minute of new seeds, from {first}");
    simulator(&["run", "--minutes", "1", "--from", &first])?;
    println!("--- hazards of redis-sentinel");
    simulator(&["hazards"])?;
    println!("--- deliberate bugs");
    simulator(&["mutants"])
}

/// New seeds with every commit, and the same ones for whoever tests it again: a red run can be
/// repeated. Where there is no git the clock chooses.
fn first_new_seed() -> Result<u64> {
    let git = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(shell::root()?)
        .output();
    let commit = git.ok().filter(|git| git.status.success());
    let seed = commit.and_then(|git| seed_of(&String::from_utf8_lossy(&git.stdout)));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(seed.unwrap_or_else(|| now().map_or(1, |now| now.as_secs()) << 20))
}

/// The first forty bits of a commit's id, with room for a million seeds before the next one's.
fn seed_of(commit: &str) -> Option<u64> {
    let head = commit.get(..10)?;
    u64::from_str_radix(head, 16).ok().map(|bits| bits << 20)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_seeds_of_its_own_and_always_the_same() {
        let commit = "fa04953c00000000000000000000000000000000\n";
        assert_eq!(seed_of(commit), Some(0xfa_0495_3c00 << 20));
        assert_ne!(seed_of(commit), seed_of("fa04953d00"));
        assert_eq!(seed_of(""), None);
        assert_eq!(seed_of("not a commit"), None);
    }
}
