//! A plan: everything that decides a run, as data. It is made from a seed, prints as text, reads
//! back, and can be cut down.

use std::fmt;

use crate::fault::{Aim, Fault, Kind, Who};
use crate::params::Params;
use crate::rand::{Dice, Purpose, Stream};

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed of every draw while the world runs.
    pub seed: u64,
    /// Sizes and options.
    pub params: Params,
    /// What goes wrong, in order of time.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        write!(f, "{}", self.params)?;
        self.faults
            .iter()
            .try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl Plan {
    /// Reads a plan as it is printed. Blank lines and lines with `#` in front are skipped.
    ///
    /// # Errors
    /// The first line that says nothing known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut plan = Self {
            seed: 0,
            params: Params::default(),
            faults: Vec::new(),
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            plan.line(line)
                .ok_or_else(|| format!("not a line of a plan: {line}"))?;
        }
        Ok(plan)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_whitespace();
        match words.next()? {
            "seed" => self.seed = words.next()?.parse().ok()?,
            "param" => {
                let name = words.next()?;
                *self.params.by_name(name)? = words.next()?.parse().ok()?;
            }
            _ => self.faults.push(Fault::parse(line)?),
        }
        Some(())
    }

    /// The plan of a seed: the seed decides every size, and for every kind of fault whether it
    /// exists at all in this world.
    pub fn from_seed(seed: u64) -> Self {
        let params = draw_params(Stream::new(seed, Purpose::Params).dice());
        let mut faults = draw_faults(Stream::new(seed, Purpose::Faults).dice(), &params);
        add_strangers(
            Stream::new(seed, Purpose::Strangers).dice(),
            &params,
            &mut faults,
        );
        let mut plan = Self {
            seed,
            params,
            faults,
        };
        plan.draw_mixture(Stream::new(seed, Purpose::Mixture).dice());
        plan
    }

    /// In one world of six some Sentinels, but never all, are modelled redis-sentinels. Worlds
    /// without faults are ours alone: they have to be quiet.
    fn draw_mixture(&mut self, mut dice: Dice) {
        if self.faults.is_empty() || self.params.sentinels < 2 || !dice.odds(1, 6) {
            return;
        }
        let redis_sentinels = dice.range(1, self.params.sentinels);
        self.mix(redis_sentinels, 2);
    }

    /// Makes that many Sentinels modelled redis-sentinels, the last, the first or any. They
    /// believe any epoch that anybody tells them, and then nothing newer can ever be told to them:
    /// that lie is told to Bartizans only.
    pub fn mix(&mut self, redis_sentinels: u64, first: u64) {
        (self.params.upstream, self.params.upstream_first) = (redis_sentinels, first);
        let faults = core::mem::take(&mut self.faults);
        let believed = |fault: &Fault| {
            let told = fault.who.first().copied();
            let ours = |who| matches!(who, Who::Sentinel(h) if self.is_ours(h));
            fault.kind == Kind::Lie && fault.n == HUGE_EPOCH && !told.is_some_and(ours)
        };
        let faults = faults
            .into_iter()
            .filter(|fault| !believed(fault))
            .collect();
        self.faults = faults;
    }

    /// Whether a Sentinel is a Bartizan, not a modelled redis-sentinel.
    pub(crate) fn is_ours(&self, h: usize) -> bool {
        self.place_in_line(h) >= self.params.upstream
    }

    /// The order in which Sentinels are chosen to be modelled redis-sentinels.
    fn place_in_line(&self, h: usize) -> u64 {
        let params = &self.params;
        let place = h as u64;
        match params.upstream_first {
            0 => params.sentinels.saturating_sub(1 + place),
            1 => place,
            _ => {
                let ids = Stream::new(self.seed, Purpose::Ids).of(3 << 32);
                let mine = ids.draw(place);
                let before = (0..params.sentinels).filter(|one| ids.draw(*one) < mine);
                before.count() as u64
            }
        }
    }

    /// How many servers a group has.
    pub const fn servers_per_group(&self) -> u64 {
        self.params.replicas + 1
    }
}

/// The number of the lie that tells a huge epoch.
pub(crate) const HUGE_EPOCH: u64 = 1;

fn draw_params(mut dice: Dice) -> Params {
    let sentinels = dice.pick(&[3, 3, 3, 3, 3, 3, 5, 5, 1, 2, 4, 7, 9], 3);
    let majority = sentinels / 2 + 1;
    let quorum = if dice.odds(3, 4) {
        majority
    } else {
        dice.range(1, sentinels + 1)
    };
    let (delay_low_us, delay_high_us) = dice.pick(
        &[
            (100, 1000),
            (300, 3000),
            (300, 3000),
            (1000, 20_000),
            (5000, 60_000),
            (20_000, 600_000),
        ],
        (300, 3000),
    );
    let replicas = dice.pick(&[2, 2, 2, 2, 1, 3, 4, 0], 2);
    Params {
        sentinels,
        quorum,
        masters: dice.pick(&[1, 1, 1, 1, 1, 2, 3, 6], 1),
        replicas,
        clients: dice.range(0, 3),
        write_every_ms: dice.range(100, 1000),
        // Links with a second of round trip need more than a second of patience.
        down_after_ms: dice.range(1000, 10_000) + 12 * delay_high_us / 1000,
        failover_timeout_ms: dice.scale(4000, 60_000),
        parallel_syncs: dice.range(1, 4),
        delay_low_us,
        delay_high_us,
        outlier_of: dice.pick(&[0, 0, 1000, 50], 0),
        patience_ms: dice.pick(&[10_000, 60_000, 120_000], 60_000),
        sync_low_us: 500,
        sync_high_us: dice.pick(&[1000, 9000, 9000, 50_000, 1_000_000], 9000),
        drift_ppm: dice.pick(&[0, 0, 200, 10_000], 0),
        min_replicas: dice.pick(&[0, 0, 0, 1], 0).min(replicas),
        full_sync_ms: dice.scale(50, 5000),
        faults_ms: dice.range(30_000, 240_000),
        bytes: dice.pick(&[0, 0, 0, 1], 0),
        crash_detection_ms: dice.pick(&[0, 0, 200, 1000], 0),
        fencing_lag: dice.pick(&[0, 0, 0, 1, 5], 0),
        ..Params::default()
    }
}

