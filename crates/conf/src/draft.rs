//! What the `sentinel` lines have said so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::limits;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::provide::options::{GlobalOptions, Periods};

use crate::World;
use crate::error::Warning;
use crate::line::{Fault, Place};

/// The state as read up to some line.
pub(crate) struct Draft<'w> {
    pub(crate) world: &'w dyn World,
    pub(crate) my_id: Option<RunId>,
    pub(crate) current_epoch: Epoch,
    pub(crate) options: GlobalOptions,
    pub(crate) periods: Periods,
    pub(crate) masters: BTreeMap<String, MasterDraft>,
    pub(crate) warnings: Vec<Warning>,
    /// Where the line stands that is being read.
    pub(crate) place: Place,
}

/// One master as read up to some line.
pub(crate) struct MasterDraft {
    pub(crate) state: MasterState,
    /// The file of its `monitor` line.
    pub(crate) file: Arc<str>,
    /// Its renames, in upper case, and the file of each: twice in one file is a mistake, a
    /// second file overrides.
    pub(crate) renames: BTreeMap<String, Arc<str>>,
    /// The file of each known sentinel, likewise.
    pub(crate) sentinels: BTreeMap<RunId, (Arc<str>, Addr)>,
    /// Their order in the files.
    pub(crate) sentinel_order: Vec<RunId>,
    /// The replicas seen.
    pub(crate) replicas: BTreeSet<Addr>,
}

impl MasterDraft {
    /// A master whose `monitor` line has just been read.
    pub(crate) fn new(state: MasterState, file: Arc<str>) -> Self {
        Self {
            state,
            file,
            renames: BTreeMap::new(),
            sentinels: BTreeMap::new(),
            sentinel_order: Vec::new(),
            replicas: BTreeSet::new(),
        }
    }
}

impl<'w> Draft<'w> {
    /// Nothing read yet.
    pub(crate) fn new(world: &'w dyn World, place: Place) -> Self {
        Self {
            world,
            my_id: None,
            current_epoch: Epoch::ZERO,
            options: GlobalOptions::default(),
            periods: Periods::default(),
            masters: BTreeMap::new(),
            warnings: Vec::new(),
            place,
        }
    }

    /// Notes that the line loads, but maybe not as meant.
    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(self.place.warning(message.into()));
    }

    /// The master that argument 0 names.
    pub(crate) fn master(&mut self, name: &str) -> Result<&mut MasterDraft, Fault> {
        if !self.masters.contains_key(name) {
            let known: Vec<&str> = self.masters.keys().map(String::as_str).collect();
            let help = if known.is_empty() {
                "a `sentinel monitor` line has to name the master".to_owned()
            } else {
                format!("the masters of this file are: {}", known.join(", "))
            };
            return Err(Fault::at(0, "No such master with specified name.", help));
        }
        self.masters
            .get_mut(name)
            .ok_or_else(|| Fault::line("No such master.", ""))
    }

    /// A host, which has to be an address unless names are resolved.
    pub(crate) fn host(&self, argument: usize, text: &str) -> Result<Host, Fault> {
        let fault = |help: &str| {
            Err(Fault::at(
                argument,
                "Can't resolve instance hostname.",
                help,
            ))
        };
        match numeric_host(text).or_else(|| Host::parse(text)) {
            None => fault("a host is an address or a name without spaces, commas and quotes"),
            Some(Host::Name(_)) if !self.options.resolve_hostnames && !is_scoped(text) => {
                fault("an IP address; host names need the line `sentinel resolve-hostnames yes`")
            }
            Some(host) => Ok(host),
        }
    }

    /// All that was said, checked against itself. The flag tells that `fresh_id` was needed.
    pub(crate) fn finish(mut self, fresh_id: RunId) -> (Durable, bool, Vec<Warning>) {
        let my_id = self.my_id.unwrap_or(fresh_id);
        let masters = core::mem::take(&mut self.masters);
        let masters = masters
            .into_values()
            .map(|draft| self.finish_master(draft, my_id).into());
        let masters = masters.collect();
        let durable = Durable {
            my_id,
            current_epoch: self.current_epoch,
            options: self.options,
            periods: self.periods,
            masters,
        };
        (durable, self.my_id.is_none(), self.warnings)
    }

    /// Drops what cannot be true: ourselves as a peer, the master as its own replica, and what
    /// is more than the core keeps.
    fn finish_master(&self, draft: MasterDraft, my_id: RunId) -> MasterState {
        let MasterDraft {
            mut state,
            sentinels,
            sentinel_order,
            ..
        } = draft;
        let master = state.configuration.addr.clone();
        state.replicas.retain(|replica| *replica != master);
        state.replicas.truncate(limits::REPLICAS_PER_MASTER);
        let place = |id: &RunId| sentinels.get(id).map(|(_, addr)| (*id, addr.clone()));
        state.sentinels = sentinel_order
            .iter()
            .filter(|id| **id != my_id)
            .filter_map(place)
            .take(limits::PEERS_PER_MASTER)
            .collect();
        state
    }
}

/// A new master's name as its own type.
pub(crate) fn master_name(name: &str) -> MasterName {
    MasterName::new(name)
}

/// The older numeric forms of an IPv4 address that getaddrinfo takes: `0`, `127.1`, `0x7f.1`.
fn numeric_host(text: &str) -> Option<Host> {
    let parts: Vec<u32> = text.split('.').map(numeric_part).collect::<Option<_>>()?;
    let (last, high) = parts.split_last()?;
    let free_bits = 32u32.checked_sub(8 * u32::try_from(high.len()).ok()?)?;
    if high.len() > 3 || (free_bits < 32 && *last >= 1 << free_bits) {
        return None;
    }
    let mut address = *last;
    for (part, shift) in high.iter().zip([24u32, 16, 8]) {
        address |= u32::from(u8::try_from(*part).ok()?) << shift;
    }
    Some(Host::Ip(core::net::Ipv4Addr::from(address).into()))
}

fn numeric_part(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hex
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(hex, 16).ok())?;
    }
    let radix = if text.len() > 1 && text.starts_with('0') {
        8
    } else {
        10
    };
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| u32::from_str_radix(text, radix).ok())?
}

/// Whether this is an IPv6 address with a zone (`fe80::1%eth0`): numeric, though `Host` has no
/// better place for it than a name.
fn is_scoped(text: &str) -> bool {
    let parts = text.split_once('%');
    parts.is_some_and(|(ip, zone)| ip.parse::<core::net::Ipv6Addr>().is_ok() && !zone.is_empty())
}
