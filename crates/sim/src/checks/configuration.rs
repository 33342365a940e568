//! S3: for each master and configuration epoch there is one address, in every hello and file.

use std::collections::BTreeMap;

use bartizan_core::addr::Addr;
use bartizan_core::ids::{Epoch, MasterName};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::output::{Call, Output};

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// The address of each epoch. Epoch zero is what operators wrote, each as they liked.
#[derive(Debug, Default)]
pub(crate) struct OneAddress {
    known: BTreeMap<(MasterName, Epoch), (Addr, usize)>,
}

impl OneAddress {
    fn told(&mut self, host: usize, name: &MasterName, told: &Configuration) -> Verdict {
        if told.epoch == Epoch::ZERO {
            return Ok(());
        }
        let key = (name.clone(), told.epoch);
        let (first, by) = self
            .known
            .entry(key)
            .or_insert_with(|| (told.addr.clone(), host));
        if *first == told.addr {
            return Ok(());
        }
        Err(format!(
            "{name} is at {} in epoch {}, but s{by} said {first}",
            told.addr, told.epoch
        ))
    }
}

impl Check for OneAddress {
    fn property(&self) -> &'static str {
        "S3"
    }

    fn see(&mut self, _groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Output(
                Output::Call {
                    what: Call::Publish(hello),
                    ..
                },
                _,
            ) => self.told(scene.host, &hello.master, &hello.configuration),
            Seen::Output(Output::Persist { durable, .. }, _) => durable
                .masters
                .iter()
                .try_for_each(|state| self.told(scene.host, &state.name, &state.configuration)),
            _ => Ok(()),
        }
    }
}
