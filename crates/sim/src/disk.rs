//! One file per host: what is synced, and the one write that is under way.

use bartizan_conf::{PaperWorld, ServerOptions, Source, load, render};
use bartizan_core::ids::{PersistSeq, RunId};
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
    /// The text of the file, on seeds that talk bytes.
    text: Option<Vec<u8>>,
    /// Why the file that is there does not load.
    broken: Option<String>,
    /// The file as the operator wrote it, for somebody who brings it back.
    first: Durable,
    /// The temporary file beside it, torn, that a crash in mid-write left behind.
    torn: Option<Vec<u8>>,
}

impl Disk {
    /// A disk with a file on it.
    pub fn new(file: Durable) -> Self {
        Self {
            first: file.clone(),
            synced: file,
            pending: None,
            slow_us: 0,
            failing: false,
            text: None,
            broken: None,
            torn: None,
        }
    }

    /// A disk whose file is text, as the product writes and reads it.
    pub fn of_text(file: Durable) -> Self {
        let mut disk = Self::new(file.clone());
        disk.text = Some(Vec::new());
        disk.save(file);
        disk
    }

    /// What a restart finds.
    ///
    /// # Errors
    /// The file does not load (X2).
    pub fn read(&self) -> Result<Durable, String> {
        match &self.broken {
            Some(why) => Err(why.clone()),
            None => Ok(self.synced.clone()),
        }
    }

    /// The write under way is done; `Ok` when it is on the disk.
    pub fn complete(&mut self) -> Option<Result<PersistSeq, PersistSeq>> {
        let (seq, file) = self.pending.take()?;
        if self.failing {
            return Some(Err(seq));
        }
        self.save(*file);
        Some(Ok(seq))
    }

    /// The process dies. What was not synced is lost, unless the rename had just reached the
    /// disk and only the good news had not. Of a write that is lost a piece lies beside the file:
    /// `reached` in 256 parts of it.
    pub fn crash(&mut self, rename_was_done: bool, reached: u8) {
        let Some((_, file)) = self.pending.take() else {
            return;
        };
        if rename_was_done && !self.failing {
            return self.save(*file);
        }
        if let Some(text) = &self.text {
            let mut torn = render(text, &file, &ServerOptions::default());
            torn.truncate(torn.len() * usize::from(reached) / 256);
            self.torn = Some(torn);
        }
    }

    /// The process starts: it removes what a killed one left beside the file, unread.
    pub fn clear(&mut self) {
        self.torn = None;
    }

    /// Somebody brings the file back that the operator wrote at first, with the id in it.
    pub fn restore_first(&mut self) {
        self.save(self.first.clone());
    }

    /// Somebody copies another host's file here.
    pub fn replace(&mut self, file: Durable) {
        self.save(file);
    }

    /// The rename: the file is the new one from here on.
    fn save(&mut self, file: Durable) {
        let Some(text) = &mut self.text else {
            self.synced = file;
            return;
        };
        *text = render(text, &file, &ServerOptions::default());
        let source = Source {
            path: "sentinel.conf",
            text,
            extra: b"",
        };
        // Were there no id in the file, this one would come up, and be found to differ.
        match load(&source, RunId::from_random([0; 20]), &mut PaperWorld) {
            Ok(loaded) => (self.synced, self.broken) = (loaded.durable, None),
            Err(why) => self.broken = Some(format!("{why:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use bartizan_core::ids::Epoch;
    use bartizan_core::provide::options::{GlobalOptions, Periods};

    use super::*;

    #[test]
    fn a_crash_in_mid_write_leaves_the_old_file_whole_and_a_torn_one_that_nobody_reads() {
        let old = Durable {
            my_id: RunId::from_random([7; 20]),
            current_epoch: Epoch::new(1),
            options: GlobalOptions::default(),
            periods: Periods::default(),
            masters: Vec::new(),
        };
        let mut disk = Disk::of_text(old.clone());
        let mut new = old.clone();
        new.current_epoch = Epoch::new(2);
        disk.pending = Some((PersistSeq::new(1), Box::new(new.clone())));
        disk.crash(false, 128);
        assert!(disk.torn.as_ref().is_some_and(|torn| !torn.is_empty()));
        assert_eq!(disk.read(), Ok(old));
        disk.clear();
        disk.pending = Some((PersistSeq::new(1), Box::new(new.clone())));
        assert!(matches!(disk.complete(), Some(Ok(_))));
        assert_eq!((disk.torn.clone(), disk.read()), (None, Ok(new)));
    }
}
