//! S6: a server is promoted only by a Sentinel that holds a majority of the Sentinels it knows in
//! that epoch, and a quorum that the master is down. S8: nobody demotes the address of the newest
//! configuration it knows. X3: no role-changing command goes to a server of another group.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_core::addr::Addr;
use bartizan_core::ids::{CallId, Epoch, LinkId, MasterName, RunId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::notify::event::EventKind;
use bartizan_core::output::{Call, Output, ReplicaOf};
use bartizan_core::report::Opinion;

use super::attempts::Attempts;
use super::{Check, Scene, Seen, Target, Verdict, read};
use crate::groups::Groups;
use crate::net::Node;

type Key = (usize, usize);

/// What each Sentinel was told by its peers.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    attempts: Attempts,
    asked: BTreeMap<(usize, LinkId, CallId), (usize, Node, Addr)>,
    /// What each peer said last of a master, and of which address it said so.
    opinions: BTreeMap<Key, BTreeMap<Node, (Addr, Opinion)>>,
    votes: BTreeMap<(Key, Epoch), BTreeSet<Node>>,
    peers: BTreeMap<Key, BTreeSet<RunId>>,
    quorum: BTreeMap<Key, u32>,
}

impl Authority {
    fn boots(
        &mut self,
        groups: &Groups,
        host: usize,
        file: &bartizan_core::model::durable::Durable,
    ) {
        self.asked.retain(|(h, ..), _| *h != host);
        self.opinions.retain(|(h, _), _| *h != host);
        self.votes.retain(|((h, _), _), _| *h != host);
        self.peers.retain(|(h, _), _| *h != host);
        for state in &file.masters {
            let Some(group) = groups.by_name(&state.name) else {
                continue;
            };
            self.peers.insert(
                (host, group),
                state.sentinels.iter().map(|(id, _)| *id).collect(),
            );
            self.quorum
                .insert((host, group), state.options.quorum.get());
        }
    }

    fn hears(&mut self, scene: &Scene<'_>, link: LinkId, call: CallId, answer: &Answer) {
        let Some((group, peer, addr)) = self.asked.remove(&(scene.host, link, call)) else {
            return;
        };
        let Answer::Opinion(opinion) = answer else {
            return;
        };
        let key = (scene.host, group);
        if let Some(vote) = opinion.vote.filter(|vote| vote.leader == scene.id) {
            self.votes
                .entry((key, vote.epoch))
                .or_default()
                .insert(peer);
        }
        let said = (addr, *opinion);
        self.opinions.entry(key).or_default().insert(peer, said);
    }

