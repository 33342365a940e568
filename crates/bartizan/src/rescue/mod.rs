//! Rescues of the writes that a returned master would lose (data-safety §3): a few at a time,
//! each on a thread of its own, since disks are slow and streams are long.

mod carry_out;
pub(crate) mod command;
pub(crate) mod conn;
mod keys;
mod range;
mod save;
mod sheet;
mod snapshot;
mod store;
mod stream;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use bartizan_conf::TlsOptions;
use bartizan_core::ids::RescueId;
use bartizan_core::input::Input;
use bartizan_core::rescue::{Rescue, Rescued};
use tokio::sync::{Semaphore, mpsc};

use crate::disk::reason;
use crate::tls::{Tls, TlsError};
use conn::Way;
pub(crate) use store::Store;

/// Rescues at work at the same time; others wait for one to end. Each is a stream from the network
/// to the disk, which more of them at once would not make faster.
const AT_ONCE: usize = 8;

/// The rescues under way.
#[derive(Clone, Debug)]
pub(crate) struct Rescues {
    room: Rc<Semaphore>,
    surroundings: Arc<Surroundings>,
    world: mpsc::Sender<Input>,
}

/// What every rescue needs.
#[derive(Debug)]
struct Surroundings {
    /// The configuration file, beside which `rescue` is.
    file: PathBuf,
    source: Option<IpAddr>,
    tls: TlsOptions,
}

impl Rescues {
    /// None yet; connections leave from `source` and as `tls` says, files go where the order says,
    /// as a rule beside the configuration `file`, and how each ends is told to `world`.
    pub(crate) fn new(
        file: PathBuf,
        source: Option<IpAddr>,
        tls: TlsOptions,
        world: mpsc::Sender<Input>,
    ) -> Self {
        let surroundings = Surroundings { file, source, tls };
        Self {
            room: Rc::new(Semaphore::new(AT_ONCE)),
            surroundings: Arc::new(surroundings),
            world,
        }
    }

    /// Begins a rescue, or queues it. It always ends with one `Rescued`.
    pub(crate) fn start(&self, id: RescueId, order: Rescue) {
        let Self {
            room,
            surroundings,
            world,
        } = self.clone();
        tokio::task::spawn_local(async move {
            // The semaphore is never closed, so there is always a permit in the end.
            let permit = room.acquire().await;
            let work = tokio::task::spawn_blocking(move || surroundings.carry_out(&order));
            let outcome = work.await.unwrap_or_else(|_| failed("it was cut off"));
            drop(permit);
            let _ = world.send(Input::Rescued { id, outcome }).await;
        });
    }
}

impl Surroundings {
    fn carry_out(&self, order: &Rescue) -> Rescued {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let (runtime, way) = match (runtime, self.way()) {
            (Ok(runtime), Ok(way)) => (runtime, way),
            (Err(error), _) => return failed(&reason(&error)),
            (_, Err(error)) => return failed(&error.to_string()),
        };
        let store = store(&self.file, order.dir.as_deref(), order.max_bytes);
        runtime.block_on(carry_out::carry_out(order, &store, &way))
    }

    /// How links reach servers. What TLS needs cannot leave its thread, so it is read anew.
    fn way(&self) -> Result<Way, TlsError> {
        let tls = if self.tls.replication {
            Tls::load(&self.tls)?.0
        } else {
            None
        };
        Ok(Way {
            source: self.source,
            tls: tls.filter(|tls| tls.is_for_links()),
        })
    }
}

fn failed(why: &str) -> Rescued {
    Rescued::Partly {
        file: None,
        why: Arc::from(why),
    }
}

/// Where rescues of the Sentinel with this configuration file go: to `sentinel rescue-dir`, or to
/// `rescue` beside the file. A file has `max_bytes` at most, without a limit if that is 0.
pub(crate) fn store(file: &Path, dir: Option<&str>, max_bytes: u64) -> Store {
    let dir = match dir {
        Some(dir) => std::path::absolute(dir).unwrap_or_else(|_| dir.into()),
        None => file.with_file_name("rescue"),
    };
    Store::new(dir, (max_bytes > 0).then_some(max_bytes))
}
