//! How many files may be open, and with them how many clients there can be (`maxclients`).

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::log::Log;

/// Files that are open beside clients: links, the log, the configuration, scripts' pipes.
const OTHER_FILES: u64 = 4096;
/// Of them, those that a start cannot do without.
const FEWEST_OTHER_FILES: u64 = 32;

/// Makes room for all the clients that may come, or expects fewer of them: gives how many.
pub(crate) fn allow(log: &Log, max_clients: u32) -> u32 {
    let clients = u64::from(max_clients);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return max_clients;
    };
    let wanted = clients.saturating_add(OTHER_FILES);
    if soft >= wanted {
        return max_clients;
    }
    // Only root can go beyond the hard limit; everybody can go up to it.
    let raised = [(wanted, hard.max(wanted)), (hard.min(wanted), hard)]
        .into_iter()
        .find(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard).is_ok());
    let limit = raised.map_or(soft, |(soft, _)| soft);
    let room = limit.saturating_sub(FEWEST_OTHER_FILES).max(1);
    if room >= clients {
        return max_clients;
    }
    log.warning(format!(
        "maxclients is {room} instead of {clients}, since no more than {limit} files may be open. \
         Raise `ulimit -n` for more"
    ));
    u32::try_from(room).unwrap_or(max_clients)
}
