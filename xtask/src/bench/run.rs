//! Measures part after part, and keeps what came out of each.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::machine;
use super::parts::{Call, Part, Programs};
use super::results::{figure, store};
use crate::shell;

/// The labels of both programs.
pub(crate) const OURS: &str = "bartizan";
pub(crate) const THEIRS: &str = "redis-sentinel";

/// Measures some parts; the results of each are in `folder` as soon as it is done. Gives those
/// that failed, with why.
///
/// # Errors
/// When it was interrupted.
pub(crate) fn run(parts: &[Part], folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let interrupt = Interrupt::watch()?;
    let built = shell::target_dir()?;
    let machine = machine::facts();
    let mut failed = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let left: Duration = parts.iter().skip(index).map(|part| part.about).sum();
        println!(
            "\n[{} of {}] {}: about {}; all that is left: about {}",
            index + 1,
            parts.len(),
            part.name,
            minutes(part.about),
            minutes(left)
        );
        let (date, load, busy) = (machine::date(), machine::load_average(), machine::busy());
        let began = Instant::now();
        match measure(part, &built, folder, &interrupt) {
            Ok(results) => {
                let took = began.elapsed().as_secs();
                let whole = json!({
                    "began": date, "took_s": took, "load_average": load, "busy_before": busy,
                    "machine": machine, "results": results,
                });
                store(folder, &part.name, &whole)?;
            }
            Err(error) if interrupt.came() => return Err(error),
            Err(error) => {
                eprintln!("{}: {error:#}", part.name);
                failed.push(format!("{}: {error:#}", part.name));
            }
        }
    }
    Ok(failed)
}

/// For people.
pub(crate) fn minutes(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..100 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

/// All rows of a part.
fn measure(part: &Part, built: &Path, folder: &Path, interrupt: &Interrupt) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for call in &part.calls {
        match call {
            Call::Load(words, programs) => {
                rows.extend(load(words, *programs, built, folder, interrupt)?);
            }
            Call::Micro(words) => {
                let began = SystemTime::now();
                let mut command = shell::cargo_command(&super::MICRO)?;
                command.args(*words);
                interrupt.run(&mut command)?;
                rows.extend(criterion_rows(
                    &shell::target_dir()?.join("criterion"),
                    began,
                )?);
            }
        }
    }
    Ok(rows)
}

fn load(
    words: &[String],
    programs: Programs,
    built: &Path,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Value>> {
    let json = folder.join("under-way");
    let mut command = Command::new(built.join("release").join("bartizan-load"));
    command.args(words).arg("--json").arg(&json);
    if programs != Programs::RedisSentinel {
        let ours = format!("{OURS}={}", built.join("dist").join("bartizan").display());
        command.args(["--program", &ours]);
    }
    if programs != Programs::Bartizan {
        command.args(["--program", &format!("{THEIRS}={THEIRS}")]);
    }
    let done = interrupt.run(&mut command);
    let text = fs::read_to_string(&json);
    // It may not have been written.
    let _ = fs::remove_file(&json);
    done?;
    Ok(serde_json::from_str(
        &text.context("the load tool left no results")?,
    )?)
}

/// Time for one turn of each hot path, out of criterion's own files, without those of paths that
/// it did not measure this time.
fn criterion_rows(dir: &Path, began: SystemTime) -> Result<Vec<Value>> {
    let read = |path: PathBuf| -> Result<Value> {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    };
    let mut rows = BTreeMap::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let new = entry?.path().join("new");
        let written = new.join("estimates.json").metadata();
        if !written.is_ok_and(|file| file.modified().is_ok_and(|at| at >= began)) {
            continue;
        }
        let about = read(new.join("benchmark.json"))?;
        let estimates = read(new.join("estimates.json"))?;
        let name = about["full_id"].as_str().unwrap_or_default().to_owned();
        let row = json!({
            "name": name,
            "median_ns": figure(&estimates, "/median/point_estimate"),
            "low_ns": figure(&estimates, "/median/confidence_interval/lower_bound"),
            "high_ns": figure(&estimates, "/median/confidence_interval/upper_bound"),
        });
        rows.insert(name, row);
    }
    Ok(rows.into_values().collect())
}

/// Ctrl-C, and being asked to end: handed on to the program that measures, which then ends what
/// it has started.
struct Interrupt {
    flag: Arc<AtomicBool>,
    came: AtomicBool,
}

impl Interrupt {
    fn watch() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self {
            flag,
            came: AtomicBool::new(false),
        })
    }

    fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }

    /// Runs a program in a process group of its own, so that a signal reaches all of it once and
    /// through us.
    fn run(&self, command: &mut Command) -> Result<()> {
        if self.flag.load(Ordering::Relaxed) {
            self.came.store(true, Ordering::Relaxed);
            bail!("interrupted");
        }
        let name = command.get_program().display().to_string();
        let mut child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let group = Pid::from_raw(i32::try_from(child.id())?);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if self.flag.swap(false, Ordering::Relaxed) {
                self.came.store(true, Ordering::Relaxed);
                // It may have ended this moment.
                let _ = killpg(group, Signal::SIGINT);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if self.came() {
            bail!("interrupted; what was measured before is kept");
        }
        if !status.success() {
            bail!("{name} failed ({status})");
        }
        Ok(())
    }
}
