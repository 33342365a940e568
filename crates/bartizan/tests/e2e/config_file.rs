//! The file: what may happen to it, and what must never be lost.

use crate::harness::{Flavor, Fleet, NAME, Plan, eventually, resp};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

#[test]
fn file_that_cannot_be_written_costs_a_warning_and_a_vote_but_not_the_failover() {
    let mut fleet = Fleet::start(Plan {
        failover_timeout_ms: 3_000,
        ..Plan::default()
    });
    // Permissions do not bind root; a directory in the place of the file binds everybody.
    let conf = fleet.sentinels[0].conf.clone();
    let aside = conf.with_extension("aside");
    fs::rename(&conf, &aside).unwrap();
    fs::create_dir(&conf).unwrap();

    let reply = fleet.sentinels[0].call(&["SENTINEL", "FLUSHCONFIG"]);
    assert!(
        reply.is_error("ERR Failed to save config file"),
        "{reply:?}"
    );
    let warning = "WARNING: Sentinel was not able to save the new configuration on disk!!!";
    eventually("the operator is warned", || {
        fleet.sentinels[0].log().contains(warning)
    });

    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    let other = if new == 1 { 2 } else { 1 };
    fleet.await_replica_of(other, new);
    assert!(fleet.sentinels[0].is_running());
    if !Flavor::UnderTest.is_upstream() {
        let port = fleet.servers[new].port.to_string();
        let candidate = "c".repeat(40);
        let ask = [
            "SENTINEL",
            "IS-MASTER-DOWN-BY-ADDR",
            "127.0.0.1",
            &port,
            "1000",
            &candidate,
        ];
        let reply = fleet.sentinels[0].call(&ask);
        let leader = reply
            .items()
            .and_then(|items| items[1].text())
            .unwrap_or("*");
        assert_eq!(leader, "*", "a vote that is not on disk is not given");
        let told = fleet.sentinels[0].logged("+vote-for-leader");
        assert!(told.is_empty(), "and not told of either: {told:?}");
    }
    fleet.assert_one_vote_per_epoch();

    // Once there is room again, the state is written, and it reads back.
    fs::remove_dir(&conf).unwrap();
    fs::rename(&aside, &conf).unwrap();
    assert!(
        fleet.sentinels[0]
            .call(&["SENTINEL", "FLUSHCONFIG"])
            .is_ok()
    );
    fleet.sentinels[0].restart();
    assert_eq!(
        fleet.sentinels[0].master_port(),
        Some(fleet.servers[new].port)
    );
}

#[test]
fn what_was_acknowledged_survives_200_kills_at_random_moments() {
    let mut fleet = Fleet::servers_only(
        Plan {
            replicas: 0,
            ..Plan::default()
        },
        |_| vec![],
    );
    let index = fleet.add_sentinel(Flavor::UnderTest);
    let master = fleet.servers[0].port.to_string();
    let mut ledger = Ledger::default();
    let mut dice = Dice(0x5eed);

    for round in 0..200 {
        let sentinel = &mut fleet.sentinels[index];
        let mut client = sentinel.client();
        // Some changes in peace; the time that the last of them took says when the next one is
        // half done, on a slow disk too.
        let mut took = Duration::from_millis(2);
        for _ in 0..=dice.roll(3) {
            let start = Instant::now();
            assert!(ledger.one_change(&mut client, &master, &mut dice));
            took = start.elapsed();
        }
        let pid = nix::unistd::Pid::from_raw(i32::try_from(sentinel.pid()).unwrap());
        let delay = took * u32::try_from(dice.roll(200)).unwrap() / 100;
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        });
        while ledger.one_change(&mut client, &master, &mut dice) {}
        killer.join().unwrap();

        sentinel.restart();
        ledger.check(sentinel.port, round);
    }
    assert!(
        ledger.acknowledged > 200,
        "only {} changes",
        ledger.acknowledged
    );
    let left: Vec<String> = fs::read_dir(fleet.sentinels[index].dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("sentinel.conf") && name != "sentinel.conf")
        .collect();
    if !Flavor::UnderTest.is_upstream() {
        assert!(left.len() <= 1, "temporary files pile up: {left:?}");
    }
}

