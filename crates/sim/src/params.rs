//! Sizes and options of a world. All of them are numbers, so that they print, parse and shrink
//! in one way.

use std::fmt;

macro_rules! params {
    ($($field:ident $default:literal $least:literal $doc:literal,)*) => {
        /// Sizes and options of a world.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Params {
            $(#[doc = $doc] pub $field: u64,)*
        }

        impl Default for Params {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl fmt::Display for Params {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let usual = Self::default();
                $(if self.$field != usual.$field {
                    writeln!(f, "param {} {}", stringify!($field), self.$field)?;
                })*
                Ok(())
            }
        }

        impl Params {
            /// The parameter of that name.
            pub fn by_name(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// The names, with the least value that makes sense for each.
            pub const ALL: &'static [(&'static str, u64)] =
                &[$((stringify!($field), $least),)*];
        }
    };
}

params! {
    sentinels 3 1 "How many Sentinels there are.",
    upstream 0 0 "How many of them are modelled redis-sentinels.",
    upstream_first 0 0 "Where the modelled redis-sentinels are: last (0), first (1), anywhere (2).",
    quorum 2 1 "How many have to agree that a master is down.",
    masters 1 1 "How many groups of servers.",
    replicas 2 0 "How many replicas a group has.",
    clients 1 0 "How many applications; each writes to one group.",
    write_every_ms 500 100 "Between two writes of one application.",
    down_after_ms 3000 500 "`down-after-milliseconds`",
    crash_detection_ms 0 0 "`crash-detection`; 0 for off.",
    failover_timeout_ms 20000 2000 "`failover-timeout`",
    parallel_syncs 1 1 "`parallel-syncs`",
    delay_low_us 300 100 "Shortest delay of a message.",
    delay_high_us 3000 200 "Longest ordinary delay of a message.",
    outlier_of 0 0 "One message in this many takes five times as long; 0 for none.",
    patience_ms 60000 5000 "TCP resets after this long without an acknowledgement.",
    sync_low_us 1000 100 "Shortest time a sync takes.",
    sync_high_us 9000 200 "Longest ordinary time a sync takes.",
    drift_ppm 0 0 "How far the rates of clocks are off, at most.",
    min_replicas 0 0 "`min-replicas-to-write` on every server.",
    fencing_lag 0 0 "`fencing … min-replicas` with this many seconds; 0 for off.",
    full_sync_ms 300 10 "How long the transfer of a full resync takes.",
    warmup_ms 15000 5000 "Before the first fault.",
    faults_ms 120000 1000 "How long there are faults.",
    right_by_ms 0 0 "When everything has to be right though faults go on; 0 for never. Set by hand.",
    bytes 0 0 "1: everything goes through the bytes of the wire and the text of the file.",
}
