//! `sentinel` directives: one row each, in the order in which they are written (spec §2.1, §2.3).

use std::sync::Arc;

use bartizan_core::addr::Addr;
use bartizan_core::ids::{Epoch, Quorum, ReplId, RunId};
use bartizan_core::limits;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::provide::options::{MasterOptions, Periods, Secret};
use bartizan_core::report::Fork;
use bartizan_core::rescue::RescueMode;
use bartizan_core::time::Span;

use crate::directive::number;
use crate::directive::server::yes_no;
use crate::draft::{Draft, MasterDraft, master_name};
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

// Loading, in the order of the table.

fn my_id(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let id = args.first().and_then(|id| RunId::parse(id.as_bytes()));
    let fault = || Fault::at(0, "Malformed Sentinel id in myid option.", "");
    draft.my_id = Some(id.ok_or_else(fault)?);
    Ok(())
}

fn flag(args: &[&str], message: &str) -> Result<bool, Fault> {
    match args.first().map(|arg| arg.to_ascii_lowercase()).as_deref() {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        _ => Err(Fault::at(0, message, "")),
    }
}

fn deny_scripts_reconfig(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let message = "Please specify yes or no for the deny-scripts-reconfig options.";
    draft.options.scripts_reconfig = !flag(args, message)?;
    Ok(())
}

fn resolve_hostnames(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let message = "Please specify yes or no for the resolve-hostnames option.";
    draft.options.resolve_hostnames = flag(args, message)?;
    Ok(())
}

fn rescue_dir(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let dir = args.first().filter(|dir| !dir.is_empty());
    draft.options.rescue_dir = dir.map(|dir| Arc::from(*dir));
    Ok(())
}

fn rescue_max_bytes(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let bytes = args.first().and_then(|size| number::memory(size));
    let fault = || Fault::at(0, "argument must be a memory value", "");
    draft.options.rescue_max_bytes = Some(bytes.ok_or_else(fault)?);
    Ok(())
}

fn announce_hostnames(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let message = "Please specify yes or no for the announce-hostnames option.";
    draft.options.announce_hostnames = flag(args, message)?;
    Ok(())
}

fn monitor(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let &[name, host, port, quorum] = args else {
        return Ok(());
    };
    let quorum = number(draft, quorum);
    let quorum = u32::try_from(quorum).ok().and_then(Quorum::new);
    let quorum = quorum.ok_or_else(|| Fault::at(3, "Quorum must be 1 or greater.", ""))?;
    let addr = addr(draft, 1, [host, port])?;
    let file = Arc::clone(&draft.place.file);
    match draft.masters.get_mut(name) {
        Some(known) if known.file == file => {
            let help = "each master has one `sentinel monitor` line and a name of its own";
            return Err(Fault::at(0, "Duplicate master name.", help));
        }
        Some(known) => {
            // A rewrite put the state of a master from an included file into the main one, and
            // that is the newer of the two (spec §17).
            known.state.configuration.addr = addr;
            known.state.options.quorum = quorum;
            known.file = file;
        }
        None => {
            let state = MasterState {
                forks: Vec::new(),
                name: master_name(name),
                configuration: Configuration {
                    epoch: Epoch::ZERO,
                    addr,
                },
                options: MasterOptions::new(quorum, &draft.periods),
                voted_epoch: Epoch::ZERO,
                replicas: Vec::new(),
                sentinels: Vec::new(),
            };
            draft
                .masters
                .insert(name.to_owned(), MasterDraft::new(state, file));
        }
    }
    Ok(())
}

fn down_after(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = positive_span(draft, args)?;
    master(draft, args)?.state.options.down_after = span;
    Ok(())
}

fn failover_timeout(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = positive_span(draft, args)?;
    master(draft, args)?.state.options.failover_timeout = span;
    Ok(())
}

fn parallel_syncs(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let n = number(draft, second(args));
    if n <= 0 {
        draft.warn("with parallel-syncs below 1 no replica follows a new master by our hand");
    }
    let n = u32::try_from(n.max(0));
    let n = n.map_err(|_| Fault::at(1, "parallel-syncs is out of range.", ""))?;
    master(draft, args)?.state.options.parallel_syncs = n;
    Ok(())
}

