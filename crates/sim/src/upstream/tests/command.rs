//! What operators say and ask.

use std::sync::Arc;

use bartizan_core::ids::MasterName;
use bartizan_core::provide::command::Command;
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;

use super::bench::*;

fn set(bench: &mut Bench, words: &[&str]) -> Reply {
    let words = words.iter().map(|word| Arc::from(*word)).collect();
    bench.ask(Command::Set {
        name: mymaster(),
        words,
        not_executable: Vec::new(),
    })
}

#[test]
fn monitor_set_and_remove_are_told_and_saved() {
    let mut bench = Bench::new(known(2, &[]));
    let name = MasterName::new("other");
    let monitor = Command::Monitor {
        name: name.clone(),
        host: Some(at(9).host),
        port: 9,
        quorum: 3,
    };
    assert_eq!(bench.ask(monitor.clone()), Reply::OK);
    assert!(bench.has_event("+monitor master other 127.0.0.1 9 quorum 3"));
    assert_eq!(
        bench.ask(monitor),
        Reply::error("ERR Duplicate master name.")
    );
    assert_eq!(bench.last_write().masters.len(), 2);
    assert_eq!(bench.ask(Command::Remove { name: name.clone() }), Reply::OK);
    assert!(bench.has_event("-monitor master other 127.0.0.1 9"));
    assert_eq!(bench.last_write().masters.len(), 1);
    assert_eq!(bench.ask(Command::Remove { name }), Reply::NO_SUCH_MASTER);
}

#[test]
fn set_applies_pairs_until_one_is_wrong() {
    let mut bench = Bench::new(known(2, &[]));
    let reply = set(
        &mut bench,
        &["quorum", "5", "parallel-syncs", "x", "quorum", "6"],
    );
    let text = "ERR Invalid argument 'x' for SENTINEL SET 'parallel-syncs'";
    assert_eq!(reply, Reply::error(text));
    assert!(bench.has_event("+set master mymaster 127.0.0.1 1 quorum 5"));
    assert_eq!(bench.last_write().masters[0].options.quorum.get(), 5);
    let reply = set(&mut bench, &["quorum"]);
    let text = "ERR Unknown option or number of arguments for SENTINEL SET 'quorum'";
    assert_eq!(reply, Reply::error(text));
}

#[test]
fn reset_forgets_everybody_and_saves_nothing() {
    let mut bench = Bench::new(known(2, &['b']));
    bench.ask_vote(3, 'b');
    let writes = bench.writes.len();
    for (pattern, hits) in [("my?", 0), ("m*ter", 1), ("*", 1)] {
        let reply = bench.ask(Command::Reset {
            pattern: Arc::from(pattern),
        });
        assert_eq!(reply, Reply::Integer(hits), "{pattern}");
    }
    assert!(bench.has_event("+reset-master master mymaster 127.0.0.1 1"));
    assert_eq!(bench.writes.len(), writes);
    let state = &bench.sut.durable().masters[0];
    assert!(state.replicas.is_empty() && state.sentinels.is_empty());
    assert_eq!(state.voted_epoch.get(), 3, "epochs stay");
    bench.run(12_000);
    assert_eq!(
        bench.sut.durable().masters[0].replicas,
        [at(2), at(3)],
        "INFO finds them again"
    );
}

#[test]
fn ckquorum_counts_peers_that_are_up() {
    let mut bench = Bench::new(known(2, &['b', 'c']));
    bench.run(5000);
    let ask = |bench: &Bench| bench.sut.query(bench.now, &Query::CkQuorum(mymaster()));
    let good = "OK 3 usable Sentinels. Quorum and failover authorization can be reached";
    assert_eq!(ask(&bench), Reply::Status(good.into()));
    bench.kill(&peer_addr('b'));
    bench.kill(&peer_addr('c'));
    bench.run(5000);
    let Reply::Error(text) = ask(&bench) else {
        panic!("no error")
    };
    assert!(
        text.starts_with("NOQUORUM 1 usable Sentinels. Not enough"),
        "{text}"
    );
    assert!(
        text.contains("quorum for this master. Not enough"),
        "{text}"
    );
}

#[test]
fn a_master_is_described_by_its_fields() {
    let mut bench = Bench::new(known(2, &['b']));
    bench.run(5000);
    bench.kill(&at(1));
    bench.run(5000);
    let Reply::Map(fields) = bench.sut.query(bench.now, &Query::Master(mymaster())) else {
        panic!("no map")
    };
    let value = |name: &str| match fields.iter().find(|(field, _)| field == name) {
        Some((_, Reply::Bulk(text))) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(value("ip"), "127.0.0.1");
    assert_eq!(value("flags"), "s_down,master,disconnected");
    assert_eq!(
        (value("num-slaves"), value("num-other-sentinels")),
        ("2".into(), "1".into())
    );
    assert_eq!(value("config-epoch"), "0");
    let unknown = Query::MasterAddr(MasterName::new("other"));
    assert_eq!(bench.sut.query(bench.now, &unknown), Reply::NullArray);
}
