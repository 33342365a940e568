//! Commands of operators and peers (spec §3.2, §9.2, §10.8, §11).

use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{MasterName, Quorum, RequestId};
use bartizan_core::notify::event::{EventKind, Level};
use bartizan_core::output::Output;
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::options::MasterOptions;
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::{Mono, Span};

use super::Upstream;
use super::state::State;

impl Upstream {
    /// Carries a command out and answers it, at once.
    pub(super) fn on_command(&mut self, now: Mono, request: RequestId, command: Command) {
        let mut added = None;
        let reply = match command {
            Command::Monitor {
                name,
                host,
                port,
                quorum,
            } => match self.monitor(now, &name, host, port, quorum) {
                Ok(()) => {
                    added = Some(name);
                    Reply::OK
                }
                Err(text) => Reply::error(text),
            },
            Command::Remove { name } => self.remove(now, &name),
            Command::Set { name, words, .. } => self.set(&name, &words),
            Command::Reset { pattern } => self.reset_matching(now, &pattern),
            Command::Failover { name } => self.force_failover(now, &name),
            Command::FlushConfig => {
                self.flush();
                Reply::OK
            }
            Command::Debug { words } => self.debug(&words),
            Command::Ask(ask) => self.on_ask(now, &ask),
            Command::Publish { hello } => {
                // No check for our own id here: spec §7.
                if let Some(hello) = hello {
                    self.on_hello(now, &hello);
                }
                Reply::Integer(1)
            }
            Command::ConfigSet { .. }
            | Command::SimulateFailure { .. }
            | Command::Switchover { .. }
            | Command::Drain { .. } => Reply::error("ERR not part of the model"),
        };
        self.out.push_back(Output::Answer { request, reply });
        if let Some(name) = added {
            self.announce_monitor(&name);
        }
    }

    /// A peer asks whether a master is down, and perhaps for our vote, which it gets whatever we
    /// think of the master, in TILT too.
    fn on_ask(&mut self, now: Mono, ask: &Ask) -> Reply {
        let at = |inst| {
            self.instances
                .get(inst)
                .map(|inst| (&inst.addr, inst.s_down))
        };
        let found = self.masters.iter().find_map(|(name, master)| {
            let (addr, s_down) = at(&master.inst)?;
            (Some(addr) == ask.addr.as_ref()).then(|| (name.clone(), s_down))
        });
        let down = self.tilt.is_none() && found.as_ref().is_some_and(|(_, s_down)| *s_down);
        let vote = match (found, ask.epoch, ask.candidate) {
            (Some((name, _)), Some(epoch), Some(candidate)) => {
                self.vote(now, &name, epoch, candidate)
            }
            _ => None,
        };
        let (leader, epoch) = vote.unwrap_or_default();
        Reply::Array(vec![
            Reply::Integer(i64::from(down)),
            leader.map_or_else(
                || Reply::bulk("*"),
                |leader| Reply::bulk(leader.to_string()),
            ),
            Reply::Integer(i64::try_from(epoch.get()).unwrap_or(i64::MAX)),
        ])
    }

    /// A failover on request: takes an epoch and goes on without asking anybody.
    fn force_failover(&mut self, now: Mono, name: &MasterName) -> Reply {
        let Some(master) = self.masters.get(name) else {
            return Reply::NO_SUCH_MASTER;
        };
        if master.failover.state != State::None {
            return Reply::error("INPROG Failover already in progress");
        }
        if self.choose_replica(now, name).is_none() {
            return Reply::error("NOGOODSLAVE No suitable replica to promote");
        }
        self.log(
            Level::Warning,
            format!("Executing user requested FAILOVER of '{name}'"),
        );
        self.start_failover(now, name);
        if let Some(master) = self.masters.get_mut(name) {
            master.failover.forced = true;
        }
        Reply::OK
    }

