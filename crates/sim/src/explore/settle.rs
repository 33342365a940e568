//! What becomes of a world when nothing more goes wrong: everything is delivered, every write is
//! done, and all clocks go on together.

use bartizan_core::time::{Mono, Span};

use super::arena::{Arena, Phase};
use super::node::Stimulus;
use super::word::SENTINELS;
use super::world::World;

/// A fleet that has not settled after this long never will.
const PATIENCE: Span = Span::secs(180);

/// All clocks, going on together.
#[derive(Clone, Copy, Debug)]
pub struct Lockstep {
    starts: [Mono; 3],
    elapsed: Span,
}

impl Lockstep {
    /// From this world on, whose arena is a scratch arena.
    pub fn new(world: &World, arena: &Arena) -> Self {
        let now = |n| {
            arena
                .node(world.node(n))
                .map_or_else(Mono::default, |node| node.now)
        };
        Self {
            starts: [now(0), now(1), now(2)],
            elapsed: Span::ZERO,
        }
    }

    /// Lets time pass until `is_done`, or for so long; whether it was done.
    pub fn run(
        &mut self,
        world: &mut World,
        arena: &mut Arena,
        length: Span,
        mut is_done: impl FnMut(&World, &Arena) -> bool,
    ) -> bool {
        let end = self.elapsed + length;
        loop {
            calm(world, arena);
            if is_done(world, arena) {
                return true;
            }
            let next = (0..SENTINELS)
                .filter_map(|n| Some((self.due(world, arena, n)?, n)))
                .min();
            let Some((due, n)) = next.filter(|(due, _)| *due <= end) else {
                self.set(world, arena, end);
                return false;
            };
            self.set(world, arena, due);
            world.perform(arena, n, Stimulus::Tick);
        }
    }

    fn due(&self, world: &World, arena: &Arena, n: u8) -> Option<Span> {
        let start = self.starts.get(usize::from(n))?;
        Some(arena.due(world.node(n))?.since(*start))
    }

    fn set(&mut self, world: &World, arena: &mut Arena, elapsed: Span) {
        self.elapsed = elapsed;
        for (n, start) in (0..SENTINELS).zip(self.starts) {
            arena.set_now(world.node(n), start + elapsed);
        }
    }
}

/// Delivers and writes everything; no time passes.
fn calm(world: &mut World, arena: &mut Arena) {
    loop {
        let head = world.heads().next();
        if let Some((route, _)) = head {
            world.deliver(arena, route);
            continue;
        }
        let writing =
            (0..SENTINELS).find(|n| world.view(arena, *n).is_some_and(|view| view.writes));
        match writing {
            Some(n) => world.perform(arena, n, Stimulus::Written),
            None => return,
        }
    }
}

/// Why a fleet did not come to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled(pub String);

/// Follows a world until all Sentinels agree and one server is master, then brings the dead
/// server back and waits for it to follow.
pub fn settle(world: &World, arena: &Arena) -> Result<(), Unsettled> {
    let mut world = world.clone();
    let mut run = Arena::scratch();
    for n in 0..SENTINELS {
        if let (Some(node), Some(place)) = (
            arena.node(world.node(n)).cloned(),
            world.nodes.get_mut(usize::from(n)),
        ) {
            *place = run.keep(node);
        }
    }
    world.heal_cuts();
    let mut time = Lockstep::new(&world, &run);
    let rests = time.run(&mut world, &mut run, PATIENCE, is_settled);
    verdict(&world, &run, rests, "after the failover")?;
    if world.servers.get(0).is_some_and(|server| !server.up) {
        world.servers.set_up(0, true);
        let rests = time.run(&mut world, &mut run, PATIENCE, is_settled);
        verdict(&world, &run, rests, "after the old master came back")?;
    }
    Ok(())
}

fn verdict(world: &World, arena: &Arena, rests: bool, when: &str) -> Result<(), Unsettled> {
    if let Some(broken) = &world.broken {
        return Err(Unsettled(broken.to_string()));
    }
    if rests {
        return Ok(());
    }
    let views: Vec<_> = (0..SENTINELS).map(|n| world.view(arena, n)).collect();
    Err(Unsettled(format!(
        "END: not settled {} s {when}: {:?} {views:?}",
        PATIENCE.as_ms() / 1000,
        world.servers
    )))
}

/// Whether all agree and the servers are as they say.
fn is_settled(world: &World, arena: &Arena) -> bool {
    if world.broken.is_some() {
        return true;
    }
    let Some(first) = world.view(arena, 0) else {
        return false;
    };
    let agree = (0..SENTINELS).all(|n| {
        world.view(arena, n).is_some_and(|view| {
            view.phase == Phase::Idle
                && !view.odown
                && view.configuration == first.configuration
                && view.named == view.configuration.1
        })
    });
    let master = first.named.filter(|_| agree);
    master.is_some_and(|master| {
        world.servers.masters() == [master] && world.servers.all_follow(master)
    })
}
