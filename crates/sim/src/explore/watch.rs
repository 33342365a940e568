//! What one Sentinel has said and been told: the properties that it can break alone (S4, S5, S6),
//! and what it lets the others see for those of the whole world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bartizan_core::ids::Epoch;
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::Durable;
use bartizan_core::notify::event::{Event, EventKind};
use bartizan_core::output::{Call, Output, ReplicaOf};

use super::node::{Effect, Fact};
use super::word::{Ans, SENTINELS, id, opinion, sentinel_of, server_of};

/// What the checks remember of one Sentinel. It survives its crashes, but for what only the dead
/// process knew.
#[derive(Clone, Debug)]
pub struct Watch {
    me: u8,
    /// The newest epoch that the process knows of.
    pub(crate) current: u64,
    /// The highest current epoch and configuration epoch that it told anybody.
    told_current: u64,
    told_configuration: u64,
    /// The newest epochs in a file that could not be written: the core takes a configuration for
    /// knowledge, which holds and is told whether the disk has it or not.
    unwritten_current: u64,
    unwritten_configuration: u64,
    /// The epoch of its candidacy, and whether an operator wanted it.
    stands: Option<u64>,
    operator: bool,
    /// The epoch it was elected in, or forced.
    elected: Option<u64>,
    /// Who voted for it, by epoch.
    votes: BTreeMap<u64, BTreeSet<u8>>,
    booted: bool,
}

impl Watch {
    pub(crate) fn new(me: u8, file: &Durable) -> Self {
        Self {
            me,
            current: file.current_epoch.get(),
            told_current: 0,
            told_configuration: 0,
            unwritten_current: 0,
            unwritten_configuration: 0,
            stands: None,
            operator: false,
            elected: None,
            votes: BTreeMap::new(),
            booted: false,
        }
    }

    /// What only the dead process knew is gone.
    pub(crate) fn on_restart(&mut self, file: &Durable) {
        let kept = |told: u64, unwritten: u64, written: u64| {
            if told <= unwritten {
                told.min(written)
            } else {
                told
            }
        };
        let configured = configuration(file).map_or(0, |c| c.epoch.get());
        let current = file.current_epoch.get();
        *self = Self {
            told_current: kept(self.told_current, self.unwritten_current, current),
            told_configuration: kept(
                self.told_configuration,
                self.unwritten_configuration,
                configured,
            ),
            ..Self::new(self.me, file)
        };
    }

    /// A write failed.
    pub(crate) fn on_unwritten(&mut self, file: &Durable) {
        let configured = configuration(file).map_or(0, |c| c.epoch.get());
        self.unwritten_configuration = self.unwritten_configuration.max(configured);
        self.unwritten_current = self.unwritten_current.max(configured);
    }

    /// S4 across a restart: the file is not behind what was told.
    pub(crate) fn on_boot_check(&mut self, file: &Durable) -> Option<Arc<str>> {
        if std::mem::replace(&mut self.booted, true) {
            return None;
        }
        let configured = configuration(file).map_or(0, |c| c.epoch.get());
        let behind =
            file.current_epoch.get() < self.told_current || configured < self.told_configuration;
        behind.then(|| {
            broken(
                "S4",
                self.me,
                &format!(
                    "starts at epoch {} and configuration {configured} after it told {} and {}",
                    file.current_epoch, self.told_current, self.told_configuration
                ),
            )
        })
    }

    /// The next candidacy is an operator's.
    pub(crate) const fn on_operator(&mut self) {
        self.operator = true;
    }

    pub(crate) fn on_vote(&mut self, peer: u8, vote: Option<(u64, u8)>) {
        if let Some((epoch, leader)) = vote
            && leader == self.me
        {
            self.votes.entry(epoch).or_default().insert(peer);
        }
    }

    /// Looks at one output, with what is on disk at that moment.
    pub(crate) fn see(&mut self, output: &Output, synced: &Durable, effects: &mut Vec<Effect>) {
        match output {
            Output::Event(event) => self.event(event, effects),
            Output::Answer { reply, .. } => {
                if let Some(Ans::Opinion {
                    vote: Some((epoch, leader)),
                    ..
                }) = opinion(reply, true)
                {
                    self.reveals_vote(epoch, leader, synced, effects);
                }
            }
            Output::Call { what, .. } => self.call(what, synced, effects),
            Output::Persist { durable, .. } => Self::configured(configuration(durable), effects),
            _ => {}
        }
    }

    fn event(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        match event.kind {
            EventKind::NewEpoch => {
                self.current = event.payload.parse().unwrap_or(self.current);
            }
            EventKind::TryFailover => self.elected = None,
            EventKind::AbortNotElected | EventKind::ConfigUpdateFrom => {
                self.stands = None;
                self.operator = false;
            }
            EventKind::VoteForLeader => {
                if let Some((leader, epoch)) = event.payload.split_once(' ')
                    && leader == id(self.me).as_str()
                {
                    self.stands = epoch.parse().ok();
                }
            }
            EventKind::ElectedLeader => self.is_elected(effects),
            _ => {}
        }
    }

