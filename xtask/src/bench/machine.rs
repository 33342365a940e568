//! What the figures were taken on: they say little without it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::shell;

/// The machine and the versions, for a file of results. What cannot be found out is told so.
pub(crate) fn facts() -> Value {
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": line_of("/proc/cpuinfo", "model name"),
        "memory": memory(),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "filesystem": filesystem(&std::env::temp_dir()),
        "commit": commit(),
        "rustc": said("rustc", &["--version"]),
        "redis_sentinel": redis_version(),
    })
}

/// The load averages of 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = read("/proc/loadavg");
    let words: Vec<&str> = text.split(' ').take(3).collect();
    words.join(" ")
}

/// The share of all processors that others use: a few seconds in which we do nothing. The load
/// average would still tell of what we did before.
pub(crate) fn busy() -> Option<f64> {
    const LOOK: Duration = Duration::from_secs(3);
    let (before, idle_before) = processor_time()?;
    std::thread::sleep(LOOK);
    let (after, idle_after) = processor_time()?;
    let share = (idle_after - idle_before) / (after - before);
    share.is_finite().then_some(1.0 - share)
}

/// All time of all processors since the start, and what of it was idle or waited for a disk, in
/// the kernel's ticks.
fn processor_time() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields = stat.lines().next()?.split_whitespace().skip(1);
    // What guests used is part of the first two.
    let ticks: Vec<f64> = fields
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    Some((ticks.iter().sum(), ticks.get(3)? + ticks.get(4)?))
}

/// Year to second, UTC.
pub(crate) fn date() -> String {
    said("date", &["-u", "+%F %H:%M:%S UTC"])
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The value behind the first line that starts with `name`.
fn line_of(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':'))
        .map_or_else(unknown, |(_, value)| value.trim().to_owned())
}

fn memory() -> String {
    let total = line_of("/proc/meminfo", "MemTotal");
    let kilobytes = total.split(' ').next().and_then(|word| word.parse().ok());
    kilobytes.map_or_else(unknown, |kb: u64| format!("{} GB", (kb + (1 << 19)) >> 20))
}

/// The kind of filesystem that a directory is on: that of the longest mount point above it.
fn filesystem(dir: &Path) -> String {
    let mounts = read("/proc/self/mounts");
    let found = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        dir.starts_with(point)
            .then(|| (point.len(), kind.to_owned()))
    });
    // Of mounts on one point the last one is seen.
    let longest = found.max_by_key(|(length, _)| *length);
    longest.map_or_else(unknown, |(_, kind)| kind)
}

fn commit() -> String {
    let Ok(root) = shell::root() else {
        return unknown();
    };
    let root = root.display().to_string();
    let commit = said("git", &["-C", &root, "rev-parse", "--short", "HEAD"]);
    // The page itself may have been written by a run before this one.
    let mut args = vec!["-C", &root, "status", "--porcelain", "--"];
    args.extend([".", ":!docs/benchmarks.md", ":!docs/benchmarks"]);
    match said("git", &args).as_str() {
        "" => commit,
        _ => format!("{commit} with changes"),
    }
}

/// `7.0.15` of `Redis server v=7.0.15 sha=…` and of `Redis Sentinel v=…`.
fn redis_version() -> String {
    let told = said("redis-sentinel", &["--version"]);
    let version = told.split(' ').find_map(|word| word.strip_prefix("v="));
    version.map_or_else(|| told.clone(), str::to_owned)
}

fn said(program: &str, args: &[&str]) -> String {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => unknown(),
    }
}
