//! `cargo xtask demo`: a master is killed, three Bartizans replace it, and you watch.

mod cast;
mod story;
mod writer;

use crate::{packages, shell};
use anyhow::{Context, Result, bail};
use cast::Cast;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use story::Story;
use writer::Writer;

pub(crate) const HELP: &str = "\
Starts one Redis master, two replicas and three Bartizans on free loopback ports in a temporary
directory, lets a writer work through them, kills the master with SIGKILL and shows who saw what
when, until the old master is back as a replica. Ends by itself within a minute, cleans up after
itself, also on Ctrl-C. Exit code 1 if the failover did not happen.

Installs redis-server when neither it nor valkey-server is there (Debian and Ubuntu, as root).

Options:
  --keep          leave everything running at the end, and say how to look at it
  --release       build and use the release binary
  --binary PATH   use another sentinel, for instance redis-sentinel, to compare";

/// The servers' settings; the story quotes the first.
const DOWN_AFTER_MS: u32 = 1_000;
const FAILOVER_TIMEOUT_MS: u32 = 10_000;
/// From the first process to the last line.
const WHOLE: Duration = Duration::from_secs(58);
/// How long the writer works before the master is killed.
const CALM: Duration = Duration::from_secs(1);

struct Options {
    keep: bool,
    release: bool,
    binary: Option<String>,
}

/// What every wait needs: when it is over, and whether somebody pressed Ctrl-C.
struct Patience {
    deadline: Instant,
    interrupted: Arc<AtomicBool>,
}

impl Patience {
    /// Waits until `condition` holds; looks 100 times a second.
    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
        while !condition() {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            if Instant::now() >= self.deadline {
                bail!("this did not happen in time: {what}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let server = packages::ensure_server()?;
    let binary = build(&options)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first Ctrl-C asks us to clean up, a second one ends us at once.
        let flag = || Arc::clone(&interrupted);
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag())?;
        signal_hook::flag::register(signal, flag())?;
    }
    let patience = Patience {
        deadline: Instant::now() + WHOLE,
        interrupted,
    };

    let mut cast = Cast::new(server, &binary, options.keep)?;
    let outcome = perform(&mut cast, &patience);
    match outcome {
        Ok(()) if options.keep => {
            cast.explain_how_to_look();
            Ok(())
        }
        Ok(()) => {
            cast.end();
            println!("\nEverything was stopped and removed. `--keep` leaves it running.");
            Ok(())
        }
        Err(error) => {
            if !patience.interrupted.load(Ordering::Relaxed) {
                cast.print_log_tails();
            }
            cast.end();
            Err(error)
        }
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        keep: false,
        release: false,
        binary: None,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--keep" => options.keep = true,
            "--release" => options.release = true,
            "--binary" => options.binary = Some(words.next().context("--binary PATH")?.clone()),
            other => bail!("demo knows no option {other:?}; see `cargo xtask demo --help`"),
        }
    }
    Ok(options)
}

fn build(options: &Options) -> Result<PathBuf> {
    if let Some(binary) = &options.binary {
        return Ok(PathBuf::from(binary));
    }
    println!("Building Bartizan …");
    let mut words = vec!["build", "--quiet", "--package", "bartizan"];
    let profile = if options.release { "release" } else { "debug" };
    if options.release {
        words.push("--release");
    }
    shell::cargo(&words, &[])?;
    Ok(shell::target_dir()?.join(profile).join("bartizan"))
}

/// The acts, in order.
fn perform(cast: &mut Cast, patience: &Patience) -> Result<()> {
    cast.start_servers(patience)?;
    cast.start_sentinels(patience)?;
    cast.introduce();
    let writer = Writer::start(cast.sentinel_ports())?;
    let calm = Instant::now() + CALM;
    patience.until("the writer writes", || {
        writer.acknowledged() > 0 && Instant::now() > calm
    })?;
    println!(
        "\nA writer asked the Bartizans for the master and has {} writes acknowledged.",
        writer.acknowledged()
    );

    let old = cast.master_index()?;
    let mut story = Story::begin(cast, &writer, old);
    cast.kill_server(old);
    story.tell_kill(cast);
    patience.until(
        "every Bartizan names a new master, and it takes writes",
        || {
            story.tell_news(cast, &writer);
            cast.all_agree_on_another(old) && writer.is_back()
        },
    )?;
    let new = cast.master_index()?;
    patience.until(
        "everybody tells clients, and the other replica is moved",
        || {
            story.tell_news(cast, &writer);
            story.switched() == cast.sentinel_ports().len() && story.has_ended()
        },
    )?;
    story.tell_outcome(cast, &writer, new)?;

    cast.restart_server(old, patience)?;
    story.tell_return(cast, old);
    patience.until("the old master follows the new one", || {
        story.tell_news(cast, &writer);
        cast.follows(old, new)
    })?;
    story.tell_news(cast, &writer);
    story.tell_end(cast, old, new);
    writer.stop();
    Ok(())
}
