//! Promises: held while the disk works, then kept or broken.

use crate::failover::switch::Outcome;
use crate::failover::vote;
use crate::ids::PersistSeq;
use crate::ids::{Epoch, MasterName, RequestId};
use crate::model::durable::Durable;
use crate::model::gate::Promise;
use crate::model::master::Master;
use crate::notify::script;
use crate::output::Output;
use crate::provide::reply::Reply;
use crate::sentinel::Sentinel;

impl Sentinel {
    /// A write is on disk. After a time of failed writes, so is everything that is in force.
    pub(super) fn on_persisted(&mut self, seq: PersistSeq) {
        let had_failed = self.cx.gate.is_failing();
        let Some(settled) = self.cx.gate.on_persisted(seq, self.cx.now) else {
            return;
        };
        if let Some(epoch) = settled.epoch {
            self.cx.epochs.synced = self.cx.epochs.synced.max(epoch);
        }
        if had_failed {
            for master in self
                .masters
                .values_mut()
                .filter(|m| m.saved != m.configuration)
            {
                master.saved = master.configuration.clone();
                master.hello_at_once(self.cx.now);
            }
            self.step_all();
        }
        self.keep_promises(settled.promises);
    }

    /// Lets go what may go, and begins the write that the rest waits for.
    pub(super) fn settle(&mut self) {
        loop {
            let kept = self.cx.gate.take_kept();
            if kept.is_empty() {
                break;
            }
            self.keep_promises(kept);
        }
        script::run_due(&mut self.cx);
        let epoch = self.cx.epochs.current;
        if let Some(seq) = self.cx.gate.begin(self.cx.now, epoch) {
            let durable = Box::new(self.durable());
            self.cx.out.push(Output::Persist { seq, durable });
        }
    }

    /// Everything that must survive a crash, as it is now.
    pub(super) fn durable(&mut self) -> Durable {
        let cx = &self.cx;
        let state = |master: &mut Master| master.state(cx);
        Durable {
            my_id: cx.me,
            current_epoch: cx.epochs.current,
            options: cx.options.clone(),
            periods: cx.periods.clone(),
            masters: self.masters.values_mut().map(state).collect(),
        }
    }

    pub(super) fn keep_promises(&mut self, promises: Vec<Promise>) {
        for promise in promises {
            match promise {
                Promise::Vote { request, kept, .. } => self.answer_vote(request, kept),
                Promise::Reply { request, kept, .. } => {
                    self.cx.out.push(Output::Answer {
                        request,
                        reply: kept,
                    });
                }
                Promise::Stand {
                    master: name,
                    epoch,
                } => {
                    if let Some(master) = self.masters.get_mut(&name) {
                        master.on_candidacy_kept(epoch);
                    }
                    self.step_master(&name);
                }
                Promise::Adopt { master, epoch } => {
                    self.settle_adoption(&master, epoch, Outcome::Synced)
                }
                Promise::Tell(notice) | Promise::TellAnyway(notice) => self.cx.tell(notice),
                Promise::Start => self.start(),
            }
        }
    }

    /// What could not be written: votes are not given, candidacies end; configurations are
    /// knowledge and hold all the same.
    pub(super) fn break_promises(&mut self, promises: Vec<Promise>) {
        for promise in promises {
            match promise {
                Promise::Vote {
                    request, withheld, ..
                } => self.answer_vote(request, withheld),
                Promise::Reply {
                    request, withheld, ..
                } => {
                    self.cx.out.push(Output::Answer {
                        request,
                        reply: withheld,
                    });
                }
                Promise::Stand {
                    master: name,
                    epoch,
                } => {
                    if let Some(master) = self.masters.get_mut(&name) {
                        master.on_candidacy_unwritten(&mut self.cx, epoch);
                    }
                    self.step_master(&name);
                }
                Promise::Adopt { master, epoch } => {
                    self.settle_adoption(&master, epoch, Outcome::Failed)
                }
                Promise::Tell(_) => {}
                Promise::TellAnyway(notice) => self.cx.tell(notice),
                Promise::Start => self.start(),
            }
        }
    }

    fn answer_vote(&mut self, request: RequestId, answer: Reply) {
        let reply = match self.cx.tilt {
            Some(_) => vote::in_tilt(answer),
            None => answer,
        };
        self.cx.out.push(Output::Answer { request, reply });
    }

    pub(super) fn settle_adoption(&mut self, name: &MasterName, epoch: Epoch, write: Outcome) {
        if let Some(master) = self.masters.get_mut(name) {
            master.on_adoption_settled(&mut self.cx, epoch, write);
        }
        self.step_master(name);
    }

    pub(super) fn start(&mut self) {
        self.started = true;
        self.step_all();
    }
}
