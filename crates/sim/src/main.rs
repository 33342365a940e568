//! `bartizan-sim`: runs, replays and shrinks seeds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks"
)]

mod words;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bartizan_sim::election::Case;
use bartizan_sim::hunt::story::Story;
use bartizan_sim::hunt::{hazards, varied};
use bartizan_sim::plan::Plan;
use bartizan_sim::run::{Batch, Outcome, Progress, play, run_batch};
use bartizan_sim::shrink::shrink;
use bartizan_sim::world::Stats;

const USAGE: &str = "\
bartizan-sim run [--seeds A..B] [--minutes N] [--from SEED] [--threads N] [--upstream N] [--bytes 0|1]
                 [--sentinels N]                             of that many in each world
                 [--upstream-first 0|1|2]                    redis-sentinels last, first or anywhere;
                                                             else as the seed says
                 [--all]                                     count violations instead of stopping
bartizan-sim replay SEED|FILE [--upstream N] [--bytes 0|1] [--mutant NAME]
                                                             every line, and the trace twice
bartizan-sim shrink SEED|FILE [--tries N] [--mutant NAME]    a smaller plan with the same violation
bartizan-sim story FILE [--upstream N] [--seeds A..B]        what a fleet went through, seed by seed
bartizan-sim bench [--seeds A..B]                            virtual seconds a second, one thread
bartizan-sim election --masters N --lost-within-ms N --delay LOW..HIGH --sentinels N
                      --upstream N --seeds N [--failover-timeout-ms N]
                                                             how long a mass failover takes
bartizan-sim hazards [--variations N] [--all]                redis-sentinel's hazards; --all: mixed fleets too
bartizan-sim mutants [--only NAME] [--from SEED]             finds every deliberate bug of the core
bartizan-sim plan SEED [--of MUTANT]                         the plan of a seed, or of a hunt

--mutant, mutants and --of need the feature `mutants`.
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let args = Args(&words);
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if let Err(why) = words::check(&words) {
        eprint!("{why}");
        return ExitCode::from(2);
    }
    let done = match words.first().map(String::as_str) {
        Some("run") => run(args),
        Some("replay") => replay(args),
        Some("shrink") => make_small(args),
        Some("bench") => bench(args),
        Some("election") => election(args),
        Some("story") => story(args),
        Some("hazards") => hazards(args),
        Some("plan") => show_plan(args),
        #[cfg(feature = "mutants")]
        Some("mutants") => mutants(args),
        Some("help") => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(code) => code,
        Err(text) => {
            eprint!("{text}");
            ExitCode::from(2)
        }
    }
}

/// The words of the command line.
#[derive(Clone, Copy)]
struct Args<'a>(&'a [String]);

impl Args<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number(&self, name: &str, otherwise: u64) -> Result<u64, String> {
        self.text(name).map_or(Ok(otherwise), |text| {
            text.parse()
                .map_err(|_| format!("{name} wants a number, not {text}\n"))
        })
    }

    fn range(&self, name: &str, otherwise: (u64, u64)) -> Result<(u64, u64), String> {
        let Some(text) = self.text(name) else {
            return Ok(otherwise);
        };
        let parts = text
            .split_once("..")
            .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        parts.ok_or_else(|| format!("{name} wants A..B, not {text}\n"))
    }

    /// The seed or the file after the first word.
    fn plan(&self) -> Result<Plan, String> {
        let word = self.0.get(1).ok_or(USAGE)?;
        let plan = match word.parse() {
            Ok(seed) => Plan::from_seed(seed),
            Err(_) => {
                let text =
                    std::fs::read_to_string(word).map_err(|why| format!("{word}: {why}\n"))?;
                Plan::parse(&text)?
            }
        };
        self.adjust(plan)
    }

    fn adjust(&self, mut plan: Plan) -> Result<Plan, String> {
        let params = &mut plan.params;
        params.sentinels = self.number("--sentinels", params.sentinels)?.max(1);
        params.quorum = params.quorum.min(params.sentinels);
        let drawn = plan.params.upstream;
        let upstream = self.number("--upstream", drawn)?.min(plan.params.sentinels);
        // In a mixed fleet of the swarm, first, last or anywhere: as the seed says.
        let anywhere = (upstream > 0 && self.text("--upstream").is_some()).then_some(plan.seed % 3);
        let usual = anywhere.unwrap_or(plan.params.upstream_first);
        let first = self.number("--upstream-first", usual)?;
        if (upstream, first) != (drawn, plan.params.upstream_first) {
            plan.mix(upstream, first);
        }
        plan.params.bytes = self.number("--bytes", plan.params.bytes)?;
        Ok(plan)
    }
}

