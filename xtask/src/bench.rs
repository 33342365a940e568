//! The measurements, built in release mode, of Bartizan beside redis-sentinel.

use crate::{packages, shell};
use anyhow::{Result, bail};

pub(crate) const HELP: &str = "\
Measures Bartizan (built in release mode) and the installed redis-sentinel in the same run:
  latency        one real master at a time: killed, stopped, failed over by hand, killed with
                 the elected Sentinel; until a writer writes again, and everybody knows
  scale          many masters, many killed at once; every --run M:K[:R] for each program
  micro [NAME]   the hot paths alone, with criterion

`cargo xtask bench scale --help` and `… latency --help` list all options. Nothing is left running after Ctrl-C.
--program LABEL=PATH, given once or more, measures these instead. For example:
  cargo xtask bench scale --run 50:10 --idle 5        half a minute, to see how it looks
  cargo xtask bench scale --run 1000:1000 --json results.json";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let Some((what, rest)) = args.split_first() else {
        bail!("what should be measured? `cargo xtask bench --help`");
    };
    match what.as_str() {
        "scale" | "latency" => load(what, rest),
        "micro" => micro(rest),
        other => bail!("there is no measurement {other:?}; `cargo xtask bench --help`"),
    }
}

/// Help comes from where the options are.
pub(crate) fn help(args: &[String]) -> Option<Result<()>> {
    let what = args
        .first()
        .filter(|word| matches!(word.as_str(), "scale" | "latency"))?;
    Some(load_tool(&[what, "--help"]))
}

fn load(what: &str, args: &[String]) -> Result<()> {
    let mut words: Vec<&str> = vec![what];
    words.extend(args.iter().map(String::as_str));
    let ours;
    if !args.iter().any(|word| word == "--program") {
        packages::ensure_test_programs()?;
        println!("building Bartizan …");
        shell::cargo(
            &["build", "--quiet", "--release", "--package", "bartizan"],
            &[],
        )?;
        let binary = shell::target_dir()?.join("release").join("bartizan");
        ours = format!("bartizan={}", binary.display());
        words.extend([
            "--program",
            &ours,
            "--program",
            "redis-sentinel=redis-sentinel",
        ]);
    }
    load_tool(&words)
}

fn load_tool(args: &[&str]) -> Result<()> {
    let mut words = vec![
        "run",
        "--quiet",
        "--release",
        "--package",
        "bartizan-load",
        "--",
    ];
    words.extend(args);
    shell::cargo(&words, &[])
}

fn micro(args: &[String]) -> Result<()> {
    let mut words = vec![
        "bench",
        "--quiet",
        "--package",
        "bartizan",
        "--bench",
        "hot_paths",
        "--",
    ];
    words.extend(args.iter().map(String::as_str));
    shell::cargo(&words, &[])
}
