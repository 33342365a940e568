//! What holds for every sequence of inputs (rules 4 and 5 of the core, S1, S3 and S4 of the
//! invariants), checked on all that a Sentinel said and wrote.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::ids::{Epoch, MasterName, RequestId};
use bartizan_core::model::durable::Durable;
use bartizan_core::notify::event::{Event, EventKind};
use bartizan_core::output::{Call, Output};
use bartizan_core::provide::reply::Reply;

use super::bench::{Trace, name, text};

/// The port of the second master, whose votes are its own affair.
pub(crate) const OTHER: u16 = 7000;

/// What is known from what was written.
pub(crate) struct Checks {
    /// The last state that was to be written.
    last: Durable,
    /// The newest epoch that is on disk.
    synced: Epoch,
    /// The epoch of the newest vote that is on disk: all up to it are spent.
    voted: Epoch,
    /// Configurations that are on disk, or could not be put there.
    settled: BTreeSet<(MasterName, Epoch, Addr)>,
    /// The one address of each configuration, and the one leader of each vote.
    addresses: BTreeMap<(MasterName, Epoch), Addr>,
    leaders: BTreeMap<u64, String>,
    asked: u64,
    /// Requests without an answer, and whether they ask for a vote.
    open: BTreeMap<RequestId, bool>,
}

impl Checks {
    pub(crate) fn new(boot: Durable) -> Self {
        let mut checks = Self {
            synced: boot.current_epoch,
            last: boot.clone(),
            voted: Epoch::ZERO,
            settled: BTreeSet::new(),
            addresses: BTreeMap::new(),
            leaders: BTreeMap::new(),
            asked: 0,
            open: BTreeMap::new(),
        };
        checks.on_settled(&boot);
        checks
    }

    pub(crate) fn current_epoch(&self) -> u64 {
        self.last.current_epoch.get()
    }

    pub(crate) fn on_request(&mut self, is_ask: bool) {
        self.asked += 1;
        self.open.insert(RequestId::new(self.asked), is_ask);
    }

    /// A master that is watched anew begins at epoch zero.
    pub(crate) fn on_removed(&mut self, name: &MasterName) {
        self.last.masters.retain(|master| master.name != *name);
    }

    pub(crate) fn run(&mut self, trace: Vec<Trace>) {
        for step in trace {
            match step {
                Trace::Said(output) => self.on_output(&output),
                Trace::Synced(durable) => {
                    self.synced = self.synced.max(durable.current_epoch);
                    let ours = durable.masters.iter().find(|master| master.name == name());
                    self.voted = ours.map_or(self.voted, |ours| ours.voted_epoch.max(self.voted));
                    self.on_settled(&durable);
                }
                Trace::Failed(durable) => self.on_settled(&durable),
            }
        }
    }

    pub(crate) fn end(&self) {
        assert!(self.open.is_empty(), "never answered: {:?}", self.open);
    }

    fn on_settled(&mut self, durable: &Durable) {
        for master in &durable.masters {
            let to = &master.configuration;
            self.settled
                .insert((master.name.clone(), to.epoch, to.addr.clone()));
        }
    }

    fn on_output(&mut self, output: &Output) {
        match output {
            Output::Persist { durable, .. } => self.on_persist(durable),
            Output::Call { what, .. } => self.on_call(what),
            Output::Answer { request, reply } => self.on_answer(*request, reply),
            Output::Event(event) => self.on_event(event),
            _ => {}
        }
    }

    /// No epoch that is written is lower than the one written before (S4).
    fn on_persist(&mut self, durable: &Durable) {
        assert!(durable.current_epoch >= self.last.current_epoch);
        for master in &durable.masters {
            let to = &master.configuration;
            let key = (master.name.clone(), to.epoch);
            let addr = self.addresses.entry(key).or_insert_with(|| to.addr.clone());
            assert_eq!(*addr, to.addr, "two addresses in {:?} (S3)", to.epoch);
            assert!(to.epoch <= durable.current_epoch);
            assert!(master.voted_epoch <= durable.current_epoch);
            let before = self.last.masters.iter().find(|old| old.name == master.name);
            if let Some(before) = before {
                assert!(to.epoch >= before.configuration.epoch, "configuration");
                assert!(master.voted_epoch >= before.voted_epoch, "vote");
            }
        }
        self.last = durable.clone();
    }

    fn on_call(&mut self, call: &Call) {
        match call {
            Call::Ask {
                addr,
                epoch,
                candidate: Some(candidate),
            } if addr.port != OTHER => {
                assert!(*epoch <= self.voted, "stands in {epoch} before the disk");
                self.on_vote(epoch.get(), &candidate.to_string());
            }
            Call::Ask { epoch, .. } => assert!(*epoch <= self.synced, "asks in {epoch}"),
            Call::Publish(hello) => {
                let to = &hello.configuration;
                let told = (hello.master.clone(), to.epoch, to.addr.clone());
                let is_new = to.epoch > Epoch::ZERO;
                assert!(!is_new || self.settled.contains(&told), "{told:?}");
                assert!(hello.current_epoch <= self.synced.max(to.epoch));
            }
            Call::Ping
            | Call::Info
            | Call::Reconfigure(_)
            | Call::ScriptKill
            | Call::Pause { .. }
            | Call::Unpause
            | Call::ReadMinReplicas
            | Call::SetMinReplicas(_)
            | Call::TryPermissions => {}
        }
    }

    /// Every request is answered once, and reveals no vote that is not on disk.
    fn on_answer(&mut self, request: RequestId, reply: &Reply) {
        let is_ask = self.open.remove(&request);
        let is_ask = is_ask.unwrap_or_else(|| panic!("{request:?} was answered twice"));
        let Reply::Array(items) = reply else { return };
        if let (true, [_, leader, Reply::Integer(epoch)]) = (is_ask, &items[..])
            && *epoch > 0
        {
            let epoch = u64::try_from(*epoch).unwrap();
            assert!(Epoch::new(epoch) <= self.voted, "vote in {epoch}");
            self.on_vote(epoch, &text(leader));
        }
    }

    fn on_event(&self, event: &Event) {
        let payload = &event.payload;
        let epoch = || payload.split(' ').next_back().unwrap().parse().unwrap();
        match event.kind {
            EventKind::NewEpoch => assert!(Epoch::new(epoch()) <= self.synced, "{payload}"),
            EventKind::VoteForLeader if event.master == Some(name()) => {
                assert!(Epoch::new(epoch()) <= self.voted, "{payload}");
            }
            _ => {}
        }
    }

    /// One leader an epoch (S1).
    fn on_vote(&mut self, epoch: u64, leader: &str) {
        let leader = super::bench::short_ids(leader.to_owned());
        let first = self.leaders.entry(epoch).or_insert_with(|| leader.clone());
        assert_eq!(*first, leader, "two leaders in epoch {epoch} (S1)");
    }
}
