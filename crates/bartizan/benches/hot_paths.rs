//! The paths that a Sentinel of a thousand masters takes thousands of times a second, alone:
//! `cargo xtask bench micro`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros make the items, and a bench that panics has failed"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{CallId, Epoch, LinkId, MasterName, Quorum, RunId};
use bartizan_core::input::{Answer, Input};
use bartizan_core::model::configuration::Configuration;
use bartizan_core::model::durable::{Durable, MasterState};
use bartizan_core::output::{Call, LinkKind, Output};
use bartizan_core::provide::options::{GlobalOptions, MasterOptions, Periods, Renames};
use bartizan_core::report::{Hello, Info, Role};
use bartizan_core::sentinel::{Boot, Sentinel};
use bartizan_core::time::{Mono, Span};
use bartizan_wire::resp::{Limits, ReplyDecoder, RequestDecoder, command};
use bartizan_wire::{call, hello, info};
use criterion::{Criterion, criterion_group, criterion_main};

const MASTERS: usize = 1000;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

criterion_group!(hot_paths, wire, core, conf);
criterion_main!(hot_paths);

fn wire(criterion: &mut Criterion) {
    let mut request = Vec::new();
    command(
        &["SENTINEL", "get-master-addr-by-name", "m00042"],
        &mut request,
    );
    criterion.bench_function("resp: decode a request", |bench| {
        let mut decoder = RequestDecoder::new(Limits::CLIENT);
        bench.iter(|| decoder.decode(black_box(&request)).unwrap());
    });
    let text = hello::render(&a_hello(1, 42));
    let mut message = Vec::new();
    command(&["message", hello::CHANNEL, &text], &mut message);
    criterion.bench_function("resp: decode a hello's message", |bench| {
        let mut decoder = ReplyDecoder::new(Limits::LINK);
        bench.iter(|| decoder.decode(black_box(&message)).unwrap());
    });
    criterion.bench_function("resp: encode a hello's PUBLISH", |bench| {
        let (call, renames) = (Call::Publish(a_hello(1, 42)), Renames::default());
        let mut out = Vec::new();
        bench.iter(|| {
            out.clear();
            call::encode_call(black_box(&call), &renames, &mut out)
        });
    });
    criterion.bench_function("info: parse a master's", |bench| {
        let text = an_info();
        bench.iter(|| info::parse(black_box(text.as_bytes())));
    });
    criterion.bench_function("hello: parse", |bench| {
        bench.iter(|| hello::parse(black_box(text.as_bytes())).unwrap());
    });
}

fn core(criterion: &mut Criterion) {
    criterion.bench_function("core: 100 ms of a thousand calm masters", |bench| {
        let mut world = World::calm();
        bench.iter(|| world.advance(Span::ms(100)));
    });
    criterion.bench_function("core: one PONG among a thousand masters", |bench| {
        let mut world = World::calm();
        let (link, call) = world.withhold_a_pong();
        let now = world.now;
        bench.iter_batched(
            || world.sentinel.clone(),
            |mut sentinel| {
                let answer = Answer::Pong;
                sentinel.handle(now, Input::Answer { link, call, answer });
                sentinel
            },
            criterion::BatchSize::LargeInput,
        );
    });
    criterion.bench_function("core: a hello that is no news", |bench| {
        let mut world = World::calm();
        let link = *world.hello_links.first().unwrap();
        let heard = a_hello(1, 0);
        world.hear(link, &heard);
        bench.iter(|| world.hear(link, &heard));
    });
}

fn conf(criterion: &mut Criterion) {
    let durable = durable();
    let server = bartizan_conf::ServerOptions::default();
    let first = bartizan_conf::render(b"", &durable, &server);
    criterion.bench_function("conf: write a thousand masters", |bench| {
        bench.iter(|| bartizan_conf::render(black_box(&first), &durable, &server));
    });
    criterion.bench_function("conf: write them again, a hundred changed", |bench| {
        let (mut durable, mut text) = (durable.clone(), Arc::new(first.clone()));
        let mut rewriter = bartizan_conf::Rewriter::default();
        bench.iter(|| {
            for master in durable.masters.iter_mut().step_by(10) {
                master.voted_epoch = master.voted_epoch.next();
            }
            text = rewriter.render(black_box(&text), &durable, &server).text;
        });
    });
}

/// A Sentinel of a thousand masters, and servers and peers that answer at once.
struct World {
    sentinel: Sentinel,
    now: Mono,
    /// Links that listen to hellos.
    hello_links: Vec<LinkId>,
    info: Arc<Info>,
    replica: Arc<Info>,
    masters: BTreeMap<LinkId, bool>,
    /// A PING that is not answered, once asked for.
    withheld: Option<Option<(LinkId, CallId)>>,
}

