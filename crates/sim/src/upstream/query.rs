//! Questions that change nothing (spec §3.2, §3.3).

use std::borrow::Cow;

use bartizan_core::ids::MasterName;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::Mono;

use super::Upstream;
use super::state::{InstId, Instance, Kind, Reconf, State};

type Field = (Cow<'static, str>, Reply);

impl Upstream {
    /// Answers MASTER, MASTERS, REPLICAS and SENTINELS (with the fields that do not age),
    /// GET-MASTER-ADDR-BY-NAME, CKQUORUM and MYID; anything else with null.
    pub fn query(&self, _now: Mono, query: &Query) -> Reply {
        match query {
            Query::Masters => Reply::Array(
                self.masters
                    .keys()
                    .filter_map(|name| self.describe(name))
                    .collect(),
            ),
            Query::Master(name) => self.describe(name).unwrap_or(Reply::NO_SUCH_MASTER),
            Query::Replicas(name) => self.masters.get(name).map_or(Reply::NO_SUCH_MASTER, |m| {
                self.describe_all(m.replicas.values().copied())
            }),
            Query::Sentinels(name) => self.masters.get(name).map_or(Reply::NO_SUCH_MASTER, |m| {
                self.describe_all(m.peers.values().copied())
            }),
            Query::MasterAddr(name) => match self.current_addr(name) {
                Some(addr) => Reply::Array(vec![
                    Reply::bulk(addr.host.to_string()),
                    Reply::bulk(addr.port.to_string()),
                ]),
                None => Reply::NullArray,
            },
            Query::CkQuorum(name) => self.check_quorum(name),
            Query::MyId => Reply::bulk(self.id.to_string()),
            Query::Role
            | Query::InfoSection
            | Query::ConfigGet(_)
            | Query::DebugGet
            | Query::InfoCache(_)
            | Query::PendingScripts => Reply::Null,
        }
    }

    fn describe(&self, name: &MasterName) -> Option<Reply> {
        let master = self.masters.get(name)?;
        let mut fields = self.common(master.inst, self.instances.get(&master.inst)?);
        fields.extend([
            field("config-epoch", master.config_epoch.to_string()),
            field("num-slaves", master.replicas.len().to_string()),
            field("num-other-sentinels", master.peers.len().to_string()),
            field("quorum", master.options.quorum.get().to_string()),
        ]);
        Some(Reply::Map(fields))
    }

    fn describe_all(&self, ids: impl Iterator<Item = InstId>) -> Reply {
        let known = ids.filter_map(|id| Some((id, self.instances.get(&id)?)));
        Reply::Array(
            known
                .map(|(id, inst)| Reply::Map(self.common(id, inst)))
                .collect(),
        )
    }

    fn common(&self, id: InstId, inst: &Instance) -> Vec<Field> {
        vec![
            field("name", inst.label.clone()),
            field("ip", inst.addr.host.to_string()),
            field("port", inst.addr.port.to_string()),
            field(
                "runid",
                inst.run_id.map_or_else(String::new, |id| id.to_string()),
            ),
            field("flags", self.flags(id, inst)),
        ]
    }

    fn flags(&self, id: InstId, inst: &Instance) -> String {
        let failover = self
            .masters
            .get(&inst.master)
            .map(|master| &master.failover);
        let on_master = failover.filter(|_| inst.kind == Kind::Master);
        let reconf = inst.server.reconf;
        let all = [
            (inst.s_down, "s_down"),
            (inst.o_down, "o_down"),
            (true, inst.kind.word()),
            (
                self.line(id).is_none_or(|line| line.disconnected()),
                "disconnected",
            ),
            (inst.view.down, "master_down"),
            (
                on_master.is_some_and(|f| f.state != State::None),
                "failover_in_progress",
            ),
            (failover.is_some_and(|f| f.promoted == Some(id)), "promoted"),
            (reconf == Reconf::Sent, "reconf_sent"),
            (reconf == Reconf::InProgress, "reconf_inprog"),
            (reconf == Reconf::Done, "reconf_done"),
            (on_master.is_some_and(|f| f.forced), "force_failover"),
            (inst.script_kill_sent, "script_kill_sent"),
        ];
        let set: Vec<&str> = all
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| *word)
            .collect();
        set.join(",")
    }

    fn check_quorum(&self, name: &MasterName) -> Reply {
        let Some(master) = self.masters.get(name) else {
            return Reply::NO_SUCH_MASTER;
        };
        let peers = master
            .peers
            .values()
            .filter_map(|id| self.instances.get(id));
        let usable = 1 + peers.filter(|peer| !peer.s_down).count();
        let voters = master.peers.len() + 1;
        let majority = voters / 2 + 1;
        let quorum = usize::try_from(master.options.quorum.get()).unwrap_or(usize::MAX);
        let mut lacks = Vec::new();
        if usable < quorum {
            lacks.push(
                "Not enough available Sentinels to reach the specified quorum for this master",
            );
        }
        if usable < majority {
            lacks.push(
                "Not enough available Sentinels to reach the majority and authorize a failover",
            );
        }
        if lacks.is_empty() {
            let rest = "Quorum and failover authorization can be reached";
            Reply::Status(format!("OK {usable} usable Sentinels. {rest}").into())
        } else {
            Reply::error(format!(
                "NOQUORUM {usable} usable Sentinels. {}",
                lacks.join(". ")
            ))
        }
    }
}

fn field(name: &'static str, value: String) -> Field {
    (Cow::Borrowed(name), Reply::bulk(value))
}
