//! `cargo xtask test`: everything that must pass, the same on a desk and in CI.

use crate::{chaos, clients, fuzz, packages, shell, sim, tidy};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

pub(crate) const HELP: &str = "\
Runs, in this order, and stops at the first that fails:
  programs    redis-server, redis-sentinel and redis-cli are there; on Debian and Ubuntu,
              as root, they are installed when not, and so are rustfmt and clippy with rustup
  format      cargo fmt --check
  lints       clippy over everything, warnings are errors
  tidy        the rules of the house (cargo xtask tidy)
  unit        unit, property and documentation tests of all crates but the binary's
  simulator   in release: the same seeds every time, a minute of new ones, every hazard of
              redis-sentinel, and every deliberate bug of the core
  end to end  the binary's tests, with real redis-servers and redis-sentinels on free ports
  chaos       real fleets in network namespaces, broken on purpose, with every acknowledged
              write accounted for (cargo xtask chaos); skipped where namespaces cannot be made
  clients     real client libraries through failovers, set up under target/clients
              (cargo xtask clients)
  fuzz        every fuzz target for some seconds (cargo xtask fuzz)

One end-to-end test:  cargo test -p bartizan --test e2e NAME
Against upstream:     BARTIZAN_TEST_BINARY=redis-sentinel cargo test -p bartizan --test e2e
Keep a failed test's directory:  BARTIZAN_TEST_KEEP=1";

/// End-to-end tests wait most of the time, so they run more at once than there are cores.
pub(crate) const WAITING_TESTS_AT_ONCE: &str = "8";

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("programs", || {
        packages::ensure_rust_tools()?;
        packages::ensure_test_programs()
    }),
    ("format", || shell::cargo(&["fmt", "--all", "--check"], &[])),
    ("lints", || {
        let words = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        shell::cargo(&words, &[])
    }),
    ("tidy", || tidy::run(&[])),
    ("unit", || {
        shell::cargo(&["test", "--workspace", "--exclude", "bartizan"], &[])
    }),
    ("simulator", sim::gate),
    ("end to end", || {
        let threads = [("RUST_TEST_THREADS", WAITING_TESTS_AT_ONCE)];
        shell::cargo(&["test", "--package", "bartizan"], &threads)
    }),
    ("chaos", chaos::gate),
    ("clients", clients::gate),
    ("fuzz", fuzz::gate),
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    shell::no_options(args)?;
    let begin = Instant::now();
    let mut done: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in STEPS {
        println!("==> {name}");
        let start = Instant::now();
        step().with_context(|| format!("step {name:?}"))?;
        println!("<== {name}: {:.1} s", start.elapsed().as_secs_f64());
        done.push((name, start.elapsed()));
    }
    println!();
    for (name, took) in &done {
        println!("{name:<12}{:>8.1} s", took.as_secs_f64());
    }
    println!(
        "{:<12}{:>8.1} s, everything passed",
        "all",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}
