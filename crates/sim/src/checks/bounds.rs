//! S13: bounds. Few outputs to an input, writes and calls numbered in order, few calls pending on
//! a link, and after `handle_timeout` a deadline that lies ahead.

use std::collections::BTreeMap;

use bartizan_core::ids::{LinkId, PersistSeq};
use bartizan_core::input::Input;
use bartizan_core::output::{Call, Output};

use super::{Check, Scene, Seen, Verdict};
use crate::groups::Groups;

/// Outputs to one input, for each server or peer that is watched. Answers do not count: each has a
/// question of its own, and many may have waited for one slow write.
const OUTPUTS_EACH: u64 = 64;

/// What is under way at each Sentinel.
#[derive(Debug)]
pub(crate) struct Bounds {
    watched: u64,
    pending_most: u64,
    pending: BTreeMap<(usize, LinkId), u64>,
    seq: BTreeMap<usize, PersistSeq>,
    /// Answers since the last input.
    answers: u64,
}

impl Bounds {
    /// Bounds for a world in which each Sentinel watches this many masters, and this many
    /// servers and peers.
    pub(crate) const fn new(masters: u64, watched: u64) -> Self {
        let pending_most = bartizan_core::limits::PENDING_CALLS as u64 * masters;
        Self {
            watched,
            pending_most,
            pending: BTreeMap::new(),
            seq: BTreeMap::new(),
            answers: 0,
        }
    }
}

impl Check for Bounds {
    fn property(&self) -> &'static str {
        "S13"
    }

    fn see(&mut self, _groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        match seen {
            Seen::Boot(_) => {
                self.pending.retain(|(h, _), _| *h != host);
                self.seq.remove(&host);
            }
            Seen::Input(Input::LinkDown { link, .. }) | Seen::Output(Output::Close { link }, _) => {
                self.pending.remove(&(host, *link));
            }
            Seen::Input(Input::Answer { link, answer, .. })
                if !matches!(answer, bartizan_core::input::Answer::Pong) =>
            {
                if let Some(pending) = self.pending.get_mut(&(host, *link)) {
                    *pending = pending.saturating_sub(1);
                }
            }
            Seen::Output(Output::Call { link, what, .. }, _) if !matches!(what, Call::Ping) => {
                let pending = self.pending.entry((host, *link)).or_default();
                *pending += 1;
                if *pending > self.pending_most {
                    return Err(format!("{pending} calls are pending on {link:?}"));
                }
            }
            Seen::Output(Output::Persist { seq, .. }, _)
                if self.seq.insert(host, *seq).is_some_and(|last| *seq <= last) =>
            {
                return Err(format!("write {seq:?} comes after a later one"));
            }
            Seen::Output(Output::Answer { .. }, _) => self.answers += 1,
            Seen::Drained {
                outputs,
                next,
                timed,
                ..
            } => {
                let outputs = outputs.saturating_sub(std::mem::take(&mut self.answers));
                if outputs > 100 + OUTPUTS_EACH * self.watched {
                    return Err(format!("{outputs} outputs to one input"));
                }
                if *timed && next.is_some_and(|next| next <= scene.mono) {
                    return Err(format!(
                        "the next deadline is {next:?}, at {:?}",
                        scene.mono
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
