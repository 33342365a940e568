//! `cargo xtask fuzz`: whatever reads what others wrote, under libFuzzer.

use crate::packages;
use crate::shell::{self, is_installed};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const HELP: &str = "\
Usage: cargo xtask fuzz [TARGET] [--seconds N]

Runs libFuzzer on one target, or on each in turn, for N seconds (60). Targets are the folders of
fuzz/corpus, whose files are the seeds: requests, replies, config, info, hello, answers. What is
found on the way is kept in target/fuzz/corpus; an input that breaks something is left in
target/fuzz and named at the end. Needs a C++ compiler, for libFuzzer itself; on Debian and
Ubuntu, as root, it is installed when missing.";

/// How long each target runs in `cargo xtask test`.
const SHORT_SECONDS: u32 = 3;
const USUAL_SECONDS: u32 = 60;

/// The instrumentation that libFuzzer is guided by. These are options of the stable compiler;
/// cargo-fuzz asks for a nightly because of the address sanitizer, for which code without
/// `unsafe` has little use.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 --cfg fuzzing";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut seconds = USUAL_SECONDS;
    let mut targets = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let text = words.next().context("--seconds N")?;
                seconds = text.parse().context("--seconds wants a number")?;
            }
            option if option.starts_with('-') => bail!("there is no option {option}"),
            target => targets.push(target.to_owned()),
        }
    }
    fuzz(targets, seconds)
}

/// What the fuzzer contributes to `cargo xtask test`.
pub(crate) fn gate() -> Result<()> {
    fuzz(Vec::new(), SHORT_SECONDS)
}

fn fuzz(mut targets: Vec<String>, seconds: u32) -> Result<()> {
    let seeds = shell::root()?.join("fuzz/corpus");
    if targets.is_empty() {
        let folders = fs::read_dir(&seeds)?.flatten();
        targets = folders
            .filter_map(|folder| folder.file_name().into_string().ok())
            .collect();
        targets.sort();
    }
    let home = shell::target_dir()?.join("fuzz");
    let program = build(&home)?;
    for target in &targets {
        println!("--- {target}, {seconds} s");
        run_target(&program, target, &seeds.join(target), &home, seconds)?;
    }
    Ok(())
}

fn build(home: &Path) -> Result<PathBuf> {
    if !is_installed("c++") {
        packages::install(&["g++"])?;
    }
    let manifest = shell::root()?.join("fuzz/Cargo.toml").display().to_string();
    let host = host()?;
    let target_dir = home.display().to_string();
    // With a target named, build scripts are not instrumented.
    let words = [
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--target",
        &host,
    ];
    let places = ["--manifest-path", &manifest, "--target-dir", &target_dir];
    shell::cargo(
        &[&words[..], &places[..]].concat(),
        &[("RUSTFLAGS", INSTRUMENTATION)],
    )?;
    Ok(home.join(host).join("release/bartizan-fuzz"))
}

/// What rustc calls this machine.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).context("rustc -vV names no host")
}

fn run_target(program: &Path, target: &str, seeds: &Path, home: &Path, seconds: u32) -> Result<()> {
    if !seeds.is_dir() {
        bail!("there is no target {target}; `cargo xtask fuzz --help` lists them");
    }
    let found = home.join("corpus").join(target);
    fs::create_dir_all(&found)?;
    let log = home.join(format!("{target}.log"));
    let status = Command::new(program)
        .env("BARTIZAN_FUZZ_TARGET", target)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{target}-", home.display()))
        .args(["-max_len=16384", "-timeout=10", "-rss_limit_mb=1024"])
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(&found)
        .arg(seeds)
        .stderr(fs::File::create(&log)?)
        .status()
        .context("the fuzzer cannot be started")?;
    let said = fs::read(&log)?;
    let said = String::from_utf8_lossy(&said);
    if !status.success() {
        let lines: Vec<&str> = said.lines().collect();
        let end = lines
            .get(lines.len().saturating_sub(40)..)
            .unwrap_or_default();
        println!("{}", end.join("\n"));
        bail!(
            "target {target} found something; the input is in {}",
            home.display()
        );
    }
    let done = said.lines().filter(|line| line.starts_with("Done "));
    done.for_each(|line| println!("{line}"));
    Ok(())
}