fn notification_script(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let message = "Notification script seems non existing or non executable.";
    let path = script(draft, args, message)?;
    master(draft, args)?.state.options.notification_script = Some(path);
    Ok(())
}

fn client_reconfig_script(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let message = "Client reconfiguration script seems non existing or non executable.";
    let path = script(draft, args, message)?;
    master(draft, args)?.state.options.client_reconfig_script = Some(path);
    Ok(())
}

fn auth_pass(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let pass = second(args);
    let pass = (!pass.is_empty()).then(|| Secret::new(pass));
    master(draft, args)?.state.options.auth_pass = pass;
    Ok(())
}

fn auth_user(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let user = second(args);
    let user = (!user.is_empty()).then(|| Arc::from(user));
    master(draft, args)?.state.options.auth_user = user;
    Ok(())
}

fn crash_detection(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = optional_time(draft, args)?;
    master(draft, args)?.state.options.crash_detection = span;
    Ok(())
}

fn rescue(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let mode = RescueMode::parse(second(args)).ok_or_else(|| {
        let message = "argument must be 'off', 'stream' or 'snapshot'";
        Fault::at(1, message, "")
    })?;
    master(draft, args)?.state.options.rescue = mode;
    Ok(())
}

fn master_reboot_down_after(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = optional_time(draft, args)?;
    master(draft, args)?.state.options.master_reboot_down_after = span;
    Ok(())
}

/// A time in milliseconds for which zero means off.
fn optional_time(draft: &mut Draft<'_>, args: &[&str]) -> Result<Span, Fault> {
    master(draft, args)?;
    let ms = number(draft, second(args));
    let span = u64::try_from(ms)
        .ok()
        .filter(|ms| *ms <= LONGEST_MS)
        .map(Span::ms);
    span.ok_or_else(|| Fault::at(1, time_message(ms, "negative time parameter."), ""))
}

fn config_epoch(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let epoch = epoch(draft, 1, second(args))?;
    master(draft, args)?.state.configuration.epoch = epoch;
    draft.current_epoch = draft.current_epoch.max(epoch);
    Ok(())
}

fn leader_epoch(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let epoch = epoch(draft, 1, second(args))?;
    master(draft, args)?.state.voted_epoch = epoch;
    Ok(())
}

/// Written as a comment, so that a redis-sentinel starts from the file too.
fn known_fork(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let &[_, id, offset] = args else {
        return Ok(());
    };
    let id = ReplId::parse(id.as_bytes())
        .ok_or_else(|| Fault::at(1, "a replication id has 40 hex digits", ""))?;
    let offset = offset
        .parse()
        .map_err(|_| Fault::at(2, "an offset is a number", ""))?;
    let forks = &mut master(draft, args)?.state.forks;
    forks.push(Fork { id, offset });
    if forks.len() > limits::FORKS {
        forks.remove(0);
    }
    Ok(())
}

fn known_replica(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let &[_, host, port] = args else {
        return Ok(());
    };
    master(draft, args)?;
    let addr = addr(draft, 1, [host, port])?;
    let master = master(draft, args)?;
    // Redis 7.0 writes a known-replica line beside a known-slave line of the same replica, and
    // then does not start again (spec §2.3). Said twice, it is still one replica.
    if master.replicas.insert(addr.clone()) {
        master.state.replicas.push(addr);
    }
    Ok(())
}

fn known_sentinel(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    // The form without an id is from before Redis 2.8.1 and says nothing of use.
    let &[_, host, port, id] = args else {
        return Ok(());
    };
    let addr = addr(draft, 1, [host, port])?;
    let Some(id) = RunId::parse(id.as_bytes()) else {
        draft.warn(format!(
            "`{id}` is no Sentinel id (40 characters), the line is left out"
        ));
        return Ok(());
    };
    let file = Arc::clone(&draft.place.file);
    let master = master(draft, args)?;
    match master.sentinels.insert(id, (Arc::clone(&file), addr)) {
        Some((known, _)) if known == file => {
            let help = "one line for each Sentinel and master";
            Err(Fault::at(3, "Duplicate runid for sentinel.", help))
        }
        Some(_) => Ok(()),
        None => {
            master.sentinel_order.push(id);
            Ok(())
        }
    }
}

