//! The invariants, one property to a file. They see what enters and leaves a Sentinel, what is
//! on its disk, and nothing of its inside.

mod asked;
mod attempts;
mod authority;
mod bounds;
mod configuration;
mod durable;
mod events;
mod interface;
mod leaders;
mod monotonic;
mod pace;
mod pauses;
mod promises;
mod promotion;
mod quiet;
pub(crate) mod read;
mod reconf;
mod strangers;
mod tilt;
mod votes;

pub(crate) use read::instance;

use std::fmt;

use bartizan_core::addr::Addr;
use bartizan_core::ids::RunId;
use bartizan_core::input::{Answer, Input};
use bartizan_core::model::durable::Durable;
use bartizan_core::output::Output;
use bartizan_core::time::Mono;

use crate::disk::Disk;
use crate::fault::Kind;
use crate::groups::Groups;
use crate::host::Brain;
use crate::net::Node;
use crate::sched::At;
use crate::server::Sort;

/// Where and when something is seen.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// True time.
    pub at: At,
    /// Which Sentinel.
    pub host: usize,
    /// Its id.
    pub id: RunId,
    /// Its own time.
    pub mono: Mono,
    /// Its disk.
    pub disk: &'a Disk,
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which process.
    pub node: Node,
    /// Under which address it was called; it may have another by now.
    pub addr: Addr,
    /// Its group, if it is a server.
    pub group: Option<usize>,
    /// Another cluster's server took its place.
    pub outsider: Option<Outsider>,
}

/// A server of another cluster, as it is.
#[derive(Clone, Copy, Debug)]
pub struct Outsider {
    /// Of which kind.
    pub sort: Sort,
    /// When it started.
    pub started: At,
    /// Whether it has anything of its own cluster's to lose, still.
    pub has_data: bool,
    /// A server of the group has taken its history over.
    pub is_lent: bool,
    /// It follows a server of the group.
    pub is_ours: bool,
}

/// What is seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// The Sentinel is about to start from this.
    Boot(&'a Durable),
    /// This is about to go in.
    Input(&'a Input),
    /// This came out; a call with where it goes. PINGs are not shown.
    Output(&'a Output, Option<&'a Target>),
    /// All outputs of an input were taken.
    Drained {
        /// How many.
        outputs: u64,
        /// The next deadline.
        next: Option<Mono>,
        /// Whether it was `handle_timeout` that was called.
        timed: bool,
        /// To ask questions of.
        brain: &'a Brain,
    },
}

/// A broken invariant, in words; `Ok` when all is well.
pub type Verdict = Result<(), String>;

/// One property.
pub trait Check: fmt::Debug {
    /// Its number in the list of invariants.
    fn property(&self) -> &'static str;

    /// Looks at one thing.
    ///
    /// # Errors
    /// What is wrong.
    fn see(&mut self, groups: &Groups, scene: &Scene<'_>, seen: &Seen<'_>) -> Verdict;
}

/// The first invariant that fell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: &'static str,
    /// How.
    pub text: String,
    /// When.
    pub at: At,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.property, self.at, self.text)
    }
}

/// All properties of a world.
#[derive(Debug, Default)]
pub struct Checks {
    groups: Groups,
    all: Vec<Box<dyn Check>>,
    at: At,
    broken: Option<Violation>,
    /// In a mixed fleet: whether two addresses were told in one epoch. No newer configuration ends
    /// that but the next failover's, so then nobody can promise that all agree in the end.
    split: Option<(configuration::OneAddress, Unity)>,
}

/// Whether all configurations of an epoch were one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unity {
    One,
    Split,
}

impl Checks {
    /// The properties that hold in a world with these groups.
    pub fn new(groups: Groups, plan: &crate::plan::Plan) -> Self {
        let mixed = plan.params.upstream > 0;
        Self {
            groups,
            all: all_for(plan),
            at: At::default(),
            broken: None,
            split: mixed.then(|| (configuration::OneAddress::default(), Unity::One)),
        }
    }

