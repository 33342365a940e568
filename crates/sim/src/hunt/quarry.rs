//! Whether the simulator earns trust: it has to find every deliberate bug of the core within a
//! stated number of seeds.

use bartizan_core::mutant::Mutant;

use super::varied;
use crate::plan::Plan;
use crate::run::{Outcome, play, play_in};
use crate::world::World;

/// Where a mutant is hunted.
#[derive(Clone, Copy, Debug)]
pub enum Ground {
    /// Random faults on one group of servers.
    Swarm,
    /// A directed plan, varied by the seed: the fault has to meet a state that chance meets too
    /// seldom, or shows only in what is late.
    Directed(&'static str),
}

/// How a mutant is hunted.
#[derive(Clone, Copy, Debug)]
pub struct Quarry {
    /// The deliberate bug.
    pub mutant: Mutant,
    /// It has to be found within this many seeds.
    pub seeds: u64,
    /// Where.
    pub ground: Ground,
}

/// All mutants, each with the number of seeds within which it has to be found.
#[must_use]
pub fn all() -> Vec<Quarry> {
    Mutant::ALL.iter().copied().map(quarry).collect()
}

fn quarry(mutant: Mutant) -> Quarry {
    use Ground::{Directed, Swarm};
    let (seeds, ground) = match mutant {
        Mutant::VoteTwice => (10, Directed(TWO_OPERATORS)),
        Mutant::VoteBeforeDisk => (20, Swarm),
        Mutant::StandBeforeDisk => (20, Swarm),
        Mutant::ForgetVote => (20, Swarm),
        Mutant::CountAnyEpoch => (250, Swarm),
        Mutant::NoMajority => (10, Directed(ALL_ALONE)),
        Mutant::NoQuorum => (20, Swarm),
        Mutant::PromotePriorityZero => (10, Directed(NOT_THIS_ONE)),
        Mutant::PromoteWorstOffset => (10, Directed(ONE_IS_BEHIND)),
        Mutant::BelieveOlderConfiguration => (20, Swarm),
        Mutant::SplitConfiguration => (20, Swarm),
        Mutant::ForgetOldMaster => (10, Directed(LOST_AND_BACK)),
        Mutant::IgnoreParallelSyncs => (10, Directed(LOST_FOR_GOOD)),
        Mutant::ActInTilt => (60, Swarm),
        Mutant::StaleOpinions => (20, Directed(HICCUP)),
        Mutant::EpochDown => (10, Directed(ONE_SLEEPS)),
        Mutant::ConfigurationBeforeDisk => (40, Swarm),
        Mutant::SwitchTwice => (20, Swarm),
        Mutant::PromoteWithoutElection => (20, Swarm),
        Mutant::NoRetry => (10, Directed(ALL_ALONE)),
        Mutant::NoHello => (40, Directed(LOST_IN_TIME)),
        Mutant::NeverRepoint => (10, Directed(LOST_BY_ONE)),
        Mutant::BelieveAnyEpoch => (10, Directed(LIED_TO)),
        Mutant::DemoteBeforeRescue => (10, Directed(CUT_OFF_WITH_A_CLIENT)),
        Mutant::RescueFromNextByte => (10, Directed(CUT_OFF_WITH_A_CLIENT)),
        Mutant::NeverUnpause => (10, Directed(SWITCHED_OVER)),
        Mutant::HoldForEver => (10, Directed(CUT_OFF_WITH_A_SENTINEL)),
        Mutant::ImpatientHeal => (10, Directed(ONE_SYNCHRONISES)),
        Mutant::TrustAddress => (10, Directed(ANOTHER_CLUSTERS)),
    };
    Quarry {
        mutant,
        seeds,
        ground,
    }
}

/// A master dies for good, and nothing else happens: all replicas have to follow the new one
/// long before anybody could put strays right.
const LOST_FOR_GOOD: &str = "
    param replicas 3
    param faults_ms 60000
    param right_by_ms 24000
    fault 16000 unplug 60000 0 r0
";

/// The same with one Sentinel, since any other would put the replicas right instead.
const LOST_BY_ONE: &str = "
    param sentinels 1
    param quorum 1
    param faults_ms 60000
    param right_by_ms 24000
    fault 16000 unplug 60000 0 r0
";

/// The same with one replica, and all Sentinels have to know at once.
const LOST_IN_TIME: &str = "
    param replicas 1
    param faults_ms 60000
    param right_by_ms 20700
    fault 16000 unplug 60000 0 r0
";

/// A master dies, is replaced, and returns.
const LOST_AND_BACK: &str = "
    param faults_ms 60000
    param right_by_ms 50000
    fault 16000 crash 8000 1 r0
";

/// Two operators force a failover at once on two Sentinels, which then need the third one's vote.
const TWO_OPERATORS: &str = "
    param faults_ms 30000
    fault 20000 failover 0 0 s0 s1 r0
";

/// One Sentinel misses a failover and comes back with an older epoch.
const ONE_SLEEPS: &str = "
    param faults_ms 60000
    fault 16000 crash 15000 0 s2
    fault 18000 unplug 60000 0 r0
";

/// A replica that must not be promoted, known as such before the master dies.
const NOT_THIS_ONE: &str = "
    param faults_ms 60000
    fault 16000 priority 0 0 r1
    fault 30000 unplug 30000 0 r0
";

/// A replica that has not got the last writes when the master dies.
const ONE_IS_BEHIND: &str = "
    param faults_ms 60000
    param write_every_ms 100
    fault 16000 no-replication 60000 0 r1
    fault 25000 unplug 30000 0 r0
";

/// Right after a failover one Sentinel, and no other, loses sight of the new master.
const HICCUP: &str = "
    param faults_ms 60000
    param down_after_ms 1000
    fault 20000 unplug 60000 0 r0
    fault 21600 two-way 5000 0 s0 r1
    fault 21600 two-way 5000 0 s0 r2
";

/// A master dies for good while nobody can hear anybody, so that all lose their first rounds.
const ALL_ALONE: &str = "
    param quorum 1
    param faults_ms 90000
    param right_by_ms 75000
    fault 16000 unplug 90000 0 r0
    fault 16000 split 20000 0 s0 r1
    fault 16000 split 20000 0 s1 r2
";

/// Somebody tells a huge epoch, then a master dies for good.
const LIED_TO: &str = "
    param faults_ms 90000
    param right_by_ms 75000
    fault 16000 lie 0 1 s0 s1 r0
    fault 18000 unplug 90000 0 r0
";

/// A master goes on taking a client's writes while it is replaced, and comes back.
const CUT_OFF_WITH_A_CLIENT: &str = "
    param faults_ms 60000
    param write_every_ms 100
    fault 20000 split 20000 0 r0 c0
";

/// A fenced master is cut off with a client and a Sentinel.
const CUT_OFF_WITH_A_SENTINEL: &str = "
    param faults_ms 60000
    param write_every_ms 100
    param fencing_lag 1
    fault 30000 split 20000 0 r0 c0 s0
";

/// Two switchovers.
const SWITCHED_OVER: &str = "
    param faults_ms 60000
    param write_every_ms 100
    fault 20000 switchover 0 0 s0 s0 r0
    fault 40000 switchover 0 0 s1 s1 r0
";

/// A master of another cluster moves to the address of a replica.
const ANOTHER_CLUSTERS: &str = "fault 40000 stranger 60000 0 r1";

/// A leader waits for a replica that cannot synchronise, with three more to be re-pointed.
const ONE_SYNCHRONISES: &str = "
    param replicas 4
    param failover_timeout_ms 100000
    param faults_ms 90000
    fault 19000 no-replication 60000 0 r1
    fault 20000 crash 70000 0 r0
";

impl Quarry {
    /// The plan of a seed.
    ///
    /// # Errors
    /// A directed plan that does not parse.
    pub fn plan(&self, seed: u64) -> Result<Plan, String> {
        match self.ground {
            Ground::Swarm => Ok(small(seed)),
            Ground::Directed(text) => Ok(varied(&Plan::parse(text)?, seed)),
        }
    }

