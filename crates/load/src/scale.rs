//! One measurement: Sentinels of one program watch many masters, from their start until the
//! masters that were killed have been replaced.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Stop;
use crate::moment::Moment;
use crate::sentinels::{Program, Sentinels, Usage, usage};
use crate::stage::player::Promotion;
use crate::stage::scene::Scene;
use crate::troupe::{Place, Troupe, open_files};
use crate::watch::census::Whole;
use crate::watch::probe::{Part, Phase, Sample};
use crate::watch::{Watcher, agreement, census, crowd, events, join, probe, writes};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many masters there are.
    pub masters: usize,
    /// How many replicas they have together.
    pub replicas: usize,
    /// How many masters are killed at once.
    pub kill: usize,
    /// How many Sentinels watch.
    pub sentinels: usize,
    /// Their `down-after-milliseconds`.
    pub down_after: Duration,
    /// How long nothing happens, for the cost of that.
    pub idle: Duration,
    /// How many clients ask one Sentinel as fast as it answers, for a while when nothing happens
    /// and during the failovers. They cost it a lot, so other figures are better taken without.
    pub clients: usize,
    /// How long to wait until everything is known.
    pub discovery_bound: Duration,
    /// How long to wait for the failovers.
    pub failover_bound: Duration,
    /// Where the servers are played.
    pub place: Place,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// From the start of the first Sentinel until each knew everything; `None` if not in time.
    pub discovered: Vec<Option<Duration>>,
    /// Answers to the patient clients.
    pub samples: Vec<Sample>,
    /// Share of a processor that each Sentinel used when nothing happened.
    pub idle_cpu: Vec<f64>,
    /// The same of all played servers together: what the load itself costs.
    pub players_cpu: f64,
    /// Bytes of memory of each Sentinel at the end of that.
    pub idle_memory: Vec<u64>,
    /// Processor time of each Sentinel until everything was known.
    pub discovery_cpu: Vec<Duration>,
    /// The same from the kill until the last Sentinel agreed.
    pub failover_cpu: Vec<Duration>,
    /// Writes of the configuration file, by Sentinel and part of the run.
    pub writes: Vec<[u32; Part::ALL.len()]>,
    /// From the kill until the replica was promoted, in the order of time.
    pub promoted: Vec<Duration>,
    /// From the kill until every Sentinel gave the new address, for those where that came about.
    pub agreed: Vec<Duration>,
    /// Groups whose failover did not end in time.
    pub unfinished: usize,
    /// Groups with more than one promotion.
    pub promoted_twice: usize,
    /// Groups of which a Sentinel gave another new address before the one that all agree on.
    pub overruled: usize,
    /// `+sdown` of somebody who was not down.
    pub false_sdown: usize,
    /// `+tilt`
    pub tilts: usize,
    /// Answers to the crowd when nothing happened, and during the failovers.
    pub crowds: Vec<(Part, crowd::Answers)>,
}

/// Says how far a measurement is.
pub type Progress<'a> = &'a dyn Fn(&str);

/// Measures one program.
///
/// # Errors
/// When something could not be started, a Sentinel ended, or it was interrupted.
pub fn measure(
    program: &Program,
    plan: &Plan,
    interrupted: &Stop,
    say: Progress<'_>,
) -> Result<Outcome> {
    let fits = open_files().saturating_sub(100);
    let links = 2 * (plan.masters + plan.replicas);
    if links > fits {
        bail!(
            "a Sentinel needs {links} links to {} servers, but may open only {fits} files here: \
             see `ulimit -n`",
            plan.masters + plan.replicas
        );
    }
    let mut run = Run::start(program, plan, interrupted, say)?;
    let measured = run.discover().and_then(|known| {
        if known {
            run.idle()?;
            run.fail_over()?;
        }
        Ok(())
    });
    run.end(measured)
}

