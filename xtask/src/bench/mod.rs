//! The measurements, of Bartizan as it is installed beside redis-sentinel.

mod machine;
mod page;
mod parts;
mod plots;
mod repeat;
mod results;
mod run;
mod tables;
mod targets;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{packages, shell};
use parts::Part;
use results::Results;

pub(crate) const HELP: &str = "\
Measures Bartizan (built with the profile `dist`, as it is installed) and the installed redis-sentinel in the same run.

Without a word it measures everything, part after part, and writes docs/benchmarks.md and
docs/benchmarks/*.svg. That takes about an hour and three quarters, most of it waiting for redis-sentinel,
on a machine that should do nothing else meanwhile.
  --quick        few rounds, at most 300 masters, a quarter of an hour: to see how it goes.
                 Results and page go to the folder bench-quick of cargo's target directory
  --continue     passes over the parts that have results of this commit already
  --only NAME    this part alone, and then the page; may be given again
  --list         the parts, with how long each takes
What came out of each part is one JSON file in the folder bench of cargo's target directory as
soon as the part is done: an interrupted run loses only the part under way. The load average,
and how busy the machine is, just before each part go into the page.

One thing at a time, with results on the terminal or, with --json FILE, in a file:
  latency        one real master at a time: killed, stopped, failed over by hand, killed with
                 the elected Sentinel, killed where nobody can be elected; until a writer
                 writes again, everybody knows, the next try
  scale          many masters, many killed at once; every --run M:K[:R] for each program
  micro [NAME]   the hot paths alone, with criterion
  report         writes the page again from the results that are there (--quick: from those)

`cargo xtask bench scale --help` and `… latency --help` list all options. Nothing is left running
after Ctrl-C. With these two --program LABEL=PATH, given once or more, measures other programs.
For example:
  cargo xtask bench --quick
  cargo xtask bench --only scale-1000-100
  cargo xtask bench scale --run 50:10 --idle 5        half a minute, to see how it looks
  cargo xtask bench scale --run 1000:1000 --json results.json";

/// What `micro` says to cargo.
const MICRO: [&str; 7] = [
    "bench",
    "--quiet",
    "--package",
    "bartizan",
    "--bench",
    "hot_paths",
    "--",
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if !what.starts_with("--") => match what.as_str() {
            "scale" | "latency" => load(what, rest),
            "micro" => micro(rest),
            "report" => report(Options::parse(rest)?.quick),
            other => bail!("there is no measurement {other:?}; `cargo xtask bench --help`"),
        },
        _ => everything(&Options::parse(args)?),
    }
}

/// What a full run is told.
#[derive(Default)]
struct Options {
    quick: bool,
    goes_on: bool,
    list: bool,
    only: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => options.quick = true,
                "--continue" => options.goes_on = true,
                "--list" => options.list = true,
                "--only" => {
                    let name = words.next().context("--only which part? See --list")?;
                    options.only.push(name.clone());
                }
                other => bail!("{other:?}? `cargo xtask bench --help`"),
            }
        }
        Ok(options)
    }

    /// What is to be measured.
    fn parts(&self, folder: &Path) -> Result<Vec<Part>> {
        let mut parts = parts::all(self.quick);
        for name in &self.only {
            if !parts.iter().any(|part| part.name == *name) {
                bail!("there is no part {name:?}; `cargo xtask bench --list`");
            }
        }
        parts.retain(|part| self.only.is_empty() || self.only.contains(&part.name));
        if self.goes_on {
            let results = Results::read(folder)?;
            let commit = &machine::facts()["commit"];
            let is_there = |part: &Part| {
                let old = results.part(&part.name);
                old.is_some_and(|old| old["machine"]["commit"] == *commit)
            };
            parts.retain(|part| !is_there(part));
        }
        Ok(parts)
    }
}

/// Measures all parts and writes the page.
fn everything(options: &Options) -> Result<()> {
    let folder = results::folder(options.quick)?;
    let parts = options.parts(&folder)?;
    let total = parts.iter().map(|part| part.about).sum();
    if options.list {
        for part in &parts {
            println!("{:<18} {}", part.name, run::minutes(part.about));
        }
        println!("{:<18} {}", "all", run::minutes(total));
        return Ok(());
    }
    packages::ensure_test_programs()?;
    println!(
        "{} parts, about {}. Results go to {}",
        parts.len(),
        run::minutes(total),
        folder.display()
    );
    println!("building …");
    build("dist", "bartizan")?;
    build("release", "bartizan-load")?;
    let failed = run::run(&parts, &folder)?;
    report(options.quick)?;
    if !failed.is_empty() {
        bail!("not everything was measured:\n{}", failed.join("\n"));
    }
    Ok(())
}

/// Writes the page from the results that are there.
fn report(quick: bool) -> Result<()> {
    let root = shell::root()?;
    let folder = results::folder(quick)?;
    let results = Results::read(&folder)?;
    if results.parts("").next().is_none() {
        bail!("there are no results in {}", folder.display());
    }
    let target = if quick { folder } else { root.join("docs") };
    page::write(&results, &root, &target)
}

fn build(profile: &str, package: &str) -> Result<()> {
    let words = [
        "build",
        "--quiet",
        "--profile",
        profile,
        "--package",
        package,
    ];
    shell::cargo(&words, &[])
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
        build("dist", "bartizan")?;
        let binary = shell::target_dir()?.join("dist").join("bartizan");
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
    let mut words = MICRO.to_vec();
    words.extend(args.iter().map(String::as_str));
    shell::cargo(&words, &[])
}
