//! `SENTINEL SET`, `SENTINEL CONFIG SET` and `SENTINEL DEBUG` (spec §11).

use std::sync::Arc;

use crate::addr::Host;
use crate::ctx::Ctx;
use crate::fencing::Fencing;
use crate::ids::Quorum;
use crate::model::master::{About, Master};
use crate::notify::event::{EventKind, Threshold};
use crate::output::Output;
use crate::provide::change::Outcome;
use crate::provide::options::Secret;
use crate::provide::reply::Reply;
use crate::rescue::{RescueMode, parse_bytes};
use crate::time::Span;

type Words = [Arc<str>];

/// Sets options of one master, pair by pair; those before an error stay set (spec §11.1).
/// Of the paths, `not_executable` are no scripts, as the edge has found.
pub(crate) fn set(
    master: &mut Master,
    cx: &mut Ctx,
    words: &Words,
    not_executable: &Words,
) -> Result<Outcome, Reply> {
    let mut rest = words;
    let mut changed = false;
    let mut failure = None;
    while let Some((option, values)) = rest.split_first() {
        match set_one(master, cx, option, values, not_executable) {
            Ok(used) => {
                changed = true;
                rest = values.get(used..).unwrap_or_default();
            }
            Err(reply) => {
                failure = Some(reply);
                break;
            }
        }
    }
    if changed {
        cx.gate.touch();
        master.tell_all_missing(cx);
    }
    match failure {
        Some(reply) => Err(reply),
        None if changed => Ok(Outcome::Saved(Reply::OK)),
        None => Ok(Outcome::Done(Reply::OK)),
    }
}

/// Sets one option; returns how many values it took.
fn set_one(
    master: &mut Master,
    cx: &mut Ctx,
    option: &str,
    values: &Words,
    not_executable: &Words,
) -> Result<usize, Reply> {
    let name = option.to_ascii_lowercase();
    let unknown = || {
        Reply::error(format!(
            "ERR Unknown option or number of arguments for SENTINEL SET '{option}'"
        ))
    };
    let value = values.first().ok_or_else(unknown)?;
    let invalid = || {
        Reply::error(format!(
            "ERR Invalid argument '{value}' for SENTINEL SET '{option}'"
        ))
    };
    let positive = || {
        value
            .parse::<u32>()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(invalid)
    };
    let millis = || positive().map(|n| Span::ms(u64::from(n)));
    let options = &mut master.options;
    let mut shown = value.to_string();
    let mut used = 1;
    match name.as_str() {
        "down-after-milliseconds" => options.down_after = millis()?,
        "failover-timeout" => options.failover_timeout = millis()?,
        "parallel-syncs" => options.parallel_syncs = positive()?,
        "quorum" => options.quorum = Quorum::new(positive()?).ok_or_else(invalid)?,
        "notification-script" => {
            options.notification_script = script(cx, value, not_executable, "Notification")?;
        }
        "client-reconfig-script" => {
            options.client_reconfig_script =
                script(cx, value, not_executable, "Client reconfiguration")?;
        }
        "auth-pass" => {
            options.auth_pass = (!value.is_empty()).then(|| Secret::new(value));
            "******".clone_into(&mut shown);
            master.reconnect(cx);
        }
        "auth-user" => {
            options.auth_user = (!value.is_empty()).then(|| value.clone());
            master.reconnect(cx);
        }
        "crash-detection" | "rescue" | "fencing" => {
            used = set_ours(master, &name, values).ok_or_else(invalid)?;
            shown = values.get(..used).unwrap_or_default().join(" ");
        }
        "master-reboot-down-after-period" | "primary-reboot-down-after-period" => {
            let period = value.parse::<u32>().map_err(|_| invalid())?;
            options.master_reboot_down_after = Span::ms(u64::from(period));
        }
        "rename-command" => {
            let new = values.get(1).ok_or_else(unknown)?;
            rename(master, value, new).ok_or_else(|| {
                // One of the two is empty, and that one is shown.
                Reply::error("ERR Invalid argument '' for SENTINEL SET 'rename-command'")
            })?;
            shown = format!("{value} {new}");
            used = 2;
        }
        _ => return Err(unknown()),
    }
    master.tell_more(
        cx,
        EventKind::Set,
        About::Master,
        &format!("{option} {shown}"),
    );
    Ok(used)
}

/// The options that redis-sentinel does not have; returns how many values were taken.
fn set_ours(master: &mut Master, name: &str, values: &Words) -> Option<usize> {
    let value = values.first()?;
    match name {
        "fencing" => {
            let off = value.eq_ignore_ascii_case("off");
            let lag = values.get(1).filter(|_| !off).map(AsRef::as_ref);
            let fencing = Fencing::parse(value, lag)?;
            master.set_fencing(fencing);
            return Some(fencing.words().len());
        }
        "rescue" => master.options.rescue = RescueMode::parse(value)?,
        _ => {
            let patience = value.parse::<u32>().ok()?;
            master.options.crash_detection = Span::ms(u64::from(patience));
        }
    }
    Some(1)
}

