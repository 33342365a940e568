//! Whoever rescues is lost in the middle of it: another one steps in, and the server is demoted only
//! when everything is in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::resp::Client;
use crate::harness::{Flavor, Fleet, Plan, eventually, holds_for};

/// So many writes of a megabyte are too many to be rescued between two looks.
const WRITES: usize = 96;
const MEGABYTE: usize = 1 << 20;

/// The files that a Sentinel has saved or begun, with this beginning and ending.
fn files(dir: &Path, beginning: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("rescue"));
    let paths = entries.into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = paths.map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(beginning) && name.ends_with(ending)
    });
    paths
}

/// A fleet whose former master comes back with [`WRITES`] of its own, in the moment in which a
/// Sentinel has begun to save them: who that is, and the present master.
struct Scene {
    fleet: Fleet,
    rescuer: usize,
    new: usize,
}

fn scene() -> Scene {
    // Not fenced, so that what waits in its socket is carried out for certain.
    let lines = |_| {
        let user = "user default on nopass ~* &* +@all -client|pause";
        vec![user.to_owned(), "repl-backlog-size 256mb".to_owned()]
    };
    let fleet = Fleet::start_with(Plan::default(), lines);
    let mut client = Client::connect(fleet.servers[0].port).expect("the master answers");
    fleet.servers[0].freeze();
    let script = format!(
        "for n = 1, {WRITES} do redis.call('set', 'late:' .. n, string.rep('x', {MEGABYTE})) end"
    );
    client
        .send(&["EVAL", &script, "0"])
        .expect("the socket takes it");
    let new = fleet.await_new_master(0);
    fleet.await_event_everywhere("+switch-master");
    fleet.servers[0].thaw();
    let begun = || {
        let dirs = fleet.sentinels.iter().map(|sentinel| sentinel.dir());
        dirs.map(|dir| !files(dir, ".rescue-", "").is_empty())
            .position(|begun| begun)
    };
    let patience = std::time::Instant::now() + Duration::from_secs(30);
    // No pause between two looks: it is the middle of the rescue that is waited for.
    let rescuer = loop {
        if let Some(rescuer) = begun() {
            break rescuer;
        }
        assert!(std::time::Instant::now() < patience, "nobody rescues");
    };
    Scene {
        fleet,
        rescuer,
        new,
    }
}

/// Nothing of the rescuer is finished; and when the server follows the new master, another one has
/// all of it.
fn another_one_saves_everything_before_it_is_demoted(scene: &Scene) {
    let Scene {
        fleet,
        rescuer,
        new,
    } = scene;
    let unfinished = files(fleet.sentinels[*rescuer].dir(), "", ".resp");
    assert!(unfinished.is_empty(), "the rescuer was too quick for us");
    let port = fleet.servers[*new].port;
    assert!(!fleet.servers[0].follows(port), "demoted before the rescue");
    eventually("the former master is demoted", || {
        fleet.servers[0].follows(port)
    });
    // No waiting for it: it has to be there by now.
    let others = (0..fleet.sentinels.len()).filter(|index| index != rescuer);
    let others = others.map(|index| fleet.sentinels[index].dir());
    let saved: Vec<PathBuf> = others.flat_map(|dir| files(dir, "", ".resp")).collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    let stream = std::fs::read(&saved[0]).expect("it is there");
    assert!(stream.len() > WRITES * MEGABYTE, "{} bytes", stream.len());
    let keys = stream
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"late:"));
    assert_eq!(keys.count(), WRITES);
    let sheet = std::fs::read_to_string(saved[0].with_extension("json")).expect("beside it");
    assert!(sheet.contains("\"complete\": true"), "{sheet}");
}

#[test]
fn another_sentinel_steps_in_when_the_one_that_rescues_is_killed() {
    if Flavor::UnderTest.is_upstream() {
        return; // redis-sentinel rescues nothing
    }
    let mut scene = scene();
    scene.fleet.sentinels[scene.rescuer].crash();
    another_one_saves_everything_before_it_is_demoted(&scene);
}

#[test]
fn another_sentinel_steps_in_when_the_one_that_rescues_hangs_and_nothing_comes_of_it_later() {
    if Flavor::UnderTest.is_upstream() {
        return;
    }
    let scene = scene();
    let Scene {
        fleet,
        rescuer,
        new,
    } = &scene;
    fleet.sentinels[*rescuer].freeze();
    another_one_saves_everything_before_it_is_demoted(&scene);

    fleet.sentinels[*rescuer].thaw();
    let port = fleet.servers[*new].port;
    eventually("it is awake", || fleet.sentinels[*rescuer].answers());
    let follows = || fleet.servers[0].follows(port);
    holds_for(Duration::from_secs(1), "nobody is moved", follows);
    eventually("nothing unfinished is left behind", || {
        files(fleet.sentinels[*rescuer].dir(), ".rescue-", "").is_empty()
    });
    assert_eq!(fleet.await_settled(), *new);
}
