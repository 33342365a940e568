//! What a server that is there says of itself by its answers: a word for people. Whether it counts
//! as down is not decided here.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::input::Answer;
use crate::model::master::{About, Master};
use crate::model::server::Server;
use crate::notify::event::EventKind;
use crate::time::{Mono, Span};

/// A server's last answers in a word, and what was last told of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Condition {
    pub(crate) state: State,
    told: State,
    told_at: Option<Mono>,
}

/// The word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Ok,
    /// It answers PING, and holds back a hello.
    Paused,
    /// `-BUSY`: a script or function runs for too long.
    Busy,
    /// `-LOADING`
    Loading,
    /// `-MISCONF`: it takes no writes, since it cannot save them.
    Misconf,
    /// `-MASTERDOWN`: a replica that serves nothing without its master.
    MasterDown,
    /// Any other error, to PING of all things: `-NOAUTH`, `-NOPERM`.
    Refusing,
}

/// A hello that is not answered for so long, and for some round trips, while PING is, is held back.
const HELD: Span = Span::secs(1);
/// How many: the two connections may be unlike each other.
const ROUND_TRIPS: u64 = 4;
/// Changes are told no more often.
const PACE: Span = Span::secs(1);

impl State {
    /// The word, as it is shown.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Paused => "paused",
            Self::Busy => "busy",
            Self::Loading => "loading",
            Self::Misconf => "misconf",
            Self::MasterDown => "masterdown",
            Self::Refusing => "refusing",
        }
    }

    fn of(answer: &Answer, hello_held: bool) -> Self {
        match answer {
            Answer::Pong if hello_held => Self::Paused,
            Answer::Loading => Self::Loading,
            Answer::Busy => Self::Busy,
            Answer::MasterDown => Self::MasterDown,
            Answer::Error(why) if why.starts_with("MISCONF") => Self::Misconf,
            Answer::Error(_) => Self::Refusing,
            _ => Self::Ok,
        }
    }
}

impl Server {
    /// Takes in an answer to PING; whether there is something to tell.
    pub(crate) fn note_state(&mut self, answer: &Answer, now: Mono) -> bool {
        let held = self.link.hello_held_since();
        let patience = HELD + self.link.ping.round_trip * ROUND_TRIPS;
        let held = held.is_some_and(|since| now.since(since) >= patience);
        let condition = &mut self.condition;
        condition.state = State::of(answer, held);
        let soon = condition.told_at.is_some_and(|at| now.since(at) < PACE);
        condition.state != condition.told && !soon
    }
}

impl Master {
    /// Tells of a server's new state.
    pub(crate) fn tell_state(&mut self, cx: &mut Ctx, addr: &Addr) {
        let Some(server) = self.servers.get_mut(addr) else {
            return;
        };
        let condition = &mut server.condition;
        (condition.told, condition.told_at) = (condition.state, Some(cx.now));
        let word = condition.state.name();
        let about = if self.is_master(addr) {
            About::Master
        } else {
            About::Replica(addr)
        };
        self.tell_more(cx, EventKind::ServerState, about, word);
    }
}
