//! What is known, asked and answered about the writes that a returned master would lose
//! (data-safety §3): the words that the core and whoever carries a rescue out share.

use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::Addr;
use crate::ids::MasterName;
use crate::provide::options::Credentials;
use crate::report::{Fork, History};

/// The most bytes that one rescue saves where `sentinel rescue-max-bytes` says nothing.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// How a master's diverged writes are saved (`sentinel rescue <name> …`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RescueMode {
    /// Not at all.
    Off,
    /// As the stream of commands behind the fork; as a snapshot of a server that may be another
    /// cluster's.
    #[default]
    Stream,
    /// So, or as a snapshot of the whole data set where the stream cannot be had.
    Snapshot,
}

impl RescueMode {
    /// Reads the directive's word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Off, Self::Stream, Self::Snapshot];
        all.into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(word))
    }

    /// The directive's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Stream => "stream",
            Self::Snapshot => "snapshot",
        }
    }
}

/// A number of bytes with the units of redis.conf: `k`, `m` and `g` are powers of 1000, `kb`, `mb`
/// and `gb` of 1024.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at_checked(digits.unwrap_or(text.len()))?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// One rescue to carry out: everything that the returned master at `addr` has behind `fork`, up
/// to the end of `history`, saved and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// The group.
    pub master: MasterName,
    /// The returned master's name, for people.
    pub addr: Addr,
    /// Where it is reached.
    pub ip: IpAddr,
    /// The group's master now.
    pub heir: Addr,
    /// Who to authenticate as there, if anyone.
    pub auth: Option<Credentials>,
    /// Where its history was left; `None` where nobody knows, and all that it has is wanted.
    pub fork: Option<Fork>,
    /// What it said of its history when it was fenced.
    pub history: History,
    /// How.
    pub mode: RescueMode,
    /// Where it is saved; `None` for `rescue` beside the configuration file.
    pub dir: Option<Arc<str>>,
    /// The most bytes that are saved, 0 for all.
    pub max_bytes: u64,
}

/// What came of a rescue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rescued {
    /// Everything behind the fork is in this file, synced.
    Whole {
        /// The file's path.
        file: Arc<str>,
        /// How many commands it holds, without noise.
        commands: u64,
    },
    /// The server held nothing behind the fork but noise (PING, hellos): there was nothing to save.
    Nothing,
    /// Something is missing; what could be had is in `file`.
    Partly {
        /// The file's path, if there is one.
        file: Option<Arc<str>>,
        /// What is missing and why, in one line for people.
        why: Arc<str>,
    },
}
