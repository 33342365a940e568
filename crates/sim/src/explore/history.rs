//! What was revealed so far in a world, as far as later words can contradict it (S1, S2, S3).

use std::sync::Arc;

use super::node::Fact;

/// Sorted lists: small, and the same for the same past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Sentinel, epoch, whom its vote went to.
    votes: Vec<(u8, u64, u8)>,
    /// Epoch, who was elected.
    leaders: Vec<(u64, u8)>,
    /// Configuration epoch, server.
    masters: Vec<(u64, u8)>,
}

impl History {
    /// Takes a fact in; the words say which property it breaks.
    pub fn see(&mut self, by: u8, fact: Fact) -> Result<(), Arc<str>> {
        match fact {
            Fact::Vote(epoch, leader) => {
                let known = self.votes.iter().find(|v| (v.0, v.1) == (by, epoch));
                match known.map(|v| v.2) {
                    None => insert(&mut self.votes, (by, epoch, leader)),
                    Some(first) if first == leader => {}
                    Some(first) => {
                        let text =
                            format!("S1: s{by} votes for s{leader} and s{first} in epoch {epoch}");
                        return Err(text.into());
                    }
                }
            }
            Fact::Elected(epoch) => {
                let known = self.leaders.iter().find(|leader| leader.0 == epoch);
                match known.map(|leader| leader.1) {
                    None => insert(&mut self.leaders, (epoch, by)),
                    Some(first) if first == by => {}
                    Some(first) => {
                        let text = format!("S2: s{by} and s{first} are elected in epoch {epoch}");
                        return Err(text.into());
                    }
                }
            }
            // Epoch zero is what operators wrote.
            Fact::Configured(0, _) => {}
            Fact::Configured(epoch, at) => {
                let known = self.masters.iter().find(|master| master.0 == epoch);
                match known.map(|master| master.1) {
                    None => insert(&mut self.masters, (epoch, at)),
                    Some(first) if first == at => {}
                    Some(first) => {
                        let text = format!(
                            "S3: in epoch {epoch} s{by} names server {at}, where {first} was named"
                        );
                        return Err(text.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// How many were elected.
    pub fn elections(&self) -> usize {
        self.leaders.len()
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, item: T) {
    let at = list.partition_point(|known| *known < item);
    list.insert(at, item);
}
