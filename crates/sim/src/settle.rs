//! After the faults: everything has to come right within a bound (L1 to L4, X5).

use bartizan_core::addr::{Addr, Host as HostName};
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use crate::sched::{At, Ev};
use crate::world::World;

/// How often the world looks whether all is well.
const LOOK_EVERY_MS: u64 = 1000;
/// For how long all has to be well before the run ends.
const CALM_MS: u64 = 12_000;

/// How far the healed world has come.
#[derive(Clone, Debug, Default)]
pub struct Settling {
    healed_at: Option<At>,
    well_since: Option<At>,
    over: bool,
}

impl Settling {
    /// Whether the run has come to its good end.
    pub const fn is_over(&self) -> bool {
        self.over
    }
}

impl World {
    /// Phases: heals when the time of faults is over, then looks until all is well.
    pub(crate) fn look_around(&mut self) {
        let now = self.sched.now();
        if now < self.faults_end() {
            return self.look_whether_late();
        }
        self.sched.after_ms(LOOK_EVERY_MS, Ev::Look);
        let Some(healed_at) = self.settling.healed_at else {
            self.heal();
            self.settling.healed_at = Some(now);
            return;
        };
        if now.since(healed_at) > self.bound_ms() * 500 {
            self.repair();
        }
        match self.what_is_wrong() {
            None => {
                let since = *self.settling.well_since.get_or_insert(now);
                self.settling.over = now.since(since) >= CALM_MS * 1000;
            }
            Some((property, text)) => {
                self.settling.well_since = None;
                if now.since(healed_at) <= self.bound_ms() * 1000 {
                    return;
                }
                if self.checks.is_split() {
                    self.stats.split += 1;
                    self.settling.over = true;
                } else {
                    self.checks.fail(property, text);
                }
            }
        }
    }

    /// How long a healed world may take: a lost round and its pause twice over, TILT, the
    /// longest wait for a dead connection, and a few INFO periods.
    fn bound_ms(&self) -> u64 {
        const TILT_MS: u64 = 30_000;
        const INFO_MS: u64 = 10_000;
        let params = &self.plan.params;
        let wide = 20 * params.delay_high_us / 1000;
        3 * TILT_MS
            + 6 * params.failover_timeout_ms
            + 8 * params.down_after_ms
            + 8 * INFO_MS
            + params.patience_ms
            + params.full_sync_ms
            + wide
    }

    fn what_is_wrong(&self) -> Option<(&'static str, String)> {
        (0..self.groups.len())
            .find_map(|group| self.wrong_in(group))
            .or_else(|| self.client_stuck())
    }

    fn wrong_in(&self, group: usize) -> Option<(&'static str, String)> {
        let mut agreed: Option<(Addr, String)> = None;
        for h in 0..self.hosts.len() {
            let Some(addr) = self.master_addr(h, group) else {
                return Some(("L1", format!("s{h} knows no master of m{group}")));
            };
            let epoch = self.field(h, group, "config-epoch").unwrap_or_default();
            match &agreed {
                None => agreed = Some((addr, epoch)),
                Some(one) if *one == (addr.clone(), epoch.clone()) => {}
                Some((other, other_epoch)) => {
                    return Some((
                        "L1",
                        format!(
                            "m{group}: s0 says {other} since epoch {other_epoch}, s{h} {addr} since {epoch}"
                        ),
                    ));
                }
            }
        }
        let each = |h| {
            self.peers_wrong(h, group)
                .or_else(|| self.left_over(h, group))
        };
        let (addr, _) = agreed?;
        (0..self.hosts.len())
            .find_map(each)
            .or_else(|| self.servers_wrong(group, &addr))
    }