struct Run<'a> {
    plan: &'a Plan,
    interrupted: &'a Stop,
    say: Progress<'a>,
    scene: Scene,
    troupe: Troupe,
    sentinels: Sentinels,
    began: Moment,
    phase: Phase,
    stop: Stop,
    probes: Vec<Watcher<Vec<Sample>>>,
    listeners: Vec<Watcher<Vec<events::Event>>>,
    writers: Vec<Watcher<[u32; Part::ALL.len()]>>,
    /// What was killed, and when.
    killed: BTreeMap<usize, SocketAddr>,
    killed_at: Moment,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn start(
        program: &Program,
        plan: &'a Plan,
        interrupted: &'a Stop,
        say: Progress<'a>,
    ) -> Result<Self> {
        let (scene, ground) = Scene::new(plan.masters, plan.replicas)?;
        let troupe = Troupe::start(&scene, ground, plan.sentinels, plan.place)?;
        say(&format!(
            "{} servers listen, played by {} processes; starting {} × {}",
            scene.servers(),
            troupe.pids().len().max(1),
            plan.sentinels,
            program.label
        ));
        let (phase, stop) = (Phase::default(), Stop::default());
        let began = Moment::now();
        let sentinels = Sentinels::start(program, plan.sentinels, &lines(&scene, plan))?;
        let mut run = Self {
            plan,
            interrupted,
            say,
            scene,
            troupe,
            sentinels,
            began,
            phase,
            stop,
            probes: Vec::new(),
            listeners: Vec::new(),
            writers: Vec::new(),
            killed: BTreeMap::new(),
            killed_at: began,
            outcome: Outcome::default(),
        };
        for sentinel in run.sentinels.all() {
            let (phase, stop) = (run.phase.clone(), run.stop.clone());
            run.writers
                .push(writes::start(&sentinel.conf, phase.clone(), stop.clone())?);
            run.listeners.push(events::start(
                sentinel.port,
                &["+sdown", "+tilt"],
                stop.clone(),
                |_| {},
            )?);
            run.probes
                .push(probe::start(sentinel.port, plan.masters, phase, stop)?);
        }
        Ok(run)
    }

    /// Waits until everything is known to everybody; false if it is not in time.
    fn discover(&mut self) -> Result<bool> {
        let whole = Whole {
            scene: self.scene,
            sentinels: self.plan.sentinels,
        };
        let stop = Stop::default();
        let mut censuses = Vec::new();
        for port in self.sentinels.ports() {
            censuses.push(census::await_whole(port, whole, stop.clone())?);
        }
        let waited = self.wait(self.plan.discovery_bound, "discovery", |_| {
            Ok(censuses.iter().all(Watcher::is_finished))
        });
        stop.set();
        for census in censuses {
            let at = join(census)?;
            self.outcome
                .discovered
                .push(at.map(|at| at.since(self.began)));
        }
        waited?;
        let usage = self.sentinels.usage();
        self.outcome.discovery_cpu = usage.iter().map(|usage| usage.cpu).collect();
        let known = self.outcome.discovered.iter().all(Option::is_some);
        let last = self.outcome.discovered.iter().flatten().max();
        match last.filter(|_| known) {
            Some(last) => (self.say)(&format!(
                "discovered by all after {:.1} s",
                last.as_secs_f64()
            )),
            None => (self.say)("not discovered in time"),
        }
        Ok(known)
    }

    /// Measures what it costs when nothing happens.
    fn idle(&mut self) -> Result<()> {
        // What discovery left to do is done by then: Bartizan tries what it is permitted on some
        // two hundred servers a second.
        const SETTLE: Duration = Duration::from_secs(15);
        self.sleep(SETTLE.min(self.plan.idle), "settling")?;
        self.phase.begin(Part::Idle);
        let (before, players) = (self.sentinels.usage(), self.players_cpu());
        let began = Instant::now();
        self.sleep(self.plan.idle, "idle")?;
        let lasted = began.elapsed().as_secs_f64();
        let after = self.sentinels.usage();
        let share =
            |(after, before): (&Usage, &Usage)| (after.cpu - before.cpu).as_secs_f64() / lasted;
        self.outcome.idle_cpu = after.iter().zip(&before).map(share).collect();
        self.outcome.players_cpu = (self.players_cpu() - players).as_secs_f64() / lasted;
        self.outcome.idle_memory = after.iter().map(|usage| usage.memory).collect();
        if self.plan.clients > 0 {
            let (crowd, stop) = self.gather_crowd()?;
            let slept = self.sleep(self.plan.idle, "a crowd asks");
            self.dismiss_crowd(Part::Idle, crowd, &stop)?;
            slept?;
        }
        Ok(())
    }

    /// Kills masters and waits until everybody gives the new addresses.
    fn fail_over(&mut self) -> Result<()> {
        if self.plan.kill == 0 {
            return Ok(());
        }
        // Spread over all groups, so that no player has all of it.
        let groups: Vec<usize> = (0..self.plan.kill)
            .map(|n| n * self.scene.masters() / self.plan.kill)
            .collect();
        let crowd = if self.plan.clients > 0 {
            Some(self.gather_crowd()?)
        } else {
            None
        };
        let before = self.sentinels.usage();
        self.phase.begin(Part::Failover);
        self.killed_at = self.troupe.kill(&groups)?;
        (self.say)(&format!("killed {} masters", groups.len()));
        self.killed = groups
            .iter()
            .map(|group| (*group, self.scene.master_addr(*group).into()))
            .collect();
        let stop = Stop::default();
        let mut lookers = Vec::new();
        for port in self.sentinels.ports() {
            lookers.push(agreement::start(port, self.killed.clone(), stop.clone())?);
        }
        let mut promotions = Vec::new();
        let waited = self.wait(self.plan.failover_bound, "failovers", |run| {
            promotions.extend(run.troupe.promotions()?);
            Ok(lookers.iter().all(Watcher::is_finished))
        });
        stop.set();
        let news = lookers.into_iter().map(join).collect::<Result<Vec<_>>>()?;
        if let Some((crowd, stop)) = crowd {
            self.dismiss_crowd(Part::Failover, crowd, &stop)?;
        }
        waited?;
        let after = self.sentinels.usage();
        self.outcome.failover_cpu = after
            .iter()
            .zip(&before)
            .map(|(a, b)| a.cpu - b.cpu)
            .collect();
        // Failovers that nobody asked for would still show.
        self.sleep(Duration::from_secs(2), "looking for more")?;
        promotions.extend(self.troupe.promotions()?);
        let mut last = Vec::new();
        for port in self.sentinels.ports() {
            last.push(agreement::now(port, &self.killed, self.interrupted)?);
        }
        self.judge(&promotions, &news, &last);
        Ok(())
    }

    /// What became of each group: `news` is the first new address that each Sentinel gave, `last`
    /// what it gives in the end.
    fn judge(
        &mut self,
        promotions: &[Promotion],
        news: &[agreement::News],
        last: &[agreement::News],
    ) {
        let mut promoted: BTreeMap<usize, Vec<Promotion>> = BTreeMap::new();
        for promotion in promotions {
            promoted
                .entry(promotion.group)
                .or_default()
                .push(*promotion);
        }
        let outcome = &mut self.outcome;
        let first = promoted.values().filter_map(|all| all.first());
        outcome.promoted = first.map(|p| p.at.since(self.killed_at)).collect();
        outcome.promoted.sort();
        outcome.promoted_twice = promoted.values().filter(|all| all.len() > 1).count();
        let odd = |group: &usize| promoted.get(group).map_or(0, Vec::len) != 1;
        for group in self.killed.keys().filter(|group| odd(group)).take(TOLD) {
            let all = promoted.get(group).map(Vec::as_slice).unwrap_or_default();
            (self.say)(&story(*group, all, self.killed_at, last));
        }
        for group in self.killed.keys() {
            let all = promoted.get(group).map(Vec::as_slice).unwrap_or_default();
            // Of two promotions the one of the newer epoch counts, which may be the earlier one.
            let right = last
                .first()
                .and_then(|news| news.get(group))
                .map(|(_, addr)| *addr);
            let right = right.filter(|right| all.iter().any(|it| it.addr == *right));
            match agreed_at(*group, right, last).zip(agreed_at(*group, right, news)) {
                Some((_, at)) => outcome.agreed.push(at.since(self.killed_at)),
                None if agreed_at(*group, right, last).is_some() => outcome.overruled += 1,
                None => outcome.unfinished += 1,
            }
        }
        outcome.agreed.sort();
    }

    /// Ends everything, whatever became of the measurement.
    fn end(mut self, measured: Result<()>) -> Result<Outcome> {
        self.stop.set();
        let mut outcome = std::mem::take(&mut self.outcome);
        for probe in std::mem::take(&mut self.probes) {
            outcome.samples.extend(join(probe)?);
        }
        for writer in std::mem::take(&mut self.writers) {
            outcome.writes.push(join(writer)?);
        }
        for listener in std::mem::take(&mut self.listeners) {
            for event in join(listener)? {
                match event.kind.as_str() {
                    "+tilt" => outcome.tilts += 1,
                    _ if self.is_false(&event) => outcome.false_sdown += 1,
                    _ => {}
                }
            }
        }
        measured.map(|()| outcome)
    }

    /// Whether a `+sdown` is about somebody who is well.
    fn is_false(&self, sdown: &events::Event) -> bool {
        let about = sdown
            .about()
            .and_then(|(host, port)| format!("{host}:{port}").parse().ok());
        let is_dead = about.is_some_and(|addr| self.killed.values().any(|dead| *dead == addr));
        !is_dead || sdown.at < self.killed_at
    }

    fn gather_crowd(&self) -> Result<(Watcher<crowd::Answers>, Stop)> {
        let port = *self
            .sentinels
            .ports()
            .first()
            .context("there is a Sentinel")?;
        let stop = Stop::default();
        let crowd = crowd::start(port, self.plan.clients, self.plan.masters, stop.clone())?;
        Ok((crowd, stop))
    }

    fn dismiss_crowd(
        &mut self,
        part: Part,
        crowd: Watcher<crowd::Answers>,
        stop: &Stop,
    ) -> Result<()> {
        stop.set();
        self.outcome.crowds.push((part, join(crowd)?));
        Ok(())
    }

    fn players_cpu(&self) -> Duration {
        self.troupe
            .pids()
            .iter()
            .filter_map(|pid| usage(*pid))
            .map(|usage| usage.cpu)
            .sum()
    }

    fn sleep(&mut self, span: Duration, what: &str) -> Result<()> {
        self.wait(span, what, |_| Ok(false)).map(drop)
    }

    /// Waits until something is so, at most for `bound`, and says every few seconds that it does.
    fn wait(
        &mut self,
        bound: Duration,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<bool> {
        const TELL: Duration = Duration::from_secs(5);
        let began = Instant::now();
        let mut told = began;
        loop {
            if self.interrupted.is_set() {
                bail!("interrupted");
            }
            if is_so(self)? {
                return Ok(true);
            }
            let waited = began.elapsed();
            if waited >= bound {
                return Ok(false);
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.sentinels.check()?;
                (self.say)(&format!(
                    "{what}: {} s of at most {} s",
                    waited.as_secs(),
                    bound.as_secs()
                ));
            }
            std::thread::sleep(Duration::from_millis(10).min(bound - waited));
        }
    }
}

