//! S16: a pause of writes that a Sentinel asked for always ends: none is asked for longer than its
//! kind may last, and one for a switchover is taken back as soon as that is over. A master that is
//! cut off is held back in slices, which are renewed for so long and no longer.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::ids::LinkId;
use bartizan_core::input::Input;
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, Output};
use bartizan_core::time::{Mono, Span};

use super::{Check, Scene, Seen, Verdict, instance};
use crate::groups::Groups;

/// No pause is asked for longer than that of a former master, in milliseconds.
const LONGEST_MS: u64 = 5000;
/// Nor one for a switchover than this, or half of `down-after-milliseconds`.
const SWITCHOVER_MS: u64 = 1000;
/// The slices in which a master that is cut off is held back, and how long they may do so in all.
const SLICE_MS: u64 = 300;
const HOLD_MS: u64 = 1200;
/// Who has had this long after the end of a pause, and that many occasions, has forgotten it. What
/// is told of it may stand behind two writes on a slow disk, of three seconds each.
const PATIENCE_MS: u64 = 8000;
const OCCASIONS: u32 = 20;

/// Writes held back for a switchover.
#[derive(Clone, Debug)]
struct Held {
    link: LinkId,
    until: Mono,
    /// The first look at the Sentinel after that, and how many there were.
    late: Option<(Mono, u32)>,
}

/// A master that is cut off, held back since then.
#[derive(Clone, Copy, Debug)]
struct Hold {
    since: Mono,
    /// A slice was asked for that ends later than it may. If a hold of its own begins with it, that
    /// is told in the same breath.
    too_long: bool,
}

/// The pauses under way.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// Over which link a server was asked to pause last, and when: the Sentinel counts from there.
    asked: BTreeMap<(usize, Addr), (LinkId, Mono)>,
    held: BTreeMap<(usize, usize), Held>,
    holds: BTreeMap<(usize, LinkId), Hold>,
    /// Who is in TILT and so does not act: what becomes of a failover is decided after it. A server
    /// ends its pause by itself meanwhile.
    tilted: BTreeSet<usize>,
}

impl Pauses {
    fn event(
        &mut self,
        scene: &Scene<'_>,
        group: usize,
        kind: EventKind,
        payload: &str,
    ) -> Verdict {
        let key = (scene.host, group);
        let asked = instance(payload).and_then(|(_, addr)| self.asked.get(&(scene.host, addr)));
        let asked = asked.copied();
        match kind {
            EventKind::Fenced if payload.starts_with("master ") => {
                let Some((link, since)) = asked else {
                    return Err(format!("m{group} is said to be held back, unasked"));
                };
                let too_long = false;
                let hold = Hold { since, too_long };
                self.holds.insert((scene.host, link), hold);
            }
            EventKind::WritesPaused => {
                let ms = payload
                    .rsplit(' ')
                    .next()
                    .and_then(|ms| ms.parse::<u64>().ok());
                let (Some(ms), Some((link, asked_at))) = (ms, asked) else {
                    return Err(format!("writes of m{group} are paused unasked: {payload}"));
                };
                if ms > SWITCHOVER_MS {
                    return Err(format!("a switchover pauses m{group} for {ms} ms"));
                }
                // A pause of its own that happens to be as long as a slice.
                self.holds.remove(&(scene.host, link));
                let held = Held {
                    link,
                    until: Mono::from_ms(asked_at.as_ms() + ms),
                    late: None,
                };
                self.held.insert(key, held);
            }
            EventKind::WritesReleased => {
                let over = |held: &Held| scene.mono >= held.until;
                if self.held.get(&key).is_some_and(over) {
                    self.held.remove(&key);
                }
            }
            EventKind::Unmonitor => {
                self.held.remove(&key);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether anybody has forgotten a pause.
    fn look(&mut self, scene: &Scene<'_>) -> Verdict {
        let now = scene.mono;
        let held = self.holds.iter().filter(|((h, _), _)| *h == scene.host);
        if let Some((_, hold)) = held.into_iter().find(|(_, hold)| hold.too_long) {
            return Err(format!(
                "a master is held back since {:?}, now {now:?}",
                hold.since
            ));
        }
        if self.tilted.contains(&scene.host) {
            return Ok(());
        }
        let mine = self.held.iter_mut().filter(|((h, _), _)| *h == scene.host);
        for ((_, group), held) in mine.filter(|(_, held)| held.until <= now) {
            let (since, occasions) = held.late.get_or_insert((now, 0));
            *occasions += 1;
            if now.since(*since).as_ms() > PATIENCE_MS && *occasions > OCCASIONS {
                return Err(format!("the pause of m{group} was never taken back"));
            }
        }
        Ok(())
    }
}

impl Check for Pauses {
    fn property(&self) -> &'static str {
        "S16"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Boot(_) => {
                self.asked.retain(|(h, _), _| *h != scene.host);
                self.held.retain(|(h, _), _| *h != scene.host);
                self.holds.retain(|(h, _), _| *h != scene.host);
                self.tilted.remove(&scene.host);
            }
            Seen::Output(Output::Event(event), _) if event.kind == EventKind::Tilt => {
                self.tilted.insert(scene.host);
            }
            Seen::Output(Output::Event(event), _) if event.kind == EventKind::TiltEnd => {
                self.tilted.remove(&scene.host);
                let mine = self.held.iter_mut().filter(|((h, _), _)| *h == scene.host);
                mine.for_each(|(_, held)| held.late = None);
            }
            Seen::Output(Output::Call { link, what, .. }, Some(target)) => match what {
                Call::Pause { span } => {
                    if span.as_ms() > LONGEST_MS {
                        return Err(format!("{} is paused for {span:?}", target.addr));
                    }
                    let end = scene.mono + *span;
                    if let Some(hold) = self.holds.get_mut(&(scene.host, *link))
                        && span.as_ms() == SLICE_MS
                    {
                        hold.too_long = end > hold.since + Span::ms(HOLD_MS);
                    }
                    let asked = (scene.host, target.addr.clone());
                    self.asked.insert(asked, (*link, scene.mono));
                }
                Call::Unpause => self
                    .held
                    .retain(|(h, _), held| (*h, held.link) != (scene.host, *link)),
                _ => {}
            },
            Seen::Input(Input::LinkDown { link, .. }) | Seen::Output(Output::Close { link }, _) => {
                self.held
                    .retain(|(h, _), held| (*h, held.link) != (scene.host, *link));
                self.holds.remove(&(scene.host, *link));
            }
            Seen::Output(Output::Event(event), _) => {
                let group = event.master.as_ref().and_then(|name| groups.by_name(name));
                if let Some(group) = group {
                    return self.event(scene, group, event.kind, &event.payload);
                }
            }
            Seen::Drained { .. } => return self.look(scene),
            _ => {}
        }
        Ok(())
    }
}
