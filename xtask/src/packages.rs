//! The programs of others that we need, installed where we know how.

use crate::shell::is_installed;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// The data server that is installed: Redis's, or else Valkey's.
pub(crate) fn server_program() -> Option<&'static str> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .find(|program| is_installed(program))
}

/// Makes sure that there is a data server, and returns its name.
pub(crate) fn ensure_server() -> Result<&'static str> {
    if let Some(program) = server_program() {
        return Ok(program);
    }
    install(&["redis-server"])?;
    server_program().context("redis-server is installed but not on the PATH")
}

/// Makes sure that cargo can format and lint, which a minimal installation of Rust cannot.
pub(crate) fn ensure_rust_tools() -> Result<()> {
    let works = |tool: &str| {
        let output = Command::new("cargo").args([tool, "--version"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(tool, _)| !works(tool))
        .map(|(_, component)| component)
        .collect();
    let names = missing.join(" ");
    if missing.is_empty() {
        return Ok(());
    }
    if !is_installed("rustup") {
        bail!("please install {names}, which this Rust came without");
    }
    println!("installing {names}");
    let mut command = Command::new("rustup");
    let status = command.args(["component", "add"]).args(&missing).status();
    if !status.is_ok_and(|status| status.success()) {
        bail!("`rustup component add {names}` failed");
    }
    Ok(())
}

/// Makes sure that everything the tests run is there.
pub(crate) fn ensure_test_programs() -> Result<()> {
    let packages = ["redis-server", "redis-sentinel", "redis-tools"];
    let programs = ["redis-server", "redis-sentinel", "redis-cli"];
    let missing: Vec<&str> = packages
        .into_iter()
        .zip(programs)
        .filter(|(_, program)| !is_installed(program))
        .map(|(package, _)| package)
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    ensure_ip()
}

/// Makes sure, where we can, that there is `ip`: what needs it says so where it is missing.
fn ensure_ip() -> Result<()> {
    let installable = Path::new("/etc/debian_version").exists() && nix::unistd::geteuid().is_root();
    if is_installed("ip") || !installable {
        return Ok(());
    }
    install(&["iproute2"])
}

/// Installs Debian packages. Their services may start on their default ports; nothing here uses
/// those.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let debian = Path::new("/etc/debian_version").exists() && is_installed("apt-get");
    if !debian {
        bail!("please install {names} (or what your system calls it) and put it on the PATH");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("please install what is missing: sudo apt-get install {names}");
    }
    println!("installing {names}");
    apt_get(&["update", "-qq"])?;
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(packages);
    apt_get(&words)
}

fn apt_get(args: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("apt-get cannot be started")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`apt-get {}` failed: {}", args.join(" "), said.trim());
    }
    Ok(())
}
