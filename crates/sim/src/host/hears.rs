//! What reaches a Sentinel from its links, its disk, its scripts and its resolver.

use std::sync::Arc;

use bartizan_core::addr::Addr;
use bartizan_core::ids::{JobId, LinkId};
use bartizan_core::input::{Input, LinkError, ScriptEnd};
use bartizan_core::provide::query::Query;

use crate::msg::Msg;
use crate::sched::Ev;
use crate::world::World;

impl World {
    /// Whether a Sentinel still has this link.
    pub(crate) fn has_link(&self, h: usize, link: LinkId) -> bool {
        self.hosts
            .get(h)
            .is_some_and(|host| host.links.contains_key(&link))
    }

    /// A Sentinel's process forgets a link before its core hears of it.
    pub(crate) fn drop_link(&mut self, h: usize, link: LinkId) {
        if let Some(host) = self.hosts.get_mut(h) {
            host.links.remove(&link);
        }
    }

    /// A connection that this Sentinel opened stands, or could not be made.
    pub(crate) fn host_opened(&mut self, h: usize, link: u64, why_not: Option<LinkError>) {
        let link = LinkId::new(link);
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let Some(conn) = host.links.get(&link).map(|it| it.conn) else {
            return;
        };
        let local = host.ip;
        match why_not {
            None => {
                if self.bytes {
                    self.greet(conn);
                }
                self.host_input(h, Input::LinkUp { link, local });
            }
            Some(why) => {
                host.links.remove(&link);
                self.host_input(h, Input::LinkDown { link, why });
            }
        }
    }

    /// Something arrives at a Sentinel over a connection that it opened.
    pub(crate) fn host_hears(&mut self, h: usize, link: u64, msg: Msg) {
        let link = LinkId::new(link);
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        let Some(conn) = host.links.get(&link).map(|it| it.conn) else {
            return;
        };
        match msg {
            Msg::Bytes(bytes) => self.host_reads(h, link, conn, &bytes),
            Msg::Answer(call, answer) => {
                self.host_input(
                    h,
                    Input::Answer {
                        link,
                        call,
                        answer: *answer,
                    },
                );
            }
            Msg::Subscribed(talk) => self.host_input(h, Input::Subscribed { link, talk }),
            Msg::Heard(hello) => {
                let hello = hello.map(|hello| (*hello).clone());
                self.host_input(h, Input::Heard { link, hello });
            }
            Msg::Fin => {
                host.links.remove(&link);
                self.host_input(
                    h,
                    Input::LinkDown {
                        link,
                        why: LinkError::Closed,
                    },
                );
            }
            _ => {}
        }
    }

    /// A sync ends.
    pub(crate) fn host_synced(&mut self, h: usize, life: u32) {
        let Some(host) = self.hosts.get_mut(h) else {
            return;
        };
        if host.life != life {
            return;
        }
        if self.sched.now() < host.hung_until {
            return self.sched.at(host.hung_until, Ev::Synced(h, life));
        }
        let input = match host.disk.complete() {
            Some(Ok(seq)) => {
                if let Err(why) = host.disk.read() {
                    self.checks.fail("X2", format!("s{h}: {why}"));
                }
                Input::Persisted { seq }
            }
            Some(Err(seq)) => Input::PersistFailed {
                seq,
                why: Arc::from("No space left on device"),
            },
            None => return,
        };
        self.host_input(h, input);
    }

    /// A script ends. Every third run fails in a way that asks for another one.
    pub(crate) fn host_script_ended(&mut self, h: usize, life: u32, job: u64) {
        if self.hosts.get(h).is_some_and(|host| host.life == life) {
            let how = ScriptEnd::Exited(i32::from(job.is_multiple_of(3)));
            self.host_input(
                h,
                Input::ScriptEnded {
                    job: JobId::new(job),
                    how,
                },
            );
        }
    }

    /// A name was looked up; no name exists in this world.
    pub(crate) fn host_looked_up(&mut self, h: usize, life: u32) {
        let Some(host) = self.hosts.get_mut(h).filter(|host| host.life == life) else {
            return;
        };
        if let Some(name) = host.lookups.pop_front() {
            self.host_input(
                h,
                Input::Resolved {
                    host: name,
                    ip: None,
                },
            );
        }
    }

    /// What a Sentinel says a group's master's address is.
    pub(crate) fn master_addr(&self, h: usize, group: usize) -> Option<Addr> {
        let host = self.hosts.get(h)?;
        let now = host.clock.mono(self.sched.now());
        let query = Query::MasterAddr(self.groups.name(group)?.clone());
        crate::settle::addr_of_reply(&host.brain.as_ref()?.query(now, &query))
    }
}