fn script(
    cx: &Ctx,
    path: &Arc<str>,
    not_executable: &Words,
    what: &str,
) -> Result<Option<Arc<str>>, Reply> {
    if !cx.options.scripts_reconfig {
        return Err(Reply::error(
            "ERR Reconfiguration of scripts path is denied for security reasons. Check the \
             deny-scripts-reconfig configuration directive in your Sentinel configuration",
        ));
    }
    if not_executable.contains(path) {
        return Err(Reply::error(format!(
            "ERR {what} script seems non existing or non executable"
        )));
    }
    Ok((!path.is_empty()).then(|| path.clone()))
}

fn rename(master: &mut Master, old: &str, new: &str) -> Option<()> {
    if old.is_empty() || new.is_empty() {
        return None;
    }
    let renames = Arc::make_mut(&mut master.options.renames);
    if old.eq_ignore_ascii_case(new) {
        renames.remove(old);
    } else {
        renames.insert(old, new);
    }
    Some(())
}

impl Master {
    /// New credentials: every data link is made again with them.
    fn reconnect(&mut self, cx: &mut Ctx) {
        self.auth = self.options.credentials();
        for server in self.servers.values_mut() {
            server.link.close(cx.now, &mut cx.out);
        }
    }
}

/// Sets process-wide options: all of them are checked before any is set (spec §11.2).
pub(crate) fn config_set(cx: &mut Ctx, words: &Words) -> Result<Outcome, Reply> {
    let mut options = cx.options.clone();
    let mut seen: Vec<String> = Vec::new();
    for pair in words.chunks(2) {
        let Some((option, value)) = pair.first().zip(pair.get(1)) else {
            let option = pair.first().map(ToString::to_string).unwrap_or_default();
            return Err(Reply::error(format!(
                "ERR Missing argument '{option}' value"
            )));
        };
        let name = option.to_ascii_lowercase();
        if seen.contains(&name) {
            return Err(Reply::error(format!(
                "ERR Duplicate argument '{option}' to SENTINEL CONFIG SET"
            )));
        }
        let invalid = || {
            Reply::error(format!(
                "ERR Invalid value '{value}' to SENTINEL CONFIG SET '{option}'"
            ))
        };
        let text = (!value.is_empty()).then(|| value.clone());
        match name.as_str() {
            "resolve-hostnames" => options.resolve_hostnames = yes(value).ok_or_else(invalid)?,
            "announce-hostnames" => options.announce_hostnames = yes(value).ok_or_else(invalid)?,
            "announce-ip" => {
                options.announce_ip = match text {
                    Some(host) => Some(Host::parse(&host).ok_or_else(invalid)?),
                    None => None,
                }
            }
            "announce-port" => {
                let port = value.parse::<u16>().map_err(|_| invalid())?;
                options.announce_port = (port != 0).then_some(port);
            }
            "sentinel-user" => options.sentinel_user = text,
            "sentinel-pass" => options.sentinel_pass = text.map(|text| Secret::new(&text)),
            "rescue-dir" => options.rescue_dir = text,
            "rescue-max-bytes" => {
                options.rescue_max_bytes = Some(parse_bytes(value).ok_or_else(invalid)?);
            }
            "loglevel" => {
                options.log_threshold = Threshold::from_word(value).ok_or_else(invalid)?;
            }
            _ => {
                return Err(Reply::error(format!(
                    "ERR Invalid argument '{option}' to SENTINEL CONFIG SET"
                )));
            }
        }
        seen.push(name);
    }
    if !options.resolve_hostnames && cx.hosts.any_named() {
        return Err(Reply::error(
            "ERR Cannot turn resolve-hostnames off while an instance is known by its name",
        ));
    }
    let credentials_changed = options.sentinel_pass != cx.options.sentinel_pass
        || options.sentinel_user != cx.options.sentinel_user;
    if options.log_threshold != cx.options.log_threshold {
        cx.out.push(Output::SetLogThreshold(options.log_threshold));
    }
    cx.options = options;
    if credentials_changed {
        let now = cx.now;
        for shared in cx.peers.values_mut() {
            shared.link.close(now, &mut cx.out);
        }
    }
    cx.gate.touch();
    Ok(Outcome::Saved(Reply::OK))
}

fn yes(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Tunes the process-wide periods (spec §11.3).
pub(crate) fn debug(cx: &mut Ctx, words: &Words) -> Result<Outcome, Reply> {
    for pair in words.chunks(2) {
        let Some(option) = pair.first() else { break };
        let unknown = || {
            Reply::error(format!(
                "ERR Unknown option or number of arguments for SENTINEL DEBUG '{option}'"
            ))
        };
        let value = pair.get(1).ok_or_else(unknown)?;
        let period = cx.periods.by_name(option).ok_or_else(unknown)?;
        let ms = value
            .parse::<u32>()
            .ok()
            .filter(|ms| *ms > 0)
            .ok_or_else(|| {
                Reply::error(format!(
                    "ERR Invalid argument '{value}' for SENTINEL DEBUG '{option}'"
                ))
            })?;
        *period = Span::ms(u64::from(ms));
    }
    Ok(Outcome::Done(Reply::OK))
}