#[test]
fn comments_and_the_order_of_lines_survive_a_failover() {
    let mut fleet = Fleet::servers_only(Plan::default(), |_| vec![]);
    let index = fleet.add_sentinel(Flavor::UnderTest);
    fleet.sentinels[index].crash();
    let sentinel = &fleet.sentinels[index];
    let text = format!("# our header\n{}# our footer\n", sentinel.conf_text());
    fs::write(&sentinel.conf, text).unwrap();
    fleet.sentinels[index].restart();
    fleet.await_discovery();
    assert!(
        fleet.sentinels[index]
            .call(&["SENTINEL", "SET", NAME, "quorum", "1"])
            .is_ok()
    );

    fleet.servers[0].crash();
    let new = fleet.await_new_master(0);
    let monitor = format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 1\n",
        fleet.servers[new].port
    );
    eventually("the new master is in the file", || {
        fleet.sentinels[index].conf_text().contains(&monitor)
    });

    let text = fleet.sentinels[index].conf_text();
    assert!(text.starts_with("# our header\nport "), "{text}");
    assert!(text.contains("# our footer"), "{text}");
    let settings = format!("sentinel failover-timeout {NAME} 6000");
    assert!(text.contains(&settings), "{text}");
}

#[test]
fn bind_mounted_file_is_rewritten_in_place() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel cannot save to a bind-mounted file");
        return;
    }
    if !crate::harness::can_mount() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let mut fleet = Fleet::servers_only(
        Plan {
            replicas: 1,
            ..Plan::default()
        },
        |_| vec![],
    );
    let index = fleet.add_sentinel(Flavor::UnderTest);
    let sentinel = &mut fleet.sentinels[index];
    sentinel.crash();
    let inode = fs::metadata(&sentinel.conf).unwrap().ino();
    let conf = sentinel.conf.display().to_string();
    let program = Flavor::UnderTest.program();

    let script = "mount --bind \"$1\" \"$1\" && exec \"$0\" \"$1\"";
    sentinel.spawn(&["unshare", "--mount", "sh", "-c", script, &program, &conf]);

    let sentinel = &fleet.sentinels[index];
    eventually("it answers", || sentinel.answers());
    for quorum in ["3", "4", "5"] {
        assert!(
            sentinel
                .call(&["SENTINEL", "SET", NAME, "quorum", quorum])
                .is_ok()
        );
    }
    let monitor = format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 5",
        fleet.servers[0].port
    );
    assert!(
        sentinel.conf_text().contains(&monitor),
        "{}",
        sentinel.conf_text()
    );
    let after = fs::metadata(&sentinel.conf).unwrap().ino();
    assert_eq!(after, inode, "the mounted file itself was written");
    let told = sentinel.log().matches("is it a bind mount?").count();
    assert_eq!(told, 1, "it is told, and once is enough");
    let backup = sentinel.conf.with_extension("conf.bartizan-bak");
    assert!(
        !backup.exists(),
        "the copy is gone when the rewrite is done"
    );

    fleet.sentinels[index].restart();
    assert_eq!(
        fleet.sentinels[index].master().field("quorum").as_deref(),
        Some("5")
    );
}

#[test]
fn file_written_by_redis_sentinel_is_understood_and_the_way_back_works() {
    each_starts_from_the_others_file_after_a_failover([Flavor::RedisSentinel, Flavor::UnderTest]);
}

#[test]
fn file_written_by_bartizan_is_understood_by_redis_sentinel_and_the_way_back_works() {
    each_starts_from_the_others_file_after_a_failover([Flavor::UnderTest, Flavor::RedisSentinel]);
}

/// A fleet of the first fails over; the second starts from its files, and the first from what
/// the second has made of them. In the end they fail over again.
fn each_starts_from_the_others_file_after_a_failover([first, second]: [Flavor; 2]) {
    let mut fleet = Fleet::start(Plan {
        sentinels: vec![first; 3],
        ..Plan::default()
    });
    fleet.servers[0].crash();
    fleet.await_new_master(0);
    fleet.servers[0].restart();
    let new = fleet.await_settled();
    let epoch = fleet.sentinels[0].master().field("config-epoch");
    let ids: Vec<String> = fleet
        .sentinels
        .iter()
        .map(|sentinel| sentinel.id())
        .collect();

    for flavor in [second, first] {
        for sentinel in &mut fleet.sentinels {
            sentinel.crash();
        }
        for (sentinel, id) in fleet.sentinels.iter_mut().zip(&ids) {
            sentinel.flavor = flavor;
            sentinel.restart();
            assert_eq!(sentinel.id(), *id);
            assert_eq!(sentinel.master_port(), Some(fleet.servers[new].port));
            let master = sentinel.master();
            assert_eq!(master.field("num-slaves").as_deref(), Some("2"));
            assert_eq!(master.field("num-other-sentinels").as_deref(), Some("2"));
            assert_eq!(master.field("config-epoch"), epoch);
            assert!(sentinel.call(&["SENTINEL", "FLUSHCONFIG"]).is_ok());
        }
    }

    // And what came back still fails over.
    fleet.await_discovery();
    fleet.servers[new].crash();
    fleet.await_new_master(new);
}

