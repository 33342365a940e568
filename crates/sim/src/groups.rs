//! Which address and which name belong to which group of servers.

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::ids::MasterName;

/// The groups of a world.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    names: Vec<MasterName>,
    by_name: BTreeMap<MasterName, usize>,
    by_addr: BTreeMap<Addr, usize>,
}

impl Groups {
    /// Groups named `m0`, `m1`, … without members.
    pub fn new(count: usize) -> Self {
        let names: Vec<_> = (0..count)
            .map(|g| MasterName::new(&format!("m{g}")))
            .collect();
        let by_name = names.iter().cloned().zip(0..).collect();
        Self {
            names,
            by_name,
            by_addr: BTreeMap::new(),
        }
    }

    /// An address belongs to a group from here on.
    pub fn add(&mut self, addr: Addr, group: usize) {
        self.by_addr.insert(addr, group);
    }

    /// The name under which a group is monitored.
    pub fn name(&self, group: usize) -> Option<&MasterName> {
        self.names.get(group)
    }

    /// The group of that name.
    pub fn by_name(&self, name: &MasterName) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The group that an address belongs to.
    pub fn by_addr(&self, addr: &Addr) -> Option<usize> {
        self.by_addr.get(addr).copied()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
