//! Complaints about connections that failed. Whoever reaches the port can make as many as they
//! like, so the log gets one a second and the number of the others.

use std::cell::Cell;

use bartizan_core::time::Mono;

use super::{Hall, seconds_since};

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    last: Cell<Option<Mono>>,
    left_out: Cell<u64>,
}

impl Complaints {
    /// Tells it in the log, or counts it.
    pub(super) fn tell(&self, hall: &Hall, text: &str) {
        let now = hall.clock.now();
        let recently = |last| seconds_since(now, last) < 1;
        if self.last.get().is_some_and(recently) {
            self.left_out.set(self.left_out.get().saturating_add(1));
            return;
        }
        self.last.set(Some(now));
        match self.left_out.replace(0) {
            0 => hall.log.warning(text),
            others => hall
                .log
                .warning(format!("{text}, and {others} others since the last one")),
        }
    }
}
