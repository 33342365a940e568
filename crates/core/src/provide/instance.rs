//! Answers to questions: the field lists of spec §3.3, in order, and the other queries of §3.2.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::failover::Failover;
use crate::failover::reconf::Progress;
use crate::fencing::Fencing;
use crate::glob;
use crate::ids::RunId;
use crate::model::master::Master;
use crate::model::peer::Peer;
use crate::model::server::Server;
use crate::monitor::hello::Masters;
use crate::monitor::kin::Verdict;
use crate::monitor::link::Link;
use crate::monitor::state::State;
use crate::notify::script::JobState;
use crate::provide::query::Query;
use crate::provide::reply::Reply;
use crate::report::Role;
use crate::rescue::DEFAULT_MAX_BYTES;
use crate::time::{Mono, Span};

/// Answers a question.
pub(crate) fn answer(masters: &Masters, cx: &Ctx, now: Mono, query: &Query) -> Reply {
    let view = View { cx, now };
    let find = |name| masters.get(name).ok_or(Reply::NO_SUCH_MASTER);
    let reply = match query {
        Query::Masters => Ok(Reply::Array(
            masters.values().map(|m| view.master(m)).collect(),
        )),
        Query::Master(name) => find(name).map(|master| view.master(master)),
        Query::Replicas(name) => find(name).map(|master| view.replicas(master)),
        Query::Sentinels(name) => find(name).map(|master| view.sentinels(master)),
        Query::MasterAddr(name) => Ok(masters.get(name).map_or(Reply::NullArray, |master| {
            Reply::address(&cx.shown_addr(master.told_addr()))
        })),
        Query::CkQuorum(name) => find(name).map(|master| check_quorum(cx, master)),
        Query::MyId => Ok(Reply::bulk(cx.me.to_string())),
        Query::Role => {
            let names = masters
                .keys()
                .map(|name| Reply::bulk(name.to_string()))
                .collect();
            Ok(Reply::Array(vec![
                Reply::bulk("sentinel"),
                Reply::Array(names),
            ]))
        }
        Query::InfoSection => Ok(view.info_section(masters)),
        Query::ConfigGet(patterns) => Ok(config_get(cx, patterns)),
        Query::DebugGet => {
            let periods = cx.periods.list().into_iter();
            Ok(Reply::Map(
                periods
                    .map(|(k, v)| (k.into(), Reply::bulk(v.as_ms().to_string())))
                    .collect(),
            ))
        }
        Query::InfoCache(names) => {
            let known = names.iter().filter_map(|name| masters.get(name));
            Ok(Reply::Array(
                known.flat_map(|master| view.info_cache(master)).collect(),
            ))
        }
        Query::PendingScripts => Ok(view.pending_scripts()),
    };
    reply.unwrap_or_else(|error| error)
}

/// How a server answers, where it is not as it should, and what it forbids us.
fn state(fields: &mut Fields, server: &Server) {
    if !server.link.is_up() {
        return;
    }
    let state = server.condition.state;
    if state != State::Ok {
        fields.put("server-state", state.name());
    }
    if let Verdict::Stranger(why) = server.identity.verdict() {
        fields.put("stranger", why.name());
    }
    if !server.told_missing.is_empty() {
        fields.put("missing-permissions", server.told_missing);
    }
}

/// The moment and the context of a question.
struct View<'a> {
    cx: &'a Ctx,
    now: Mono,
}