    fn servers_wrong(&self, group: usize, master: &Addr) -> Option<(&'static str, String)> {
        for (s, server) in self
            .servers
            .iter()
            .enumerate()
            .filter(|(_, s)| s.group == group)
        {
            if server.addr == *master {
                if !server.is_master() {
                    return Some((
                        "L2",
                        format!("r{s} is held to be the master of m{group} and is not"),
                    ));
                }
                if server.pause.is_on(self.sched.now()) {
                    return Some(("X5", format!("r{s}, the master, still holds writes back")));
                }
            } else if !server.follows(master) {
                return Some((
                    "L2",
                    format!("r{s} does not follow {master}: {:?}", server.standing),
                ));
            }
        }
        None
    }

    fn peers_wrong(&self, h: usize, group: usize) -> Option<(&'static str, String)> {
        let wanted = self.hosts.len().saturating_sub(1);
        let known = self
            .field(h, group, "num-other-sentinels")
            .unwrap_or_default();
        if known != wanted.to_string() {
            return Some((
                "L3",
                format!("s{h} knows {known} of {wanted} peers for m{group}"),
            ));
        }
        match self.query(h, &Query::CkQuorum(self.groups.name(group)?.clone()))? {
            Reply::Status(text) if text.starts_with("OK") => None,
            _ if self.plan.params.quorum > self.plan.params.sentinels => None,
            reply => Some(("L3", format!("s{h} says of m{group}: {reply:?}"))),
        }
    }

    fn left_over(&self, h: usize, group: usize) -> Option<(&'static str, String)> {
        let flags = self.field(h, group, "flags").unwrap_or_default();
        if flags != "master" {
            return Some(("X5", format!("s{h}: m{group} is {flags}")));
        }
        if self.hosts.get(h).is_none_or(|host| !host.ours) {
            return None;
        }
        match self.query(h, &Query::PendingScripts)? {
            Reply::Array(scripts) if scripts.is_empty() => None,
            reply => Some(("X5", format!("s{h} has scripts left over: {reply:?}"))),
        }
    }

    fn client_stuck(&self) -> Option<(&'static str, String)> {
        let now = self.sched.now();
        let patience = 10_000_000 + 4 * self.plan.params.write_every_ms * 1000;
        let stuck = self
            .clients
            .iter()
            .position(|client| now.since(client.last_ok) > patience)?;
        Some(("L4", format!("c{stuck} cannot write")))
    }

    pub(crate) fn query(&self, h: usize, query: &Query) -> Option<Reply> {
        let host = self.hosts.get(h)?;
        Some(
            host.brain
                .as_ref()?
                .query(host.clock.mono(self.sched.now()), query),
        )
    }

    /// A field of `SENTINEL MASTER`.
    fn field(&self, h: usize, group: usize, name: &str) -> Option<String> {
        let reply = self.query(h, &Query::Master(self.groups.name(group)?.clone()))?;
        let Reply::Map(fields) = reply else {
            return None;
        };
        fields
            .into_iter()
            .find(|(field, _)| field == name)
            .and_then(|(_, value)| match value {
                Reply::Bulk(text) => Some(text.into_owned()),
                _ => None,
            })
    }

    /// Counts what was written and what of it is left.
    pub(crate) fn sum_up(&mut self) {
        self.stats.virtual_us = self.sched.now().0;
        for client in &self.clients {
            let survivor = self
                .servers
                .iter()
                .filter(|server| server.group == client.group && server.is_master())
                .max_by_key(|server| server.attached.len());
            self.stats.acknowledged += client.acknowledged.len() as u64;
            self.stats.longest_gap_ms = self.stats.longest_gap_ms.max(client.longest_gap / 1000);
            let Some(survivor) = survivor else { continue };
            let kept = survivor
                .history
                .writes
                .iter()
                .filter(|(_, n)| client.acknowledged.contains(n))
                .count();
            self.stats.lost += (client.acknowledged.len() as u64).saturating_sub(kept as u64);
        }
    }
}

/// The address in a reply to `GET-MASTER-ADDR-BY-NAME`.
pub(crate) fn addr_of_reply(reply: &Reply) -> Option<Addr> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    match parts.as_slice() {
        [Reply::Bulk(host), Reply::Bulk(port)] => {
            Some(Addr::new(HostName::parse(host)?, port.parse().ok()?))
        }
        _ => None,
    }
}
