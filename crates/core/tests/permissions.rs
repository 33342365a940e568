//! What our user may not do at a server is found out when the link comes up, told once, and not
//! tried any more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bench;

use std::sync::Arc;

use bartizan_core::fencing::Fencing;
use bartizan_core::ids::ReplId;
use bartizan_core::input::{Answer, Input, LinkError};
use bartizan_core::permission::Permission;
use bartizan_core::provide::command::{Command, Wish};
use bartizan_core::provide::query::Query;
use bartizan_core::report::{Fork, History};
use bartizan_core::rescue::RescueMode;
use bench::{
    Acl, Bench, MASTER, P1, P2, R1, R2, Reach, boot_of, events, field, master_state, name, only,
    run_id, text,
};

const TRIED: &str = "6379 TRY PERMISSIONS";
const LACKING: &str = "+missing-permissions master mymaster 127.0.0.1 6379";
const THERE: &str = "-missing-permissions master mymaster 127.0.0.1 6379";

/// A fleet of ours in which these servers forbid something from the start.
fn forbidding(ports: &[u16], what: &'static [Permission]) -> Bench {
    let mut bench = Bench::boot(boot_of(vec![master_state(&[R1, R2], 2, 2)]));
    for port in ports {
        bench.host(*port).acl = Acl::Forbids(what);
    }
    for port in [MASTER, R1, R2] {
        tell(&mut bench, port, b'a', 1000, None);
    }
    bench
}

fn tell(bench: &mut Bench, port: u16, letter: u8, offset: u64, before: Option<Fork>) {
    bench.host(port).info.offset = Some(offset);
    bench.host(port).info.history = Some(History {
        id: ReplId::parse(&[letter; 40]).unwrap(),
        offset,
        before,
        kept_from: Some(1),
    });
}

fn shown(bench: &Bench) -> String {
    text(&bench.query(&Query::Master(name())))
}

fn restart(bench: &mut Bench) {
    bench.kill(MASTER);
    bench.host(MASTER).info.run_id = Some(run_id(MASTER, 1));
    bench.revive(MASTER);
}

#[test]
fn where_everything_is_allowed_nothing_is_told_or_shown_and_nobody_is_asked_again() {
    let mut bench = forbidding(&[], &[]);
    let said = bench.advance(600_000);
    assert_eq!(only(&said, TRIED).len(), 1);
    assert_eq!(only(&said, "close 6379 trial").len(), 1);
    assert_eq!(only(&said, "+missing").len(), 0);
    assert!(!shown(&bench).contains("missing"));
}

#[test]
fn what_is_missing_is_told_once_and_shown_until_it_is_there() {
    let mut bench = forbidding(&[MASTER, R1], &[Permission::Psync, Permission::Pause]);
    let mut said = bench.advance(3000);
    said.extend(bench.advance(300_000));
    let told = only(&said, "+missing-permissions");
    let replica = "+missing-permissions slave 127.0.0.1:6380 127.0.0.1 6380 @ mymaster \
                   127.0.0.1 6379 +client|pause +psync";
    assert_eq!(told, [&format!("{LACKING} +client|pause +psync"), replica]);
    let asked = only(&said, TRIED).len();
    assert!((5..=7).contains(&asked), "once a minute: {asked}");
    let master = bench.query(&Query::Master(name()));
    assert_eq!(
        field(&master, "missing-permissions"),
        "+client|pause +psync"
    );
    let replicas = text(&bench.query(&Query::Replicas(name())));
    assert_eq!(replicas.matches("missing-permissions=").count(), 1);

    bench.host(MASTER).acl = Acl::Forbids(&[Permission::Psync]);
    let said = bench.advance(61_000);
    assert_eq!(events(&said), [format!("{LACKING} +psync")]);
    bench.host(MASTER).acl = Acl::Forbids(&[]);
    let said = bench.advance(61_000);
    assert_eq!(events(&said), [THERE]);
    assert!(!shown(&bench).contains("missing"));
}

