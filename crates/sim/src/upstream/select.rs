//! Which replica to promote (spec §10.2).

use core::cmp::Reverse;

use bartizan_core::ids::MasterName;
use bartizan_core::time::{Mono, Span};

use super::Upstream;
use super::state::{InstId, older};

impl Upstream {
    /// The best eligible replica: lowest priority number, then most data, then smallest run id.
    pub(super) fn choose_replica(&self, now: Mono, name: &MasterName) -> Option<InstId> {
        let replicas = self.masters.get(name)?.replicas.values().copied();
        replicas
            .filter(|id| {
                self.is_eligible(now, name, *id)
                    .is_some_and(|eligible| eligible)
            })
            .min_by_key(|id| {
                let inst = self.instances.get(id);
                let run_id = inst
                    .and_then(|i| i.run_id)
                    .map(|r| r.as_str().to_ascii_lowercase());
                let rank = inst.map(|i| (i.server.priority, Reverse(i.server.offset)));
                (rank, run_id.is_none(), run_id)
            })
    }

    fn is_eligible(&self, now: Mono, name: &MasterName, id: InstId) -> Option<bool> {
        let master = self.masters.get(name)?;
        let inst = self.instances.get(&id)?;
        let line = self.lines.get(&inst.line)?;
        let primary = self.instances.get(&master.inst)?;
        let info_age = if primary.s_down {
            self.periods.ping * 5
        } else {
            self.periods.info * 3
        };
        let down_for = match primary.s_down_at {
            Some(since) if primary.s_down => now.since(since),
            _ => Span::ZERO,
        };
        let cut_off = master.options.down_after * 10 + down_for;
        let silent = older(now, Some(line.last_ok), self.periods.ping * 5);
        Some(
            !inst.s_down
                && !line.disconnected()
                && !silent
                && inst.server.priority != 0
                && !older(now, inst.server.info_at, info_age)
                && inst.server.link_down_for <= cut_off,
        )
    }
}
