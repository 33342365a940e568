//! `ACL LOG`: what was refused to whom. Passwords are never in it.

use std::collections::VecDeque;

use bartizan_core::time::{Mono, Span};
use bartizan_wire::resp::Frame;

use super::limits;

/// The same refusal within this time is counted, not listed again.
const SAME_WITHIN: Span = Span::secs(60);
/// How many entries are shown unless asked for.
const SHOWN: usize = 10;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A wrong password, or a user who is unknown or off.
    Auth,
    /// A command that is not permitted.
    Command,
    /// A channel that is not permitted.
    Channel,
    /// A certificate that names nobody who may come in.
    Certificate,
}

/// The last refusals, newest first.
#[derive(Debug)]
pub(crate) struct Refusals {
    entries: VecDeque<Entry>,
    most: usize,
}

#[derive(Debug)]
struct Entry {
    count: i64,
    reason: Reason,
    object: Vec<u8>,
    user: Vec<u8>,
    at: Mono,
    client: Vec<u8>,
}

impl Refusals {
    /// None yet, and never more than `most` (`acllog-max-len`).
    pub(crate) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self {
            entries: VecDeque::new(),
            most: most.min(limits::LOG_ENTRIES),
        }
    }

    /// Adds one: `object` is the command or the channel, `client` describes the connection.
    pub(crate) fn add(
        &mut self,
        now: Mono,
        (reason, object): (Reason, &[u8]),
        user: &[u8],
        client: Vec<u8>,
    ) {
        let (object, user) = (cut(object), cut(user));
        let same = |entry: &Entry| {
            entry.reason == reason
                && entry.object == object
                && entry.user == user
                && now.since(entry.at) <= SAME_WITHIN
        };
        let known = self.entries.iter().position(same);
        let count = known
            .and_then(|at| self.entries.remove(at))
            .map_or(0, |entry| entry.count);
        self.entries.push_front(Entry {
            count: count.saturating_add(1),
            reason,
            object,
            user,
            at: now,
            client,
        });
        self.entries.truncate(self.most);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The newest, as `ACL LOG` shows them; ten of them when no number is asked for.
    pub(crate) fn frame(&self, now: Mono, count: Option<usize>) -> Frame {
        let shown = self.entries.iter().take(count.unwrap_or(SHOWN));
        Frame::Array(shown.map(|entry| entry.frame(now)).collect())
    }
}

impl Entry {
    fn frame(&self, now: Mono) -> Frame {
        let reason = match self.reason {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Channel => "channel",
            Reason::Certificate => "tls-cert",
        };
        let age = std::time::Duration::from_millis(now.since(self.at).as_ms());
        let fields = vec![
            ("count", Frame::Integer(self.count)),
            ("reason", Frame::bulk(reason)),
            ("context", Frame::bulk("toplevel")),
            ("object", Frame::Bulk(self.object.clone())),
            ("username", Frame::Bulk(self.user.clone())),
            ("age-seconds", Frame::Double(age.as_secs_f64())),
            ("client-info", Frame::Bulk(self.client.clone())),
        ];
        let field = |(name, value)| (Frame::bulk(name), value);
        Frame::Map(fields.into_iter().map(field).collect())
    }
}

fn cut(text: &[u8]) -> Vec<u8> {
    text.get(..limits::LOG_BYTES).unwrap_or(text).to_vec()
}