#[test]
fn what_is_switched_off_needs_no_permission() {
    const LACKED: &[Permission] = &[
        Permission::ConfigGet,
        Permission::ConfigSet,
        Permission::Psync,
        Permission::Replconf,
    ];
    let mut bench = forbidding(&[MASTER], LACKED);
    let said = bench.advance(3000);
    assert_eq!(
        only(&said, LACKING),
        [format!("{LACKING} +psync +replconf")]
    );
    let said = bench.set(&["rescue", "off"]);
    assert_eq!(only(&said, THERE), [THERE]);
    let said = bench.set(&["fencing", "min-replicas", "1"]);
    let told = only(&said, LACKING);
    assert_eq!(told, [format!("{LACKING} +config|get +config|set")]);
}

#[test]
fn it_is_asked_again_of_another_process_and_for_another_user_but_not_at_every_reconnect() {
    let mut bench = forbidding(&[], &[]);
    bench.advance(3000);
    for _ in 0..3 {
        for link in bench.links_of(MASTER) {
            let why = LinkError::Closed;
            bench.give(Input::LinkDown { link, why });
        }
        assert_eq!(only(&bench.advance(2000), TRIED).len(), 0);
    }
    restart(&mut bench);
    assert_eq!(only(&bench.advance(3000), TRIED).len(), 1);
    bench.set(&["auth-pass", "another"]);
    assert_eq!(only(&bench.advance(3000), TRIED).len(), 1);
}

#[test]
fn a_command_that_is_denied_makes_us_ask_again() {
    let mut bench = forbidding(&[], &[]);
    bench.advance(11_000);
    let denied = "NOPERM this user has no permissions to run the 'client|pause' command";
    let host = bench.host(MASTER);
    host.acl = Acl::Forbids(&[Permission::Pause]);
    host.pause = Answer::Error(Arc::from(denied));
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.advance(500));
    assert_eq!(only(&said, TRIED).len(), 1, "{said:#?}");
    assert_eq!(only(&said, "+missing-permissions").len(), 1);
}

#[test]
fn a_server_without_acls_is_asked_nothing() {
    let mut bench = forbidding(&[], &[]);
    bench.host(MASTER).acl = Acl::None;
    let said = bench.advance(600_000);
    assert_eq!(only(&said, TRIED).len(), 0);
    assert_eq!(only(&said, "connect 6379 trial").len(), 1);
    assert!(!shown(&bench).contains("missing"));
}

#[test]
fn a_server_that_tells_nothing_is_left_alone_for_a_minute() {
    let mut bench = forbidding(&[], &[]);
    bench.host(MASTER).acl = Acl::Silent;
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "connect 6379 trial").len(), 1);
    assert_eq!(only(&said, "close 6379 trial").len(), 1);
    let said = bench.advance(60_000);
    assert_eq!(only(&said, "connect 6379 trial").len(), 1);
    assert!(!shown(&bench).contains("missing"));
}

#[test]
fn a_subscription_that_is_denied_is_told_as_what_it_is() {
    let mut bench = forbidding(&[], &[]);
    bench.host(MASTER).acl = Acl::ForbidsToListen;
    let said = bench.advance(3000);
    assert_eq!(only(&said, LACKING), [format!("{LACKING} +subscribe")]);
    let said = bench.advance(50_000);
    assert_eq!(only(&said, "connect 6379 trial").len(), 0);
}

#[test]
fn a_coordinated_switchover_says_before_it_begins_that_writes_cannot_be_held_back() {
    let mut bench = forbidding(&[MASTER], &[Permission::Pause]);
    bench.advance(11_000);
    let wish = Wish::default();
    let said = bench.ask(Command::Switchover { name: name(), wish });
    let why = "our user there lacks +client|pause";
    assert!(only(&said, "reply")[0].contains(&format!("-NOTSAFE {why}")));
    assert_eq!(only(&said, "+try-failover").len(), 0);
    let wish = Wish {
        dry_run: true,
        ..Wish::default()
    };
    let said = bench.ask(Command::Switchover { name: name(), wish });
    assert!(only(&said, "reply")[0].contains(&format!("lossless=no: {why}")));
}

#[test]
fn a_plain_failover_does_not_try_what_is_forbidden_and_goes_on_without_it() {
    let mut bench = forbidding(&[MASTER], &[Permission::Pause]);
    bench.advance(11_000);
    let mut said = bench.ask(Command::Failover { name: name() });
    said.extend(bench.until("+switch-master", 3000));
    assert_eq!(only(&said, "6379 CLIENT PAUSE").len(), 0, "{said:#?}");
    assert_eq!(
        only(&said, "log Failover of 'mymaster' goes on without").len(),
        1
    );
}