/// What a client was told, and what may or may not have happened when the process died.
#[derive(Default)]
struct Ledger {
    /// Name and quorum of every master that was acknowledged.
    masters: BTreeMap<String, u64>,
    /// The change in flight when the connection broke: the name, and its quorum after it.
    in_flight: Option<(String, Option<u64>)>,
    acknowledged: u64,
    next_name: u64,
}

impl Ledger {
    /// Sends one change; false when the sentinel is gone.
    fn one_change(&mut self, client: &mut resp::Client, port: &str, dice: &mut Dice) -> bool {
        let quorum = 1 + dice.roll(9);
        let value = quorum.to_string();
        let any = self
            .masters
            .keys()
            .nth(usize::try_from(dice.roll(8)).unwrap())
            .cloned();
        let (name, after) = match (any, dice.roll(4)) {
            (Some(name), 0) => (name, None),
            (Some(name), _) => (name, Some(quorum)),
            (None, _) => {
                self.next_name += 1;
                (format!("m{}", self.next_name), Some(quorum))
            }
        };
        let known = self.masters.contains_key(&name);
        let words: Vec<&str> = match after {
            None => vec!["SENTINEL", "REMOVE", &name],
            Some(_) if known => vec!["SENTINEL", "SET", &name, "quorum", &value],
            Some(_) => vec!["SENTINEL", "MONITOR", &name, "127.0.0.1", port, &value],
        };
        match client.call(&words) {
            Ok(reply) => {
                assert!(reply.is_ok(), "{words:?}: {reply:?}");
                self.apply(name, after);
                self.acknowledged += 1;
                true
            }
            Err(_) => {
                self.in_flight = Some((name, after));
                false
            }
        }
    }

    /// After the restart everything acknowledged is there, and at most the change in flight more.
    fn check(&mut self, port: u16, round: u32) {
        let reply = resp::ask(port, &["SENTINEL", "MASTERS"]).expect("an answer");
        let mut found: BTreeMap<String, u64> = reply
            .items()
            .expect("an array")
            .iter()
            .map(|row| {
                let quorum = row.field("quorum").and_then(|quorum| quorum.parse().ok());
                (
                    row.field("name").expect("a name"),
                    quorum.expect("a quorum"),
                )
            })
            .collect();
        found.remove(NAME);
        if let Some((name, after)) = self.in_flight.take()
            && found.get(&name).copied() == after
        {
            self.apply(name, after);
        }
        assert_eq!(found, self.masters, "after kill {round}");
    }

    fn apply(&mut self, name: String, after: Option<u64>) {
        match after {
            Some(quorum) => self.masters.insert(name, quorum),
            None => self.masters.remove(&name),
        };
    }
}

/// Xorshift: the same rolls at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn a_file_torn_by_a_crash_is_put_back_at_the_next_start_and_the_log_says_so() {
    if Flavor::UnderTest.is_upstream() {
        eprintln!("skipped: redis-sentinel never rewrites in place");
        return;
    }
    let mut fleet = Fleet::servers_only(
        Plan {
            replicas: 0,
            ..Plan::default()
        },
        |_| vec![],
    );
    let index = fleet.add_sentinel(Flavor::UnderTest);
    let sentinel = &mut fleet.sentinels[index];
    let id = sentinel.id();
    eventually("the id is saved", || sentinel.conf_text().contains(&id));
    sentinel.crash();
    let whole = sentinel.conf_text();
    let backup = sentinel.conf.with_extension("conf.bartizan-bak");
    fs::write(&backup, &whole).unwrap();
    fs::write(&sentinel.conf, &whole[..whole.len() / 3]).unwrap();

    sentinel.restart();

    assert_eq!(sentinel.id(), id);
    eventually("the log says so", || sentinel.log().contains("was cut off"));
    assert!(!backup.exists());
}
