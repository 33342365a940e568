//! Real fleets in network namespaces, broken on purpose; the tool is crates/chaos.

use crate::{packages, shell};
use anyhow::Result;

pub(crate) const HELP: &str = "\
Breaks a real fleet (three Bartizans, a master, two replicas, each in a network namespace of its
own) and accounts for every acknowledged write: kept, rescued, or lost for a reason that is shown.
Needs root and `ip`; says so and ends where it cannot have them. `docs/chaos.md` tells more.
  cargo xtask chaos                        every fault once
  cargo xtask chaos --minutes 30           as many runs as begin in half an hour
  cargo xtask chaos --fault NAME --runs 5  one fault; `cargo xtask chaos faults` lists them
  cargo xtask chaos switchovers            100 switchovers under 1,500 writes a second
  cargo xtask chaos thaw                   30 masters frozen, replaced and thawed
  cargo xtask chaos fencing                60 fenced masters cut off: when do they stop?
  cargo xtask chaos kills                  200 random kills during switchovers
  … --program redis-sentinel               the same with another Sentinel
  … --seed S --count N --verbose --keep";

/// The task: everything is built in release mode.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ours;
    if !args.iter().any(|word| word == "--program") {
        packages::ensure_test_programs()?;
        shell::cargo(
            &["build", "--quiet", "--release", "--package", "bartizan"],
            &[],
        )?;
        let binary = shell::target_dir()?.join("release").join("bartizan");
        ours = binary.display().to_string();
        words.extend(["--program", &ours]);
    }
    tool(&["--release"], &words)
}

/// What chaos contributes to `cargo xtask test`, with the build that the end-to-end tests have.
pub(crate) fn gate() -> Result<()> {
    shell::cargo(&["build", "--quiet", "--package", "bartizan"], &[])?;
    let binary = shell::target_dir()?.join("debug").join("bartizan");
    tool(
        &[],
        &["selection", "--program", &binary.display().to_string()],
    )
}

fn tool(profile: &[&str], args: &[&str]) -> Result<()> {
    let mut words = vec!["run", "--quiet", "--package", "bartizan-chaos"];
    words.extend(profile);
    words.push("--");
    words.extend(args);
    shell::cargo(&words, &[])
}
