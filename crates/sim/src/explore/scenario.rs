//! The worlds that are searched: three Sentinels, a master and two replicas that know each other,
//! at the moment from which everything that can happen is tried.

use bartizan_core::ids::{Epoch, Quorum};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::mutant::Mutant;
use bartizan_core::provide::options::{GlobalOptions, MasterOptions, Periods};
use bartizan_core::time::{Mono, Span};

use super::arena::Arena;
use super::choice::Budget;
use super::node::Node;
use super::settle::Lockstep;
use super::word::{Far, SENTINELS, SERVERS, Told, addr, id, name};
use super::world::{Lane, Msg, Route, World};

/// How long the fleet runs in health before anything happens.
const HEALTHY: Span = Span::secs(12);
/// Silence after which the master counts as down.
const DOWN_AFTER: Span = Span::secs(3);

/// A world to search, and how far.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What may happen in it.
    pub budget: Budget,
    /// Whether the master has just died; else all is well.
    pub master_dies: bool,
    /// The quorum of the master.
    pub quorum: u32,
    /// The epoch of the configuration that it starts with.
    pub epoch: u64,
    /// A hello that is still on its way to Sentinels 0 and 2 from before.
    pub late: Option<Told>,
    /// The deliberate bug that all three Sentinels have.
    pub mutant: Option<Mutant>,
    /// No paths longer than this many choices.
    pub depth: u32,
    /// The search ends, incomplete, with this many worlds.
    pub most_worlds: usize,
    /// How many of the ends of paths are followed until the fleet has settled.
    pub most_ends: usize,
}

impl Scenario {
    const ELECTION: Self = Self {
        name: "election",
        about: "the master is dead, one Sentinel stands, any other may",
        budget: Budget {
            ticks: [1, 1, 0],
            crashes: 0,
            failed_writes: 0,
            cuts: 0,
            operators: [false; 3],
            timely: false,
            pubsub: false,
        },
        master_dies: true,
        quorum: 2,
        epoch: 0,
        late: None,
        mutant: None,
        depth: u32::MAX,
        most_worlds: 1_000_000,
        most_ends: 400,
    };

    /// Every scenario that `docs/model-check.md` reports on.
    pub fn all() -> Vec<Self> {
        let mut all = Self::of_one_fault();
        all.extend(Self::of_quick_networks());
        all.extend([Self::two_operators(), Self::late_hello()]);
        all
    }

    /// The election, alone and with one fault at any moment. Time and messages run freely.
    fn of_one_fault() -> Vec<Self> {
        let free = Self::ELECTION.budget;
        vec![
            Self::ELECTION,
            Self::ELECTION.with(
                "crash",
                "the election, and one Sentinel crashes and restarts at any moment",
                Budget { crashes: 1, ..free },
            ),
            Self::ELECTION.with(
                "disk",
                "the election, and one write fails",
                Budget {
                    failed_writes: 1,
                    ..free
                },
            ),
            Self::ELECTION.with(
                "cut",
                "the election, and two Sentinels lose each other",
                Budget { cuts: 1, ..free },
            ),
        ]
    }

    /// The same where messages and disks are quicker than timers, to the end, and all may stand.
    fn of_quick_networks() -> Vec<Self> {
        let timely = Budget {
            ticks: [3, 3, 3],
            timely: true,
            ..Self::ELECTION.budget
        };
        vec![
            Self::ELECTION.with("timely", "the election on a quick network", timely),
            Self::ELECTION.with(
                "timely-crash",
                "the same, and one Sentinel crashes",
                Budget {
                    ticks: [1, 1, 1],
                    crashes: 1,
                    ..timely
                },
            ),
            Self::ELECTION.with(
                "timely-disk",
                "the same, and one write fails",
                Budget {
                    ticks: [2, 2, 2],
                    failed_writes: 1,
                    ..timely
                },
            ),
        ]
    }

    fn two_operators() -> Self {
        Self {
            master_dies: false,
            ..Self::ELECTION.with(
                "operators",
                "the master is well, and two operators want a failover at once",
                Budget {
                    operators: [true, true, false],
                    timely: true,
                    ..Self::ELECTION.budget
                },
            )
        }
    }

