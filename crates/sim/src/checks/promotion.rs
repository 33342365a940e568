//! S7: the promoted replica was eligible, and the best by priority, offset and run id, on what
//! the leader knew, unless an operator named one; one of priority 0 never is (spec §10.2).

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{LinkId, RequestId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{LinkKind, Output};
use bartizan_core::provide::command::Command;
use bartizan_core::report::{Info, Role};
use bartizan_core::time::Mono;

use super::asked::{Asked, Heard};
use super::{Check, Scene, Seen, Verdict, read};
use crate::groups::Groups;
use crate::server::outside;

/// Only an INFO this fresh makes another replica a rival beyond doubt, in milliseconds.
const FRESH_MS: u64 = 900;

/// Whoever gave no valid answer to a PING for longer, in milliseconds, cannot be promoted
/// (spec §10.2). One that has refused something since may have told its INFO again, but no PONG
/// yet. (A PONG itself is not shown to checks.)
const SILENT_MS: u64 = 5000;
/// But a leader waits for that PONG so long after its election.
const PATIENCE_MS: u64 = 300;

/// What each Sentinel last read from each server.
#[derive(Debug, Default)]
pub(crate) struct Promotion {
    asked: Asked,
    /// With the moment, and the link that told it.
    known: BTreeMap<(usize, Addr), (Info, Mono, LinkId)>,
    replicas: BTreeSet<(usize, Addr)>,
    down: BTreeSet<(usize, Addr)>,
    /// When each last told a switch, by group.
    switched: BTreeMap<(usize, Option<usize>), Mono>,
    links: BTreeMap<(usize, LinkId), (Addr, bool)>,
    /// When each last refused something, as it does while a script holds it.
    refused: BTreeMap<(usize, Addr), Mono>,
    /// When each was elected last, by group.
    elected: BTreeMap<(usize, Option<usize>), Mono>,
    /// Orders under way that name the next master, or one that it must not be.
    wishes: BTreeMap<(usize, RequestId), usize>,
}

/// How good a replica is: less is better.
fn rank(info: &Info) -> (u32, std::cmp::Reverse<u64>, String) {
    let id = info
        .run_id
        .map_or_else(|| "~".to_owned(), |id| id.as_str().to_ascii_lowercase());
    (
        info.priority.unwrap_or(100),
        std::cmp::Reverse(info.offset.unwrap_or(0)),
        id,
    )
}

impl Promotion {
    fn selected(&self, groups: &Groups, scene: &Scene<'_>, addr: &Addr) -> Verdict {
        let host = scene.host;
        let Some((info, ..)) = self.known.get(&(host, addr.clone())) else {
            return Err(format!("{addr} is selected and has never answered INFO"));
        };
        if info.priority == Some(0) {
            return Err(format!("{addr} is selected with priority 0"));
        }
        if self.down.contains(&(host, addr.clone())) {
            return Err(format!("{addr} is selected and held to be down"));
        }
        let group = groups.by_addr(addr);
        let mut wishes = self.wishes.iter();
        if wishes.any(|((h, _), of)| *h == host && Some(*of) == group) {
            return Ok(());
        }
        let chosen = rank(info);
        let elected = self.elected.get(&(host, group));
        let waited = elected.is_none_or(|at| scene.mono.since(*at).as_ms() >= PATIENCE_MS);
        let better = self.known.iter().find(|((h, other), (info, at, link))| {
            *h == host
                && other != addr
                && groups.by_addr(other) == group
                && self.replicas.contains(&(host, other.clone()))
                && !self.down.contains(&(host, other.clone()))
                && self.links.contains_key(&(host, *link))
                && self.links_up(host, other)
                && scene.mono.since(*at).as_ms() < FRESH_MS
                && !(waited && self.is_refusing(scene, other))
                && info.role == Some(Role::Replica)
                && info.master != Some(outside())
                && info.master_link_down_for.as_ms() == 0
                && info.priority.is_some_and(|priority| priority > 0)
                && rank(info) < chosen
        });
        match better {
            None => Ok(()),
            Some(((_, other), (better, ..))) => Err(format!(
                "{addr} {chosen:?} is selected; {other} {:?} is better",
                rank(better)
            )),
        }
    }

    /// An INFO has come. What it does not tell stays as it was known.
    fn hears(&mut self, scene: &Scene<'_>, heard: Heard<'_>) {
        let key = (scene.host, heard.target.addr);
        let mut info = heard.info.clone();
        if let Some((old, ..)) = self.known.get(&key) {
            info.priority = info.priority.or(old.priority);
            info.offset = info.offset.or(old.offset);
        }
        self.known.insert(key, (info, scene.mono, heard.link));
    }

    /// Both connections to a server stand.
    fn links_up(&self, host: usize, addr: &Addr) -> bool {
        let up = |((h, _), (to, up)): &(&(usize, LinkId), &(Addr, bool))| {
            *h == host && to == addr && *up
        };
        self.links.iter().filter(up).count() >= 2
    }

    /// Whether it refused something lately, and so may owe a PONG.
    fn is_refusing(&self, scene: &Scene<'_>, addr: &Addr) -> bool {
        let last = self.refused.get(&(scene.host, addr.clone()));
        last.is_some_and(|at| scene.mono.since(*at).as_ms() <= SILENT_MS)
    }

    fn event(
        &mut self,
        groups: &Groups,
        scene: &Scene<'_>,
        kind: EventKind,
        payload: &str,
    ) -> Verdict {
        if kind == EventKind::SwitchMaster
            && let Some(new) = read::addr_at(payload, 3)
        {
            let group = (scene.host, groups.by_addr(&new));
            self.switched.insert(group, scene.mono);
            self.replicas.remove(&(scene.host, new.clone()));
            // Both take another place, and are judged afresh in it.
            let places = read::addr_at(payload, 1).into_iter().chain([new]);
            for addr in places {
                self.down.remove(&(scene.host, addr));
            }
            return Ok(());
        }
        let Some((what, addr)) = read::instance(payload) else {
            return Ok(());
        };
        let key = (scene.host, addr);
        match (kind, what) {
            (EventKind::ElectedLeader, _) => {
                let group = groups.by_addr(&key.1);
                self.elected.insert((scene.host, group), scene.mono);
            }
            // Also one that was forgotten and found again, about which nothing is known yet. But a
            // switch names every replica again, and forgets nothing of it.
            (EventKind::Slave, _) => {
                let group = (scene.host, groups.by_addr(&key.1));
                if self.switched.get(&group) != Some(&scene.mono) {
                    self.down.remove(&key);
                }
                self.replicas.insert(key);
            }
            (EventKind::Sdown, "slave") => {
                self.down.insert(key);
            }
            (EventKind::SdownEnd, "slave") => {
                self.down.remove(&key);
            }
            (EventKind::SelectedSlave, _) => {
                // The master itself is no choice, whatever it calls itself.
                if let Some(master) = read::addr_at(payload, 6) {
                    self.replicas.remove(&(scene.host, master));
                }
                return self.selected(groups, scene, &key.1);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Check for Promotion {
    fn property(&self) -> &'static str {
        "S7"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        let host = scene.host;
        if let Some(heard) = self.asked.follow(scene, seen) {
            self.hears(scene, heard);
        }
        match seen {
            Seen::Boot(_) => {
                self.known.retain(|(h, _), _| *h != host);
                self.replicas.retain(|(h, _)| *h != host);
                self.down.retain(|(h, _)| *h != host);
                self.links.retain(|(h, _), _| *h != host);
                self.refused.retain(|(h, _), _| *h != host);
                self.elected.retain(|(h, _), _| *h != host);
                self.switched.retain(|(h, _), _| *h != host);
                self.wishes.retain(|(h, _), _| *h != host);
            }
            Seen::Input(Input::Asked {
                request,
                command: Command::Switchover { name, .. } | Command::Drain { name, .. },
            }) => {
                if let Some(group) = groups.by_name(name) {
                    self.wishes.insert((host, *request), group);
                }
            }
            Seen::Output(Output::Answer { request, .. }, _) => {
                self.wishes.remove(&(host, *request));
            }
            Seen::Output(
                Output::Connect {
                    link,
                    kind: LinkKind::Command | LinkKind::PubSub,
                    ip,
                    port,
                    ..
                },
                _,
            ) => {
                let addr = Addr::new(Host::Ip(*ip), *port);
                self.links.insert((host, *link), (addr, false));
            }
            Seen::Input(Input::LinkUp { link, .. }) => {
                if let Some((_, up)) = self.links.get_mut(&(host, *link)) {
                    *up = true;
                }
            }
            Seen::Input(Input::Answer {
                link,
                answer: Answer::Busy | Answer::Error(_),
                ..
            }) => {
                if let Some((addr, _)) = self.links.get(&(host, *link)) {
                    self.refused.insert((host, addr.clone()), scene.mono);
                }
            }
            Seen::Input(Input::LinkDown { link, .. }) | Seen::Output(Output::Close { link }, _) => {
                self.links.remove(&(host, *link));
            }
            Seen::Output(Output::Event(event), _) => {
                return self.event(groups, scene, event.kind, &event.payload);
            }
            _ => {}
        }
        Ok(())
    }
}