#[test]
fn fencing_says_what_it_lacks_and_tries_nothing() {
    let mut state = master_state(&[R1], 0, 1);
    state.options.fencing = Fencing::MinReplicas { lag: 1 };
    let mut bench = Bench::boot(boot_of(vec![state]));
    bench.host(MASTER).acl = Acl::Forbids(&[Permission::ConfigSet]);
    bench.host(MASTER).info.lags = vec![bartizan_core::time::Span::ZERO];
    let said = bench.advance(50_000);
    let told = only(&said, "-min-replicas-refused master");
    assert_eq!(told.len(), 1, "{said:#?}");
    assert!(told[0].ends_with("#our user there lacks +config|set"));
    assert_eq!(only(&said, "6379 CONFIG SET").len(), 0);
    bench.host(MASTER).acl = Acl::Forbids(&[]);
    bench.until("6379 CONFIG SET min-replicas-to-write 1", 70_000);
}

/// The first master died, `R1` took over, and nobody else is there.
fn switched(lacking: &'static [Permission]) -> Bench {
    let mut state = master_state(&[R1], 2, 2);
    state.options.rescue = RescueMode::Stream;
    let mut bench = Bench::boot(boot_of(vec![state]));
    for port in [MASTER, R1] {
        tell(&mut bench, port, b'a', 1000, None);
        bench.host(port).acl = Acl::Forbids(lacking);
    }
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.advance(11_000);
    let id = ReplId::parse(&[b'a'; 40]).unwrap();
    tell(&mut bench, R1, b'b', 1000, Some(Fork { id, offset: 1001 }));
    bench.hang(MASTER);
    bench.until("+failover-end", 20_000);
    bench.advance(1000);
    for port in [P1, P2] {
        bench.kill(port);
    }
    bench.advance(6000);
    tell(&mut bench, MASTER, b'a', 1500, None);
    bench
}

#[test]
fn a_former_master_that_forbids_pauses_is_rescued_unfenced() {
    let mut bench = switched(&[Permission::Pause]);
    bench.revive(MASTER);
    let said = bench.advance(1500);
    assert_eq!(only(&said, "6379 CLIENT PAUSE").len(), 0);
    assert_eq!(only(&said, "+fenced").len(), 0);
    assert_eq!(
        only(&said, "rescue 1 127.0.0.1:6379 1001").len(),
        1,
        "{said:#?}"
    );
    assert_eq!(
        only(&said, "6379 SLAVEOF").len(),
        0,
        "not before it is rescued"
    );
}

#[test]
fn a_former_master_whose_stream_is_forbidden_is_demoted_and_that_is_told() {
    let mut bench = switched(&[Permission::Psync]);
    bench.revive(MASTER);
    let said = bench.advance(1500);
    let told = only(&said, "-rescue-incomplete slave 127.0.0.1:6379");
    assert_eq!(told.len(), 1, "{said:#?}");
    assert!(told[0].ends_with("- #our user there lacks +psync"));
    assert_eq!(only(&said, "6379 SLAVEOF 127.0.0.1 6380").len(), 1);
}

#[test]
fn a_replica_that_would_refuse_to_be_promoted_comes_last() {
    for (forbidden, chosen) in [(R1, 6381), (R2, 6380)] {
        let mut bench = forbidding(&[forbidden], &[Permission::SlaveOf]);
        for port in [P1, P2] {
            bench.host(port).says_down = true;
        }
        bench.advance(11_000);
        bench.host(MASTER).reach = Reach::Mute;
        let selected = format!("+selected-slave slave 127.0.0.1:{chosen}");
        bench.until(&selected, 20_000);
    }
    // Where there is nobody else it is tried: somebody may have mended it.
    let mut bench = forbidding(&[R1, R2], &[Permission::SlaveOf]);
    for port in [P1, P2] {
        bench.host(port).says_down = true;
    }
    bench.advance(11_000);
    bench.host(MASTER).reach = Reach::Mute;
    bench.until("+selected-slave", 20_000);
}
