//! Order, cuts and refusals.

use super::*;

fn still() -> Weather {
    Weather {
        delay_low_us: 1000,
        delay_high_us: 9000,
        outlier_of: 4,
        patience_us: 60_000_000,
    }
}

fn connected() -> (Net, Sched, ConnId) {
    let (mut net, mut sched) = (Net::new(1, still(), 2), Sched::default());
    let id = net.open(&mut sched, 0, 1, Kind::Client, 0);
    sched.pop();
    assert_eq!(net.opened(&mut sched, id), Some(Attempt::Up));
    (net, sched, id)
}

fn arrivals(net: &mut Net, sched: &mut Sched) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some((_, ev)) = sched.pop() {
        if let Ev::Arrive(id, side) = ev
            && let Some(Msg::Write(n)) = net.arrive(id, side)
        {
            seen.push(n);
        }
    }
    seen
}

#[test]
fn messages_of_one_direction_never_overtake_each_other() {
    let (mut net, mut sched, id) = connected();
    for n in 0..50 {
        net.send(&mut sched, id, Side::Far, Msg::Write(n));
    }
    assert_eq!(arrivals(&mut net, &mut sched), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_cut_stalls_and_healing_delivers_late_in_order() {
    let (mut net, mut sched, id) = connected();
    net.send(&mut sched, id, Side::Far, Msg::Write(1));
    net.cut(7, vec![0], vec![1]);
    net.send(&mut sched, id, Side::Far, Msg::Write(2));
    net.mend(&mut sched, 7);
    net.send(&mut sched, id, Side::Far, Msg::Write(3));
    assert_eq!(arrivals(&mut net, &mut sched), [1, 2, 3]);
}

#[test]
fn a_connection_to_a_process_that_is_gone_is_refused() {
    let (mut net, mut sched) = (Net::new(1, still(), 2), Sched::default());
    net.set_reach(&mut sched, 1, Reach::Refusing);
    let id = net.open(&mut sched, 0, 1, Kind::Client, 0);
    assert_eq!(net.opened(&mut sched, id), Some(Attempt::Refused));
}
