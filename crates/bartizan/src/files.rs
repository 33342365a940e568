//! The file system, as the loader of the configuration sees it.

use std::path::Path;

use bartizan_conf::{Included, World};
use bartizan_wire::glob;
use nix::unistd::{AccessFlags, access};

use crate::disk::reason;

/// The real one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files;

impl World for Files {
    fn enter_dir(&mut self, path: &str) -> Result<(), String> {
        std::env::set_current_dir(path).map_err(|error| reason(&error))
    }

    fn include(&mut self, pattern: &str) -> Result<Vec<Included>, String> {
        let name = Path::new(pattern)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        match name {
            Some(name) if name.contains(['*', '?', '[']) => matching(Path::new(pattern), &name),
            _ => Ok(vec![read(Path::new(pattern))?]),
        }
    }

    fn is_executable(&self, path: &str) -> bool {
        access(path, AccessFlags::X_OK).is_ok()
    }
}

/// The files in the pattern's directory whose names fit, in order. Patterns in the directory
/// itself are not followed. As in a shell, a leading dot has to be asked for.
fn matching(pattern: &Path, name: &str) -> Result<Vec<Included>, String> {
    let dir = match pattern.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .map_err(|error| reason(&error))?
        .flatten()
        .filter(|entry| {
            let found = entry.file_name();
            let found = found.to_string_lossy();
            found.starts_with('.') == name.starts_with('.')
                && glob::matches(name.as_bytes(), found.as_bytes())
        })
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Included, String> {
    let text = std::fs::read(path).map_err(|error| reason(&error))?;
    Ok(Included {
        path: path.display().to_string(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_includes_what_fits_in_order_and_a_plain_path_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "a.txt", ".hidden.conf"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let pattern = dir.path().join("*.conf").display().to_string();
        let found = Files.include(&pattern).unwrap();
        let texts: Vec<&[u8]> = found.iter().map(|one| one.text.as_slice()).collect();
        assert_eq!(texts, [b"a.conf", b"b.conf"]);
        let missing = dir.path().join("none").display().to_string();
        assert_eq!(
            Files.include(&missing),
            Err("No such file or directory".to_owned())
        );
    }
}
