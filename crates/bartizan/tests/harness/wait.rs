//! Waiting for what should happen, and observing that something does not.

use std::time::{Duration, Instant};

/// Long enough for anything that should happen at all, on a busy machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and panics with `what` if it does not within [`PATIENCE`].
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

/// Like [`eventually`], with a deadline of its own.
pub fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Observes for `window` that `condition` keeps holding. A thing that must not happen has no
/// moment to wait for; the window is how long it is given to go wrong.
pub fn holds_for(window: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + window;
    while Instant::now() < end {
        assert!(condition(), "no longer true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
