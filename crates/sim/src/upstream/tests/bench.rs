//! A world of one upstream sentinel, with servers and peers that answer at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, LinkId, MasterName, PersistSeq, Quorum, RequestId, RunId};
use bartizan_core::input::{Answer, Input, LinkError};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::output::{Call, LinkKind, Output};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::options::{GlobalOptions, MasterOptions, Periods};
use bartizan_core::provide::query::Query;
use bartizan_core::provide::reply::Reply;
use bartizan_core::report::{Hello, Role};
use bartizan_core::sentinel::Boot;
use bartizan_core::time::{Mono, Span};

use crate::upstream::Upstream;

use super::fake::Fake;

pub(super) const DOWN_AFTER: u64 = 2000;
pub(super) const FAILOVER_TIMEOUT: u64 = 20_000;

pub(super) fn at(port: u16) -> Addr {
    Addr::new(Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), port)
}

pub(super) fn id(letter: char) -> RunId {
    RunId::parse(letter.to_string().repeat(40).as_bytes()).unwrap()
}

pub(super) fn mymaster() -> MasterName {
    MasterName::new("mymaster")
}

/// A state in which we are `a`, and know master 1, replicas 2 and 3, and the peers given, who
/// listen at 20000 plus their place in the alphabet.
pub(super) fn known(quorum: u32, peers: &[char]) -> Durable {
    let periods = Periods::default();
    let mut options = MasterOptions::new(Quorum::new(quorum).unwrap(), &periods);
    options.down_after = Span::ms(DOWN_AFTER);
    options.failover_timeout = Span::ms(FAILOVER_TIMEOUT);
    let master = MasterState {
        branches: Vec::new(),
        own_values: Vec::new(),
        name: mymaster(),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: at(1),
        },
        options,
        voted_epoch: Epoch::ZERO,
        replicas: vec![at(2), at(3)],
        sentinels: peers.iter().map(|p| (id(*p), peer_addr(*p))).collect(),
    };
    Durable {
        my_id: id('a'),
        current_epoch: Epoch::ZERO,
        options: GlobalOptions::default(),
        periods,
        masters: vec![master.into()],
    }
}

pub(super) fn peer_addr(letter: char) -> Addr {
    at(20_000 + u16::try_from(u32::from(letter) - u32::from('a')).unwrap())
}

pub(super) struct Bench {
    pub(super) sut: Upstream,
    pub(super) now: Mono,
    pub(super) fakes: BTreeMap<Addr, Fake>,
    /// Whether writes complete at once.
    pub(super) disk_works: bool,
    pub(super) writes: Vec<(PersistSeq, Durable)>,
    pub(super) events: Vec<(Mono, String)>,
    pub(super) calls: Vec<(Mono, Addr, Call)>,
    pub(super) connects: Vec<(Mono, Addr, LinkKind)>,
    /// What mute servers say to PING nevertheless.
    pub(super) ping_answer: Option<Answer>,
    links: BTreeMap<LinkId, (Addr, LinkKind)>,
    replies: Vec<Reply>,
    requests: u64,
}

impl Bench {
    /// One Bench: master 1 with replicas 2 and 3, and the peers that `durable` knows.
    pub(super) fn new(durable: Durable) -> Self {
        let now = Mono::from_ms(1_000_000);
        let mut fakes = BTreeMap::new();
        let mut master = Fake::server(Role::Master);
        master.info.replicas = vec![at(2), at(3)];
        fakes.insert(at(1), master);
        for (port, letter) in [(2, '2'), (3, '3')] {
            let mut replica = Fake::server(Role::Replica);
            replica.info.run_id = Some(id(letter));
            fakes.insert(at(port), replica);
        }
        for (_, addr) in durable.masters.iter().flat_map(|m| &m.sentinels) {
            fakes.insert(addr.clone(), Fake::server(Role::Replica));
        }
        let boot = Boot {
            durable,
            fresh: false,
            seed: 7,
            port: 20_000,
            own_password: None,
        };
        let mut bench = Self {
            sut: Upstream::new(boot, now),
            now,
            fakes,
            disk_works: true,
            writes: Vec::new(),
            events: Vec::new(),
            calls: Vec::new(),
            connects: Vec::new(),
            ping_answer: None,
            links: BTreeMap::new(),
            replies: Vec::new(),
            requests: 0,
        };
        bench.drain();
        bench
    }

