//! The names of things, one type each, so that no two can be mistaken for one another.

use core::cmp::Ordering;
use core::fmt;
use std::sync::Arc;

/// The 40 characters by which a Redis process or a Sentinel is told from all others.
///
/// A Sentinel writes lower-case hex; what others send is taken as long as it is 40 visible
/// ASCII characters without a comma or quote, since a hello or a configuration line has to
/// carry it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 40]);

impl RunId {
    /// Reads an id; `None` unless `text` is 40 plain visible ASCII characters.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let bytes: [u8; 40] = text.try_into().ok()?;
        let plain =
            |b: &u8| b.is_ascii_graphic() && !matches!(b, b',' | b'"' | b'\'' | b'\\' | b'#');
        bytes.iter().all(plain).then_some(Self(bytes))
    }

    /// The id as text, always 40 characters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A number that differs between Sentinels, for moments that should not be the same for all.
    pub(crate) fn spread(&self) -> u64 {
        // It is asked for with every look at a link.
        const ENOUGH: usize = 8;
        self.0
            .first_chunk::<ENOUGH>()
            .map_or(0, |head| spread(head))
    }

    /// A fresh id of 40 lower-case hex characters from 20 random bytes.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut id = [b'0'; 40];
        for (pair, byte) in id.chunks_exact_mut(2).zip(bytes) {
            for (slot, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *slot = HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            }
        }
        Self(id)
    }
}

/// Spreads names that differ little over all numbers (FNV-1a).
fn spread(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().get(..8).unwrap_or_default())
    }
}

/// The name that a master gives the history of its writes (`master_replid`). Whoever is promoted
/// begins a new one and remembers the one before (data-safety §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplId([u8; 40]);

impl ReplId {
    /// Reads an id; `None` unless `text` is 40 hex digits, not all of them zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let bytes: [u8; 40] = text.try_into().ok()?;
        let named = bytes.iter().any(|byte| *byte != b'0');
        (named && bytes.iter().all(u8::is_ascii_hexdigit)).then_some(Self(bytes))
    }

    /// The id as text, always 40 characters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().get(..8).unwrap_or_default())
    }
}

/// The name under which a master is monitored (`sentinel monitor <name> …`). Case matters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MasterName {
    /// The first bytes of the text, filled up with zeros. A look-up among a thousand masters
    /// compares ten names, and most end here, without the way to where the texts are.
    head: u128,
    text: Arc<str>,
}

impl MasterName {
    /// Takes any text: the grammar of the file and of hellos is checked where they are parsed.
    pub fn new(name: &str) -> Self {
        let mut head = [0; size_of::<u128>()];
        for (slot, byte) in head.iter_mut().zip(name.bytes()) {
            *slot = byte;
        }
        Self {
            head: u128::from_be_bytes(head),
            text: Arc::from(name),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A number that differs between masters, for moments that should not be the same for all.
    pub(crate) fn spread(&self) -> u64 {
        spread(self.text.as_bytes())
    }

    /// Whether the head and the length are all there is to it.
    fn is_short(&self) -> bool {
        self.text.len() <= size_of::<u128>()
    }
}

/// As the texts.
impl Ord for MasterName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| {
            if self.is_short() && other.is_short() {
                self.text.len().cmp(&other.text.len())
            } else {
                self.text.cmp(&other.text)
            }
        })
    }
}

impl PartialOrd for MasterName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for MasterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for MasterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A logical time of the fleet: orders elections and configurations. Only `next` makes a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u64);

impl Epoch {
    /// Before every election.
    pub const ZERO: Self = Self(0);

    /// An epoch read from the wire, a file, or a test.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The number, for the wire and the file.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

/// How many Sentinels have to agree that a master is down (`sentinel monitor … <quorum>`), at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quorum(u32);

impl Quorum {
    /// `None` for zero, which would declare every master down.
    pub const fn new(n: u32) -> Option<Self> {
        if n == 0 { None } else { Some(Self(n)) }
    }

    /// The number of Sentinels.
    pub const fn get(self) -> u32 {
        self.0
    }
}

macro_rules! counter_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id with this number; whoever makes ids never uses a number twice.
            pub const fn new(n: u64) -> Self {
                Self(n)
            }

            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }
    };
}

counter_id! {
    /// One outgoing connection, made by the core with `Output::Connect` and never used again
    /// after it closed, so a late word from a dead connection finds nobody.
    LinkId
}
counter_id! {
    /// One call on a link that awaits its answer.
    CallId
}
counter_id! {
    /// One command of a client that awaits its reply; made by the caller.
    RequestId
}
counter_id! {
    /// One write of the durable state; they are handed out, and must complete, in order.
    PersistSeq
}
counter_id! {
    /// One run of a user's script.
    JobId
}
counter_id! {
    /// One rescue of a returned master's writes.
    RescueId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_are_in_the_order_of_their_names() {
        let texts = [
            "",
            "a",
            "a\0",
            "a\0b",
            "abcdefghijklmno",
            "abcdefghijklmnop",
            "abcdefghijklmnop\0",
            "abcdefghijklmnopq",
            "abcdefghijklmnopqr",
            "b",
            "é",
        ];
        for a in texts {
            for b in texts {
                let names = MasterName::new(a).cmp(&MasterName::new(b));
                assert_eq!(names, a.cmp(b), "{a:?} {b:?}");
            }
        }
    }
}
