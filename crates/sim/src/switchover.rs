//! Operators who ask for a switchover without loss, and what they may expect of one that says OK:
//! no write is lost that the former master had made when its successor took office.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::ids::MasterName;
use bartizan_core::provide::command::{Command, Wish};
use bartizan_core::provide::reply::Reply;
use bartizan_core::time::Span;

use crate::fault::{Fault, Kind, Who};
use crate::host::Waiting;
use crate::world::World;

/// Names an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId(u64);

/// A switchover that was asked for and not answered yet.
#[derive(Clone, Debug)]
struct Order {
    group: usize,
    /// The master when it was asked for.
    former: Addr,
    /// The server to be stopped when the answer is OK, and for how long.
    drained: Option<(usize, u64)>,
    /// What the former master had written and its successor lacked, when that took office.
    lacked: BTreeSet<u64>,
}

/// The orders under way.
#[derive(Debug, Default)]
pub struct Orders {
    count: u64,
    open: BTreeMap<OrderId, Order>,
}

impl World {
    /// An operator asks for a switchover, or drains a server.
    pub(crate) fn order(&mut self, h: usize, group: usize, name: MasterName, fault: &Fault) {
        let server = fault.who.iter().find_map(|who| match who {
            Who::Server(s) => Some(*s),
            Who::Sentinel(_) | Who::Client(_) => None,
        });
        let addr = server
            .and_then(|s| self.servers.get(s))
            .map(|s| s.addr.clone());
        let ours = self.hosts.get(h).is_some_and(|host| host.ours);
        let Some(former) = self.master_addr(h, group).filter(|_| ours) else {
            return;
        };
        let drains = fault.kind == Kind::Drain;
        let command = if drains {
            Command::Drain { name, server: addr }
        } else {
            let wish = Wish {
                to: addr.filter(|_| fault.n == 1),
                timeout: (fault.n == 2).then_some(Span::ms(200)),
                dry_run: fault.n == 3,
            };
            Command::Switchover { name, wish }
        };
        if !drains && fault.n == 3 {
            return self.ask(h, command, None);
        }
        self.orders.count += 1;
        let id = OrderId(self.orders.count);
        let order = Order {
            group,
            former,
            drained: server.filter(|_| drains).map(|s| (s, fault.ms)),
            lacked: BTreeSet::new(),
        };
        self.orders.open.insert(id, order);
        self.ask_for(h, command, Waiting::Orderer(id));
    }

    /// A server became a master: what it lacks of what the former one wrote.
    pub(crate) fn note_successor(&mut self, s: usize) {
        let Some(new) = self.servers.get(s) else {
            return;
        };
        let group = new.group;
        for order in self.orders.open.values_mut().filter(|o| o.group == group) {
            let former = self.servers.iter().find(|s| s.addr == order.former && s.up);
            let Some(former) = former.filter(|former| former.node != new.node) else {
                continue;
            };
            let has: BTreeSet<u64> = new.history.writes.iter().map(|(_, n)| *n).collect();
            let written = former.history.writes.iter().map(|(_, n)| *n);
            order.lacked = written.filter(|n| !has.contains(n)).collect();
        }
    }

    /// The answer to an order.
    pub(crate) fn order_answered(&mut self, h: usize, id: OrderId, reply: &Reply) {
        let Some(order) = self.orders.open.remove(&id) else {
            return;
        };
        if *reply != Reply::OK {
            return;
        }
        self.stats.switchovers += 1;
        let lost = order.lacked.len();
        if lost > 0 {
            let text = format!("s{h} says OK to a switchover that lost {lost} writes");
            self.checks.fail("S17", text);
        }
        let now = self.master_addr(h, order.group);
        match order.drained {
            Some((s, ms)) => {
                let Some(server) = self.servers.get(s) else {
                    return;
                };
                let (addr, node) = (server.addr.clone(), server.node);
                if now == Some(addr) {
                    let text = format!("s{h} says that r{s} is drained, and that it is the master");
                    return self.checks.fail("S17", text);
                }
                self.crash_for(node, ms, 0);
            }
            None if now == Some(order.former) => {
                let text = format!("s{h} says OK to a switchover, and the master is the old one");
                self.checks.fail("S17", text);
            }
            None => {}
        }
    }
}
