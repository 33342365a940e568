//! Shortcuts that the tests of this crate share.
#![allow(dead_code, reason = "each test file uses some of these")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bartizan_conf::{ConfError, Included, Loaded, PaperWorld, Source, World, load};
use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::RunId;

/// The id that a file without one gets.
pub(crate) fn fresh_id() -> RunId {
    RunId::from_random([7; 20])
}

/// Loads a text without a file system around it.
pub(crate) fn read(text: &str) -> Result<Loaded, ConfError> {
    read_in(text, "", &mut PaperWorld)
}

/// Loads a text and command line lines in a world.
pub(crate) fn read_in(text: &str, extra: &str, world: &mut dyn World) -> Result<Loaded, ConfError> {
    let source = Source {
        path: "sentinel.conf",
        text: text.as_bytes(),
        extra: extra.as_bytes(),
    };
    load(&source, fresh_id(), world)
}

/// What `load` and `render` make of a text.
pub(crate) fn rewritten(text: &str) -> String {
    let loaded = read(text).unwrap();
    let new = bartizan_conf::render(text.as_bytes(), &loaded.durable, &loaded.server);
    String::from_utf8(new).unwrap()
}

/// An address.
pub(crate) fn addr(host: &str, port: u16) -> Addr {
    Addr::new(Host::parse(host).unwrap(), port)
}

/// A world of a few files by path, of which those that end in `.sh` can be run.
#[derive(Default)]
pub(crate) struct Files {
    /// Path and text.
    pub(crate) files: Vec<(&'static str, &'static str)>,
    /// The directories entered.
    pub(crate) entered: Vec<String>,
}

impl World for Files {
    fn enter_dir(&mut self, path: &str) -> Result<(), String> {
        if path.contains("missing") {
            return Err("No such file or directory".to_owned());
        }
        self.entered.push(path.to_owned());
        Ok(())
    }

    fn include(&mut self, pattern: &str) -> Result<Vec<Included>, String> {
        let prefix = pattern.strip_suffix('*');
        let is_meant =
            |path: &str| prefix.map_or(path == pattern, |prefix| path.starts_with(prefix));
        let files = self.files.iter().filter(|(path, _)| is_meant(path));
        let found: Vec<_> = files
            .map(|(path, text)| Included {
                path: (*path).to_owned(),
                text: text.as_bytes().to_vec(),
            })
            .collect();
        if found.is_empty() && prefix.is_none() {
            return Err("No such file or directory".to_owned());
        }
        Ok(found)
    }

    fn is_executable(&self, path: &str) -> bool {
        path.ends_with(".sh")
    }
}
