//! The sessions that clients may resume: as many and as long as `tls-session-cache-size` and
//! `tls-session-cache-timeout` say.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

/// Seconds since 1970 in front of each value.
const STAMP_BYTES: usize = 8;

/// rustls's own bounded cache, with an end to each session.
#[derive(Debug)]
pub(super) struct Sessions {
    kept: Arc<ServerSessionMemoryCache>,
    timeout: Duration,
    clock: Box<dyn TimeProvider>,
}

impl Sessions {
    /// At most `size` sessions, each for `timeout`.
    pub(super) fn new(size: usize, timeout: Duration) -> Self {
        Self {
            kept: ServerSessionMemoryCache::new(size),
            timeout,
            clock: Box::new(DefaultTimeProvider),
        }
    }

    fn now(&self) -> u64 {
        self.clock.current_time().map_or(0, |now| now.as_secs())
    }

    fn fresh(&self, stamped: &[u8]) -> Option<Vec<u8>> {
        let (stamp, value) = stamped.split_at_checked(STAMP_BYTES)?;
        let then = u64::from_be_bytes(stamp.try_into().ok()?);
        let age = self.now().checked_sub(then)?;
        (age < self.timeout.as_secs()).then(|| value.to_vec())
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut stamped = self.now().to_be_bytes().to_vec();
        stamped.extend_from_slice(&value);
        self.kept.put(key, stamped)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.fresh(&self.kept.get(key)?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.fresh(&self.kept.take(key)?)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_kept_for_its_time_and_not_longer() {
        let long = Sessions::new(8, Duration::from_secs(3600));
        assert!(long.put(b"k".to_vec(), b"v".to_vec()));
        assert_eq!(long.get(b"k"), Some(b"v".to_vec()));
        assert_eq!(long.take(b"k"), Some(b"v".to_vec()));
        assert_eq!(long.get(b"k"), None);
        let ended = Sessions::new(8, Duration::ZERO);
        assert!(ended.put(b"k".to_vec(), b"v".to_vec()));
        assert_eq!(ended.get(b"k"), None);
    }
}
