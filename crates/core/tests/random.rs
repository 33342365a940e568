//! Random but well-formed inputs: nothing panics, nothing spins, and whatever is told was on
//! disk before. A seed that fails is named in the message and can be run alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;
mod checks;

use std::collections::BTreeSet;
use std::sync::Arc;

use bartizan_core::addr::Host as HostName;
use bartizan_core::ids::{Epoch, JobId, MasterName, PersistSeq};
use bartizan_core::input::{Answer, Input, LinkError, ScriptEnd};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::query::Query;
use bartizan_core::rng::Rng;
use bartizan_core::time::Span;
use bench::{
    Bench, Disk, LOCAL, MASTER, P1, P2, R1, R2, R3, Vote, addr, boot_of, hello, id, master_state,
    name, run_id,
};
use checks::{Checks, OTHER};

/// Each takes a good part of a second without optimisation.
const SEEDS: u64 = 20;
const STEPS: usize = 200;
const SERVERS: [u16; 4] = [MASTER, R1, R2, R3];
const HOSTS: [u16; 6] = [MASTER, R1, R2, R3, P1, P2];

struct Chaos {
    rng: Rng,
    bench: Bench,
    checks: Checks,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut boot = boot_of(vec![master_state(&[R1, R2], 2, 2)]);
        boot.seed = seed;
        boot.durable.masters[0].options.failover_timeout = Span::secs(10);
        boot.durable.masters[0].options.notification_script = Some(Arc::from("/bin/notify"));
        let checks = Checks::new(boot.durable.clone());
        let mut bench = Bench::boot(boot);
        bench.trace = Some(Vec::new());
        let rng = Rng::new(seed);
        Self { rng, bench, checks }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let bound = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.rng.below(bound)).unwrap()]
    }

    fn coin(&mut self) -> bool {
        self.rng.below(2) == 0
    }

    /// An epoch near the current one, now and then an absurd one.
    fn epoch(&mut self) -> u64 {
        let current = self.checks.current_epoch();
        match self.rng.below(20) {
            0 => u64::MAX - self.rng.below(3),
            1 => current + (1 << 33),
            _ => (current + self.rng.below(5)).saturating_sub(2),
        }
    }

    fn step(&mut self) {
        match self.rng.below(16) {
            0..=4 => {
                let ms = self.pick(&[1, 20, 100, 700, 3000, 6000]);
                self.bench.advance(ms);
            }
            5 => self.reach(),
            6 => self.say_hello(),
            7 => self.ask(),
            8 => self.command(),
            9 => self.bench.disk = self.pick(&[Disk::Works, Disk::Works, Disk::Slow, Disk::Fails]),
            10..=11 => self.change_server(),
            12 => self.change_peer(),
            13 => self.noise(),
            14 => self.break_link(),
            _ => self.rest(),
        }
        let trace = std::mem::take(self.bench.trace.as_mut().unwrap());
        self.checks.run(trace);
        let due = self.bench.sentinel.next_deadline();
        assert!(due.is_none_or(|due| due > self.bench.now), "rule 3");
        assert!(self.bench.most <= 200, "{} outputs", self.bench.most);
    }

    fn reach(&mut self) {
        let port = self.pick(&HOSTS);
        match self.rng.below(4) {
            0 => self.bench.kill(port),
            1 => self.bench.hang(port),
            _ => self.bench.revive(port),
        }
    }

    fn say_hello(&mut self) {
        let n = self.pick(&[0, 1, 1, 2, 2, 3]);
        let (current, config) = (self.epoch(), self.epoch());
        let master = self.pick(&SERVERS);
        let mut hello = hello(n, current, config, master);
        if self.rng.below(10) == 0 {
            hello.from = addr(self.pick(&[P1, P2, 5090]));
        }
        if self.rng.below(10) == 0 {
            hello.master = MasterName::new("unknown");
        }
        let hello = Some(hello);
        let links: Vec<_> = self.bench.up.clone();
        if self.coin() || links.is_empty() {
            self.request(Command::Publish { hello });
        } else {
            let link = self.pick(&links);
            self.bench.give(Input::Heard { link, hello });
        }
    }

    /// Two candidates often ask in one epoch.
    fn ask(&mut self) {
        let epoch = self.epoch();
        let port = self.pick(&[MASTER, MASTER, R1, R2]);
        for _ in 0..=self.rng.below(2) {
            let n = self.pick(&[0, 1, 2, 3]);
            let candidate = (self.rng.below(5) > 0).then(|| id(n));
            let readable = self.rng.below(20) > 0;
            self.request(Command::Ask(Ask {
                addr: Some(addr(port)),
                epoch: readable.then(|| Epoch::new(epoch)),
                candidate,
            }));
        }
    }

    fn request(&mut self, command: Command) {
        self.checks.on_request(matches!(command, Command::Ask(_)));
        self.bench.ask(command);
    }

    fn command(&mut self) {
        let other = MasterName::new("other");
        let words = |words: &[&str]| words.iter().map(|word| Arc::from(*word)).collect();
        let quorum = self.pick(&["1", "2", "3", "0"]);
        let command = match self.rng.below(8) {
            0 => Command::FlushConfig,
            1..=2 => Command::Failover { name: name() },
            3 => Command::Set {
                name: name(),
                words: words(&["quorum", quorum]),
                not_executable: Vec::new(),
            },
            4 => Command::Monitor {
                name: other,
                host: Some(HostName::Ip(LOCAL)),
                port: i64::from(OTHER),
                quorum: 1,
            },
            5 => {
                self.checks.on_removed(&other);
                Command::Remove { name: other }
            }
            6 => Command::Reset {
                pattern: Arc::from("oth*"),
            },
            _ => Command::ConfigSet {
                words: words(&["announce-port", quorum]),
            },
        };
        self.request(command);
    }

    fn change_server(&mut self) {
        let (port, to) = (self.pick(&SERVERS), self.pick(&SERVERS));
        let n = self.rng.below(4);
        let host = self.bench.host(port);
        match n {
            0 => host.lead(),
            1 => host.follow(addr(to)),
            2 => host.obeys = !host.obeys,
            _ => host.listens = !host.listens,
        }
        let (ping, kind) = (self.pick(&[0, 1, 2, 3, 4, 4, 4]), self.rng.below(4));
        let host = self.bench.host(port);
        host.ping = match ping {
            0 => Answer::Loading,
            1 => Answer::Busy,
            2 => Answer::Error(Arc::from("NOAUTH")),
            _ => Answer::Pong,
        };
        match kind {
            0 => host.info.priority = Some(u32::from(to % 3)),
            1 => host.info.run_id = Some(run_id(port, to)),
            2 => host.info.replicas = SERVERS.map(addr).to_vec(),
            _ => host.info.offset = Some(u64::from(to)),
        }
    }

    fn change_peer(&mut self) {
        let port = self.pick(&[P1, P2]);
        let leader = self.pick(&[0, 1, 2]);
        let gave = Vote::Gave(self.epoch(), id(leader));
        let vote = self.pick(&[Vote::Grants, Vote::Grants, Vote::Withholds, gave]);
        let says_down = self.coin();
        let peer = self.bench.host(port);
        peer.vote = vote;
        peer.says_down = says_down;
    }

    fn break_link(&mut self) {
        let links: Vec<_> = self.bench.links.keys().copied().collect();
        if !links.is_empty() {
            let link = self.pick(&links);
            let why = LinkError::Closed;
            self.bench.give(Input::LinkDown { link, why });
        }
    }

    /// What a correct driver might say too late, or a peer might answer wrongly.
    fn noise(&mut self) {
        let wrong = self.pick(&[0, 1, 2, 3, 4]);
        let input = match wrong {
            0 => Input::Persisted {
                seq: PersistSeq::new(u64::MAX),
            },
            1 => Input::ScriptEnded {
                job: JobId::new(self.rng.below(40)),
                how: ScriptEnd::Exited(1),
            },
            2 => Input::Resolved {
                host: HostName::parse("nobody.example").unwrap(),
                ip: None,
            },
            _ => {
                if self.bench.calls.is_empty() {
                    return;
                }
                let (link, call, _) = self.bench.calls.remove(0);
                let answer = match wrong {
                    3 => Answer::Unexpected,
                    _ => Answer::Done,
                };
                Input::Answer { link, call, answer }
            }
        };
        self.bench.give(input);
    }

    /// Questions, which change nothing, or a stop of the whole process.
    fn rest(&mut self) {
        for query in [Query::Masters, Query::Replicas(name()), Query::InfoSection] {
            self.bench.query(&query);
        }
        if self.rng.below(4) == 0 {
            self.bench.now += Span::secs(5);
            self.bench.timeout();
        }
    }

    /// The world heals: every request has its answer in the end.
    fn heal(&mut self) {
        self.bench.disk = Disk::Works;
        for port in HOSTS {
            self.bench.revive(port);
        }
        self.bench.advance(40_000);
        let trace = std::mem::take(self.bench.trace.as_mut().unwrap());
        self.checks.run(trace);
        self.checks.end();
    }
}