/// The deliberate bug that `--mutant` names, if any.
#[derive(Clone, Copy)]
struct Infection {
    #[cfg(feature = "mutants")]
    mutant: Option<bartizan_core::mutant::Mutant>,
}

impl Infection {
    fn play(self, plan: &Plan, aloud: bool) -> Outcome {
        #[cfg(feature = "mutants")]
        if let Some(mutant) = self.mutant {
            return bartizan_sim::hunt::quarry::play_with(plan, mutant, aloud);
        }
        play(plan, aloud)
    }
}

impl Args<'_> {
    #[cfg(feature = "mutants")]
    fn mutant(&self) -> Result<Infection, String> {
        use bartizan_core::mutant::Mutant;
        let Some(name) = self.text("--mutant") else {
            return Ok(Infection { mutant: None });
        };
        let found = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        let mutant = found.ok_or_else(|| format!("no deliberate bug is called {name}\n"))?;
        Ok(Infection {
            mutant: Some(*mutant),
        })
    }

    #[cfg(not(feature = "mutants"))]
    fn mutant(&self) -> Result<Infection, String> {
        if self.has("--mutant") {
            return Err("--mutant needs the feature `mutants`\n".to_owned());
        }
        Ok(Infection {})
    }
}

fn run(args: Args<'_>) -> Result<ExitCode, String> {
    let minutes = args.number("--minutes", 0)?;
    let from = args.number("--from", if minutes > 0 { now_as_seed() } else { 0 })?;
    let to = if minutes > 0 {
        u64::MAX
    } else {
        from.saturating_add(1000)
    };
    let (from, to) = args.range("--seeds", (from, to))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let threads = usize::try_from(args.number("--threads", cores)?).unwrap_or(1);
    args.adjust(Plan::from_seed(from))?;
    println!("seeds from {from} on {threads} threads");
    let batch = Batch {
        from,
        to,
        threads,
        twice_of: 16,
    };
    let progress = Progress::default().keep_going(args.has("--all"));
    let started = Instant::now();
    let until = (minutes > 0).then(|| started + Duration::from_secs(60 * minutes));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let make = |seed| {
                args.adjust(Plan::from_seed(seed))
                    .unwrap_or_else(|_| Plan::from_seed(seed))
            };
            run_batch(batch, &progress, &make);
        });
        let mut told = Instant::now();
        while !progress.is_stopped() {
            std::thread::sleep(Duration::from_millis(50));
            if until.is_some_and(|until| Instant::now() >= until) {
                progress.stop();
            }
            if told.elapsed() >= Duration::from_secs(5) {
                told = Instant::now();
                println!("{}", line(&progress, started));
                print!("{}", fallen(&progress));
            }
        }
    });
    println!("{}", line(&progress, started));
    print!("{}", faults(&progress.stats()));
    let found = progress.found();
    print!("{}", fallen(&progress));
    let Some(fallen) = found.values().min_by_key(|fallen| fallen.first.plan.seed) else {
        return Ok(ExitCode::SUCCESS);
    };
    if !args.has("--all") {
        print!("{}", fallen.first.report());
    }
    Ok(ExitCode::from(1))
}

/// New seeds every time: the time of day is as good as any.
fn now_as_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.as_secs()) << 20
}

fn line(progress: &Progress, started: Instant) -> String {
    let stats = progress.stats();
    let wall = started.elapsed().as_secs_f64();
    let hours = stats.virtual_us / 3_600_000_000;
    let speed = stats.virtual_us as f64 / 1e6 / wall;
    format!(
        "{} seeds, {hours} virtual hours ({speed:.0} x real time), {} elections, {} failovers, \
         {} switchovers, {} rescues, {} faults, {} writes ({} lost), {} full resyncs, \
         {} mixed fleets split",
        progress.done.load(Ordering::Relaxed),
        stats.elections,
        stats.failovers,
        stats.switchovers,
        stats.rescues,
        stats.faults.values().sum::<u64>(),
        stats.acknowledged,
        stats.lost,
        stats.full_syncs,
        stats.split,
    )
}

