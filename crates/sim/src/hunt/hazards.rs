//! The hazards of redis-sentinel, as a table: the plan that leads to each, what it looks like
//! from outside, and what a fleet of Bartizans has to look like under the same plan.

use std::fmt;

use super::story::Story;
use super::varied;
use crate::plan::Plan;

/// A hazard that was seen on running redis-sentinels.
#[derive(Clone, Copy, Debug)]
pub struct Hazard {
    /// Its letter in the list of hazards.
    pub letter: char,
    /// What happens, in a few words.
    pub what: &'static str,
    /// The plan that leads there.
    pub plan: &'static str,
    /// Whether a story is one of those in which the plan met its moment; the others prove
    /// nothing.
    pub counts: fn(&Story) -> bool,
    /// Whether a fleet of redis-sentinels got there.
    pub is_met: fn(&Story) -> bool,
    /// What has to be so with a fleet of Bartizans.
    pub is_averted: fn(&Story) -> bool,
}

/// All of them.
pub const ALL: &[Hazard] = &[
    Hazard {
        letter: 'A',
        what: "a failback while the first leader re-points: one epoch, two addresses, for good",
        plan: include_str!("../../tests/scenarios/hazard-a.plan"),
        counts: |_| true,
        is_met: |story| {
            !story.two_addresses.is_empty() && !story.agreed_at_end && story.disagreed_ms > 60_000
        },
        is_averted: |story| {
            story.two_addresses.is_empty() && story.agreed_at_end && story.disagreed_ms < 3000
        },
    },
    Hazard {
        letter: 'C',
        what: "votes of another epoch counted: two leaders for one master in one epoch",
        plan: include_str!("../../tests/scenarios/hazard-c.plan"),
        counts: |_| true,
        is_met: |story| story.two_leaders().is_some(),
        is_averted: |story| story.two_leaders().is_none() && story.agreed_at_end,
    },
    Hazard {
        letter: 'F',
        what: "two failovers forced at once: two masters in one epoch",
        plan: include_str!("../../tests/scenarios/hazard-f.plan"),
        counts: |_| true,
        is_met: |story| story.two_leaders().is_some() && !story.two_addresses.is_empty(),
        is_averted: |story| {
            story.two_leaders().is_none() && story.two_addresses.is_empty() && story.agreed_at_end
        },
    },
    Hazard {
        letter: 'L',
        what: "one Sentinel loses sight of the new master: a failover below quorum",
        plan: include_str!("../../tests/scenarios/hazard-l.plan"),
        counts: |_| true,
        is_met: |story| !story.below_quorum.is_empty(),
        is_averted: |story| story.below_quorum.is_empty() && story.won.len() == 1,
    },
    Hazard {
        letter: 'M',
        what: "a leader cut off as it promotes gives out an address that is overruled; writes lost",
        plan: include_str!("../../tests/scenarios/hazard-m.plan"),
        counts: |_| true,
        is_met: |story| !story.overruled.is_empty() && story.lost > 100,
        is_averted: |story| story.overruled.is_empty() && story.alone_ms == 0,
    },
    Hazard {
        letter: 'N',
        what: "a leader dies right after its election: twice the failover-timeout (10 s here)",
        plan: include_str!("../../tests/scenarios/hazard-n.plan"),
        counts: |story| story.died.contains(&0),
        is_met: |story| story.replaced_after_ms.is_some_and(|ms| ms > 20_000),
        is_averted: |story| story.replaced_after_ms.is_some_and(|ms| ms < 10_000),
    },
];

/// What became of one kind of fleet under many variations of a plan.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Variations in which the plan met its moment.
    pub counted: usize,
    /// Of them, those in which the hazard was met.
    pub met: usize,
    /// Of them, those in which it was averted as a fleet of Bartizans has to.
    pub averted: usize,
    /// Stories in which one of our own invariants fell.
    pub violations: usize,
    /// The longest disagreement, in milliseconds.
    pub disagreed_ms: u64,
    /// The most acknowledged writes lost.
    pub lost: u64,
    /// The longest time to a new master, in milliseconds.
    pub replaced_after_ms: u64,
    /// The first story that a fleet of Bartizans must not have.
    pub first_bad: Option<Box<Story>>,
}

impl Hazard {
    /// Plays the plan under this many variations, with the last Sentinels modelled
    /// redis-sentinels.
    ///
    /// # Errors
    /// A plan that does not parse.
    pub fn tally(&self, redis_sentinels: u64, variations: u64) -> Result<Tally, String> {
        let mut plan = Plan::parse(self.plan)?;
        plan.params.upstream = redis_sentinels;
        Ok(self.tally_of(&plan, variations))
    }

    /// The same with the first Sentinels modelled redis-sentinels, so that who gets into trouble
    /// is one of them.
    ///
    /// # Errors
    /// A plan that does not parse.
    pub fn tally_led_by_theirs(
        &self,
        redis_sentinels: u64,
        variations: u64,
    ) -> Result<Tally, String> {
        let mut plan = Plan::parse(self.plan)?;
        (plan.params.upstream, plan.params.upstream_first) = (redis_sentinels, 1);
        Ok(self.tally_of(&plan, variations))
    }

    fn tally_of(&self, plan: &Plan, variations: u64) -> Tally {
        let mut tally = Tally::default();
        for seed in 0..variations {
            tally.add(self, Story::of(&varied(plan, seed)));
        }
        tally
    }
}

impl Tally {
    fn add(&mut self, hazard: &Hazard, story: Story) {
        self.violations += usize::from(story.violation.is_some());
        let counts = (hazard.counts)(&story);
        let averted = (hazard.is_averted)(&story);
        if counts {
            self.counted += 1;
            self.met += usize::from((hazard.is_met)(&story));
            self.averted += usize::from(averted);
            self.disagreed_ms = self.disagreed_ms.max(story.disagreed_ms);
            self.lost = self.lost.max(story.lost);
            let replaced = story.replaced_after_ms.unwrap_or(0);
            self.replaced_after_ms = self.replaced_after_ms.max(replaced);
        }
        if story.violation.is_some() || (counts && !averted) {
            self.first_bad.get_or_insert_with(|| Box::new(story));
        }
    }

    /// Whether this is what a fleet of Bartizans has to look like.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.counted > 0 && self.averted == self.counted && self.violations == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "met in {} of {}, averted in {}; at most {} ms of disagreement, {} writes lost, {} ms \
             to a new master",
            self.met,
            self.counted,
            self.averted,
            self.disagreed_ms,
            self.lost,
            self.replaced_after_ms,
        )?;
        if self.violations > 0 {
            write!(f, "; {} VIOLATIONS", self.violations)?;
        }
        Ok(())
    }
}
