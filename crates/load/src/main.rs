//! The command line: `cargo xtask bench` runs this.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the person at the terminal is what it is for"
)]

mod options;
mod scaling;
mod timing;

use std::io::IsTerminal as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bartizan_load::stage::player;
use bartizan_load::stage::scene::Scene;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bartizan-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((word, rest)) = args.split_first() else {
        bail!("what? `scale --help` says more");
    };
    match word.as_str() {
        "scale" => scaling::run(rest),
        "latency" => timing::run(rest),
        "play" => play(rest),
        _ => bail!("unknown measurement {word:?}"),
    }
}

/// A part of a scene, for the process that started us with its orders as our standard input.
fn play(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let parsed = match words.as_slice() {
        [scene @ .., first, end] => Scene::parse(scene)
            .zip(first.parse().ok())
            .zip(end.parse().ok()),
        _ => None,
    };
    let ((scene, first), end) = parsed.context("play is not for people")?;
    if std::io::stdin().is_terminal() {
        bail!("play is not for people");
    }
    let orders: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
    player::play(&scene, first..end, UnixStream::from(orders))
}
