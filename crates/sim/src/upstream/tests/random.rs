//! Whatever comes in, in whatever order, the interface keeps its promises.

use bartizan_core::ids::Epoch;
use bartizan_core::input::Input;
use bartizan_core::provide::command::Command;
use bartizan_core::rng::Rng;
use bartizan_core::time::Span;

use super::bench::*;

const SEEDS: u64 = 20;
const STEPS: u64 = 60;

/// One random thing that may happen to a sentinel and its world.
fn disturb(bench: &mut Bench, rng: &mut Rng) {
    let port = u16::try_from(1 + rng.below(3)).unwrap();
    let letter = ['b', 'c', 'd'][usize::try_from(rng.below(3)).unwrap()];
    let epoch = bench.sut.durable().current_epoch.get();
    let near = epoch + rng.below(3);
    match rng.below(12) {
        0 => bench.kill(&at(port)),
        1 | 2 => bench.fake(at(port)).up = true,
        3 => bench.fake(at(port)).mute ^= true,
        4 => bench.hello(letter, near, near.saturating_sub(rng.below(2)), port),
        5 => drop(bench.ask_vote(near, letter)),
        6 => bench.peers_agree(),
        7 => drop(bench.ask(Command::Failover { name: mymaster() })),
        8 if rng.below(8) == 0 => drop(bench.ask(Command::Reset {
            pattern: "*".into(),
        })),
        9 => bench.disk_works ^= true,
        10 if rng.below(4) == 0 => bench.now += Span::ms(rng.below(5000)),
        _ => {}
    }
    if bench.disk_works
        && let Some((seq, _)) = bench.writes.last()
    {
        let seq = *seq;
        bench.give(Input::Persisted { seq });
    }
    bench.run(rng.below(3000));
}

#[test]
fn epochs_never_fall_and_no_epoch_has_two_votes() {
    let mut switches = 0;
    for seed in 0..SEEDS {
        let mut rng = Rng::new(seed);
        let mut bench = Bench::new(known(2, &['b', 'c']));
        let mut seen = (Epoch::ZERO, Epoch::ZERO);
        for _ in 0..STEPS {
            disturb(&mut bench, &mut rng);
            let state = bench.sut.durable();
            let master = &state.masters[0];
            // The epoch of the configuration is not among them: a promotion sets it back when a
            // hello raised it meanwhile (hazard A).
            let new = (state.current_epoch, master.voted_epoch);
            assert!(
                new.0 >= seen.0 && new.1 >= seen.1,
                "seed {seed}: {seen:?} {new:?}"
            );
            assert!(
                new.1 <= new.0,
                "seed {seed}: a vote above the current epoch"
            );
            let own = &master.configuration.addr;
            assert!(
                !master.replicas.contains(own),
                "seed {seed}: a replica of itself"
            );
            seen = new;
        }
        let mut voted = std::collections::BTreeSet::new();
        for (_, text) in &bench.events {
            let Some(vote) = text.strip_prefix("+vote-for-leader ") else {
                continue;
            };
            let (_, epoch) = vote.split_once(' ').unwrap();
            assert!(
                voted.insert(epoch.to_owned()),
                "seed {seed}: two votes in epoch {epoch}"
            );
        }
        switches += usize::from(bench.has_event("+switch-master"));
    }
    assert!(switches > 10, "the disturbances are too tame: {switches}");
}
