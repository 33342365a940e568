//! Taking the arguments of one `sentinel` line, in the order of the table (spec §2.1).

use std::sync::Arc;

use bartizan_core::addr::Host;
use bartizan_core::fencing::{Fencing, MinReplicas};
use bartizan_core::ids::{Epoch, Quorum, ReplId, RunId};
use bartizan_core::limits;
use bartizan_core::model::branches::Branch;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::MasterState;
use bartizan_core::provide::options::{MasterOptions, Secret};
use bartizan_core::report::Fork;
use bartizan_core::rescue::RescueMode;
use bartizan_core::time::Span;

use super::parts::{
    LONGEST_MS, addr, epoch, master, number, port, positive_span, script, second, time_message,
};
use crate::directive::number;
use crate::draft::{Draft, MasterDraft, master_name};
use crate::line::Fault;

pub(super) fn my_id(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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

pub(super) fn deny_scripts_reconfig(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let message = "Please specify yes or no for the deny-scripts-reconfig options.";
    draft.options.scripts_reconfig = !flag(args, message)?;
    Ok(())
}

pub(super) fn resolve_hostnames(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let message = "Please specify yes or no for the resolve-hostnames option.";
    draft.options.resolve_hostnames = flag(args, message)?;
    Ok(())
}

pub(super) fn rescue_dir(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let dir = args.first().filter(|dir| !dir.is_empty());
    draft.options.rescue_dir = dir.map(|dir| Arc::from(*dir));
    Ok(())
}

pub(super) fn rescue_max_bytes(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let bytes = args.first().and_then(|size| number::memory(size));
    let fault = || Fault::at(0, "argument must be a memory value", "");
    draft.options.rescue_max_bytes = Some(bytes.ok_or_else(fault)?);
    Ok(())
}

pub(super) fn announce_hostnames(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let message = "Please specify yes or no for the announce-hostnames option.";
    draft.options.announce_hostnames = flag(args, message)?;
    Ok(())
}

pub(super) fn monitor(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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
                branches: Vec::new(),
                own_values: Vec::new(),
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

pub(super) fn down_after(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = positive_span(draft, args)?;
    master(draft, args)?.state.options.down_after = span;
    Ok(())
}

pub(super) fn failover_timeout(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = positive_span(draft, args)?;
    master(draft, args)?.state.options.failover_timeout = span;
    Ok(())
}

pub(super) fn parallel_syncs(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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

pub(super) fn notification_script(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let message = "Notification script seems non existing or non executable.";
    let path = script(draft, args, message)?;
    master(draft, args)?.state.options.notification_script = Some(path);
    Ok(())
}

pub(super) fn client_reconfig_script(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let message = "Client reconfiguration script seems non existing or non executable.";
    let path = script(draft, args, message)?;
    master(draft, args)?.state.options.client_reconfig_script = Some(path);
    Ok(())
}

pub(super) fn auth_pass(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let pass = second(args);
    let pass = (!pass.is_empty()).then(|| Secret::new(pass));
    master(draft, args)?.state.options.auth_pass = pass;
    Ok(())
}

pub(super) fn auth_user(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let user = second(args);
    let user = (!user.is_empty()).then(|| Arc::from(user));
    master(draft, args)?.state.options.auth_user = user;
    Ok(())
}

pub(super) fn crash_detection(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let span = optional_time(draft, args)?;
    master(draft, args)?.state.options.crash_detection = span;
    Ok(())
}

pub(super) fn rescue(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let mode = RescueMode::parse(second(args)).ok_or_else(|| {
        let message = "argument must be 'off', 'stream' or 'snapshot'";
        Fault::at(1, message, "")
    })?;
    master(draft, args)?.state.options.rescue = mode;
    Ok(())
}

pub(super) fn fencing(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let fencing = Fencing::parse(second(args), args.get(2).copied()).ok_or_else(|| {
        let message = "argument must be 'off', or 'min-replicas' and a number of seconds";
        Fault::at(1, message, "")
    })?;
    master(draft, args)?.state.options.fencing = fencing;
    Ok(())
}

pub(super) fn master_reboot_down_after(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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

pub(super) fn config_epoch(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let epoch = epoch(draft, 1, second(args))?;
    master(draft, args)?.state.configuration.epoch = epoch;
    draft.current_epoch = draft.current_epoch.max(epoch);
    Ok(())
}

pub(super) fn leader_epoch(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    master(draft, args)?;
    let epoch = epoch(draft, 1, second(args))?;
    master(draft, args)?.state.voted_epoch = epoch;
    Ok(())
}

/// Written as a comment, so that a redis-sentinel starts from the file too.
pub(super) fn known_fork(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let (id, offset, heir) = match *args {
        [_, id, offset] => (id, offset, None),
        [_, id, offset, heir] => (id, offset, Some(heir)),
        _ => return Ok(()),
    };
    let replication_id = |text: &str, at| {
        ReplId::parse(text.as_bytes())
            .ok_or_else(|| Fault::at(at, "a replication id has 40 hex digits", ""))
    };
    let id = replication_id(id, 1)?;
    let heir = heir.map(|heir| replication_id(heir, 3)).transpose()?;
    let offset = offset
        .parse()
        .map_err(|_| Fault::at(2, "an offset is a number", ""))?;
    let branches = &mut master(draft, args)?.state.branches;
    let left = Fork { id, offset };
    branches.push(Branch { left, id: heir });
    if branches.len() > limits::FORKS {
        branches.remove(0);
    }
    Ok(())
}

pub(super) fn known_min_replicas(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let &[_, host, port, to_write, max_lag] = args else {
        return Ok(());
    };
    let addr = addr(draft, 1, [host, port])?;
    let (Ok(to_write), Ok(max_lag)) = (to_write.parse(), max_lag.parse()) else {
        return Err(Fault::at(3, "a number of replicas and one of seconds", ""));
    };
    let values = MinReplicas { to_write, max_lag };
    let known = &mut master(draft, args)?.state.own_values;
    known.retain(|(of, _)| *of != addr);
    if known.len() <= limits::REPLICAS_PER_MASTER {
        known.push((addr, values));
    }
    Ok(())
}

pub(super) fn known_replica(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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

pub(super) fn known_sentinel(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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

pub(super) fn rename_command(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
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

pub(super) fn current_epoch(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let epoch = epoch(draft, 0, args.first().copied().unwrap_or_default())?;
    draft.current_epoch = draft.current_epoch.max(epoch);
    Ok(())
}

pub(super) fn announce_ip(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let text = args.first().copied().unwrap_or_default();
    if !text.is_empty() {
        let host = Host::parse(text);
        let fault = || Fault::at(0, "Invalid announce-ip.", "");
        draft.options.announce_ip = Some(host.ok_or_else(fault)?);
    }
    Ok(())
}

pub(super) fn announce_port(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    let port = port(draft, 0, args.first().copied().unwrap_or_default())?;
    draft.options.announce_port = (port != 0).then_some(port);
    Ok(())
}

pub(super) fn sentinel_user(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    if let Some(user) = args.first().filter(|user| !user.is_empty()) {
        draft.options.sentinel_user = Some(Arc::from(*user));
    }
    Ok(())
}

pub(super) fn sentinel_pass(draft: &mut Draft<'_>, args: &[&str]) -> Result<(), Fault> {
    if let Some(pass) = args.first().filter(|pass| !pass.is_empty()) {
        draft.options.sentinel_pass = Some(Secret::new(pass));
    }
    Ok(())
}
