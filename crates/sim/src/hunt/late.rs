//! L1 and L2 in time: at the moment that a plan states, everything has to be right, though a
//! master may be lost for good and faults may go on elsewhere.

use bartizan_core::addr::Addr;

use crate::world::World;

impl World {
    /// The moment of `right_by_ms`: whoever is not done by now is late.
    pub(crate) fn look_whether_late(&mut self) {
        if let Some((property, text)) = (0..self.groups.len()).find_map(|g| self.late_in(g)) {
            self.checks.fail(property, text);
        }
    }

    fn late_in(&self, group: usize) -> Option<(&'static str, String)> {
        let mut agreed: Option<Addr> = None;
        let up = self.hosts.iter().filter(|host| host.brain.is_some());
        for host in up {
            let h = host.node;
            let Some(addr) = self.master_addr(h, group) else {
                return Some(("L1", format!("s{h} knows no master of m{group} by now")));
            };
            match &agreed {
                None => agreed = Some(addr),
                Some(other) if *other == addr => {}
                Some(other) => {
                    let text = format!("of m{group} one says {other} by now, and s{h} {addr}");
                    return Some(("L1", text));
                }
            }
        }
        let master = agreed?;
        let mine = (0..).zip(&self.servers);
        let mine = mine.filter(|(_, server)| server.group == group);
        for (s, server) in mine {
            if server.addr == master && !(server.up && server.is_master()) {
                let text = format!("m{group} still has no other master than r{s}");
                return Some(("L1", text));
            }
            if server.addr != master && server.up && !server.follows(&master) {
                return Some(("L2", format!("r{s} does not follow {master} by now")));
            }
        }
        None
    }
}
