//! What is observed of Sentinels from outside, each by a thread of its own that ends when
//! [`Stop`](crate::client::Stop) says so.

pub mod agreement;
pub mod census;
pub mod crowd;
pub mod events;
pub mod probe;
pub mod writes;

use std::thread::JoinHandle;

use anyhow::{Result, anyhow};

/// A thread that observes.
pub type Watcher<T> = JoinHandle<Result<T>>;

/// Starts a thread that observes.
///
/// # Errors
/// When the operating system refuses.
pub fn spawn<T: Send + 'static>(
    name: &str,
    observe: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Watcher<T>> {
    Ok(std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(observe)?)
}

/// What a thread has observed.
///
/// # Errors
/// What went wrong in it.
pub fn join<T>(watcher: Watcher<T>) -> Result<T> {
    watcher
        .join()
        .map_err(|_| anyhow!("an observer panicked"))?
}