impl World {
    /// Everything is connected and has been for ten seconds.
    fn calm() -> Self {
        let now = Mono::from_ms(1_000_000);
        let boot = Boot {
            durable: durable(),
            fresh: false,
            seed: 7,
            port: 5000,
            own_password: None,
        };
        let info = Info {
            role: Some(Role::Master),
            ..info::parse(an_info().as_bytes())
        };
        let replica = Info {
            role: Some(Role::Replica),
            master: None,
            master_link_up: true,
            replicas: Vec::new(),
            ..info.clone()
        };
        let mut world = Self {
            sentinel: Sentinel::new(boot, now),
            now,
            hello_links: Vec::new(),
            info: Arc::new(info),
            replica: Arc::new(replica),
            masters: BTreeMap::new(),
            withheld: None,
        };
        world.serve();
        for _ in 0..100 {
            world.advance(Span::ms(100));
        }
        world
    }

    fn advance(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(due) = self.sentinel.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.sentinel.handle_timeout(self.now);
            self.serve();
        }
        self.now = end;
    }

    fn hear(&mut self, link: LinkId, hello: &Hello) {
        let hello = Some(hello.clone());
        self.sentinel.handle(self.now, Input::Heard { link, hello });
        self.serve();
    }

    /// Does what the core asks and answers it, until it asks no more.
    fn serve(&mut self) {
        while let Some(output) = self.sentinel.poll_output() {
            match output {
                Output::Connect {
                    link, kind, port, ..
                } => {
                    self.masters.insert(link, port == 6379);
                    if kind == LinkKind::PubSub {
                        self.hello_links.push(link);
                    }
                    self.sentinel
                        .handle(self.now, Input::LinkUp { link, local: LOCAL });
                }
                Output::Call {
                    link, call, what, ..
                } => self.answer(link, call, &what),
                Output::Persist { seq, .. } => {
                    self.sentinel.handle(self.now, Input::Persisted { seq });
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, link: LinkId, call: CallId, what: &Call) {
        let answer = match what {
            Call::Ping if self.withheld == Some(None) => {
                self.withheld = Some(Some((link, call)));
                return;
            }
            Call::Ping => Answer::Pong,
            Call::Info if self.masters.get(&link) == Some(&true) => {
                Answer::Info(Box::new(self.info.as_ref().clone()))
            }
            Call::Info => Answer::Info(Box::new(self.replica.as_ref().clone())),
            _ => Answer::Done,
        };
        self.sentinel
            .handle(self.now, Input::Answer { link, call, answer });
    }

    /// Lets time pass until there is a PING that can be answered.
    fn withhold_a_pong(&mut self) -> (LinkId, CallId) {
        self.withheld = Some(None);
        loop {
            self.advance(Span::ms(10));
            if let Some(Some(found)) = self.withheld {
                return found;
            }
        }
    }
}

fn addr(number: usize, port: u16) -> Addr {
    let byte = |n: usize| u8::try_from(n % 250).unwrap();
    let ip = Ipv4Addr::new(10, byte(number / 62_500), byte(number / 250), byte(number));
    Addr::new(Host::Ip(ip.into()), port)
}

fn id(number: u8) -> RunId {
    RunId::parse(&[b'a' + number; 40]).unwrap()
}

fn name(number: usize) -> MasterName {
    MasterName::new(&format!("m{number:05}"))
}

fn a_hello(from: u8, master: usize) -> Hello {
    Hello {
        from: addr(from.into(), 5000),
        id: id(from),
        current_epoch: Epoch::ZERO,
        master: name(master),
        configuration: Configuration {
            epoch: Epoch::ZERO,
            addr: addr(master, 6379),
        },
    }
}

fn durable() -> Durable {
    let periods = Periods::default();
    let master = |number: usize| {
        let mut options = MasterOptions::new(Quorum::new(2).unwrap(), &periods);
        options.down_after = Span::secs(5);
        MasterState {
            branches: Vec::new(),
            own_values: Vec::new(),
            name: name(number),
            configuration: Configuration {
                epoch: Epoch::ZERO,
                addr: addr(number, 6379),
            },
            options,
            voted_epoch: Epoch::ZERO,
            replicas: vec![addr(number, 6380), addr(number, 6381)],
            sentinels: (1..=2).map(|n| (id(n), addr(n.into(), 5000))).collect(),
        }
    };
    Durable {
        my_id: id(0),
        current_epoch: Epoch::ZERO,
        options: GlobalOptions::default(),
        masters: (0..MASTERS).map(|n| master(n).into()).collect(),
        periods,
    }
}

/// What a master of Redis 7.0 with two replicas says.
fn an_info() -> String {
    let run_id = "0123456789".repeat(4);
    format!(
        "# Server\r\nredis_version:7.0.15\r\nrun_id:{run_id}\r\n{}# Replication\r\nrole:master\r\n\
         connected_slaves:2\r\n\
         slave0:ip=10.0.0.1,port=6380,state=online,offset=1000,lag=0\r\n\
         slave1:ip=10.0.0.1,port=6381,state=online,offset=1000,lag=0\r\n{}",
        include_str!("../../load/src/stage/info_before.txt"),
        include_str!("../../load/src/stage/info_behind.txt"),
    )
}