    fn late_hello() -> Self {
        Self {
            epoch: 2,
            late: Some(Told {
                by: 1,
                current: 1,
                epoch: 1,
                at: 2,
            }),
            ..Self::ELECTION.with(
                "late-hello",
                "the election, with hellos of before and of now that come at any time",
                Budget {
                    ticks: [1, 0, 0],
                    pubsub: true,
                    ..Self::ELECTION.budget
                },
            )
        }
    }

    const fn with(&self, name: &'static str, about: &'static str, budget: Budget) -> Self {
        Self {
            name,
            about,
            budget,
            ..*self
        }
    }

    /// The scenario of that name.
    pub fn named(wanted: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|scenario| scenario.name == wanted)
    }

    /// The world from which the search begins, and the arena that it lives in.
    pub fn start(&self) -> (World, Arena) {
        let mut run = Arena::scratch();
        let mut world = World::new([0, 1, 2], Budget::default());
        let boots: Vec<_> = (0..SENTINELS)
            .map(|n| Node::boot(n, self.file(n), Mono::from_ms(1_000_000), self.mutant))
            .collect();
        let effects: Vec<_> = boots
            .into_iter()
            .map(|(node, effects)| {
                run.keep(node);
                effects
            })
            .collect();
        for (n, effects) in (0..SENTINELS).zip(&effects) {
            world.begin(&mut run, n, effects);
        }
        let mut time = Lockstep::new(&world, &run);
        time.run(&mut world, &mut run, HEALTHY, |_, _| false);
        if self.master_dies {
            world.kill(&mut run, 0);
            let silence = Span::ms(DOWN_AFTER.as_ms() - 1200);
            time.run(&mut world, &mut run, silence, |_, _| false);
        }
        let mut arena = Arena::new();
        for n in 0..SENTINELS {
            if let (Some(node), Some(place)) = (
                run.node(world.node(n)).cloned(),
                world.nodes.get_mut(usize::from(n)),
            ) {
                *place = arena.keep(node);
            }
        }
        self.notice(&mut world, &mut arena);
        world.budget = self.budget;
        world.lines.clear();
        (world, arena)
    }

    /// One Sentinel after the other holds the master to be down, until all hold it to be down
    /// objectively; then the late hellos are put on their way.
    fn notice(&self, world: &mut World, arena: &mut Arena) {
        for n in (0..SENTINELS).cycle().take(200) {
            let unaware = |n| world.view(arena, n).is_some_and(|view| !view.odown);
            if !self.master_dies || !(0..SENTINELS).any(unaware) {
                break;
            }
            if unaware(n) {
                world.tick(arena, n);
            }
        }
        for (owner, told) in [0, 2].into_iter().zip(self.late.into_iter().cycle()) {
            let route = Route {
                owner,
                far: Far::Server(2),
                lane: Lane::Hello,
            };
            world.send(route, Msg::Hello(told));
        }
    }

    fn file(&self, me: u8) -> Durable {
        let periods = Periods::default();
        let quorum = Quorum::new(self.quorum.max(1)).or(Quorum::new(1));
        let masters = quorum.map(|quorum| {
            let mut options = MasterOptions::new(quorum, &periods);
            options.down_after = DOWN_AFTER;
            options.failover_timeout = Span::secs(5);
            MasterState {
                branches: Vec::new(),
                own_values: Vec::new(),
                name: name(),
                configuration: Configuration {
                    epoch: Epoch::new(self.epoch),
                    addr: addr(Far::Server(0)),
                },
                options,
                voted_epoch: Epoch::new(self.epoch),
                replicas: (1..SERVERS).map(|n| addr(Far::Server(n))).collect(),
                sentinels: (0..SENTINELS)
                    .filter(|peer| *peer != me)
                    .map(|peer| (id(peer), addr(Far::Peer(peer))))
                    .collect(),
            }
        });
        Durable {
            my_id: id(me),
            current_epoch: Epoch::new(self.epoch),
            options: GlobalOptions::default(),
            periods,
            masters: masters.into_iter().map(Into::into).collect(),
        }
    }
}
