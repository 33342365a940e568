//! S10: in TILT nothing acts: nobody is held to be down, nothing is failed over, no server's
//! role is changed, and peers are told that nothing is down.

use std::collections::BTreeSet;

use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, Output};

use super::{Check, Scene, Seen, Verdict, read};
use crate::groups::Groups;

/// Who is in TILT.
#[derive(Debug, Default)]
pub(crate) struct Tilt {
    tilted: BTreeSet<usize>,
}

impl Check for Tilt {
    fn property(&self) -> &'static str {
        "S10"
    }

    fn see(&mut self, _groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let tilted = self.tilted.contains(&scene.host);
        match seen {
            Seen::Boot(_) => {
                self.tilted.remove(&scene.host);
            }
            Seen::Output(Output::Event(event), _) => match event.kind {
                EventKind::Tilt => {
                    self.tilted.insert(scene.host);
                }
                EventKind::TiltEnd => {
                    self.tilted.remove(&scene.host);
                }
                EventKind::Sdown
                | EventKind::Odown
                | EventKind::ElectedLeader
                | EventKind::SelectedSlave
                | EventKind::ConvertToSlave
                | EventKind::FixSlaveConfig
                    if tilted =>
                {
                    return Err(format!("{} {} in TILT", event.kind.name(), event.payload));
                }
                _ => {}
            },
            Seen::Output(
                Output::Call {
                    what: Call::Reconfigure(to),
                    ..
                },
                target,
            ) if tilted => {
                return Err(format!("{target:?} is told {to:?} in TILT"));
            }
            Seen::Output(Output::Answer { reply, .. }, _) if tilted => {
                if let Some((true, _)) = read::opinion(reply) {
                    return Err("a peer is told in TILT that a master is down".to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}
