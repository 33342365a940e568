//! `sentinel` directives: one row each, in the order in which they are written (spec §2.1, §2.3).

mod parts;
mod read;
mod write;

use bartizan_core::fencing::Fencing;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::provide::options::{Periods, Secret};
use bartizan_core::rescue::RescueMode;
use bartizan_core::time::Span;

use self::write::{is_default, maybe, one, unless};
use crate::directive::server::yes_no;
use crate::draft::Draft;
use crate::line::Fault;

/// When a line is applied, after all text is read (spec §1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// What others depend on.
    Globals,
    /// The masters.
    Monitors,
    /// Everything about a master.
    Rest,
}

/// The arguments of the lines that say what the state says.
pub(crate) type Lines = Vec<Vec<String>>;

/// Where a row's lines come from.
pub(crate) enum Scope {
    /// The process.
    Global(fn(&Durable) -> Lines),
    /// The process; a default is still written if the file has the directive.
    Kept(fn(&Durable) -> Lines, fn(&Durable) -> bool),
    /// Each master in turn.
    Master(fn(&MasterState, &Periods) -> Lines),
}

/// One directive.
pub(crate) struct Row {
    /// The canonical name, in lower case: what is written.
    pub(crate) name: &'static str,
    /// Other names that are read.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) phase: Phase,
    /// How many arguments it takes.
    pub(crate) arity: core::ops::RangeInclusive<usize>,
    /// Its arguments, for people.
    pub(crate) usage: &'static str,
    /// Values that are right, for people.
    pub(crate) example: &'static str,
    pub(crate) load: fn(&mut Draft<'_>, &[&str]) -> Result<(), Fault>,
    pub(crate) scope: Scope,
}

/// Directives that no other Sentinel has: what is added to the file stands as a comment, so that
/// a redis-sentinel starts from it too.
pub(crate) const OURS: &[&str] = &[
    "rescue-dir",
    "rescue-max-bytes",
    "crash-detection",
    "rescue",
    "fencing",
    "known-fork",
    "known-min-replicas",
];

/// The row of that name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    ROWS.iter()
        .find(|row| is(row.name) || row.aliases.iter().any(|alias| is(alias)))
}

impl Row {
    /// Takes the arguments of one line.
    pub(crate) fn apply(&self, draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
        let help = || {
            let Self {
                name,
                usage,
                example,
                ..
            } = self;
            format!("`sentinel {name} {usage}`; for example `sentinel {name} {example}`")
        };
        if !self.arity.contains(&args.len()) {
            return Err(Fault::line(
                "Unrecognized sentinel configuration statement.",
                help(),
            ));
        }
        (self.load)(draft, args).map_err(|mut fault| {
            if fault.help.is_empty() {
                fault.help = help();
            }
            fault
        })
    }
}

macro_rules! rows {
    ($($name:literal $([$alias:literal])* $phase:ident $arity:expr, $usage:literal, $example:literal,
        $load:ident, $scope:expr;)*) => {
        &[$(Row {
            name: $name,
            aliases: &[$($alias),*],
            phase: Phase::$phase,
            arity: $arity,
            usage: $usage,
            example: $example,
            load: read::$load,
            scope: $scope,
        },)*]
    };
}