/// One line for each property that fell, with its lowest seeds and what happened at the first.
fn fallen(progress: &Progress) -> String {
    const TOLD: usize = 20;
    let mut text = String::new();
    for (property, fallen) in progress.found() {
        let count = fallen.seeds.len();
        let lowest: Vec<String> = fallen.seeds.iter().take(TOLD).map(u64::to_string).collect();
        let more = if count > TOLD { " …" } else { "" };
        let violation = fallen.first.violation.map(|v| v.to_string());
        text += &format!(
            "{property}: {count} seeds ({}{more}), first: {}\n",
            lowest.join(" "),
            violation.unwrap_or_default()
        );
    }
    text
}

fn faults(stats: &Stats) -> String {
    let kinds: Vec<String> = stats
        .faults
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    format!("faults: {}\n", kinds.join(", "))
}

fn replay(args: Args<'_>) -> Result<ExitCode, String> {
    let plan = args.plan()?;
    let mutant = args.mutant()?;
    let outcome = mutant.play(&plan, true);
    let again = mutant.play(&plan, false);
    println!("{}", outcome.report());
    if outcome.violation.is_none() {
        println!("{}\n# plan\n{plan}", outcome.tail);
    }
    if again.hash != outcome.hash {
        println!(
            "NOT DETERMINISTIC: {:016x} and {:016x}",
            outcome.hash, again.hash
        );
        return Ok(ExitCode::from(1));
    }
    println!("the same trace twice: {:016x}", outcome.hash);
    Ok(if outcome.violation.is_some() {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn bench(args: Args<'_>) -> Result<ExitCode, String> {
    let (from, to) = args.range("--seeds", (0, 40))?;
    let mut stats = Stats::default();
    let (started, worked) = (Instant::now(), cpu_seconds());
    for seed in from..to {
        let mut plan = args.adjust(Plan::from_seed(seed))?;
        (
            plan.params.sentinels,
            plan.params.masters,
            plan.params.replicas,
        ) = (3, 1, 2);
        (plan.params.quorum, plan.params.faults_ms) = (2, 900_000);
        plan.params.upstream = args.number("--upstream", 0)?;
        plan.params.bytes = args.number("--bytes", 0)?;
        stats.add(&play(&plan, false).stats);
    }
    let wall = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds()
        .zip(worked)
        .map_or(wall, |(now, then)| now - then);
    let virtual_s = stats.virtual_us as f64 / 1e6;
    println!(
        "{:.0} virtual seconds a second of the processor, {:.0} a second of the clock \
         ({} seeds, {cpu:.1} s, {wall:.1} s), {:.0} events a virtual second",
        virtual_s / cpu,
        virtual_s / wall,
        to - from,
        stats.events as f64 / virtual_s,
    );
    Ok(ExitCode::SUCCESS)
}

/// How long this thread has run on a processor, where Linux tells; other work on the machine
/// does not count.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: u64 = text.split(' ').next()?.parse().ok()?;
    Some(ns as f64 / 1e9)
}

fn make_small(args: Args<'_>) -> Result<ExitCode, String> {
    let plan = args.plan()?;
    let mutant = args.mutant()?;
    let most = args.number("--tries", 1000)?;
    let started = Instant::now();
    let mut told = |plan: &Plan, tries: u64| {
        println!(
            "{tries:>5} plans, {:>5.1} s: {} faults, {} Sentinels, {} servers, {} ms of faults",
            started.elapsed().as_secs_f64(),
            plan.faults.len(),
            plan.params.sentinels,
            plan.params.masters * plan.servers_per_group(),
            plan.params.faults_ms,
        );
    };
    let player = |plan: &Plan| mutant.play(plan, false);
    let Some(small) = shrink(&plan, most, &player, &mut told) else {
        println!("seed {}: nothing falls", plan.seed);
        return Ok(ExitCode::SUCCESS);
    };
    println!("{}", small.outcome.report());
    println!(
        "after {} plans; as a test:\n\n{}",
        small.tries,
        small.scenario()
    );
    Ok(ExitCode::from(1))
}

fn election(args: Args<'_>) -> Result<ExitCode, String> {
    let case = Case {
        masters: args.number("--masters", 100)?,
        lost_within_ms: args.number("--lost-within-ms", 200)?,
        delay_ms: args.range("--delay", (1, 20))?,
        sentinels: args.number("--sentinels", 3)?,
        upstream: args.number("--upstream", 0)?,
        failover_timeout_ms: args.number("--failover-timeout-ms", 30_000)?,
    };
    let started = Instant::now();
    let waits = case.measure(args.number("--seeds", 5)?);
    println!(
        "{case:?}\n{waits}\n{:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}

/// The plan of a seed, for a file.
fn show_plan(args: Args<'_>) -> Result<ExitCode, String> {
    #[cfg(feature = "mutants")]
    if let Some(name) = args.text("--of") {
        let seed = args
            .0
            .get(1)
            .and_then(|word| word.parse().ok())
            .ok_or(USAGE)?;
        let all = bartizan_sim::hunt::quarry::all();
        let quarry = all.iter().find(|quarry| quarry.mutant.name() == name);
        print!("{}", quarry.ok_or(USAGE)?.plan(seed)?);
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", args.plan()?);
    Ok(ExitCode::SUCCESS)
}

/// What a fleet went through under variations of a plan.
fn story(args: Args<'_>) -> Result<ExitCode, String> {
    let plan = args.plan()?;
    let (from, to) = args.range("--seeds", (0, 1))?;
    for seed in from..to {
        let story = Story::of(&varied(&plan, seed));
        if to - from == 1 {
            println!("{}", story.text);
        }
        println!("seed {seed}: {story}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays the plan of every hazard with redis-sentinels, with Bartizans, and perhaps with both.
fn hazards(args: Args<'_>) -> Result<ExitCode, String> {
    let variations = args.number("--variations", 50)?;
    let fleets: &[u64] = if args.has("--all") {
        &[3, 0, 1, 2]
    } else {
        &[3, 0]
    };
    let mut good = true;
    for hazard in hazards::ALL {
        println!("{}: {}", hazard.letter, hazard.what);
        for theirs in fleets {
            let tally = hazard.tally(*theirs, variations)?;
            println!(
                "   {} Bartizans + {theirs} redis-sentinels: {tally}",
                3 - theirs
            );
            let fine = match theirs {
                3 => tally.met > 0,
                0 => tally.is_clean(),
                _ => true,
            };
            if let Some(bad) = tally.first_bad.filter(|_| !fine) {
                println!("{}\n{bad}", bad.text);
            }
            good &= fine;
        }
        if args.has("--all") {
            for theirs in [1, 2] {
                let tally = hazard.tally_led_by_theirs(theirs, variations)?;
                println!(
                    "   {theirs} redis-sentinels first + {} Bartizans: {tally}",
                    3 - theirs
                );
            }
        }
    }
    Ok(ExitCode::from(u8::from(!good)))
}

/// Hunts every mutant, or the one that is named; several at a time.
#[cfg(feature = "mutants")]
fn mutants(args: Args<'_>) -> Result<ExitCode, String> {
    use bartizan_sim::hunt::quarry;
    use std::sync::atomic::{AtomicU64, AtomicUsize};
    let from = args.number("--from", 0)?;
    let only = args.text("--only");
    let all = quarry::all();
    let wanted: Vec<_> = all
        .iter()
        .filter(|quarry| only.is_none_or(|only| quarry.mutant.name() == only))
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, found) = (AtomicUsize::new(0), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(quarry) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let hunted = quarry.hunt(from);
                    let caught = matches!(hunted, Ok(Some(_)));
                    found.fetch_add(u64::from(caught), Ordering::Relaxed);
                    let wall = began.elapsed().as_secs_f64();
                    println!(
                        "{:<28}{wall:>6.1} s  {}",
                        quarry.mutant.name(),
                        told(quarry, hunted)
                    );
                }
            });
        }
    });
    let found = found.into_inner();
    println!(
        "{found} of {} deliberate bugs found within their numbers of seeds, {:.1} s",
        wanted.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(if found == wanted.len() as u64 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// What became of one hunt, in a line.
#[cfg(feature = "mutants")]
fn told(
    quarry: &bartizan_sim::hunt::quarry::Quarry,
    hunted: Result<Option<(u64, Outcome)>, String>,
) -> String {
    let limit = quarry.seeds;
    match hunted {
        Ok(Some((seeds, outcome))) => {
            let violation = outcome.violation.map(|v| v.to_string()).unwrap_or_default();
            let short: String = violation.chars().take(100).collect();
            format!("seed {seeds} of {limit}: {short}")
        }
        Ok(None) => format!("NOT FOUND in {limit} seeds. {}", quarry.mutant.what()),
        Err(why) => format!("NOT HUNTED: {why}"),
    }
}