    fn event(
        &mut self,
        scene: &Scene<'_>,
        group: usize,
        kind: EventKind,
        payload: &str,
    ) -> Verdict {
        let key = (scene.host, group);
        match kind {
            EventKind::Sentinel => {
                if let Some(id) = payload
                    .split(' ')
                    .nth(1)
                    .and_then(|id| RunId::parse(id.as_bytes()))
                {
                    self.peers.entry(key).or_default().insert(id);
                }
            }
            EventKind::SentinelInvalidAddr => {
                if let Some(id) = payload
                    .split(' ')
                    .nth(1)
                    .and_then(|id| RunId::parse(id.as_bytes()))
                {
                    self.peers
                        .iter_mut()
                        .filter(|((h, _), _)| *h == scene.host)
                        .for_each(|(_, ids)| {
                            ids.remove(&id);
                        });
                }
            }
            EventKind::ResetMaster | EventKind::Unmonitor => {
                self.peers.remove(&key);
                self.opinions.remove(&key);
            }
            // In force at once, and on its way to the disk.
            EventKind::Set => {
                let quorum = payload.split_once(" quorum ").map(|(_, quorum)| quorum);
                if let Some(quorum) = quorum.and_then(|quorum| quorum.parse().ok()) {
                    self.quorum.insert(key, quorum);
                }
            }
            EventKind::Odown => return self.quorum_holds(key),
            EventKind::ElectedLeader => return self.majority_holds(key),
            // The new one may have been asked about while the news of it waited for the disk.
            EventKind::SwitchMaster => {
                let new = read::addr_at(payload, 3);
                if let Some(opinions) = self.opinions.get_mut(&key) {
                    opinions.retain(|_, (addr, _)| Some(&*addr) == new.as_ref());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn quorum_holds(&self, key: Key) -> Verdict {
        let down = self
            .opinions
            .get(&key)
            .map_or(0, |all| all.values().filter(|(_, said)| said.down).count());
        let quorum = self.quorum.get(&key).copied().unwrap_or(1);
        if 1 + down as u64 >= u64::from(quorum) {
            return Ok(());
        }
        Err(format!(
            "m{} is objectively down by the word of {} of {quorum}",
            key.1,
            1 + down
        ))
    }

    fn majority_holds(&self, key: Key) -> Verdict {
        let Some(attempt) = self.attempts.of(key.0, key.1) else {
            return Err(format!("elected for m{} without standing", key.1));
        };
        if attempt.forced {
            return Ok(());
        }
        let votes = 1 + self
            .votes
            .get(&(key, attempt.epoch))
            .map_or(0, BTreeSet::len);
        let known = 1 + self.peers.get(&key).map_or(0, BTreeSet::len);
        let quorum =
            usize::try_from(self.quorum.get(&key).copied().unwrap_or(1)).unwrap_or(usize::MAX);
        if votes > known / 2 && votes >= quorum {
            return Ok(());
        }
        let epoch = attempt.epoch;
        Err(format!(
            "elected for m{} in epoch {epoch} by {votes} of {known}, quorum {quorum}",
            key.1
        ))
    }

    fn reconfigures(
        &self,
        groups: &Groups,
        scene: &Scene<'_>,
        to: &ReplicaOf,
        target: &Target,
    ) -> Verdict {
        let Some(group) = target.group else {
            return Err(format!(
                "{} is no server, and is told to follow {to:?}",
                target.addr
            ));
        };
        if target.stranger {
            return Err(format!(
                "{} is of another cluster, and is told to follow {to:?}",
                target.addr
            ));
        }
        match to {
            ReplicaOf::NoOne => {
                if self.attempts.of(scene.host, group).is_none() {
                    return Err(format!("{} is promoted without a failover", target.addr));
                }
            }
            ReplicaOf::Master(addr) => {
                if groups.by_addr(addr) != Some(group) {
                    return Err(format!(
                        "{} is told to follow {addr} of another group",
                        target.addr
                    ));
                }
                if *addr == target.addr {
                    return Err(format!("{addr} is told to follow itself"));
                }
                let newest = scene
                    .disk
                    .pending
                    .as_ref()
                    .map_or(&scene.disk.synced, |(_, file)| file);
                let name = groups.name(group);
                let state = name.and_then(|name| read::master(newest, name));
                if state.is_some_and(|state| state.configuration.addr == target.addr) {
                    return Err(format!(
                        "{} is the master, and is told to follow {addr}",
                        target.addr
                    ));
                }
            }
        }
        Ok(())
    }

    fn group_of_event(groups: &Groups, name: Option<&MasterName>) -> Option<usize> {
        name.and_then(|name| groups.by_name(name))
    }
}

impl Check for Authority {
    fn property(&self) -> &'static str {
        "S6/S8/X3"
    }

    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict {
        self.attempts.see(groups, scene, seen);
        match seen {
            Seen::Boot(file) => self.boots(groups, scene.host, file),
            Seen::Input(Input::Answer { link, call, answer }) => {
                self.hears(scene, *link, *call, answer)
            }
            Seen::Output(Output::Persist { durable, .. }, _) => {
                for state in &durable.masters {
                    if let Some(group) = groups.by_name(&state.name) {
                        self.quorum
                            .insert((scene.host, group), state.options.quorum.get());
                    }
                }
            }
            Seen::Output(
                Output::Call {
                    link, call, what, ..
                },
                Some(target),
            ) => match what {
                Call::Ask { addr, .. } => {
                    if let Some(group) = groups.by_addr(addr) {
                        self.asked.insert(
                            (scene.host, *link, *call),
                            (group, target.node, addr.clone()),
                        );
                    }
                }
                Call::Reconfigure(to) => return self.reconfigures(groups, scene, to, target),
                Call::Ping
                | Call::Info
                | Call::Publish(_)
                | Call::ScriptKill
                | Call::Pause { .. }
                | Call::Unpause
                | Call::ReadMinReplicas
                | Call::SetMinReplicas(_)
                | Call::TryPermissions => {}
            },
            Seen::Output(Output::Event(event), _) => {
                if let Some(group) = Self::group_of_event(groups, event.master.as_ref()) {
                    return self.event(scene, group, event.kind, &event.payload);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
