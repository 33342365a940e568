//! Development tasks, as a program instead of shell scripts: `cargo xtask --help`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the person at the terminal is what these tasks are for"
)]

mod bench;
mod chaos;
mod clients;
mod demo;
mod fuzz;
mod gate;
mod live;
mod packages;
mod shell;
mod sim;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

/// One row per task: it drives both the dispatch and the help.
struct Task {
    name: &'static str,
    brief: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        name: "demo",
        brief: "Kill a real Redis master and watch three Bartizans replace it (under a minute)",
        help: demo::HELP,
        run: demo::run,
    },
    Task {
        name: "test",
        brief: "Everything that must pass: format, lints, tidy, unit, property and end-to-end tests",
        help: gate::HELP,
        run: gate::run,
    },
    Task {
        name: "tidy",
        brief: "The rules of the house that a program can check",
        help: tidy::HELP,
        run: tidy::run,
    },
    Task {
        name: "clients",
        brief: "Real client libraries (redis-py, ioredis, node-redis, redis-rs, fred) through failovers",
        help: clients::HELP,
        run: clients::run,
    },
    Task {
        name: "fuzz",
        brief: "libFuzzer on everything that reads what others wrote: `[TARGET] [--seconds N]`",
        help: fuzz::HELP,
        run: fuzz::run,
    },
    Task {
        name: "sim",
        brief: "The simulator: `run`, `replay SEED`, `shrink SEED`, `hazards`, `mutants`, …",
        help: sim::HELP,
        run: sim::run,
    },
    Task {
        name: "chaos",
        brief: "Breaks real fleets in network namespaces; accounts for every acknowledged write",
        help: chaos::HELP,
        run: chaos::run,
    },
    Task {
        name: "bench",
        brief: "Measures Bartizan beside redis-sentinel and writes docs/benchmarks.md",
        help: bench::HELP,
        run: bench::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let wants_help = |word: &String| word == "--help" || word == "-h" || word == "help";
    let Some((name, rest)) = args.split_first() else {
        print_help();
        return Ok(());
    };
    if wants_help(name) {
        print_help();
        return Ok(());
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        bail!("there is no task {name:?}; `cargo xtask --help` lists them");
    };
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        if let Some(shown) = (task.name == "bench").then(|| bench::help(rest)).flatten() {
            return shown;
        }
        println!("cargo xtask {}: {}\n\n{}", task.name, task.brief, task.help);
        return Ok(());
    }
    (task.run)(rest)
}

fn print_help() {
    println!("Development tasks of Bartizan.\n\nUsage: cargo xtask TASK [OPTIONS]\n\nTasks:");
    for task in TASKS {
        println!("  {:<8} {}", task.name, task.brief);
    }
    println!("\n`cargo xtask TASK --help` says more. New here? Start with `cargo xtask demo`.");
}