    /// Lets `ms` milliseconds pass, tick by tick.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + Span::ms(ms);
        loop {
            let due = self.sut.next_deadline().unwrap();
            if due > end {
                break;
            }
            // A bench that was frozen comes late.
            self.now = self.now.max(due);
            self.sut.handle_timeout(self.now);
            self.drain();
            assert!(self.sut.next_deadline().unwrap() > self.now, "no progress");
        }
        self.now = end;
    }

    /// Runs until an event that begins with `start` happened, at most `ms`.
    pub(super) fn run_until(&mut self, start: &str, ms: u64) {
        let (end, from) = (self.now + Span::ms(ms), self.events.len());
        while !self.events[from..]
            .iter()
            .any(|(_, text)| text.starts_with(start))
        {
            assert!(
                self.now < end,
                "no {start} within {ms} ms: {:#?}",
                self.events
            );
            self.run(1);
        }
    }

    pub(super) fn give(&mut self, input: Input) {
        self.sut.handle(self.now, input);
        self.drain();
    }

    /// Sends a command and returns its reply.
    pub(super) fn ask(&mut self, command: Command) -> Reply {
        self.requests += 1;
        self.give(Input::Asked {
            request: RequestId::new(self.requests),
            command,
        });
        self.replies.pop().expect("an answer")
    }

    /// A peer asks about the master at port 1 and wants a vote.
    pub(super) fn ask_vote(&mut self, epoch: u64, candidate: char) -> (i64, String, i64) {
        let ask = Ask {
            addr: Some(at(1)),
            epoch: Some(Epoch::new(epoch)),
            candidate: Some(id(candidate)),
        };
        let Reply::Array(parts) = self.ask(Command::Ask(ask)) else {
            panic!("no array")
        };
        match parts.as_slice() {
            [
                Reply::Integer(down),
                Reply::Bulk(leader),
                Reply::Integer(epoch),
            ] => (*down, leader.chars().take(1).collect(), *epoch),
            other => panic!("{other:?}"),
        }
    }

    /// A peer announces itself, an epoch, and a configuration.
    pub(super) fn hello(&mut self, from: char, current: u64, config: u64, master: u16) {
        let hello = Hello {
            from: peer_addr(from),
            id: id(from),
            current_epoch: Epoch::new(current),
            master: mymaster(),
            configuration: Configuration {
                epoch: Epoch::new(config),
                addr: at(master),
            },
        };
        self.fakes
            .entry(peer_addr(from))
            .or_insert_with(|| Fake::server(Role::Replica));
        self.ask(Command::Publish { hello: Some(hello) });
    }

    pub(super) fn fake(&mut self, addr: Addr) -> &mut Fake {
        self.fakes.get_mut(&addr).unwrap()
    }

    /// The process at `addr` dies: its connections reset, new ones are refused.
    pub(super) fn kill(&mut self, addr: &Addr) {
        self.fake(addr.clone()).up = false;
        let dead: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, (to, _))| to == addr)
            .map(|(link, _)| *link)
            .collect();
        for link in dead {
            self.links.remove(&link);
            self.give(Input::LinkDown {
                link,
                why: LinkError::Closed,
            });
        }
    }

    /// The Pub/Sub connection to `addr`.
    pub(super) fn pubsub_link(&self, addr: &Addr) -> LinkId {
        let found = self
            .links
            .iter()
            .find(|(_, (to, kind))| to == addr && *kind == LinkKind::PubSub);
        *found.expect("a Pub/Sub link").0
    }

    /// Every peer holds the master to be down and votes for whoever asks first.
    pub(super) fn peers_agree(&mut self) {
        for (_, fake) in self
            .fakes
            .iter_mut()
            .filter(|(addr, _)| addr.port >= 20_000)
        {
            fake.says_down = true;
            fake.votes = true;
        }
    }

    pub(super) fn master_addr(&self) -> String {
        match self.sut.query(self.now, &Query::MasterAddr(mymaster())) {
            Reply::Array(parts) => match parts.as_slice() {
                [_, Reply::Bulk(port)] => port.to_string(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Names of the events so far, without their payloads.
    pub(super) fn event_names(&self) -> Vec<&str> {
        self.events
            .iter()
            .map(|(_, text)| text.split(' ').next().unwrap())
            .collect()
    }

    pub(super) fn has_event(&self, start: &str) -> bool {
        self.events.iter().any(|(_, text)| text.starts_with(start))
    }

    /// When the last event that begins with `start` happened.
    pub(super) fn when(&self, start: &str) -> u64 {
        let found = self
            .events
            .iter()
            .rev()
            .find(|(_, text)| text.starts_with(start));
        found
            .unwrap_or_else(|| panic!("no {start}: {:#?}", self.events))
            .0
            .as_ms()
    }

    /// The milliseconds at which a call like `what` went to `addr`.
    pub(super) fn times(&self, addr: &Addr, what: impl Fn(&Call) -> bool) -> Vec<u64> {
        let fits = |(_, to, call): &&(Mono, Addr, Call)| to == addr && what(call);
        self.calls
            .iter()
            .filter(fits)
            .map(|(when, _, _)| when.as_ms())
            .collect()
    }

    pub(super) fn last_write(&self) -> &Durable {
        &self.writes.last().expect("a write").1
    }

    /// Carries out everything asked for, until nothing is.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.sut.poll_output() {
            match output {
                Output::Connect {
                    link,
                    kind,
                    ip,
                    port,
                    ..
                } => self.connect(link, kind, ip, port),
                Output::Close { link } => drop(self.links.remove(&link)),
                Output::Call {
                    link, call, what, ..
                } => {
                    let (addr, _) = self.links.get(&link).expect("a live link").clone();
                    self.calls.push((self.now, addr.clone(), what.clone()));
                    if let Some(answer) = self.fake_answer(&addr, &what) {
                        self.sut
                            .handle(self.now, Input::Answer { link, call, answer });
                    }
                }
                Output::Event(event) => {
                    let text = format!("{} {}", event.kind.name(), event.payload);
                    self.events.push((self.now, text));
                }
                Output::Answer { reply, .. } => self.replies.push(reply),
                Output::Persist { seq, durable } => {
                    self.writes.push((seq, *durable));
                    if self.disk_works {
                        self.sut.handle(self.now, Input::Persisted { seq });
                    }
                }
                Output::Log { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    fn fake_answer(&mut self, addr: &Addr, call: &Call) -> Option<Answer> {
        let fake = self.fakes.get_mut(addr)?;
        if fake.mute {
            return self.ping_answer.clone().filter(|_| is_ping(call));
        }
        Some(fake.answer(call))
    }

    fn connect(&mut self, link: LinkId, kind: LinkKind, ip: IpAddr, port: u16) {
        let addr = Addr::new(Host::Ip(ip), port);
        self.connects.push((self.now, addr.clone(), kind));
        let input = match self.fakes.get(&addr) {
            Some(fake) if fake.up => {
                self.links.insert(link, (addr, kind));
                Input::LinkUp { link, local: ip }
            }
            _ => Input::LinkDown {
                link,
                why: LinkError::Refused,
            },
        };
        self.sut.handle(self.now, input);
    }
}

/// Whether a call is this kind of thing.
pub(super) fn is_info(call: &Call) -> bool {
    matches!(call, Call::Info)
}

pub(super) fn is_ping(call: &Call) -> bool {
    matches!(call, Call::Ping)
}

pub(super) fn is_publish(call: &Call) -> bool {
    matches!(call, Call::Publish(_))
}

pub(super) fn is_ask(call: &Call) -> bool {
    matches!(call, Call::Ask { .. })
}

/// A failure text for the disk.
pub(super) fn disk_full() -> Arc<str> {
    Arc::from("No space left on device")
}