    /// S6, the election itself: a majority, or an operator's word.
    fn is_elected(&mut self, effects: &mut Vec<Effect>) {
        let Some(epoch) = self.stands else {
            let text = broken("S6", self.me, "is elected without standing");
            return effects.push(Effect::Broken(text));
        };
        let votes = 1 + self.votes.get(&epoch).map_or(0, BTreeSet::len);
        self.elected = Some(epoch);
        if votes > usize::from(SENTINELS) / 2 {
            effects.push(Effect::Saw(Fact::Elected(epoch)));
        } else if !self.operator {
            let text = format!("is elected in epoch {epoch} by {votes} of {SENTINELS}");
            effects.push(Effect::Broken(broken("S6", self.me, &text)));
        }
        self.operator = false;
    }

    fn call(&mut self, what: &Call, synced: &Durable, effects: &mut Vec<Effect>) {
        match what {
            Call::Publish(hello) => {
                self.epoch_told(hello.current_epoch, synced, effects);
                self.configuration_told(&hello.configuration, synced, effects);
                Self::configured(Some(&hello.configuration), effects);
            }
            Call::Ask {
                epoch, candidate, ..
            } => {
                self.epoch_told(*epoch, synced, effects);
                if let Some(candidate) = candidate.and_then(sentinel_of) {
                    self.reveals_vote(epoch.get(), candidate, synced, effects);
                }
            }
            Call::Reconfigure(ReplicaOf::NoOne) => {
                if self.elected.is_none() {
                    let text = "promotes a server without having been elected";
                    effects.push(Effect::Broken(broken("S6", self.me, text)));
                }
            }
            Call::Reconfigure(ReplicaOf::Master(addr)) => {
                let safe = configuration(synced).map(|c| &c.addr);
                let is_known = self.unwritten_configuration
                    > configuration(synced).map_or(0, |c| c.epoch.get());
                if !is_known && safe.is_some_and(|safe| safe != addr) {
                    let text = format!("sends a server to {addr}; on disk the master is {safe:?}");
                    effects.push(Effect::Broken(broken("S5", self.me, &text)));
                }
            }
            Call::Ping
            | Call::Info
            | Call::ScriptKill
            | Call::Pause { .. }
            | Call::Unpause
            | Call::ReadMinReplicas
            | Call::SetMinReplicas(_)
            | Call::TryPermissions => {}
        }
    }

    fn epoch_told(&mut self, epoch: Epoch, synced: &Durable, effects: &mut Vec<Effect>) {
        let epoch = epoch.get();
        if epoch > synced.current_epoch.get().max(self.unwritten_current) {
            let text = format!("tells epoch {epoch}; on disk is {}", synced.current_epoch);
            effects.push(Effect::Broken(broken("S5", self.me, &text)));
        }
        if epoch < self.told_current {
            let text = format!("tells epoch {epoch} after {}", self.told_current);
            effects.push(Effect::Broken(broken("S4", self.me, &text)));
        }
        self.told_current = self.told_current.max(epoch);
    }

    fn configuration_told(
        &mut self,
        told: &Configuration,
        synced: &Durable,
        effects: &mut Vec<Effect>,
    ) {
        let safe = configuration(synced);
        let is_known = told.epoch.get() <= self.unwritten_configuration;
        if !is_known && told.epoch > Epoch::ZERO && safe.is_none_or(|safe| told.is_newer_than(safe))
        {
            let text = format!("tells {told:?}; on disk is {safe:?}");
            effects.push(Effect::Broken(broken("S5", self.me, &text)));
        }
        let epoch = told.epoch.get();
        if epoch < self.told_configuration {
            let known = self.told_configuration;
            let text = format!("tells configuration {epoch} after {known}");
            effects.push(Effect::Broken(broken("S4", self.me, &text)));
        }
        self.told_configuration = self.told_configuration.max(epoch);
    }

    fn reveals_vote(&self, epoch: u64, leader: u8, synced: &Durable, effects: &mut Vec<Effect>) {
        let safe = synced.masters.first().map_or(0, |m| m.voted_epoch.get());
        if epoch > safe {
            let text = format!("reveals a vote in epoch {epoch}; on disk is {safe}");
            effects.push(Effect::Broken(broken("S5", self.me, &text)));
        }
        effects.push(Effect::Saw(Fact::Vote(epoch, leader)));
    }

    fn configured(told: Option<&Configuration>, effects: &mut Vec<Effect>) {
        if let Some(told) = told
            && let Some(at) = server_of(&told.addr)
        {
            effects.push(Effect::Saw(Fact::Configured(told.epoch.get(), at)));
        }
    }
}

/// What a file says of the one master.
pub(crate) fn configuration(file: &Durable) -> Option<&Configuration> {
    file.masters.first().map(|master| &master.configuration)
}

fn broken(property: &str, me: u8, text: &str) -> Arc<str> {
    Arc::from(format!("{property}: s{me} {text}"))
}