    /// Whether a redis-sentinel's two addresses in one epoch stand against that all agree.
    pub fn is_split(&self) -> bool {
        matches!(self.split, Some((_, Unity::Split)))
    }

    /// An address belongs to a group from here on.
    pub fn add_addr(&mut self, addr: Addr, group: usize) {
        self.groups.add(addr, group);
    }

    /// Shows something to all properties. Only the first violation is kept.
    pub fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        if is_dull(seen) {
            return;
        }
        self.overhear(scene, seen);
        for check in &mut self.all {
            if let Err(text) = check.see(&self.groups, scene, seen)
                && self.broken.is_none()
            {
                let text = format!("s{} ({:?}): {text}", scene.host, scene.id);
                self.broken = Some(Violation {
                    property: check.property(),
                    text,
                    at: scene.at,
                });
            }
        }
    }

    /// What redis-sentinels say counts for nothing but this.
    pub fn overhear(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        if let Some((watch, unity)) = &mut self.split
            && watch.see(&self.groups, scene, seen).is_err()
        {
            *unity = Unity::Split;
        }
    }

    /// Time went on.
    pub const fn set_time(&mut self, at: At) {
        self.at = at;
    }

    /// The world itself found something wrong.
    pub fn fail(&mut self, property: &'static str, text: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation {
                property,
                text,
                at: self.at,
            });
        }
    }

    /// The violation, if any.
    pub const fn broken(&self) -> Option<&Violation> {
        self.broken.as_ref()
    }
}

/// Most of what happens: no property speaks of it.
const fn is_dull(seen: &Seen<'_>) -> bool {
    match seen {
        Seen::Input(input) => matches!(
            input,
            Input::Subscribed { .. }
                | Input::Heard { .. }
                | Input::Answer {
                    answer: Answer::Pong,
                    ..
                }
        ),
        Seen::Drained { outputs, timed, .. } => *outputs == 0 && !*timed,
        Seen::Boot(_) | Seen::Output(..) => false,
    }
}

/// The properties that hold in the world of a plan.
fn all_for(plan: &crate::plan::Plan) -> Vec<Box<dyn Check>> {
    let params = &plan.params;
    let watched = params.masters * (params.replicas + 1) + params.sentinels;
    let mut all: Vec<Box<dyn Check>> = vec![
        Box::new(promises::Promises::default()),
        Box::new(authority::Authority::default()),
        Box::new(strangers::Strangers::default()),
        Box::new(promotion::Promotion::default()),
        Box::new(reconf::Reconf::default()),
        Box::new(pace::Pace::default()),
        Box::new(pauses::Pauses::default()),
        Box::new(tilt::Tilt::default()),
        Box::new(interface::Interface::default()),
        Box::new(bounds::Bounds::new(params.masters, watched)),
        Box::new(events::Events::default()),
    ];
    // Who is given an old file has forgotten its votes and epochs, and no protocol can help it:
    // it may vote again in an epoch, and then two may be elected in it. Nor can it where two have
    // one id, and so vote as one.
    let forgets = |kind| matches!(kind, Kind::OldFile | Kind::CopiedFile);
    let remembers = !plan.faults.iter().any(|f| forgets(f.kind));
    if remembers {
        all.push(Box::new(votes::Votes::default()));
        all.push(Box::new(monotonic::Monotonic::default()));
        all.push(Box::new(durable::Durability::default()));
    }
    // What redis-sentinels make of epochs in a mixed fleet is not ours to promise.
    if remembers && params.upstream == 0 {
        all.push(Box::new(leaders::Leaders::default()));
        all.push(Box::new(configuration::OneAddress::default()));
    }
    if plan.faults.is_empty() && params.upstream == 0 {
        all.push(Box::new(quiet::Quiet::new(params)));
    }
    all
}