fn draw_faults(mut dice: Dice, params: &Params) -> Vec<Fault> {
    // A share of worlds is quiet: no faults at all, and then nothing may happen.
    if dice.odds(1, 16) {
        return Vec::new();
    }
    let mut kinds: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| !kind.is_directed() && !kind.is_drawn_apart() && dice.odds(1, 4))
        .collect();
    // Something has to take masters away, or nothing is ever elected.
    kinds.push(dice.pick(
        &[
            Kind::Crash,
            Kind::Crash,
            Kind::Hang,
            Kind::Split,
            Kind::Unplug,
        ],
        Kind::Crash,
    ));
    let count = dice.scale(1, 2 + params.faults_ms / 4000);
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| {
            let kind = dice.pick(&kinds, Kind::Crash);
            draw_fault(&mut dice, params, kind)
        })
        .collect();
    faults.sort_by_key(|fault| fault.at_ms);
    faults
}

/// Strangers come to a share of the worlds, whatever else goes wrong there.
fn add_strangers(mut dice: Dice, params: &Params, faults: &mut Vec<Fault>) {
    if faults.is_empty() || !dice.odds(1, 4) {
        return;
    }
    for _ in 0..dice.range(1, 4) {
        faults.push(draw_fault(&mut dice, params, Kind::Stranger));
    }
    faults.sort_by_key(|fault| fault.at_ms);
}

fn draw_fault(dice: &mut Dice, params: &Params, kind: Kind) -> Fault {
    let at_ms = params.warmup_ms + dice.range(0, params.faults_ms);
    let lasts = match kind.lasts_ms() {
        0 => 0,
        // Short ones, and ones that are long enough for somebody to be held to be down.
        longest if dice.odds(1, 2) => dice.scale(10, longest),
        longest => dice.range((params.down_after_ms / 2).min(longest), longest + 1),
    };
    Fault {
        at_ms,
        kind,
        who: draw_who(dice, params, kind.aim()),
        ms: lasts,
        n: dice.range(0, kind.numbers()),
    }
}

fn draw_who(dice: &mut Dice, params: &Params, aim: Aim) -> Vec<Who> {
    let per_group = params.replicas + 1;
    let servers = params.masters * per_group;
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    let sentinel = |dice: &mut Dice| Who::Sentinel(number(dice.range(0, params.sentinels)));
    let server = |dice: &mut Dice| {
        // The first of each group is its master at the start, and the most worth losing.
        let n = dice.range(0, servers);
        Who::Server(number(if dice.odds(1, 3) {
            n - n % per_group
        } else {
            n
        }))
    };
    let any = |dice: &mut Dice| {
        if dice.odds(1, 2) {
            sentinel(dice)
        } else {
            server(dice)
        }
    };
    match aim {
        Aim::Sentinel => vec![sentinel(dice)],
        Aim::Server => vec![server(dice)],
        Aim::Any => vec![any(dice)],
        Aim::Pair => vec![any(dice), any(dice)],
        Aim::Servers => {
            let first = dice.range(0, servers);
            let second = first - first % per_group + dice.range(0, per_group);
            vec![Who::Server(number(first)), Who::Server(number(second))]
        }
        Aim::Operators => vec![sentinel(dice), sentinel(dice), server(dice)],
        Aim::Split => {
            let mut group: Vec<Who> = Vec::new();
            let odds = dice.range(1, 4);
            for n in 0..params.sentinels {
                if dice.odds(odds, 4) {
                    group.push(Who::Sentinel(number(n)));
                }
            }
            for n in 0..servers {
                if dice.odds(odds, 4) {
                    group.push(Who::Server(number(n)));
                }
            }
            for n in 0..params.clients {
                if dice.odds(1, 2) {
                    group.push(Who::Client(number(n)));
                }
            }
            group
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_reads_back_as_it_prints() {
        for seed in 0..500 {
            let plan = Plan::from_seed(seed);
            assert_eq!(Plan::parse(&plan.to_string()), Ok(plan));
        }
    }

    #[test]
    fn a_share_of_the_plans_is_mixed_and_tells_no_redis_sentinel_a_huge_epoch() {
        let plans = (0..1200).map(Plan::from_seed);
        let mixed: Vec<_> = plans.filter(|plan| plan.params.upstream > 0).collect();
        assert!((120..240).contains(&mixed.len()), "{}", mixed.len());
        for plan in mixed {
            let count = usize::try_from(plan.params.sentinels).unwrap();
            let ours = (0..count).filter(|h| plan.is_ours(*h)).count() as u64;
            assert_eq!(ours + plan.params.upstream, plan.params.sentinels);
            assert!(ours > 0);
            let told = plan
                .faults
                .iter()
                .filter(|it| it.kind == Kind::Lie && it.n == HUGE_EPOCH);
            for lie in told {
                assert!(
                    matches!(lie.who[..], [Who::Sentinel(h), ..] if plan.is_ours(h)),
                    "{plan}"
                );
            }
        }
    }

    #[test]
    fn a_share_of_the_plans_is_quiet() {
        let quiet = (0..1000)
            .filter(|seed| Plan::from_seed(*seed).faults.is_empty())
            .count();
        assert!((30..120).contains(&quiet), "{quiet}");
    }
}