/// Fields of an instance in the making.
#[derive(Default)]
struct Fields(Vec<(std::borrow::Cow<'static, str>, Reply)>);

impl Fields {
    fn put(&mut self, name: &'static str, value: impl ToString) {
        self.0.push((name.into(), Reply::bulk(value.to_string())));
    }
}

impl View<'_> {
    fn age(&self, at: Mono) -> u64 {
        self.now.since(at).as_ms()
    }

    fn master(&self, master: &Master) -> Reply {
        let mut fields = Fields::default();
        let Some(server) = master.primary() else {
            return Reply::Map(fields.0);
        };
        let told = master.told_addr();
        self.identity(&mut fields, master.name.as_str(), told, server.run_id);
        fields.put("flags", self.master_flags(master, server));
        self.link(&mut fields, &server.link, 1);
        if !matches!(master.failover, Failover::Idle) {
            fields.put("failover-state", master.failover.name());
        }
        self.health(
            &mut fields,
            &server.link,
            server.sdown,
            master.odown,
            master,
        );
        self.reported(&mut fields, server);
        fields.put("config-epoch", master.told().epoch);
        fields.put("num-slaves", master.replicas().count());
        fields.put("num-other-sentinels", master.peers.len());
        let options = &master.options;
        fields.put("quorum", options.quorum.get());
        fields.put("failover-timeout", options.failover_timeout.as_ms());
        fields.put("parallel-syncs", options.parallel_syncs);
        for (name, script) in [
            ("notification-script", &options.notification_script),
            ("client-reconfig-script", &options.client_reconfig_script),
        ] {
            if let Some(path) = script {
                fields.put(name, path);
            }
        }
        // What redis-sentinel does not have is shown only where it is used.
        state(&mut fields, server);
        if options.crash_detection > Span::ZERO {
            fields.put("crash-detection", options.crash_detection.as_ms());
        }
        if options.fencing != Fencing::Off {
            fields.put("fencing", options.fencing.words().join(" "));
        }
        Reply::Map(fields.0)
    }

    fn replicas(&self, master: &Master) -> Reply {
        let told = master
            .replicas()
            .filter(|(_, server)| server.replication.announced);
        Reply::Array(
            told.map(|(addr, server)| self.replica(master, addr, server))
                .collect(),
        )
    }

    fn replica(&self, master: &Master, addr: &Addr, server: &Server) -> Reply {
        let mut fields = Fields::default();
        self.identity(&mut fields, &server.name, addr, server.run_id);
        fields.put("flags", self.replica_flags(master, addr, server));
        self.link(&mut fields, &server.link, 1);
        self.health(&mut fields, &server.link, server.sdown, None, master);
        self.reported(&mut fields, server);
        let facts = &server.replication;
        fields.put("master-link-down-time", facts.link_down_for.as_ms());
        fields.put(
            "master-link-status",
            if facts.link_up { "ok" } else { "err" },
        );
        let host = facts.follows.as_ref().map(|addr| addr.host.to_string());
        fields.put("master-host", host.unwrap_or_else(|| "?".to_owned()));
        fields.put(
            "master-port",
            facts.follows.as_ref().map_or(0, |addr| addr.port),
        );
        fields.put("slave-priority", facts.priority);
        fields.put("slave-repl-offset", facts.offset);
        fields.put("replica-announced", u8::from(facts.announced));
        state(&mut fields, server);
        Reply::Map(fields.0)
    }

    fn sentinels(&self, master: &Master) -> Reply {
        let peers = master.peers.iter().filter_map(|(id, peer)| {
            let shared = self.cx.peers.get(id)?;
            let mut fields = Fields::default();
            self.identity(&mut fields, id.as_str(), shared.link.addr(), Some(*id));
            fields.put("flags", peer_flags(peer, &shared.link));
            self.link(&mut fields, &shared.link, shared.masters);
            self.health(&mut fields, &shared.link, peer.sdown, None, master);
            fields.put("last-hello-message", self.age(peer.heard_at));
            let leader = peer
                .vote
                .map_or_else(|| "?".to_owned(), |vote| vote.leader.to_string());
            fields.put("voted-leader", leader);
            fields.put(
                "voted-leader-epoch",
                peer.vote.map_or(0, |vote| vote.epoch.get()),
            );
            Some(Reply::Map(fields.0))
        });
        Reply::Array(peers.collect())
    }

    fn identity(&self, fields: &mut Fields, name: &str, addr: &Addr, run_id: Option<RunId>) {
        fields.put("name", name);
        fields.put("ip", self.cx.shown(&addr.host));
        fields.put("port", addr.port);
        fields.put("runid", run_id.map(|id| id.to_string()).unwrap_or_default());
    }

    fn link(&self, fields: &mut Fields, link: &Link, masters: usize) {
        fields.put("link-pending-commands", link.pending());
        fields.put("link-refcount", masters);
    }

    fn health(
        &self,
        fields: &mut Fields,
        link: &Link,
        sdown: Option<Mono>,
        odown: Option<Mono>,
        master: &Master,
    ) {
        let ping = &link.ping;
        fields.put(
            "last-ping-sent",
            ping.waiting_since.map_or(0, |at| self.age(at)),
        );
        fields.put("last-ok-ping-reply", self.age(ping.ok_at));
        fields.put("last-ping-reply", self.age(ping.pong_at));
        if let Some(at) = sdown {
            fields.put("s-down-time", self.age(at));
        }
        if let Some(at) = odown {
            fields.put("o-down-time", self.age(at));
        }
        fields.put("down-after-milliseconds", master.options.down_after.as_ms());
    }

    fn reported(&self, fields: &mut Fields, server: &Server) {
        fields.put(
            "info-refresh",
            server.info.as_ref().map_or(0, |info| self.age(info.at)),
        );
        fields.put(
            "role-reported",
            match server.role {
                Role::Master => "master",
                Role::Replica => "slave",
            },
        );
        fields.put("role-reported-time", self.age(server.role_since));
    }

    fn master_flags(&self, master: &Master, server: &Server) -> String {
        flags([
            (server.sdown.is_some(), "s_down"),
            (master.odown.is_some(), "o_down"),
            (true, "master"),
            (server.link.is_disconnected(), "disconnected"),
            (
                !matches!(master.failover, Failover::Idle),
                "failover_in_progress",
            ),
            (master.failover.is_forced(), "force_failover"),
            (server.script_killed, "script_kill_sent"),
            (server.rebooted.is_some(), "master_reboot"),
        ])
    }

    fn replica_flags(&self, master: &Master, addr: &Addr, server: &Server) -> String {
        let progress = master.progress(addr);
        flags([
            (server.sdown.is_some(), "s_down"),
            (true, "slave"),
            (server.link.is_disconnected(), "disconnected"),
            (master.failover.promoted() == Some(addr), "promoted"),
            (matches!(progress, Some(Progress::Sent(_))), "reconf_sent"),
            (progress == Some(Progress::Following), "reconf_inprog"),
            (progress == Some(Progress::Done), "reconf_done"),
            (server.script_killed, "script_kill_sent"),
        ])
    }

    fn info_section(&self, masters: &Masters) -> Reply {
        let cx = self.cx;
        let tilt = cx.tilt.map_or(-1, |since| {
            i64::try_from(self.now.since(since).as_ms() / 1000).unwrap_or(i64::MAX)
        });
        let crash = u8::from(cx.crash.after_election) + 2 * u8::from(cx.crash.after_promotion);
        let mut text = format!(
            "# Sentinel\r\nsentinel_masters:{}\r\nsentinel_tilt:{}\r\n\
             sentinel_tilt_since_seconds:{tilt}\r\nsentinel_running_scripts:{}\r\n\
             sentinel_scripts_queue_length:{}\r\nsentinel_simulate_failure_flags:{crash}\r\n",
            masters.len(),
            u8::from(cx.tilt.is_some()),
            cx.scripts.running(),
            cx.scripts.jobs().count(),
        );
        for (index, master) in masters.values().enumerate() {
            let sdown = master
                .primary()
                .is_some_and(|server| server.sdown.is_some());
            let status = match (master.odown.is_some(), sdown) {
                (true, _) => "odown",
                (false, true) => "sdown",
                (false, false) => "ok",
            };
            let addr = master.told_addr();
            text.push_str(&format!(
                "master{index}:name={},status={status},address={}:{},slaves={},sentinels={}\r\n",
                master.name,
                cx.shown(&addr.host),
                addr.port,
                master.replicas().count(),
                master.voters(),
            ));
        }
        Reply::bulk(text)
    }

    fn info_cache(&self, master: &Master) -> [Reply; 2] {
        let row = |server: &Server| {
            let age = server.info_age(self.now).map_or(0, Span::as_ms);
            let text = server
                .info
                .as_ref()
                .map(|info| Reply::Packed(info.text.clone()));
            Reply::Array(vec![
                Reply::Integer(i64::try_from(age).unwrap_or(i64::MAX)),
                text.unwrap_or(Reply::Null),
            ])
        };
        let servers = master
            .primary()
            .into_iter()
            .chain(master.replicas().map(|(_, s)| s));
        [
            Reply::bulk(master.name.to_string()),
            Reply::Array(servers.map(row).collect()),
        ]
    }

    fn pending_scripts(&self) -> Reply {
        let rows = self.cx.scripts.jobs().map(|job| {
            let argv = job.argv.iter().cloned().map(Reply::bulk).collect();
            let mut fields = Fields::default();
            fields.0.push(("argv".into(), Reply::Array(argv)));
            match job.state {
                JobState::Running { since, pid, .. } => {
                    fields.put("flags", "running");
                    fields.put("pid", pid.unwrap_or_default());
                    fields.put("run-time", self.age(since));
                }
                JobState::Waiting { until } => {
                    fields.put("flags", "scheduled");
                    fields.put("pid", 0);
                    fields.put("run-delay", until.since(self.now).as_ms());
                }
            }
            fields.put("retry-num", job.runs);
            Reply::Map(fields.0)
        });
        Reply::Array(rows.collect())
    }
}

fn peer_flags(peer: &Peer, link: &Link) -> String {
    flags([
        (peer.sdown.is_some(), "s_down"),
        (true, "sentinel"),
        (link.is_disconnected(), "disconnected"),
        (peer.says_down, "master_down"),
    ])
}

fn flags<const N: usize>(flags: [(bool, &str); N]) -> String {
    let set: Vec<&str> = flags
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name)
        .collect();
    set.join(",")
}

