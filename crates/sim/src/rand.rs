//! Random draws by purpose and identity.
//!
//! There is no generator that is passed around: every draw is a hash of the seed, what it is for
//! and who it is for. Taking one fault out of a plan therefore does not shift any other draw,
//! without which shrinking would not work.

/// What a draw is for; each purpose is a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Sizes and options of the world.
    Params = 1,
    /// The fault schedule.
    Faults,
    /// The delay of a message.
    Delay,
    /// The time a sync takes.
    Sync,
    /// Run ids, replication ids, Sentinel ids.
    Ids,
    /// The seed that a Sentinel is given.
    CoreSeed,
    /// Offsets and rates of clocks.
    Clock,
    /// What a client does next.
    Client,
    /// How a connection ends.
    Ending,
    /// What a crash does to an unsynced write.
    Crash,
    /// The duration of a replication step.
    Replication,
    /// Where servers of other clusters turn up.
    Strangers,
    /// Which Sentinels are modelled redis-sentinels.
    Mixture,
}

/// One stream of draws: a seed and a purpose.
#[derive(Clone, Copy, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The stream of this purpose.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self(mix(seed ^ mix(purpose as u64)))
    }

    /// The sub-stream of one thing.
    #[must_use]
    pub fn of(self, id: u64) -> Self {
        Self(mix(self.0 ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The `n`th draw.
    pub fn draw(self, n: u64) -> u64 {
        mix(self.0 ^ n.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The `n`th draw, in `low..high` (just `low` when that is empty).
    pub fn range(self, n: u64, low: u64, high: u64) -> u64 {
        if high <= low {
            low
        } else {
            low + self.draw(n) % (high - low)
        }
    }

    /// The `n`th draw as an index below `len`; 0 when `len` is 0.
    pub fn index(self, n: u64, len: usize) -> usize {
        usize::try_from(self.range(n, 0, len as u64)).unwrap_or(0)
    }

    /// Whether the `n`th draw falls among `hits` of `of`.
    pub fn odds(self, n: u64, hits: u64, of: u64) -> bool {
        self.draw(n) % of.max(1) < hits
    }

    /// A value of the `n`th draw that runs from `low` to `high` with small ones as likely as
    /// large ones on a logarithmic scale.
    pub fn scale(self, n: u64, low: u64, high: u64) -> u64 {
        let (mut low, high) = (low.max(1), high.max(1));
        let mut turn = n.wrapping_mul(64).wrapping_add(1 << 40);
        // Halve the way up to `high`, each time with even odds to stop here.
        while low.saturating_mul(2) < high && self.odds(turn, 3, 4) {
            low = low.saturating_mul(2);
            turn = turn.wrapping_add(1);
        }
        self.range(n, low, low.saturating_mul(2).min(high) + 1)
    }

    /// A counter over this stream, for code that draws many times in a row.
    pub fn dice(self) -> Dice {
        Dice { stream: self, n: 0 }
    }
}

/// Draws from one stream one after the other.
#[derive(Clone, Debug)]
pub struct Dice {
    stream: Stream,
    n: u64,
}

impl Dice {
    fn step(&mut self) -> u64 {
        self.n += 1;
        self.n
    }

    /// In `low..high`.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        let n = self.step();
        self.stream.range(n, low, high)
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        let n = self.step();
        self.stream.index(n, len)
    }

    /// `hits` in `of`.
    pub fn odds(&mut self, hits: u64, of: u64) -> bool {
        let n = self.step();
        self.stream.odds(n, hits, of)
    }

    /// From `low` to `high`, small ones as likely as large ones.
    pub fn scale(&mut self, low: u64, high: u64) -> u64 {
        let n = self.step();
        self.stream.scale(n, low, high)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T], otherwise: T) -> T {
        let i = self.index(of.len());
        of.get(i).copied().unwrap_or(otherwise)
    }
}

/// A 64-bit finaliser (the one of splitmix64).
pub const fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Twenty bytes of identity from a draw.
pub fn id_bytes(stream: Stream, n: u64) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (i, chunk) in bytes.chunks_mut(8).enumerate() {
        let word = stream.of(n).draw(i as u64).to_le_bytes();
        for (slot, byte) in chunk.iter_mut().zip(word) {
            *slot = byte;
        }
    }
    bytes
}
