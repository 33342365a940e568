//! Crash detection: a process that died on a host that lives is refused, not silent.
//!
//! The operating system of such a host resets the dead process's connections and refuses new
//! ones at once, so waiting for `down-after-milliseconds` would find out nothing more. A host or
//! a network that is gone answers nothing, and stays a matter of silence.

use crate::addr::Addr;
use crate::ctx::Ctx;
use crate::ids::LinkId;
use crate::input::LinkError;
use crate::model::master::Master;
use crate::monitor::link::Pace;
use crate::time::{Mono, Span};

/// What the command connection tells of the process at its other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trace {
    /// It is connected, or never was, or is away in a way that says nothing.
    #[default]
    None,
    /// An established connection was closed or reset by the other side.
    Reset,
    /// After that, connections were refused: the first time and the last time.
    Refused { first: Mono, last: Mono },
}

impl Trace {
    /// The connection that was up is gone.
    pub(crate) const fn on_lost(&mut self, why: &LinkError) {
        *self = match why {
            LinkError::Closed => Self::Reset,
            LinkError::Refused | LinkError::Failed(_) => Self::None,
        };
    }

    /// An attempt to connect failed. One that fails in another way than being refused says
    /// nothing, neither for nor against.
    pub(crate) const fn on_attempt_failed(&mut self, why: &LinkError, now: Mono) {
        if let (Self::Reset | Self::Refused { .. }, LinkError::Refused) = (*self, why) {
            let first = match *self {
                Self::Refused { first, .. } => first,
                Self::None | Self::Reset => now,
            };
            *self = Self::Refused { first, last: now };
        }
    }

    /// Since when the process counts as crashed: when it has been refused for `patience`, and
    /// was refused again at the end of it. Zero patience is off.
    pub(crate) fn crashed_at(self, patience: Span) -> Option<Mono> {
        match self {
            Self::Refused { first, last } if patience > Span::ZERO => {
                (last.since(first) >= patience).then_some(first + patience)
            }
            Self::None | Self::Reset | Self::Refused { .. } => None,
        }
    }
}

impl Master {
    /// The longest pause between two attempts to make this link to a server: while a crash may be
    /// about to be seen, a few have to fit in, and a former master is to be found before clients
    /// find it.
    pub(crate) fn longest_retry(&self, addr: &Addr, link: LinkId, cx: &mut Ctx) -> Span {
        const SHORTEST: Span = Span::ms(10);
        const EAGER: Span = Span::ms(50);
        let usual = cx.periods.ping;
        let Some(server) = self.servers.get(addr) else {
            return usual;
        };
        let patience = self.options.crash_detection;
        let undecided = self.is_master(addr) && server.sdown.is_none();
        if patience > Span::ZERO && undecided {
            return usual.min(patience.over(4).max(SHORTEST));
        }
        // So is a master for whose return an operator's failover waits.
        let awaited = self.is_master(addr) && self.failover.is_forced();
        let eager = server.pace() == Pace::Eager || awaited;
        let eager = eager && server.link.is_command(link);
        if eager && cx.out.may_hasten(cx.now) {
            return usual.min(EAGER);
        }
        usual
    }
}
