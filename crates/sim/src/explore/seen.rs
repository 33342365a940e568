//! A set of fingerprints, as small as it can be: the search holds millions.

/// Open addressing over a power of two; zero marks an empty place.
#[derive(Clone, Debug)]
pub struct Seen {
    places: Vec<u64>,
    len: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            places: vec![0; 1 << 12],
            len: 0,
        }
    }
}

impl Seen {
    /// Whether the fingerprint is new; it is not from here on.
    pub fn insert(&mut self, print: u64) -> bool {
        if self.len * 2 >= self.places.len() {
            self.grow();
        }
        let is_new = Self::put(&mut self.places, print.max(1));
        self.len += usize::from(is_new);
        is_new
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn grow(&mut self) {
        let mut places = vec![0; self.places.len() * 2];
        for print in self.places.iter().filter(|print| **print != 0) {
            Self::put(&mut places, *print);
        }
        self.places = places;
    }

    fn put(places: &mut [u64], print: u64) -> bool {
        let mask = places.len() - 1;
        let mut at = usize::try_from(print).unwrap_or_default() & mask;
        while let Some(place) = places.get_mut(at) {
            if *place == print {
                return false;
            }
            if *place == 0 {
                *place = print;
                return true;
            }
            at = (at + 1) & mask;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_new_once() {
        let mut seen = Seen::default();
        for print in 0..100_000_u64 {
            assert!(seen.insert(print.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        }
        let len = seen.len();
        assert!(!seen.insert(1));
        assert_eq!(seen.len(), len);
    }
}