fn rename_command(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let &[_, old, new] = args else { return Ok(()) };
    let file = Arc::clone(&draft.place.file);
    let master = master(draft, args)?;
    let known = master
        .renames
        .insert(old.to_ascii_uppercase(), Arc::clone(&file));
    if known == Some(file) {
        let message = "Same command renamed multiple times with rename-command.";
        return Err(Fault::at(
            1,
            message,
            "one line for each command of a master",
        ));
    }
    Arc::make_mut(&mut master.state.options.renames).insert(old, new);
    Ok(())
}

fn current_epoch(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let epoch = epoch(draft, 0, args.first().copied().unwrap_or_default())?;
    draft.current_epoch = draft.current_epoch.max(epoch);
    Ok(())
}

fn announce_ip(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let text = args.first().copied().unwrap_or_default();
    if !text.is_empty() {
        let host = bartizan_core::addr::Host::parse(text);
        let fault = || Fault::at(0, "Invalid announce-ip.", "");
        draft.options.announce_ip = Some(host.ok_or_else(fault)?);
    }
    Ok(())
}

fn announce_port(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let port = port(draft, 0, args.first().copied().unwrap_or_default())?;
    draft.options.announce_port = (port != 0).then_some(port);
    Ok(())
}

fn sentinel_user(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    if let Some(user) = args.first().filter(|user| !user.is_empty()) {
        draft.options.sentinel_user = Some(Arc::from(*user));
    }
    Ok(())
}

fn sentinel_pass(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    if let Some(pass) = args.first().filter(|pass| !pass.is_empty()) {
        draft.options.sentinel_pass = Some(Secret::new(pass));
    }
    Ok(())
}

// Parts of lines.

/// The longest time that is believed: what a signed 64-bit reader can hold.
const LONGEST_MS: u64 = i64::MAX.unsigned_abs();

fn second<'a>(args: &[&'a str]) -> &'a str {
    args.get(1).copied().unwrap_or_default()
}

fn master<'a>(draft: &'a mut Draft<'_>, args: &[&str]) -> Result<&'a mut MasterDraft, Fault> {
    draft.master(args.first().copied().unwrap_or_default())
}

/// A number as C's `atoi` reads it; what it does not read is told.
fn number(draft: &mut Draft<'_>, text: &str) -> i128 {
    let (number, clean) = number::lenient(text);
    if !clean {
        draft.warn(format!("`{text}` is read as the number {number}"));
    }
    number
}

fn time_message(ms: i128, low: &str) -> String {
    if ms > 0 {
        "time parameter is out of range.".to_owned()
    } else {
        low.to_owned()
    }
}

fn positive_span(draft: &mut Draft<'_>, args: &[&str]) -> Result<Span, Fault> {
    master(draft, args)?;
    let ms = number(draft, second(args));
    let span = u64::try_from(ms)
        .ok()
        .filter(|ms| (1..=LONGEST_MS).contains(ms))
        .map(Span::ms);
    span.ok_or_else(|| Fault::at(1, time_message(ms, "negative or zero time parameter."), ""))
}

fn epoch(draft: &mut Draft<'_>, argument: usize, text: &str) -> Result<Epoch, Fault> {
    let n = u64::try_from(number(draft, text))
        .ok()
        .filter(|n| *n <= limits::LARGEST_EPOCH);
    let help = format!("a number from 0 to {}", limits::LARGEST_EPOCH);
    n.map(Epoch::new)
        .ok_or_else(|| Fault::at(argument, "Epoch is out of range.", help))
}

fn port(draft: &mut Draft<'_>, argument: usize, text: &str) -> Result<u16, Fault> {
    let port = u16::try_from(number(draft, text));
    port.map_err(|_| Fault::at(argument, "Invalid port number.", "a port is 0 to 65535"))
}

