//! `INFO`: what this process says of itself (spec §3.4). The `# Sentinel` section is the core's.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use bartizan_core::ids::RunId;
use bartizan_core::time::Mono;
use nix::sys::resource::{UsageWho, getrusage};

use super::{Hall, seconds_since};

/// The version of Redis whose Sentinel we speak like. Clients and tools choose by it what they
/// send and expect, so it is not our own version.
pub(crate) const REDIS_VERSION: &str = "7.0.15";
/// Our own version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// When it started, on the steady clock.
    pub(crate) started: Mono,
    /// The process's own id, which is not the Sentinel's.
    pub(crate) run_id: RunId,
    /// The configuration file, absolute.
    pub(crate) config_file: String,
    /// The program, absolute.
    pub(crate) executable: String,
}

/// A section; they are shown in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// `# Server`
    Server,
    /// `# Clients`
    Clients,
    /// `# Stats`
    Stats,
    /// `# CPU`
    Cpu,
    /// `# Sentinel`
    Sentinel,
}

impl Section {
    const ALL: [(&'static str, Self); 5] = [
        ("server", Self::Server),
        ("clients", Self::Clients),
        ("stats", Self::Stats),
        ("cpu", Self::Cpu),
        ("sentinel", Self::Sentinel),
    ];

    /// The sections that these words mean, in the order they are shown. None means all, and what
    /// is unknown is left out.
    pub(crate) fn wanted(words: &[String]) -> Vec<Self> {
        let all = |word: &String| matches!(word.as_str(), "default" | "all" | "everything");
        let everything = words.is_empty() || words.iter().any(all);
        Self::ALL
            .iter()
            .filter(|(name, _)| everything || words.iter().any(|word| word == name))
            .map(|(_, section)| *section)
            .collect()
    }
}

/// The text of all wanted sections but the core's own.
pub(crate) fn text(hall: &Hall, wanted: &[Section]) -> String {
    let mut out = String::new();
    for section in wanted {
        let text = match section {
            Section::Server => server(hall),
            Section::Clients => clients(hall),
            Section::Stats => stats(hall),
            Section::Cpu => cpu(),
            Section::Sentinel => continue,
        };
        if !out.is_empty() {
            out.push_str("\r\n");
        }
        out.push_str(&text);
    }
    out
}

/// A section from its lines.
fn section(title: &str, lines: &[(&str, String)]) -> String {
    let mut out = format!("# {title}\r\n");
    for (name, value) in lines {
        let _ = write!(out, "{name}:{value}\r\n");
    }
    out
}

fn server(hall: &Hall) -> String {
    let Process {
        started,
        run_id,
        config_file,
        executable,
    } = &hall.process;
    let micros = crate::clock::unix_micros();
    let uptime = seconds_since(hall.clock.now(), *started);
    let os = nix::sys::utsname::uname().map_or_else(
        |_| std::env::consts::OS.to_owned(),
        |name| {
            format!(
                "{} {} {}",
                name.sysname().to_string_lossy(),
                name.release().to_string_lossy(),
                name.machine().to_string_lossy()
            )
        },
    );
    section(
        "Server",
        &[
            ("redis_version", REDIS_VERSION.to_owned()),
            ("redis_git_sha1", "00000000".to_owned()),
            ("redis_git_dirty", "0".to_owned()),
            ("redis_build_id", "0".to_owned()),
            ("redis_mode", "sentinel".to_owned()),
            ("bartizan_version", VERSION.to_owned()),
            ("os", os),
            ("arch_bits", usize::BITS.to_string()),
            ("monotonic_clock", "POSIX clock_gettime".to_owned()),
            ("multiplexing_api", "epoll".to_owned()),
            ("atomicvar_api", "c11-builtin".to_owned()),
            ("gcc_version", "0.0.0".to_owned()),
            ("process_id", std::process::id().to_string()),
            (
                "process_supervised",
                hall.options.supervised.word().to_owned(),
            ),
            ("run_id", run_id.to_string()),
            (
                "tcp_port",
                crate::start::shown_port(&hall.options).to_string(),
            ),
            ("server_time_usec", micros.to_string()),
            ("uptime_in_seconds", uptime.to_string()),
            ("uptime_in_days", (uptime / 86_400).to_string()),
            ("hz", "10".to_owned()),
            ("configured_hz", "10".to_owned()),
            (
                "lru_clock",
                ((micros / 1_000_000) & 0x00ff_ffff).to_string(),
            ),
            ("executable", executable.clone()),
            ("config_file", config_file.clone()),
            ("io_threads_active", "0".to_owned()),
        ],
    )
}

fn clients(hall: &Hall) -> String {
    let seats = hall.seats.borrow();
    let tracking = seats
        .values()
        .filter(|seat| seat.tracking.borrow().is_some())
        .count();
    section(
        "Clients",
        &[
            ("connected_clients", seats.len().to_string()),
            ("cluster_connections", "0".to_owned()),
            ("maxclients", hall.max_clients.to_string()),
            ("client_recent_max_input_buffer", "0".to_owned()),
            ("client_recent_max_output_buffer", "0".to_owned()),
            ("blocked_clients", "0".to_owned()),
            ("tracking_clients", tracking.to_string()),
            ("clients_in_timeout_table", "0".to_owned()),
        ],
    )
}

/// The `# Stats` lines of a data server, in its order. Most say nothing here, but tools that sum
/// them up expect them.
const STATS: &[&str] = &[
    "total_connections_received",
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "total_net_repl_input_bytes",
    "total_net_repl_output_bytes",
    "instantaneous_input_kbps",
    "instantaneous_output_kbps",
    "instantaneous_input_repl_kbps",
    "instantaneous_output_repl_kbps",
    "rejected_connections",
    "sync_full",
    "sync_partial_ok",
    "sync_partial_err",
    "expired_keys",
    "expired_stale_perc",
    "expired_time_cap_reached_count",
    "expire_cycle_cpu_milliseconds",
    "evicted_keys",
    "evicted_clients",
    "total_eviction_exceeded_time",
    "current_eviction_exceeded_time",
    "keyspace_hits",
    "keyspace_misses",
    "pubsub_channels",
    "pubsub_patterns",
    "pubsubshard_channels",
    "latest_fork_usec",
    "total_forks",
    "migrate_cached_sockets",
    "slave_expires_tracked_keys",
    "active_defrag_hits",
    "active_defrag_misses",
    "active_defrag_key_hits",
    "active_defrag_key_misses",
    "total_active_defrag_time",
    "current_active_defrag_time",
    "tracking_total_keys",
    "tracking_total_items",
    "tracking_total_prefixes",
    "unexpected_error_replies",
    "total_error_replies",
    "dump_payload_sanitizations",
    "total_reads_processed",
    "total_writes_processed",
    "io_threaded_reads_processed",
    "io_threaded_writes_processed",
    "reply_buffer_shrinks",
    "reply_buffer_expands",
];

fn stats(hall: &Hall) -> String {
    let tally = &hall.tally;
    let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
    let pubsub = hall.pubsub.borrow();
    let lines: Vec<(&str, String)> = STATS
        .iter()
        .map(|&name| {
            let value = match name {
                "total_connections_received" => counted(&tally.connections),
                "total_commands_processed" => counted(&tally.commands),
                "total_net_input_bytes" => counted(&tally.bytes_in),
                "total_net_output_bytes" => counted(&tally.bytes_out),
                "rejected_connections" => counted(&tally.rejected),
                "pubsub_channels" => pubsub.channels().to_string(),
                "pubsub_patterns" => pubsub.patterns().to_string(),
                "total_error_replies" => counted(&tally.errors),
                "expired_stale_perc" => "0.00".to_owned(),
                name if name.ends_with("_kbps") => "0.00".to_owned(),
                _ => "0".to_owned(),
            };
            (name, value)
        })
        .collect();
    section("Stats", &lines)
}

fn cpu() -> String {
    let time = |who: UsageWho| {
        getrusage(who).map_or_else(
            |_| ("0.000000".to_owned(), "0.000000".to_owned()),
            |usage| (seconds(usage.system_time()), seconds(usage.user_time())),
        )
    };
    let (sys, user) = time(UsageWho::RUSAGE_SELF);
    let (sys_children, user_children) = time(UsageWho::RUSAGE_CHILDREN);
    section(
        "CPU",
        &[
            ("used_cpu_sys", sys.clone()),
            ("used_cpu_user", user.clone()),
            ("used_cpu_sys_children", sys_children),
            ("used_cpu_user_children", user_children),
            ("used_cpu_sys_main_thread", sys),
            ("used_cpu_user_main_thread", user),
        ],
    )
}

fn seconds(time: nix::sys::time::TimeVal) -> String {
    format!("{}.{:06}", time.tv_sec(), time.tv_usec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(words: &[&str]) -> Vec<Section> {
        Section::wanted(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn no_word_and_the_general_ones_mean_every_section() {
        let all = [
            Section::Server,
            Section::Clients,
            Section::Stats,
            Section::Cpu,
            Section::Sentinel,
        ];
        for words in [&[][..], &["default"], &["everything"], &["cpu", "all"]] {
            assert_eq!(wanted(words), all);
        }
    }

    #[test]
    fn sections_keep_their_order_and_unknown_ones_are_left_out() {
        assert_eq!(
            wanted(&["sentinel", "keyspace", "server"]),
            [Section::Server, Section::Sentinel]
        );
        assert_eq!(wanted(&["keyspace"]), []);
    }
}
