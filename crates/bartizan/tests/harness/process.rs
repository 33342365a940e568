//! A child process that cannot outlive us, with its output in files.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What happens to the child when we die without having had a chance to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// The kernel kills it, where `setpriv` is there to ask for that.
    Dies,
    /// It goes on; for `cargo xtask demo --keep`.
    Lives,
}

/// A running child; dropping it kills it by its process id and waits for it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    orphan: Orphan,
}

impl Process {
    /// Starts `argv` in `dir`. Output is appended to `<name>.log` and `<name>.err` there.
    ///
    /// The child gets a process group of its own, so that a Ctrl-C meant for us leaves it to us.
    /// Call it from a thread that lives as long as the child should: to the kernel, the parent
    /// whose death kills the child is the thread.
    ///
    /// # Errors
    /// When a file cannot be opened or the program cannot be started.
    pub fn spawn(name: &str, argv: &[&str], dir: &Path, orphan: Orphan) -> io::Result<Self> {
        let stdout = dir.join(format!("{name}.log"));
        let stderr = dir.join(format!("{name}.err"));
        let append = |path: &Path| File::options().create(true).append(true).open(path);
        let mut words: Vec<&str> = Vec::new();
        if orphan == Orphan::Dies && Path::new("/usr/bin/setpriv").exists() {
            words.extend(["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"]);
        }
        words.extend(argv);
        let (program, args) = words
            .split_first()
            .ok_or_else(|| io::Error::other("no program to start"))?;
        let child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(append(&stdout)?)
            .stderr(append(&stderr)?)
            .process_group(0)
            .spawn()?;
        Ok(Self {
            child,
            stdout,
            stderr,
            orphan,
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, as a crash would, and waits until it is gone.
    pub fn crash(&mut self) {
        // An error here means that it is gone already, which is what was asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Freezes it: sockets stay open and nobody answers.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to end, as an init system would.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its exit status, if it ends within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has written to stdout, over all starts in this directory.
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it has written to stderr, over all starts in this directory.
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself; whoever needs it alive finds out by asking it.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.orphan == Orphan::Dies {
            self.crash();
        }
    }
}

/// The most memory that a process has had at one time, in bytes; `None` when it does not run.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = read_lossy(Path::new(&format!("/proc/{pid}/status")));
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The last `lines` lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..)
        .unwrap_or_default()
        .join("\n")
}

fn read_lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
