//! Bounded split brain (`sentinel fencing <name> …`): a master that no replica hears any more stops
//! taking writes by itself, since it has `min-replicas-to-write` and `min-replicas-max-lag` set.

use core::fmt;

use crate::time::Span;

/// Whether the master is kept from taking writes that no replica gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fencing {
    /// It is left as its operator has set it.
    #[default]
    Off,
    /// It has to have heard of a replica within so many seconds.
    MinReplicas {
        /// At least 1.
        lag: u32,
    },
}

/// What a server has set as `min-replicas-to-write` and `min-replicas-max-lag`. The server goes by
/// them only when neither is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinReplicas {
    /// How many replicas have to be there.
    pub to_write: u32,
    /// How long ago each may have been heard, in seconds.
    pub max_lag: u32,
}

impl Fencing {
    /// Reads the words of the directive, in any case: `off`, or `min-replicas` and a number of
    /// seconds, at least 1.
    pub fn parse(word: &str, lag: Option<&str>) -> Option<Self> {
        match (word.to_ascii_lowercase().as_str(), lag) {
            ("off", None) => Some(Self::Off),
            ("min-replicas", Some(lag)) => {
                let lag = lag.parse().ok().filter(|lag| *lag > 0)?;
                Some(Self::MinReplicas { lag })
            }
            _ => None,
        }
    }

    /// The words of the directive.
    pub fn words(self) -> Vec<String> {
        match self {
            Self::Off => vec!["off".to_owned()],
            Self::MinReplicas { lag } => vec!["min-replicas".to_owned(), lag.to_string()],
        }
    }
}

impl MinReplicas {
    /// Whether the server refuses writes for it.
    pub const fn is_on(self) -> bool {
        self.to_write > 0 && self.max_lag > 0
    }

    /// Whether it refuses whatever `other` would refuse.
    pub const fn covers(self, other: Self) -> bool {
        let harder = self.to_write >= other.to_write && self.max_lag <= other.max_lag;
        !other.is_on() || (self.is_on() && harder)
    }

    /// The same, with at least one replica heard of within `lag` seconds.
    #[must_use]
    pub fn within(self, lag: u32) -> Self {
        if self.is_on() {
            let max_lag = self.max_lag.min(lag);
            Self { max_lag, ..self }
        } else {
            Self {
                to_write: 1,
                max_lag: lag,
            }
        }
    }

    /// How long ago a replica may have been heard.
    pub const fn patience(self) -> Span {
        Span::secs(self.max_lag as u64)
    }
}

impl fmt::Display for MinReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to_write, max_lag } = self;
        write!(
            f,
            "min-replicas-to-write {to_write} min-replicas-max-lag {max_lag}"
        )
    }
}
