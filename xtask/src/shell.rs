//! Running other programs, and knowing where we are.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("xtask has a parent directory")?
        .to_path_buf())
}

/// Cargo in the workspace's root, not started yet.
pub(crate) fn cargo_command(args: &[&str]) -> Result<Command> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root()?);
    Ok(command)
}

/// Runs cargo in the workspace's root, with its output going where ours goes.
pub(crate) fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut command = cargo_command(args)?;
    command.envs(env.iter().copied());
    let status = command.status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("`cargo {}` failed ({status})", args.join(" "));
    }
    Ok(())
}

/// The directory into which cargo builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => Ok(root()?.join(dir)),
        None => Ok(root()?.join("target")),
    }
}

/// Whether a program of this name is on the PATH.
pub(crate) fn is_installed(program: &str) -> bool {
    find_program(program).is_some()
}

/// The first program of this name on the PATH.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|dir| dir.join(program));
    candidates.find(|candidate| candidate.is_file())
}

/// Fails if anything was said behind the name of a task that takes no options.
pub(crate) fn no_options(args: &[String]) -> Result<()> {
    match args.first() {
        Some(word) => bail!("this task knows no option {word:?}; `--help` says what it does"),
        None => Ok(()),
    }
}
