//! Bartizans beside redis-sentinels: one fleet, one opinion.

use crate::harness::{Flavor, Fleet, NAME, Plan};

use Flavor::{RedisSentinel, UnderTest};

#[test]
fn two_bartizans_and_one_redis_sentinel_fail_over_together() {
    fails_over_there_and_back(vec![UnderTest, UnderTest, RedisSentinel]);
}

#[test]
fn one_bartizan_and_two_redis_sentinels_fail_over_together() {
    fails_over_there_and_back(vec![UnderTest, RedisSentinel, RedisSentinel]);
}

#[test]
fn a_bartizan_follows_a_failover_that_a_redis_sentinel_was_told_to_make() {
    let sentinels = vec![UnderTest, UnderTest, RedisSentinel];
    let fleet = Fleet::start(Plan {
        sentinels,
        ..Plan::default()
    });
    assert!(
        fleet.sentinels[2]
            .call(&["SENTINEL", "FAILOVER", NAME])
            .is_ok()
    );
    let new = fleet.await_new_master(0);
    fleet.await_replica_of(0, new);
    fleet.await_event_everywhere("+switch-master");
}

#[test]
fn a_redis_sentinel_follows_a_failover_that_a_bartizan_was_told_to_make() {
    let sentinels = vec![UnderTest, RedisSentinel, RedisSentinel];
    let fleet = Fleet::start(Plan {
        sentinels,
        ..Plan::default()
    });
    assert!(
        fleet.sentinels[0]
            .call(&["SENTINEL", "FAILOVER", NAME])
            .is_ok()
    );
    let new = fleet.await_new_master(0);
    fleet.await_replica_of(0, new);
    fleet.await_event_everywhere("+switch-master");
}

/// Kills the master, brings it back as a replica, and kills the next one.
fn fails_over_there_and_back(sentinels: Vec<Flavor>) {
    let mut fleet = Fleet::start(Plan {
        sentinels,
        ..Plan::default()
    });
    fleet.servers[0].crash();
    fleet.await_new_master(0);
    fleet.await_event_everywhere("+switch-master");
    fleet.servers[0].restart();
    let first = fleet.await_settled();
    fleet.await_discovery();

    fleet.servers[first].crash();
    let second = fleet.await_new_master(first);

    for sentinel in &fleet.sentinels {
        assert_eq!(sentinel.master_port(), Some(fleet.servers[second].port));
    }
    fleet.assert_one_vote_per_epoch();
}
