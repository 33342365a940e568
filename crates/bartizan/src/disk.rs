//! The configuration file: written by one thread, strictly in order, whole or not at all
//! (spec §2.5).
//!
//! A promise is released when the file is synced, so writes must neither overtake each other nor
//! be reported before the directory entry is safe as well.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bartizan_conf::Rewritten;
use bartizan_core::ids::PersistSeq;
use bartizan_core::input::Input;
use bartizan_core::model::durable::Durable;

use crate::crew;
use crate::log::Log;
use crate::replace::{self, Saved, replace};

/// Turns the file's present text (empty when it is missing) and the state into its new text.
pub(crate) type Render = Box<dyn FnMut(&[u8], &Durable) -> Rewritten + Send>;

/// The writer thread. It ends when this handle is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    jobs: Sender<(PersistSeq, Box<Durable>)>,
}

impl Disk {
    /// Starts the writer for the file at `path`; results are handed to `report`.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(
        path: PathBuf,
        render: Render,
        log: Log,
        report: impl Fn(Input) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, waiting) = channel();
        let mut writer = Writer {
            path,
            render,
            log,
            told_in_place: false,
            changed: 0,
        };
        crew::start("disk", move || writer.run(&waiting, &report))?;
        Ok(Self { jobs })
    }

    /// Queues a write. The core has at most one outstanding, so the queue cannot grow.
    pub(crate) fn save(&self, seq: PersistSeq, durable: Box<Durable>) {
        // The thread ends only with this handle; a panic in it would have ended the process.
        let _ = self.jobs.send((seq, durable));
    }
}

/// The pause after a write, for each master that it changed.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

struct Writer {
    path: PathBuf,
    render: Render,
    log: Log,
    told_in_place: bool,
    /// How many masters' states the last write changed.
    changed: usize,
}

impl Writer {
    fn run(&mut self, waiting: &Receiver<(PersistSeq, Box<Durable>)>, report: &impl Fn(Input)) {
        while let Ok((seq, durable)) = waiting.recv() {
            report(match self.write(&durable) {
                Ok(saved) => {
                    self.tell(saved);
                    Input::Persisted { seq }
                }
                Err(error) => {
                    let why = reason(&error);
                    self.log.warning(format!(
                        "WARNING: Sentinel was not able to save the new configuration on disk!!!: \
                         {why}"
                    ));
                    Input::PersistFailed {
                        seq,
                        why: Arc::from(why),
                    }
                }
            });
            self.pause();
        }
    }

    /// Waits a little for each master that the last write changed. While a thousand fail over there
    /// is always something to write, and everything else waits for the processor: what changes
    /// meanwhile shares the next write.
    fn pause(&self) {
        let changed = u32::try_from(self.changed).unwrap_or(u32::MAX);
        std::thread::park_timeout(PAUSE.saturating_mul(changed).min(LONGEST_PAUSE));
    }

    fn write(&mut self, durable: &Durable) -> io::Result<Saved> {
        let current = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let new = (self.render)(&current, durable);
        self.changed = new.changed;
        replace(&self.path, &new.text)
    }

    fn tell(&mut self, saved: Saved) {
        if saved == Saved::InPlace && !self.told_in_place {
            self.told_in_place = true;
            self.log.warning(format!(
                "{} cannot be replaced by a rename (is it a bind mount?). It is rewritten in \
                 place, while a copy is kept as {}",
                self.path.display(),
                replace::backup_of(&self.path).display()
            ));
        }
        self.log.notice("Sentinel new configuration saved on disk");
    }
}

/// A file's text, or its first `most` bytes.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut text)?;
    Ok(text)
}

/// The operating system's words alone, without Rust's `(os error 28)`.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}