    /// Runs seeds until one shows a violation that the sound core does not have, and gives the
    /// number of seeds that it took; `None` when there is none within the limit.
    ///
    /// # Errors
    /// A directed plan that does not parse.
    pub fn hunt(&self, from: u64) -> Result<Option<(u64, Outcome)>, String> {
        for tried in 0..self.seeds {
            let plan = self.plan(from + tried)?;
            let outcome = play_with(&plan, self.mutant, false);
            if outcome.violation.is_some() && play(&plan, false).violation.is_none() {
                return Ok(Some((tried + 1, outcome)));
            }
        }
        Ok(None)
    }
}

/// Plays a plan with a deliberate bug in every core. `aloud` keeps the whole history.
pub fn play_with(plan: &Plan, mutant: Mutant, aloud: bool) -> Outcome {
    let world = World::new(plan.clone(), aloud).with_mutant(Some(mutant));
    play_in(world, plan, if aloud { usize::MAX } else { 120 })
}

/// The swarm's plan of a seed, made small so that many can be played: one group, a minute of
/// faults.
fn small(seed: u64) -> Plan {
    const FAULTS_MS: u64 = 60_000;
    let mut plan = Plan::from_seed(seed);
    // The deliberate bugs are Bartizans'.
    plan.params.upstream = 0;
    plan.params.masters = 1;
    plan.params.clients = plan.params.clients.min(1);
    plan.params.faults_ms = plan.params.faults_ms.min(FAULTS_MS);
    let end = plan.params.warmup_ms + plan.params.faults_ms;
    let all = core::mem::take(&mut plan.faults);
    for fault in all {
        let mut one = plan.clone();
        one.faults.push(fault.clone());
        if fault.at_ms < end && crate::shrink::fits(&one) {
            plan.faults.push(fault);
        }
    }
    plan
}
