//! Which replica to promote (spec §10.2). Pure: what it needs is in the master's state.

use core::cmp::Reverse;

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::model::master::Master;
use crate::model::server::Server;
use crate::monitor::kin::Verdict;
use crate::mutant::Mutant;
use crate::permission::Permission;
use crate::report::Role;
use crate::time::{Mono, Span};

/// How long an elected leader waits for replicas that have not told their offset since the
/// master was lost: an older one could hide which of them has most of its data. As long for the
/// PONG of one that has.
pub(crate) const PATIENCE: Span = Span::ms(300);

/// Why a replica cannot be promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Down,
    Disconnected,
    Silent,
    PriorityZero,
    Unseen,
    StaleInfo,
    BehindTooLong,
}

/// What a look at the replicas gave.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// The best of those that can be promoted.
    pub(crate) best: Option<Addr>,
    /// Somebody who may be better has not spoken since `fresh_from`, or owes a PONG.
    pub(crate) is_open: bool,
}

impl Master {
    /// The best replica on what we know.
    pub(crate) fn choose_replica(&self, cx: &Ctx, fresh_from: Mono) -> Choice {
        let best = self
            .replicas()
            .filter(|(_, server)| self.fitness(cx, server).is_ok())
            .min_by_key(|(_, server)| (self.is_astray(cx, server), rank(cx, server)))
            .map(|(addr, _)| addr.clone());
        let is_open = self.replicas().any(|(_, server)| {
            let reachable = server.link.is_up() && server.sdown.is_none();
            let heard = server
                .info
                .as_ref()
                .is_some_and(|info| info.at >= fresh_from);
            // A script that held it has ended: its PONG comes behind its INFO.
            let owes_pong = heard && is_silent(cx, server);
            reachable && (!heard || owes_pong) && server.replication.priority > 0
        });
        Choice { best, is_open }
    }

    /// Whether the server at this address is a replica that can be promoted.
    pub(crate) fn is_fit(&self, cx: &Ctx, addr: &Addr) -> bool {
        let server = self.servers.get(addr).filter(|_| !self.is_master(addr));
        server.is_some_and(|server| self.fitness(cx, server).is_ok())
    }

    /// Whether it is a replica, and neither itself nor its master is of the group for certain.
    fn is_astray(&self, cx: &Ctx, server: &Server) -> bool {
        let of = server.replication.follows.as_ref();
        let elsewhere = of.is_none_or(|of| self.find_server(cx, of).is_none());
        let unproven = server.identity.verdict() == Verdict::Unproven;
        server.role == Role::Replica && elsewhere && unproven
    }

    /// Whether we know who would be promoted. Who is linked to a master that nobody knows, while
    /// ours is down, has somebody else's data. Without a link it may be ours all the same: all of
    /// us restarted, and its master has an address that we were never told.
    fn is_placed(&self, cx: &Ctx, server: &Server) -> bool {
        let linked = server.replication.link_up;
        server.identity.takes_orders() && !(linked && self.is_astray(cx, server))
    }

    /// Whether a replica can be promoted, and if not, why.
    pub(crate) fn fitness(&self, cx: &Ctx, server: &Server) -> Result<(), Unfit> {
        let facts = &server.replication;
        let master_sdown = self.primary().and_then(|master| master.sdown);
        let stalest = match master_sdown {
            Some(_) => cx.periods.ping * 5,
            None => cx.periods.info * 3,
        };
        let down_for = master_sdown.map_or(Span::ZERO, |since| cx.now.since(since));
        if server.sdown.is_some() {
            Err(Unfit::Down)
        } else if !server.link.is_up() {
            Err(Unfit::Disconnected)
        } else if is_silent(cx, server) {
            Err(Unfit::Silent)
        } else if facts.priority == 0 && !cx.is_mutant(Mutant::PromotePriorityZero) {
            Err(Unfit::PriorityZero)
        } else if !self.is_placed(cx, server) && !cx.is_mutant(Mutant::TrustAddress) {
            Err(Unfit::Unseen)
        } else if server.info_age(cx.now).is_none_or(|age| age > stalest) {
            Err(Unfit::StaleInfo)
        } else if facts.link_down_for > self.options.down_after * 10 + down_for {
            Err(Unfit::BehindTooLong)
        } else {
            Ok(())
        }
    }
}

/// Whether no PING has had a valid answer for too long.
fn is_silent(cx: &Ctx, server: &Server) -> bool {
    cx.now.since(server.link.ping.ok_at) > cx.periods.ping * 5
}

/// Lower is better: those that would refuse the order last, true replicas before servers that call
/// themselves master, then priority, then most data, then the run id in any case, unknown ones last.
fn rank(cx: &Ctx, server: &Server) -> (bool, bool, u32, Reverse<u64>, bool, String) {
    let facts = &server.replication;
    let offset = if cx.is_mutant(Mutant::PromoteWorstOffset) {
        u64::MAX - facts.offset
    } else {
        facts.offset
    };
    let run_id = server.run_id.map(|id| id.as_str().to_ascii_lowercase());
    (
        server.lacks(Permission::ORDERS),
        server.role == Role::Master,
        facts.priority,
        Reverse(offset),
        run_id.is_none(),
        run_id.unwrap_or_default(),
    )
}
