//! One file per host: what is synced, and the one write that is under way.

use bartizan_core::ids::PersistSeq;
use bartizan_core::model::durable::Durable;

/// A host's disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What a restart finds.
    pub synced: Durable,
    /// The write under way.
    pub pending: Option<(PersistSeq, Box<Durable>)>,
    /// A sync takes this much longer, in microseconds.
    pub slow_us: u64,
    /// Writes fail (full, or read-only).
    pub failing: bool,
}

impl Disk {
    /// A disk with a file on it.
    pub const fn new(file: Durable) -> Self {
        Self {
            synced: file,
            pending: None,
            slow_us: 0,
            failing: false,
        }
    }

    /// The write under way is done; `Ok` when it is on the disk.
    pub fn complete(&mut self) -> Option<Result<PersistSeq, PersistSeq>> {
        let (seq, file) = self.pending.take()?;
        if self.failing {
            return Some(Err(seq));
        }
        self.synced = *file;
        Some(Ok(seq))
    }

    /// The process dies. What was not synced is lost, unless the rename had just reached the
    /// disk and only the good news had not.
    pub fn crash(&mut self, rename_was_done: bool) {
        if let Some((_, file)) = self.pending.take()
            && rename_was_done
            && !self.failing
        {
            self.synced = *file;
        }
    }
}
