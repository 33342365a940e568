//! The two clocks: a steady one for decisions, the wall clock for people.

use std::time::Duration;

use bartizan_core::time::Mono;
use nix::time::{ClockId, clock_gettime};

/// The steady clock. It counts the time that the machine was suspended, so that a frozen virtual
/// machine notices how long it was away (architecture notes, "Time").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock;

impl Clock {
    /// Now, in whole milliseconds since boot.
    pub(crate) fn now(self) -> Mono {
        Mono::from_ms(u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long until `deadline`; zero when it has passed. Exact to the clock's own step, since a
    /// wait rounded to milliseconds would wake up to one millisecond early and spin.
    pub(crate) fn until(self, deadline: Mono) -> Duration {
        Duration::from_millis(deadline.as_ms()).saturating_sub(since_boot())
    }
}

/// Microseconds and seconds since 1970, for fields that show wall time.
pub(crate) fn unix_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn since_boot() -> Duration {
    // CLOCK_BOOTTIME is missing outside Linux and on very old kernels; CLOCK_MONOTONIC is not.
    #[cfg(target_os = "linux")]
    let read = clock_gettime(ClockId::CLOCK_BOOTTIME);
    #[cfg(not(target_os = "linux"))]
    let read = clock_gettime(ClockId::CLOCK_MONOTONIC);
    read.or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC))
        .map(Duration::from)
        .unwrap_or_default()
}