/// `SENTINEL CKQUORUM`: whether the Sentinels that can be used suffice (spec §3.2).
fn check_quorum(cx: &Ctx, master: &Master) -> Reply {
    let _ = cx;
    let usable = 1 + master
        .peers
        .values()
        .filter(|peer| peer.sdown.is_none())
        .count();
    let quorum = usize::try_from(master.options.quorum.get()).unwrap_or(usize::MAX);
    let mut reasons = Vec::new();
    if usable < quorum {
        reasons
            .push("Not enough available Sentinels to reach the specified quorum for this master");
    }
    if usable < master.voters() / 2 + 1 {
        reasons
            .push("Not enough available Sentinels to reach the majority and authorize a failover");
    }
    if reasons.is_empty() {
        return Reply::Status(
            format!(
                "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
            )
            .into(),
        );
    }
    Reply::error(format!(
        "NOQUORUM {usable} usable Sentinels. {}",
        reasons.join(". ")
    ))
}

/// `SENTINEL CONFIG GET` (spec §11.2): each option once, in its own order for every pattern.
fn config_get(cx: &Ctx, patterns: &[std::sync::Arc<str>]) -> Reply {
    let options = &cx.options;
    let yes_no = |on: bool| if on { "yes" } else { "no" }.to_owned();
    let table = [
        ("resolve-hostnames", yes_no(options.resolve_hostnames)),
        ("announce-hostnames", yes_no(options.announce_hostnames)),
        (
            "announce-ip",
            options
                .announce_ip
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        (
            "announce-port",
            options.announce_port.unwrap_or(0).to_string(),
        ),
        (
            "sentinel-user",
            options
                .sentinel_user
                .as_deref()
                .unwrap_or_default()
                .to_owned(),
        ),
        (
            "sentinel-pass",
            options
                .sentinel_pass
                .as_ref()
                .map(|p| p.reveal().to_owned())
                .unwrap_or_default(),
        ),
        ("loglevel", options.log_threshold.word().to_owned()),
    ];
    // What redis-sentinel does not have is shown where it is set, and to who asks for it by name.
    let bytes = options.rescue_max_bytes;
    let ours = [
        (
            "rescue-dir",
            options.rescue_dir.is_some(),
            options.rescue_dir.as_deref().unwrap_or_default().to_owned(),
        ),
        (
            "rescue-max-bytes",
            bytes.is_some(),
            bytes.unwrap_or(DEFAULT_MAX_BYTES).to_string(),
        ),
    ];
    let mut found = Fields::default();
    for pattern in patterns {
        let pattern = pattern.to_ascii_lowercase();
        let ours = ours
            .iter()
            .filter(|(name, set, _)| *set || pattern == *name);
        let ours = ours.map(|(name, _, value)| (*name, value));
        let table = table.iter().map(|(name, value)| (*name, value)).chain(ours);
        for (name, value) in table {
            let seen = found.0.iter().any(|(known, _)| known == name);
            if !seen && glob::matches(pattern.as_bytes(), name.as_bytes()) {
                found.put(name, value);
            }
        }
    }
    Reply::Map(found.0)
}