    fn monitor(
        &mut self,
        now: Mono,
        name: &MasterName,
        host: Option<Host>,
        port: i64,
        quorum: i64,
    ) -> Result<(), &'static str> {
        let quorum = u32::try_from(quorum).ok().and_then(Quorum::new);
        let quorum = quorum.ok_or("ERR Quorum must be 1 or greater.")?;
        let host = host.filter(|host| host.ip().is_some());
        let host = host.ok_or("ERR Invalid IP address or hostname specified")?;
        let port = u16::try_from(port).map_err(|_| "ERR Invalid port number.")?;
        if self.masters.contains_key(name) {
            return Err("ERR Duplicate master name.");
        }
        let options = MasterOptions::new(quorum, &self.periods);
        self.add_master(now, name, Addr::new(host, port), options);
        self.flush();
        Ok(())
    }

    fn remove(&mut self, now: Mono, name: &MasterName) -> Reply {
        let Some(inst) = self.masters.get(name).map(|master| master.inst) else {
            return Reply::NO_SUCH_MASTER;
        };
        self.event(EventKind::Unmonitor, inst, "");
        self.remove_master(now, name);
        self.flush();
        Reply::OK
    }

    /// Not written to disk: the file keeps replicas and peers until the next flush.
    fn reset_matching(&mut self, now: Mono, pattern: &str) -> Reply {
        let hit = |name: &&MasterName| glob(pattern.as_bytes(), name.as_str().as_bytes());
        let names: Vec<MasterName> = self.masters.keys().filter(hit).cloned().collect();
        for name in &names {
            self.reset(now, name);
            self.forget_peers(name);
            if let Some(inst) = self.masters.get(name).map(|master| master.inst) {
                self.event(EventKind::ResetMaster, inst, "");
            }
        }
        Reply::Integer(i64::try_from(names.len()).unwrap_or(i64::MAX))
    }

    /// The four options that rules of this model read; pairs are applied as they come.
    fn set(&mut self, name: &MasterName, words: &[Arc<str>]) -> Reply {
        let Some(inst) = self.masters.get(name).map(|master| master.inst) else {
            return Reply::NO_SUCH_MASTER;
        };
        let mut changed = false;
        let mut reply = Reply::OK;
        for pair in words.chunks(2) {
            match self.set_one(name, pair) {
                Ok((option, value)) => {
                    changed = true;
                    self.event(EventKind::Set, inst, &format!("{option} {value}"));
                }
                Err(text) => {
                    reply = Reply::error(text);
                    break;
                }
            }
        }
        if changed {
            self.flush();
        }
        reply
    }

    fn set_one<'a>(
        &mut self,
        name: &MasterName,
        pair: &'a [Arc<str>],
    ) -> Result<(&'a str, &'a str), String> {
        let option = pair.first().map_or("", |word| word);
        let unknown =
            || format!("ERR Unknown option or number of arguments for SENTINEL SET '{option}'");
        let value: &str = pair.get(1).ok_or_else(unknown)?;
        let master = self.masters.get_mut(name).ok_or_else(unknown)?;
        let invalid = || format!("ERR Invalid argument '{value}' for SENTINEL SET '{option}'");
        let number = value.parse::<u32>().ok().filter(|n| *n > 0);
        let span = || number.map(|n| Span::ms(u64::from(n))).ok_or_else(invalid);
        match option.to_ascii_lowercase().as_str() {
            "down-after-milliseconds" => master.options.down_after = span()?,
            "failover-timeout" => master.options.failover_timeout = span()?,
            "parallel-syncs" => master.options.parallel_syncs = number.ok_or_else(invalid)?,
            "quorum" => {
                master.options.quorum = number.and_then(Quorum::new).ok_or_else(invalid)?;
            }
            _ => return Err(unknown()),
        }
        Ok((option, value))
    }

    fn debug(&mut self, words: &[Arc<str>]) -> Reply {
        for pair in words.chunks(2) {
            let option = pair.first().map_or("", |word| word);
            let (Some(period), Some(value)) = (self.periods.by_name(option), pair.get(1)) else {
                return Reply::error(format!(
                    "ERR Unknown option or number of arguments for SENTINEL DEBUG '{option}'"
                ));
            };
            let Some(ms) = value.parse::<u64>().ok().filter(|ms| *ms > 0) else {
                return Reply::error(format!(
                    "ERR Invalid argument '{value}' for SENTINEL DEBUG '{option}'"
                ));
            };
            *period = Span::ms(ms);
        }
        Reply::OK
    }
}

/// `*` and `?` of a glob; nothing else is special. Linear in the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let mut reach = vec![false; text.len() + 1];
    if let Some(start) = reach.first_mut() {
        *start = true;
    }
    for symbol in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut before = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = reach.get(at).copied().unwrap_or(false);
            let matches = |byte: &u8| *symbol == b'?' || symbol == byte;
            let previous = at.checked_sub(1);
            let stepped = previous.is_some_and(|p| {
                reach.get(p).copied().unwrap_or(false) && text.get(p).is_some_and(matches)
            });
            *slot = if *symbol == b'*' {
                here || before
            } else {
                stepped
            };
            before = *slot;
        }
        reach = next;
    }
    reach.last().copied().unwrap_or(false)
}
