//! All players of a scene: one thread here for a small one, processes of this program for a large
//! one, since a process may have only so many files open.

use std::io::Write;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::moment::Moment;
use crate::stage::player::{Promotion, Report, play, read_reports};
use crate::stage::scene::{Ground, Scene};

/// How long players may take to get ready, or to kill.
const PATIENCE: Duration = Duration::from_secs(60);

/// The players of a scene. They end with this value.
#[derive(Debug)]
pub struct Troupe {
    players: Vec<Player>,
    reports: Receiver<Report>,
    _ground: Ground,
}

#[derive(Debug)]
struct Player {
    groups: Range<usize>,
    orders: UnixStream,
    process: Option<Child>,
}

/// Where players play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a thread of this process: for small scenes.
    Here,
    /// In processes of this program, which must know the word `play`.
    Processes,
}

impl Troupe {
    /// Starts as many players as the limit of open files asks for, with `sentinels` Sentinels to
    /// come, and waits until all servers listen.
    ///
    /// # Errors
    /// When a process cannot be started, or a server cannot listen.
    pub fn start(scene: &Scene, ground: Ground, sentinels: usize, place: Place) -> Result<Self> {
        let (report, reports) = channel();
        let mut troupe = Self {
            players: Vec::new(),
            reports,
            _ground: ground,
        };
        let each = match place {
            Place::Here => scene.masters(),
            Place::Processes => groups_each(scene, sentinels),
        };
        for first in (0..scene.masters()).step_by(each) {
            let groups = first..(first + each).min(scene.masters());
            let player = Player::start(scene, groups, place, report.clone())?;
            troupe.players.push(player);
        }
        for _ in &troupe.players {
            match troupe.next(PATIENCE)? {
                Report::Ready => {}
                other => bail!("a player said {other:?} before it was ready"),
            }
        }
        Ok(troupe)
    }

    /// Kills the masters of some groups at once: their servers stop listening and reset all
    /// connections. Gives since when the first and the last player's are dead.
    ///
    /// # Errors
    /// When a player is gone.
    pub fn kill(&mut self, groups: &[usize]) -> Result<Moment> {
        let mut asked = 0;
        for player in &mut self.players {
            let theirs = groups.iter().filter(|group| player.groups.contains(group));
            let words: Vec<String> = theirs.map(usize::to_string).collect();
            if !words.is_empty() {
                writeln!(player.orders, "kill {}", words.join(" "))?;
                asked += 1;
            }
        }
        let mut first: Option<Moment> = None;
        for _ in 0..asked {
            match self.next(PATIENCE)? {
                Report::Killed(at) => first = Some(first.map_or(at, |first| first.min(at))),
                other => bail!("a player said {other:?} instead of killing"),
            }
        }
        first.context("none of these groups is played")
    }

    /// The promotions that came about since the last call.
    ///
    /// # Errors
    /// When a player failed.
    pub fn promotions(&mut self) -> Result<Vec<Promotion>> {
        let mut promotions = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Promoted(promotion) => promotions.push(promotion),
                Report::Failed(why) => bail!("a player failed: {why}"),
                Report::Ready | Report::Killed(_) => {}
            }
        }
        Ok(promotions)
    }

    /// The processes of the players; none where they are threads.
    pub fn pids(&self) -> Vec<u32> {
        self.players
            .iter()
            .filter_map(|p| Some(p.process.as_ref()?.id()))
            .collect()
    }

    fn next(&self, patience: Duration) -> Result<Report> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self
                .reports
                .recv_timeout(left)
                .context("a player is silent")?
            {
                Report::Failed(why) => bail!("a player failed: {why}"),
                // From a failover that went on for longer than it was looked at.
                Report::Promoted(_) => {}
                report => return Ok(report),
            }
        }
    }
}

impl Player {
    fn start(
        scene: &Scene,
        groups: Range<usize>,
        place: Place,
        report: Sender<Report>,
    ) -> Result<Self> {
        let (orders, theirs) = UnixStream::pair()?;
        let process = match place {
            Place::Here => {
                let (scene, groups) = (*scene, groups.clone());
                std::thread::spawn(move || play(&scene, groups, theirs));
                None
            }
            Place::Processes => Some(spawn(scene, &groups, theirs)?),
        };
        let listening = orders.try_clone()?;
        std::thread::spawn(move || {
            let told = read_reports(listening, |told| {
                // Who listens may have ended.
                let _ = report.send(told);
            });
            if let Err(error) = told {
                let _ = report.send(Report::Failed(format!("{error:#}")));
            }
        });
        Ok(Self {
            groups,
            orders,
            process,
        })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // The player ends when its orders do, and so does the thread that reads its reports.
        let _ = self.orders.shutdown(std::net::Shutdown::Both);
        if let Some(process) = &mut self.process {
            // Thousands of sockets take a moment to close.
            for _ in 0..500 {
                if !matches!(process.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn spawn(scene: &Scene, groups: &Range<usize>, orders: UnixStream) -> Result<Child> {
    use std::os::unix::process::CommandExt;
    Command::new(std::env::current_exe()?)
        .arg("play")
        .args(scene.words())
        .args([groups.start.to_string(), groups.end.to_string()])
        .stdin(Stdio::from(OwnedFd::from(orders)))
        // A Ctrl-C is for us, who then end them.
        .process_group(0)
        .spawn()
        .context("starting a player")
}

/// How many groups one process can play with the files it may open: each server has its listener
/// and two connections from each Sentinel. A tenth is left for connections that are re-made.
fn groups_each(scene: &Scene, sentinels: usize) -> usize {
    const OTHERS: usize = 100;
    let servers = scene.servers().div_ceil(scene.masters());
    let files = servers * (1 + 2 * sentinels);
    let budget = open_files().saturating_sub(OTHERS) / 10 * 9;
    (budget / files).max(1)
}

/// How many files a process may open, after asking for as many as it may. Those that we start
/// may then open as many.
pub fn open_files() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 1024;
    };
    // Only who has the right to may go beyond the hard limit.
    const PLENTY: u64 = 200_000;
    let raised = [(PLENTY, hard.max(PLENTY)), (hard, hard)]
        .into_iter()
        .find(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard).is_ok());
    usize::try_from(raised.map_or(soft, |(soft, _)| soft)).unwrap_or(usize::MAX)
}