/// Every `sentinel` directive, in the order in which they are written (spec §2.3).
pub(crate) const ROWS: &[Row] = rows! {
    "myid" Globals 1..=1, "ID", "0123456789abcdef0123456789abcdef01234567",
        my_id, Scope::Global(|d| one(&[&d.my_id]));
    "deny-scripts-reconfig" Globals 1..=1, "yes|no", "yes", deny_scripts_reconfig,
        Scope::Kept(
            |d| one(&[&yes_no(!d.options.scripts_reconfig)]), |d| !d.options.scripts_reconfig);
    "resolve-hostnames" Globals 1..=1, "yes|no", "no", resolve_hostnames,
        Scope::Kept(
            |d| one(&[&yes_no(d.options.resolve_hostnames)]), |d| !d.options.resolve_hostnames);
    "announce-hostnames" Globals 1..=1, "yes|no", "no", announce_hostnames,
        Scope::Kept(
            |d| one(&[&yes_no(d.options.announce_hostnames)]), |d| !d.options.announce_hostnames);
    "rescue-dir" Globals 1..=1, "DIRECTORY", "/var/lib/redis/rescue",
        rescue_dir, Scope::Global(|d| d.options.rescue_dir.iter().flat_map(|v| one(&[v])).collect());
    "rescue-max-bytes" Globals 1..=1, "BYTES", "1gb", rescue_max_bytes,
        Scope::Global(|d| d.options.rescue_max_bytes.iter().flat_map(|v| one(&[v])).collect());
    "monitor" Monitors 4..=4, "NAME HOST PORT QUORUM", "mymaster 127.0.0.1 6379 2",
        monitor, Scope::Master(|m, _| {
            let addr = &m.configuration.addr;
            one(&[&m.name, &addr.host, &addr.port, &m.options.quorum.get()])
        });
    "down-after-milliseconds" Rest 2..=2, "NAME MILLISECONDS", "mymaster 30000",
        down_after, Scope::Master(|m, p| unless(
            is_default(m.options.down_after, |p| p.default_down_after, p),
            &[&m.name, &m.options.down_after.as_ms()]));
    "failover-timeout" Rest 2..=2, "NAME MILLISECONDS", "mymaster 180000",
        failover_timeout, Scope::Master(|m, p| unless(
            is_default(m.options.failover_timeout, |p| p.default_failover_timeout, p),
            &[&m.name, &m.options.failover_timeout.as_ms()]));
    "parallel-syncs" Rest 2..=2, "NAME COUNT", "mymaster 1",
        parallel_syncs, Scope::Master(|m, _| unless(
            m.options.parallel_syncs == 1, &[&m.name, &m.options.parallel_syncs]));
    "notification-script" Rest 2..=2, "NAME PATH", "mymaster /usr/local/bin/notify.sh",
        notification_script, Scope::Master(|m, _| {
            maybe(m.name.as_str(), m.options.notification_script.as_deref())
        });
    "client-reconfig-script" Rest 2..=2, "NAME PATH", "mymaster /usr/local/bin/reconfig.sh",
        client_reconfig_script, Scope::Master(|m, _| {
            maybe(m.name.as_str(), m.options.client_reconfig_script.as_deref())
        });
    "auth-pass" Rest 2..=2, "NAME PASSWORD", "mymaster \"my password\"",
        auth_pass, Scope::Master(|m, _| {
            maybe(m.name.as_str(), m.options.auth_pass.as_ref().map(Secret::reveal))
        });
    "auth-user" Rest 2..=2, "NAME USER", "mymaster sentinel",
        auth_user, Scope::Master(|m, _| maybe(m.name.as_str(), m.options.auth_user.as_deref()));
    "master-reboot-down-after-period" ["primary-reboot-down-after-period"]
        Rest 2..=2, "NAME MILLISECONDS", "mymaster 0",
        master_reboot_down_after, Scope::Master(|m, _| unless(
            m.options.master_reboot_down_after == Span::ZERO,
            &[&m.name, &m.options.master_reboot_down_after.as_ms()]));
    "crash-detection" Rest 2..=2, "NAME MILLISECONDS", "mymaster 200",
        crash_detection, Scope::Master(|m, _| unless(
            m.options.crash_detection == Span::ZERO,
            &[&m.name, &m.options.crash_detection.as_ms()]));
    "rescue" Rest 2..=2, "NAME off|stream|snapshot", "mymaster stream",
        rescue, Scope::Master(|m, _| unless(
            m.options.rescue == RescueMode::default(),
            &[&m.name, &m.options.rescue.as_str()]));
    "fencing" Rest 2..=3, "NAME off|min-replicas [SECONDS]", "mymaster min-replicas 1",
        fencing, Scope::Master(|m, _| match m.options.fencing {
            Fencing::Off => Vec::new(),
            on => {
                let name = std::iter::once(m.name.to_string());
                vec![name.chain(on.words()).collect()]
            }
        });
    "config-epoch" Rest 2..=2, "NAME EPOCH", "mymaster 0",
        config_epoch, Scope::Master(|m, _| one(&[&m.name, &m.configuration.epoch]));
    "leader-epoch" Rest 2..=2, "NAME EPOCH", "mymaster 0",
        leader_epoch, Scope::Master(|m, _| one(&[&m.name, &m.voted_epoch]));
    "known-replica" ["known-slave"] Rest 3..=3, "NAME IP PORT", "mymaster 127.0.0.1 6380",
        known_replica, Scope::Master(write::replicas);
    "known-sentinel" Rest 3..=4, "NAME IP PORT ID",
        "mymaster 127.0.0.1 26380 0123456789abcdef0123456789abcdef01234567",
        known_sentinel, Scope::Master(write::sentinels);
    "known-fork" Rest 3..=4, "NAME REPLICATION-ID OFFSET [REPLICATION-ID-OF-THE-PROMOTED]",
        "mymaster 0123456789abcdef0123456789abcdef01234567 3697",
        known_fork, Scope::Master(write::forks);
    "known-min-replicas" Rest 5..=5, "NAME IP PORT MIN-REPLICAS-TO-WRITE MIN-REPLICAS-MAX-LAG",
        "mymaster 127.0.0.1 6379 0 10",
        known_min_replicas, Scope::Master(write::own_values);
    "rename-command" Rest 3..=3, "NAME COMMAND NEW-NAME", "mymaster CONFIG GUESSME",
        rename_command, Scope::Master(write::renames);
    "current-epoch" Globals 1..=1, "EPOCH", "0",
        current_epoch, Scope::Global(|d| one(&[&d.current_epoch]));
    "announce-ip" Globals 1..=1, "IP", "10.0.0.1",
        announce_ip, Scope::Global(|d| {
            d.options.announce_ip.as_ref().map(|ip| one(&[ip])).unwrap_or_default()
        });
    "announce-port" Globals 1..=1, "PORT", "26379",
        announce_port, Scope::Global(|d| {
            d.options.announce_port.as_ref().map(|port| one(&[port])).unwrap_or_default()
        });
    "sentinel-user" Globals 1..=1, "USER", "sentinel",
        sentinel_user, Scope::Global(|d| {
            d.options.sentinel_user.as_ref().map(|user| one(&[user])).unwrap_or_default()
        });
    "sentinel-pass" Globals 1..=1, "PASSWORD", "\"my password\"",
        sentinel_pass, Scope::Global(|d| {
            let pass = d.options.sentinel_pass.as_ref();
            pass.map(|pass| one(&[&pass.reveal()])).unwrap_or_default()
        });
};
