//! A host's steady clock: it has an origin and a rate of its own, and may stand still while the
//! machine is suspended.

use bartizan_core::time::Mono;

use crate::sched::At;

/// Parts per million as a whole.
const WHOLE: u64 = 1_000_000;

/// One machine's clock.
#[derive(Clone, Debug)]
pub struct Clock {
    /// What it showed at the beginning, in microseconds.
    origin_us: u64,
    /// Microseconds it counts in a million true ones.
    rate: u64,
    /// True microseconds it did not count, because the machine stood still.
    lost_us: u64,
}

impl Clock {
    /// A clock that showed `origin_ms` at the beginning and is off by `rate` from a million.
    pub const fn new(origin_ms: u64, rate: u64) -> Self {
        Self {
            origin_us: origin_ms * 1000,
            rate,
            lost_us: 0,
        }
    }

    /// What it shows.
    pub const fn mono(&self, at: At) -> Mono {
        let counted = at.0.saturating_sub(self.lost_us);
        // Worlds are hours long, so the product stays far below 2^64.
        Mono::from_ms((self.origin_us + counted.saturating_mul(self.rate) / WHOLE) / 1000)
    }

    /// The first true moment at which it shows `mono` or later.
    pub const fn when(&self, mono: Mono) -> At {
        let wanted = mono
            .as_ms()
            .saturating_mul(1000)
            .saturating_sub(self.origin_us);
        At(wanted.saturating_mul(WHOLE).div_ceil(self.rate) + self.lost_us)
    }

    /// It stood still for this long.
    pub const fn stood_still(&mut self, us: u64) {
        self.lost_us = self.lost_us.saturating_add(us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_at_the_moment_when_says() {
        let mut clock = Clock::new(7_123, 999_900);
        clock.stood_still(12_345);
        for ms in [7_123, 8_000, 100_001, 5_000_000] {
            let at = clock.when(Mono::from_ms(ms));
            assert!(clock.mono(at) >= Mono::from_ms(ms));
            assert!(clock.mono(At(at.0 - 1001)) < Mono::from_ms(ms) || ms == 7_123);
        }
    }
}
