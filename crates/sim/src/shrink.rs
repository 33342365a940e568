//! Makes a failing plan small: fewer faults first, then smaller numbers, the same property all
//! the while.

use crate::fault::{Fault, Who};
use crate::params::Params;
use crate::plan::Plan;
use crate::run::Outcome;

/// A plan that was made small.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest plan found, and what became of it.
    pub outcome: Outcome,
    /// How many plans were played.
    pub tries: u64,
}

impl Shrunk {
    /// A test to paste into `tests/scenarios`.
    pub fn scenario(&self) -> String {
        let property = self
            .outcome
            .violation
            .as_ref()
            .map_or("?", |violation| violation.property);
        let indented: String = self
            .outcome
            .plan
            .to_string()
            .lines()
            .map(|l| format!("    {l}\n"))
            .collect();
        format!(
            "/// {property} fell here once.\n#[test]\nfn NAME_OF_THE_BEHAVIOUR() {{\n    \
             holds(\n        \"\n{indented}        \",\n    );\n}}\n"
        )
    }
}

/// Shrinks a plan that violates a property, with at most this many plans played by `player`;
/// `None` when it violates nothing. `told` hears of every step forward, with the number of plans
/// played so far.
pub fn shrink(
    plan: &Plan,
    most: u64,
    player: &dyn Fn(&Plan) -> Outcome,
    told: &mut dyn FnMut(&Plan, u64),
) -> Option<Shrunk> {
    let outcome = player(plan);
    let property = outcome.violation.as_ref()?.property;
    let mut search = Search {
        best: outcome,
        property,
        tries: 1,
        most,
        player,
        told,
    };
    search.cut_after_the_fall();
    // What makes the plan smaller may make room for more of the other.
    loop {
        let before = search.best.plan.clone();
        search.fewer_faults();
        search.smaller_params();
        search.smaller_faults();
        if search.best.plan == before || search.tries >= most {
            break;
        }
    }
    Some(Shrunk {
        outcome: search.best,
        tries: search.tries,
    })
}

struct Search<'a> {
    best: Outcome,
    property: &'static str,
    tries: u64,
    most: u64,
    player: &'a dyn Fn(&Plan) -> Outcome,
    told: &'a mut dyn FnMut(&Plan, u64),
}

impl Search<'_> {
    /// Plays a plan, and keeps it when the same property falls.
    fn keeps(&mut self, plan: Plan) -> bool {
        if plan == self.best.plan || self.tries >= self.most {
            return false;
        }
        self.tries += 1;
        let outcome = (self.player)(&plan);
        let same = outcome
            .violation
            .as_ref()
            .is_some_and(|violation| violation.property == self.property);
        if same {
            self.best = outcome;
            (self.told)(&self.best.plan, self.tries);
        }
        same
    }

    /// Faults that begin after the property fell did nothing, and a shorter run plays quicker.
    fn cut_after_the_fall(&mut self) {
        let Some(fell_ms) = self
            .best
            .violation
            .as_ref()
            .map(|fell| fell.at.0 / 1000 + 1)
        else {
            return;
        };
        let mut plan = self.best.plan.clone();
        plan.faults.retain(|fault| fault.at_ms <= fell_ms);
        self.keeps(plan);
        let mut plan = self.best.plan.clone();
        let needed = fell_ms.saturating_sub(plan.params.warmup_ms);
        plan.params.faults_ms = plan.params.faults_ms.min(needed.max(1000));
        self.keeps(plan);
    }

    /// Takes out faults, many at a time at first (ddmin).
    fn fewer_faults(&mut self) {
        let mut chunk = self.best.plan.faults.len().max(1);
        loop {
            let mut start = 0;
            while start < self.best.plan.faults.len() {
                let mut plan = self.best.plan.clone();
                let end = (start + chunk).min(plan.faults.len());
                plan.faults.drain(start..end);
                if !self.keeps(plan) {
                    start += chunk;
                }
            }
            if chunk == 1 {
                break;
            }
            chunk = chunk.div_ceil(2);
        }
    }

    fn smaller_params(&mut self) {
        /// Of these less is always simpler; the others are simplest at their usual value.
        const SIZES: [&str; 5] = ["sentinels", "masters", "replicas", "clients", "faults_ms"];
        for (name, least) in Params::ALL {
            let number = |params: &Params| params.clone().by_name(name).map_or(0, |n| *n);
            let (now, usual) = (number(&self.best.plan.params), number(&Params::default()));
            let smaller = if SIZES.contains(name) {
                // One millisecond less at a time would use up all tries.
                let bit = if *name == "faults_ms" { 1000 } else { 1 };
                vec![*least, now / 2, now.saturating_sub(bit)]
            } else {
                vec![usual]
            };
            for value in smaller {
                let sized = SIZES.contains(name) && value >= now;
                let mut plan = self.best.plan.clone();
                let Some(slot) = plan.params.by_name(name) else {
                    continue;
                };
                if sized || value < *least {
                    continue;
                }
                *slot = value;
                // A quorum that cannot be reached is another story.
                let params = &mut plan.params;
                params.quorum = params.quorum.min(params.sentinels);
                if fits(&plan) && self.keeps(plan) {
                    break;
                }
            }
        }
    }

    fn smaller_faults(&mut self) {
        for i in 0..self.best.plan.faults.len() {
            for change in [halve_time, round_start, shorten_group] {
                let mut plan = self.best.plan.clone();
                let Some(fault) = plan.faults.get_mut(i) else {
                    break;
                };
                change(fault);
                self.keeps(plan);
            }
        }
    }
}

fn halve_time(fault: &mut Fault) {
    fault.ms /= 2;
}

fn round_start(fault: &mut Fault) {
    fault.at_ms -= fault.at_ms % 1000;
}

fn shorten_group(fault: &mut Fault) {
    if fault.who.len() > 3 {
        fault.who.pop();
    }
}

/// Whether everybody whom the faults name exists.
pub(crate) fn fits(plan: &Plan) -> bool {
    let params = &plan.params;
    let servers = params.masters * plan.servers_per_group();
    plan.faults
        .iter()
        .flat_map(|fault| &fault.who)
        .all(|who| match who {
            Who::Sentinel(n) => (*n as u64) < params.sentinels,
            Who::Server(n) => (*n as u64) < servers,
            Who::Client(n) => (*n as u64) < params.clients,
        })
}
