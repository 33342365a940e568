//! What operators can set: per master, process-wide, and the tunable periods.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addr::Host;
use crate::fencing::Fencing;
use crate::ids::Quorum;
use crate::notify::event::Threshold;
use crate::rescue::RescueMode;
use crate::time::Span;

/// A password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a password.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The password itself, for the wire and the file only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// What to authenticate with: `AUTH password` or `AUTH user password`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; `None` for the default user.
    pub user: Option<Arc<str>>,
    /// The password.
    pub password: Secret,
}

/// A `rename-command` table: upper-case command word → the word to send instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames(BTreeMap<String, Arc<str>>);

impl Renames {
    /// The word to send for `command`, which is written in upper case.
    pub fn word<'a>(&'a self, command: &'a str) -> &'a str {
        self.0.get(command).map_or(command, |new| new)
    }

    /// Maps `command` (any case) to `new`, replacing an older mapping.
    pub fn insert(&mut self, command: &str, new: &str) {
        self.0.insert(command.to_ascii_uppercase(), Arc::from(new));
    }

    /// Takes a mapping away.
    pub fn remove(&mut self, command: &str) {
        self.0.remove(&command.to_ascii_uppercase());
    }

    /// Whether `command` is mapped.
    pub fn contains(&self, command: &str) -> bool {
        self.0.contains_key(&command.to_ascii_uppercase())
    }

    /// The mappings in order of the upper-case word.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(old, new)| (old.as_str(), new.as_ref()))
    }
}

/// What is set per master (spec §2.1, §11.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterOptions {
    /// How many have to agree that it is down.
    pub quorum: Quorum,
    /// Silence after which an instance counts as down.
    pub down_after: Span,
    /// The bound of each failover step, and half the pause between failovers.
    pub failover_timeout: Span,
    /// Replicas re-pointed at a time.
    pub parallel_syncs: u32,
    /// Run at each warning event.
    pub notification_script: Option<Arc<str>>,
    /// Run when the address changes.
    pub client_reconfig_script: Option<Arc<str>>,
    /// The ACL user on the master and its replicas; unused without a password.
    pub auth_user: Option<Arc<str>>,
    /// The password on the master and its replicas.
    pub auth_pass: Option<Secret>,
    /// A rebooted master that has not answered PONG for this long is down; zero is off.
    pub master_reboot_down_after: Span,
    /// A master that refused every connection for this long is down; zero is off.
    pub crash_detection: Span,
    /// What becomes of the writes that a returned master would lose.
    pub rescue: RescueMode,
    /// Whether the master is kept from taking writes that no replica gets.
    pub fencing: Fencing,
    /// The servers' renamed commands.
    pub renames: Arc<Renames>,
}

impl MasterOptions {
    /// The defaults of a newly monitored master (spec §2.1).
    pub fn new(quorum: Quorum, periods: &Periods) -> Self {
        Self {
            quorum,
            down_after: periods.default_down_after,
            failover_timeout: periods.default_failover_timeout,
            parallel_syncs: 1,
            notification_script: None,
            client_reconfig_script: None,
            auth_user: None,
            auth_pass: None,
            master_reboot_down_after: Span::ZERO,
            crash_detection: Span::ZERO,
            rescue: RescueMode::default(),
            fencing: Fencing::Off,
            renames: Arc::default(),
        }
    }

    /// What data links authenticate with; a user without a password sends nothing (spec §5.2).
    pub fn credentials(&self) -> Option<Credentials> {
        self.auth_pass.as_ref().map(|password| Credentials {
            user: self.auth_user.clone(),
            password: password.clone(),
        })
    }
}

/// What is set for the whole process (spec §2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalOptions {
    /// The host that hellos carry instead of the socket's own address.
    pub announce_ip: Option<Host>,
    /// The port that hellos carry; `None` for the listening one.
    pub announce_port: Option<u16>,
    /// Who to be on peers that ask for a password.
    pub sentinel_user: Option<Arc<str>>,
    /// The password on peers.
    pub sentinel_pass: Option<Secret>,
    /// Host names are allowed and resolved.
    pub resolve_hostnames: bool,
    /// Host names are told to others as names.
    pub announce_hostnames: bool,
    /// `SENTINEL SET` may change script paths (`deny-scripts-reconfig no`).
    pub scripts_reconfig: bool,
    /// Which lines the log holds. Whoever writes the log starts with it too.
    pub log_threshold: Threshold,
    /// Where rescued writes are saved; `None` for `rescue` beside the configuration file.
    pub rescue_dir: Option<Arc<str>>,
    /// The most bytes that one rescue saves, 0 for all; `None` for
    /// [`crate::rescue::DEFAULT_MAX_BYTES`].
    pub rescue_max_bytes: Option<u64>,
}

macro_rules! periods {
    ($($field:ident $name:literal $ms:literal $doc:literal,)*) => {
        /// The process-wide periods of `SENTINEL DEBUG` (spec §5.3); never persisted.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Periods {
            $(#[doc = $doc] pub $field: Span,)*
        }

        impl Default for Periods {
            fn default() -> Self {
                Self { $($field: Span::ms($ms),)* }
            }
        }

        impl Periods {
            /// Name and value of each, in the order of `SENTINEL DEBUG`.
            pub fn list(&self) -> Vec<(&'static str, Span)> {
                vec![$(($name, self.$field),)*]
            }

            /// The period of that name, in any case.
            pub fn by_name(&mut self, name: &str) -> Option<&mut Span> {
                $(if name.eq_ignore_ascii_case($name) { return Some(&mut self.$field); })*
                None
            }
        }
    };
}

periods! {
    info "INFO-PERIOD" 10_000 "Between two INFO to a server.",
    ping "PING-PERIOD" 1000 "Between two PING, at most.",
    ask "ASK-PERIOD" 1000 "Between two questions to a peer about a master that is down.",
    publish "PUBLISH-PERIOD" 2000 "Between two hellos.",
    default_down_after "DEFAULT-DOWN-AFTER" 30_000 "For masters added later.",
    default_failover_timeout "DEFAULT-FAILOVER-TIMEOUT" 180_000 "For masters added later.",
    tilt_trigger "TILT-TRIGGER" 2000 "Waking up later than this is TILT.",
    tilt "TILT-PERIOD" 30_000 "How long TILT lasts.",
    slave_reconf "SLAVE-RECONF-TIMEOUT" 10_000 "For a replica to follow the new master.",
    min_link_reconnect "MIN-LINK-RECONNECT-PERIOD" 15_000 "A silent link younger than this is left alone.",
    election "ELECTION-TIMEOUT" 10_000 "For votes to come in, at most.",
    script_runtime "SCRIPT-MAX-RUNTIME" 60_000 "After which a script is killed.",
    script_retry "SCRIPT-RETRY-DELAY" 30_000 "Before a failed script is run again, doubling.",
}
