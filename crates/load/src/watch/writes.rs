//! How often a Sentinel replaced its configuration file: renames onto its name, as the kernel
//! tells them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::probe::{Part, Phase};
use super::{Watcher, spawn};
use crate::client::Stop;

/// Counts the renames onto `conf`, by part of the run.
///
/// # Errors
/// When the kernel refuses to tell, or no thread can be started.
pub fn start(conf: &Path, phase: Phase, stop: Stop) -> Result<Watcher<[u32; Part::ALL.len()]>> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK)?;
    let dir = conf.parent().context("the file has a directory")?;
    let name = conf.file_name().context("the file has a name")?.to_owned();
    inotify.add_watch(dir, AddWatchFlags::IN_MOVED_TO)?;
    spawn("writes", move || {
        let mut counts = [0; Part::ALL.len()];
        loop {
            match inotify.read_events() {
                Ok(events) => {
                    let renames = events
                        .iter()
                        .filter(|event| event.name.as_ref() == Some(&name));
                    let renames = u32::try_from(renames.count()).unwrap_or(u32::MAX);
                    if let Some(count) = counts.get_mut(phase.now() as usize) {
                        *count += renames;
                    }
                }
                Err(Errno::EAGAIN) if stop.is_set() => return Ok(counts),
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(error).context("reading what happened to the file"),
            }
        }
    })
}
