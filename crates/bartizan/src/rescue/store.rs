//! Where rescued writes are kept: files that appear under their name whole and synced, or not at
//! all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::replace::{create_new, sync_directory};

/// Written at a time.
const CHUNK: usize = 256 << 10;
/// Of a master's name in a file's name.
const LONGEST_NAME: usize = 80;
/// What unfinished files begin with.
const TEMPORARY: &str = ".rescue-";
/// An unfinished file older than this belongs to no process that lives.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The directory of rescues (`sentinel rescue-dir`), and the most that one may take.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    max_bytes: Option<u64>,
}

impl Store {
    /// The directory, absolute, and the most bytes that one file may have; `None` for no limit.
    pub(crate) const fn new(dir: PathBuf, max_bytes: Option<u64>) -> Self {
        Self { dir, max_bytes }
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The most bytes that one file may have.
    pub(super) const fn max_bytes(&self) -> Option<u64> {
        self.max_bytes
    }

    /// Begins a file without a name; makes the directory if it is not there.
    ///
    /// # Errors
    /// What the operating system said.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        if !self.dir.is_dir() {
            if let Some(parent) = self.dir.parent() {
                fs::create_dir_all(parent)?;
            }
            match DirBuilder::new().mode(0o700).create(&self.dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => sync_directory(&self.dir)?,
            }
        }
        clean_up(&self.dir);
        let (file, path) = create_new(&self.dir.join(TEMPORARY), 0o600)?;
        Ok(Draft {
            file,
            path,
            buffer: Vec::new(),
            length: 0,
            good: 0,
            kept: false,
        })
    }

    /// Writes a whole file under this name, beside what is there.
    ///
    /// # Errors
    /// What the operating system said.
    pub(super) fn save(&self, name: &str, text: &[u8]) -> io::Result<PathBuf> {
        let mut draft = self.draft()?;
        draft.put(text)?;
        draft.mark();
        draft.keep(name)
    }
}

/// A file that has no name yet. It goes when it is dropped.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    /// Bytes put.
    length: u64,
    /// Bytes up to the last mark.
    good: u64,
    kept: bool,
}

impl Draft {
    /// Bytes put so far.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes up to the last mark: what it will have.
    pub(super) const fn good(&self) -> u64 {
        self.good
    }

    /// Appends.
    ///
    /// # Errors
    /// What the operating system said. What was marked before can still be kept.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    /// What was put so far makes sense by itself.
    pub(super) const fn mark(&mut self) {
        self.good = self.length;
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Gives it its name, with what was put up to the last mark; it is on disk when this returns.
    ///
    /// # Errors
    /// What the operating system said. There is no file then.
    pub(super) fn keep(mut self, name: &str) -> io::Result<PathBuf> {
        // After a write that failed only what stands in the file can be kept.
        let _ = self.flush();
        let written = self.file.metadata()?.len();
        if written < self.good {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.file.set_len(self.good)?;
        self.file.sync_all()?;
        let path = self.free_name(name)?;
        fs::rename(&self.path, &path)?;
        self.kept = true;
        sync_directory(&path)?;
        Ok(path)
    }

    /// The name, or the name with a number where another file has it.
    fn free_name(&self, name: &str) -> io::Result<PathBuf> {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let names = std::iter::once(name.to_owned())
            .chain((2..100).map(|n| format!("{stem}-{n}.{ending}")));
        let mut paths = names.map(|name| self.path.with_file_name(name));
        paths
            .find(|path| !path.exists())
            .ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A master's name as part of a file's name: letters, digits, `_`, `-` and inner dots stay.
pub(super) fn safe(name: &str) -> String {
    let mut safe = String::new();
    for byte in name.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if plain || (byte == b'.' && !safe.is_empty()) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
        if safe.len() >= LONGEST_NAME {
            break;
        }
    }
    safe
}

/// Removes what killed processes left unfinished. Another process may be at work beside us.
fn clean_up(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let age = entry.metadata().and_then(|about| about.modified());
        let old = age.is_ok_and(|then| {
            SystemTime::now()
                .duration_since(then)
                .is_ok_and(|age| age > ABANDONED)
        });
        if ours && old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_under_its_name_when_it_is_whole_and_is_nobody_elses() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/rescue");
        let store = Store::new(dir.clone(), None);
        let mut draft = store.draft().unwrap();
        draft.put(b"whole").unwrap();
        draft.mark();
        draft.put(b"half").unwrap();
        assert_eq!(draft.good(), 5);
        let path = draft.keep("m.resp").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&path)), (0o700, 0o600));
        store.save("m.resp", b"second").unwrap();
        assert_eq!(names(&dir), ["m-2.resp", "m.resp"]);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().to_owned(), None);
        let mut draft = store.draft().unwrap();
        draft.put(&vec![b'x'; CHUNK + 1]).unwrap();
        drop(draft);
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn a_masters_name_cannot_lead_elsewhere() {
        for (name, want) in [
            ("mymaster", "mymaster"),
            ("a.b-c_1", "a.b-c_1"),
            ("../../etc/x", "%2E.%2F..%2Fetc%2Fx"),
            ("ä b", "%C3%A4%20b"),
        ] {
            assert_eq!(safe(name), want);
        }
        assert!(safe(&"x".repeat(500)).len() <= LONGEST_NAME);
    }
}
