//! A connection that finds out what our user may do at a server, and does nothing.
//!
//! A subscribed connection of RESP2 refuses every command, and says `NOPERM` where the ACL would
//! have refused it anyway. Whether this server does so is seen by HELLO first, which would do no
//! harm: Redis allows it to everybody, and a server that does not know it has no ACL.

use bartizan_core::ids::CallId;
use bartizan_core::input::{Answer, Talk};
use bartizan_core::output::{Greeting, LinkKind};
use bartizan_core::permission::{Permission, Permissions};
use bartizan_core::provide::options::Renames;

use crate::answer::{LinkFault, Said, confirms, error_text};
use crate::call::{encode_greeting, send};
use crate::hello;
use crate::resp::{Frame, Limits, ReplyDecoder};

/// The protocol side of one such connection.
#[derive(Debug)]
pub struct TrialLink {
    decoder: ReplyDecoder,
    /// Replies of the greeting, before the subscription's, that have not come yet.
    greeting: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The reply to SUBSCRIBE comes next.
    Subscribing,
    /// The reply to HELLO does.
    Probing,
    /// Nothing does.
    Ready,
    /// Those to all that was tried, from this one on.
    Trying {
        call: CallId,
        next: usize,
        lacking: Permissions,
    },
}

/// In the error of a command that the subscription does not permit.
const REFUSED: &[u8] = b"allowed in this context";
/// In the error of one that the ACL does not: in front, or behind `EXECABORT`.
const DENIED: &[u8] = b"NOPERM";

impl TrialLink {
    /// A link that has just connected.
    pub fn new() -> Self {
        Self {
            decoder: ReplyDecoder::new(Limits::LINK),
            greeting: 0,
            stage: Stage::Subscribing,
        }
    }

    /// Appends the greeting, the subscription and what shows what it is good for.
    pub fn greet(&mut self, greeting: &Greeting, out: &mut Vec<u8>) {
        self.greeting += encode_greeting(greeting, LinkKind::Trial, out);
    }

    /// Appends everything that is to be tried, once `Said::Subscribed` has said that nothing of it
    /// would be done.
    pub fn call(&mut self, call: CallId, renames: &Renames, out: &mut Vec<u8>) {
        for (_, words) in TRIED {
            send(words, renames, out);
        }
        self.stage = Stage::Trying {
            call,
            next: 0,
            lacking: Permissions::default(),
        };
    }

    /// Takes bytes that were read and appends one entry for each thing said.
    ///
    /// # Errors
    /// The link has to be closed, because the subscription was refused or the bytes make no sense.
    pub fn receive(&mut self, input: &[u8], said: &mut Vec<Said>) -> Result<(), LinkFault> {
        let mut rest = input;
        while !rest.is_empty() {
            let (used, frame) = self.decoder.decode(rest)?;
            rest = rest.get(used..).unwrap_or_default();
            if let Some(frame) = frame {
                said.extend(self.accept(&frame)?);
            }
        }
        Ok(())
    }

    fn accept(&mut self, frame: &Frame) -> Result<Option<Said>, LinkFault> {
        if self.greeting > 0 {
            self.greeting -= 1;
            return Ok(None);
        }
        match &mut self.stage {
            Stage::Subscribing => match frame {
                Frame::Array(items) | Frame::Push(items) if confirms(items) => {
                    self.stage = Stage::Probing;
                    Ok(None)
                }
                Frame::Error(text) => Err(LinkFault::Refused(error_text(text))),
                _ => Err(LinkFault::Unasked),
            },
            _ if is_message(frame) => Ok(None),
            Stage::Probing => {
                self.stage = Stage::Ready;
                let refuses = matches!(frame, Frame::Error(text) if contains(text, REFUSED));
                let talk = if refuses { Talk::Refuse } else { Talk::Listen };
                Ok(Some(Said::Subscribed(talk)))
            }
            Stage::Ready => Err(LinkFault::Unasked),
            Stage::Trying {
                call,
                next,
                lacking,
            } => {
                if let (Some((permission, _)), Frame::Error(text)) = (TRIED.get(*next), frame)
                    && contains(text, DENIED)
                {
                    lacking.insert(*permission);
                }
                *next += 1;
                if *next < TRIED.len() {
                    return Ok(None);
                }
                let answer = Said::Answer(*call, Answer::Lacking(*lacking));
                self.stage = Stage::Ready;
                Ok(Some(answer))
            }
        }
    }
}

impl Default for TrialLink {
    fn default() -> Self {
        Self::new()
    }
}

/// What is tried, in words that are complete: their number is looked at before the ACL is. PING
/// and SUBSCRIBE would be done; what becomes of them is seen without a trial.
const TRIED: &[(Permission, &[&str])] = &[
    (Permission::Info, &["INFO", "server"]),
    (Permission::Publish, &["PUBLISH", hello::CHANNEL, ""]),
    (Permission::SetName, &["CLIENT", "SETNAME", ""]),
    (Permission::Kill, &["CLIENT", "KILL", "TYPE", "none"]),
    (Permission::Exec, &["EXEC"]),
    (Permission::Multi, &["MULTI"]),
    (Permission::SlaveOf, &["SLAVEOF", "NO", "ONE"]),
    (Permission::Rewrite, &["CONFIG", "REWRITE"]),
    (Permission::ScriptKill, &["SCRIPT", "KILL"]),
    (Permission::Pause, &["CLIENT", "PAUSE", "0", "WRITE"]),
    (Permission::Unpause, &["CLIENT", "UNPAUSE"]),
    (Permission::ConfigGet, &["CONFIG", "GET", "min-replicas-*"]),
    (
        Permission::ConfigSet,
        &["CONFIG", "SET", "min-replicas-none", "0"],
    ),
    (Permission::Psync, &["PSYNC", "?", "-1"]),
    (Permission::Replconf, &["REPLCONF"]),
];

/// A message of the channel, which may come between any two replies.
fn is_message(frame: &Frame) -> bool {
    let (Frame::Array(items) | Frame::Push(items)) = frame else {
        return false;
    };
    matches!(items.first(), Some(Frame::Bulk(kind)) if kind == b"message")
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}
