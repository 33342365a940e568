//! Moments that several processes of one machine can compare: its monotonic clock.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of the machine's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        // The clock is there on every Unix; a zero would show as an absurd figure.
        let spec = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        Self::from_nanos(u64::try_from(spec.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX))
    }

    /// A moment that another process told.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// To tell another process.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero if that is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