/// Runs one seed to its end; what was said in it.
fn run(seed: u64, arrange: impl FnOnce(&mut Chaos)) -> Vec<String> {
    let mut chaos = Chaos::new(seed);
    arrange(&mut chaos);
    for _ in 0..STEPS {
        chaos.step();
    }
    chaos.heal();
    let history = chaos.bench.history.into_iter();
    history.map(|(_, line)| line).collect()
}

#[test]
fn random_inputs_break_no_promise() {
    let mut kinds = BTreeSet::new();
    for seed in 0..SEEDS {
        match std::panic::catch_unwind(|| run(seed, |_| {})) {
            Ok(said) => kinds.extend(said.iter().filter_map(|line| word(line))),
            Err(panic) => {
                eprintln!("this was seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // The noise is not just noise: it leads to all of these.
    for kind in [
        "+vote-for-leader",
        "+elected-leader",
        "+promoted-slave",
        "+config-update-from",
        "+switch-master",
        "+convert-to-slave",
        "+tilt",
        "-failover-abort-not-elected",
    ] {
        assert!(kinds.contains(kind), "{kind} never happened");
    }
}

fn word(line: &str) -> Option<String> {
    let word = line.split(' ').next()?;
    word.starts_with(['+', '-']).then(|| word.to_owned())
}

#[cfg(feature = "mutants")]
#[test]
fn random_inputs_find_broken_promises() {
    use bartizan_core::mutant::Mutant;
    for mutant in [
        Mutant::VoteTwice,
        Mutant::VoteBeforeDisk,
        Mutant::StandBeforeDisk,
        Mutant::ForgetVote,
        Mutant::EpochDown,
        Mutant::SplitConfiguration,
        Mutant::ConfigurationBeforeDisk,
        Mutant::BelieveOlderConfiguration,
    ] {
        let finds = |seed| {
            let infected = || run(seed, |chaos| chaos.bench.sentinel.infect(mutant));
            std::panic::catch_unwind(infected).is_err()
        };
        assert!(
            (0..10 * SEEDS).any(finds),
            "{} was not found",
            mutant.name()
        );
    }
}