/// Groups of which it is told in detail what became of them.
const TOLD: usize = 5;

/// What became of a group that was not promoted exactly once: its promotions, and the addresses
/// that the Sentinels give in the end.
fn story(
    group: usize,
    promotions: &[Promotion],
    killed_at: Moment,
    last: &[agreement::News],
) -> String {
    let promotions: Vec<String> = promotions
        .iter()
        .map(|it| {
            let after = it.at.since(killed_at).as_secs_f64();
            format!("{} after {after:.3} s", it.addr)
        })
        .collect();
    let given: Vec<String> = last
        .iter()
        .map(|news| match news.get(&group) {
            Some((_, addr)) => addr.to_string(),
            None => "the old one".to_owned(),
        })
        .collect();
    format!(
        "{}: promoted {}; in the end the Sentinels give {}",
        Scene::name(group),
        if promotions.is_empty() {
            "never".to_owned()
        } else {
            promotions.join(", then ")
        },
        given.join(", ")
    )
}

/// When the last Sentinel gave this address for a group, if all did.
fn agreed_at(group: usize, addr: Option<SocketAddr>, told: &[agreement::News]) -> Option<Moment> {
    let told: Option<Vec<_>> = told.iter().map(|news| news.get(&group)).collect();
    let told = told.filter(|told| told.iter().all(|(_, given)| Some(*given) == addr))?;
    told.iter().map(|(at, _)| *at).max()
}

/// The lines that all Sentinels' files have in common.
fn lines(scene: &Scene, plan: &Plan) -> String {
    let mut lines = String::new();
    // A redis-sentinel takes no more connections than it expects clients, links included.
    let links = 2 * scene.servers() + 1000;
    if links > 10_000 {
        lines.push_str(&format!(
            "maxclients {}\n",
            links.min(open_files().saturating_sub(100))
        ));
    }
    let quorum = plan.sentinels / 2 + 1;
    for group in 0..scene.masters() {
        let (name, addr) = (Scene::name(group), scene.master_addr(group));
        lines.push_str(&format!(
            "sentinel monitor {name} {} {} {quorum}\n\
             sentinel down-after-milliseconds {name} {}\n",
            addr.ip(),
            addr.port(),
            plan.down_after.as_millis()
        ));
    }
    lines
}