/// A host and a port; `argument` is the host's place in the line. Redis looks at the port first.
fn addr(
    draft: &mut Draft<'_>,
    argument: usize,
    [host, port_text]: [&str; 2],
) -> Result<Addr, Fault> {
    let port = port(draft, argument + 1, port_text)?;
    Ok(Addr::new(draft.host(argument, host)?, port))
}

fn script(draft: &Draft<'_>, args: &[&str], message: &str) -> Result<Arc<str>, Fault> {
    let path = second(args);
    if draft.world.is_executable(path) {
        Ok(Arc::from(path))
    } else {
        Err(Fault::at(
            1,
            message,
            "the path of a program that we may run (chmod +x)",
        ))
    }
}

// Writing.

fn one(values: &[&dyn ToString]) -> Lines {
    vec![values.iter().map(|value| value.to_string()).collect()]
}

fn unless(is_default: bool, values: &[&dyn ToString]) -> Lines {
    if is_default { Vec::new() } else { one(values) }
}

/// Whether a line may be left out: the value is the default in force (spec §2.3), and also the one
/// that the next start will have, since `SENTINEL DEBUG` does not outlive the process.
fn is_default(value: Span, default: fn(&Periods) -> Span, in_force: &Periods) -> bool {
    value == default(in_force) && value == default(&Periods::default())
}

fn maybe<T: AsRef<str>>(name: &str, value: Option<T>) -> Lines {
    value
        .map(|value| one(&[&name, &value.as_ref()]))
        .unwrap_or_default()
}

fn written_forks(master: &MasterState, _: &Periods) -> Lines {
    let line = |fork: &Fork| {
        let (name, id) = (master.name.to_string(), fork.id.to_string());
        vec![name, id, fork.offset.to_string()]
    };
    master.forks.iter().map(line).collect()
}

fn written_replicas(master: &MasterState, _: &Periods) -> Lines {
    let line = |addr: &Addr| {
        vec![
            master.name.to_string(),
            addr.host.to_string(),
            addr.port.to_string(),
        ]
    };
    master.replicas.iter().map(line).collect()
}

fn written_sentinels(master: &MasterState, _: &Periods) -> Lines {
    let line = |(id, addr): &(RunId, Addr)| {
        let name = master.name.to_string();
        vec![
            name,
            addr.host.to_string(),
            addr.port.to_string(),
            id.to_string(),
        ]
    };
    master.sentinels.iter().map(line).collect()
}

fn written_renames(master: &MasterState, _: &Periods) -> Lines {
    let line =
        |(old, new): (&str, &str)| vec![master.name.to_string(), old.to_owned(), new.to_owned()];
    master.options.renames.iter().map(line).collect()
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
            load: $load,
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
    "config-epoch" Rest 2..=2, "NAME EPOCH", "mymaster 0",
        config_epoch, Scope::Master(|m, _| one(&[&m.name, &m.configuration.epoch]));
    "leader-epoch" Rest 2..=2, "NAME EPOCH", "mymaster 0",
        leader_epoch, Scope::Master(|m, _| one(&[&m.name, &m.voted_epoch]));
    "known-replica" ["known-slave"] Rest 3..=3, "NAME IP PORT", "mymaster 127.0.0.1 6380",
        known_replica, Scope::Master(written_replicas);
    "known-sentinel" Rest 3..=4, "NAME IP PORT ID",
        "mymaster 127.0.0.1 26380 0123456789abcdef0123456789abcdef01234567",
        known_sentinel, Scope::Master(written_sentinels);
    "known-fork" Rest 3..=3, "NAME REPLICATION-ID OFFSET",
        "mymaster 0123456789abcdef0123456789abcdef01234567 3697",
        known_fork, Scope::Master(written_forks);
    "rename-command" Rest 3..=3, "NAME COMMAND NEW-NAME", "mymaster CONFIG GUESSME",
        rename_command, Scope::Master(written_renames);
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
