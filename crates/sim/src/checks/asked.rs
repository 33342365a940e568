//! Which INFO each Sentinel waits for, and what it says when it comes.

use std::collections::BTreeMap;

use bartizan_core::ids::{CallId, LinkId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::output::{Call, Output};
use bartizan_core::report::Info;

use super::{Scene, Seen, Target};
use crate::sched::At;

/// The questions without an answer, by Sentinel.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<(usize, LinkId, CallId), (Target, At)>);

/// An INFO that has come.
pub(super) struct Heard<'a> {
    /// Who was asked.
    pub(super) target: Target,
    /// When.
    pub(super) at: At,
    /// Over which link.
    pub(super) link: LinkId,
    pub(super) info: &'a Info,
}

impl Asked {
    /// Takes note of what is seen; gives an INFO that comes with it.
    pub(super) fn follow<'a>(&mut self, scene: &Scene<'_>, seen: &Seen<'a>) -> Option<Heard<'a>> {
        let host = scene.host;
        match *seen {
            Seen::Boot(_) => self.0.retain(|(h, ..), _| *h != host),
            Seen::Output(
                Output::Call {
                    link,
                    call,
                    what: Call::Info,
                    ..
                },
                Some(target),
            ) => {
                let asked = (target.clone(), scene.at);
                self.0.insert((host, *link, *call), asked);
            }
            Seen::Input(Input::LinkDown { link, .. }) | Seen::Output(Output::Close { link }, _) => {
                self.0.retain(|(h, l, _), _| (*h, *l) != (host, *link));
            }
            Seen::Input(Input::Answer {
                link,
                call,
                answer: Answer::Info(info),
            }) => {
                let (target, at) = self.0.remove(&(host, *link, *call))?;
                let link = *link;
                return Some(Heard {
                    target,
                    at,
                    link,
                    info,
                });
            }
            _ => {}
        }
        None
    }
}
