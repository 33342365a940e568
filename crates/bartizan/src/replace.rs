//! Replacing a file: its name leads to the whole old text or the whole new one at every instant,
//! also where it cannot be renamed over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The end of the name of the copy that is there while a file is rewritten in place. Not a name
/// that people give to copies of their own.
const BACKUP: &str = ".bartizan-bak";
/// Between the file's name and the random part of a temporary file beside it.
const TEMPORARY: &str = ".bartizan-";
/// Hex digits of the random part.
const TEMPORARY_DIGITS: usize = 16;

/// How a file was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// A new file was renamed over it.
    Renamed,
    /// It cannot be renamed over (a bind mount), so it was rewritten where it is.
    InPlace,
}

/// Removes temporary files that a killed process left beside `path`: only regular files whose
/// name is exactly one that [`replace`] makes.
pub(crate) fn clean_up(path: &Path) {
    let path = target(path);
    let (Some(dir), Some(name)) = (directory(&path), path.file_name()) else {
        return;
    };
    let prefix = format!("{}{TEMPORARY}", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .and_then(|n| n.strip_prefix(&prefix))
            .is_some_and(|random| {
                random.len() == TEMPORARY_DIGITS
                    && random
                        .bytes()
                        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            });
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Puts `text` in place of the file, such that at every instant the name leads to the whole old
/// text or the whole new one, and the new one is on disk when this returns.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<Saved> {
    let path = target(path);
    let old = fs::metadata(&path).ok();
    if old.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::Error::from(ErrorKind::IsADirectory));
    }
    let (mut file, temporary) = create_temporary(&path)?;
    let renamed = fill(&mut file, text, old.as_ref()).and_then(|()| fs::rename(&temporary, &path));
    match renamed {
        Ok(()) => {
            // The copy of an earlier rewrite in place that failed is older than this.
            let _ = fs::remove_file(beside(&path, BACKUP));
            sync_directory(&path)?;
            Ok(Saved::Renamed)
        }
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            if error.kind() == ErrorKind::ResourceBusy {
                rewrite_in_place(&path, text)?;
                return Ok(Saved::InPlace);
            }
            Err(error)
        }
    }
}

/// The file itself where `path` is a symbolic link, so that the link stays one.
fn target(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn create_temporary(path: &Path) -> io::Result<(File, PathBuf)> {
    // The process's umask is applied to this mode by the kernel.
    create_new(&beside(path, TEMPORARY), 0o644)
}

/// A new, empty file whose name is `start` and sixteen random digits.
///
/// # Errors
/// What the operating system said.
pub(crate) fn create_new(start: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let random = getrandom::u64().map_err(io::Error::other)?;
    let path = beside(start, &format!("{random:016x}"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)?;
    Ok((file, path))
}

fn fill(file: &mut File, text: &[u8], old: Option<&fs::Metadata>) -> io::Result<()> {
    if let Some(old) = old {
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            // Only root can give files away; anybody else keeps it, which works as well.
            let _ = std::os::unix::fs::fchown(&*file, Some(old.uid()), Some(old.gid()));
        }
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
    }
    file.write_all(text)?;
    file.sync_all()
}

/// The fallback where a rename is refused. A crash in the middle can tear the file, so its old
/// text is kept beside it until the new one is synced; [`recover`] puts it back.
fn rewrite_in_place(path: &Path, text: &[u8]) -> io::Result<()> {
    let backup = beside(path, BACKUP);
    let _lock = keep_copy(path, &backup)?;
    overwrite(path, text)?;
    fs::remove_file(&backup)?;
    sync_directory(&backup)
}

/// Makes the copy, which is locked for as long as the result lives, so that a second start on the
/// same file knows that somebody is at work. One that is there already is of a rewrite that
/// failed, and is the last whole text.
fn keep_copy(path: &Path, backup: &Path) -> io::Result<Flock<File>> {
    if let Some(lock) = lock_copy(backup)? {
        return Ok(lock);
    }
    let (mut copy, temporary) = create_temporary(path)?;
    fill(
        &mut copy,
        &fs::read(path)?,
        fs::metadata(path).ok().as_ref(),
    )?;
    let lock = lock(copy)?;
    fs::rename(&temporary, backup)?;
    sync_directory(backup)?;
    Ok(lock)
}

/// The copy, locked; `None` if there is none.
fn lock_copy(backup: &Path) -> io::Result<Option<Flock<File>>> {
    let file = match File::open(backup) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lock = lock(file)?;
    // Whoever held it until now may have removed it.
    let same = fs::metadata(backup)
        .is_ok_and(|now| lock.metadata().is_ok_and(|then| then.ino() == now.ino()));
    Ok(same.then_some(lock))
}

fn lock(file: File) -> io::Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => io::Error::other("another process is writing the file"),
        errno => errno.into(),
    })
}

fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Takes back a rewrite in place that was cut off; whether there was one. Nothing is lost: what
/// was being written had been promised to nobody yet.
///
/// # Errors
/// When the file is torn and cannot be written, or when whoever writes it is still at work.
pub(crate) fn recover(path: &Path) -> io::Result<bool> {
    let path = target(path);
    let backup = beside(&path, BACKUP);
    let Some(mut copy) = lock_copy(&backup)? else {
        return Ok(false);
    };
    let mut old = Vec::new();
    copy.read_to_end(&mut old)?;
    overwrite(&path, &old)?;
    fs::remove_file(&backup)?;
    sync_directory(&backup)?;
    Ok(true)
}

/// Has the entry of a file, new, renamed or removed, on the disk.
///
/// # Errors
/// What the operating system said.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match directory(path) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// The copy that is there while a file is rewritten in place.
pub(crate) fn backup_of(path: &Path) -> PathBuf {
    beside(path, BACKUP)
}

fn directory(path: &Path) -> Option<&Path> {
    path.parent().map(|dir| {
        if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        }
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::reason;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_the_text_keeps_the_mode_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(replace(&path, b"new").unwrap(), Saved::Renamed);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(names(dir.path()), ["s.conf"]);
    }

    #[test]
    fn a_missing_file_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real.conf");
        let link = dir.path().join("s.conf");
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::create_dir(&path).unwrap();
        let error = replace(&path, b"new").unwrap_err();
        assert_eq!(reason(&error), "is a directory");
        assert_eq!(names(dir.path()), ["s.conf"]);
    }

    #[test]
    fn a_rewrite_in_place_leaves_no_copy_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::write(&path, "old and longer").unwrap();
        rewrite_in_place(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["s.conf"]);
        assert!(!recover(&path).unwrap());
    }

    #[test]
    fn a_rewrite_in_place_that_was_cut_off_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::write(&path, "the new te").unwrap();
        fs::write(beside(&path, BACKUP), "the old text").unwrap();
        assert!(recover(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"the old text");
        assert_eq!(names(dir.path()), ["s.conf"]);
    }

    #[test]
    fn a_rewrite_in_place_that_another_process_is_at_is_left_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::write(&path, "the old text").unwrap();
        let backup = beside(&path, BACKUP);
        let at_work = keep_copy(&path, &backup).unwrap();
        fs::write(&path, "the new te").unwrap();

        let why = recover(&path).unwrap_err();
        assert_eq!(why.to_string(), "another process is writing the file");
        assert_eq!(fs::read(&path).unwrap(), b"the new te");
        assert!(backup.exists());

        // It dies.
        drop(at_work);
        assert!(recover(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"the old text");
    }

    #[test]
    fn the_copy_of_a_failed_rewrite_does_not_outlive_a_whole_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::write(&path, "torn").unwrap();
        fs::write(beside(&path, BACKUP), "old").unwrap();
        replace(&path, b"new").unwrap();
        assert!(!recover(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn the_last_whole_text_is_kept_when_a_rewrite_fails_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        fs::write(&path, "torn").unwrap();
        fs::write(beside(&path, BACKUP), "whole").unwrap();
        let backup = beside(&path, BACKUP);
        // A directory in its place cannot be written, as a full disk cannot.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(rewrite_in_place(&path, b"new").is_err());
        assert_eq!(fs::read(&backup).unwrap(), b"whole");
    }

    #[test]
    fn only_our_own_leftovers_are_cleaned_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.conf");
        for name in [
            "s.conf",
            "s.conf.bak",
            "s.conf.bartizan-0123456789abcdef",
            "s.conf.bartizan-0123456789abcdeg",
            "s.conf.bartizan-0123",
            "t.conf.bartizan-0123456789abcdef",
        ] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        clean_up(&path);
        assert_eq!(
            names(dir.path()),
            [
                "s.conf",
                "s.conf.bak",
                "s.conf.bartizan-0123",
                "s.conf.bartizan-0123456789abcdeg",
                "t.conf.bartizan-0123456789abcdef",
            ]
        );
    }
}
