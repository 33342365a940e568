//! On a share of the seeds everything goes through bytes: calls, replies and hellos as the product
//! encodes and decodes them, INFO as text, the disk as the text of a file.
//!
//! The ends of a connection keep what a real end keeps: a decoder with what is unfinished, and
//! which call the next reply answers. Bytes reach them in two pieces, cut anywhere.

mod peer;
mod redis;

pub(crate) use redis::heard;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::CallId;
use bartizan_core::input::{Answer, Talk};
use bartizan_core::output::{Greeting, LinkKind};
use bartizan_core::report::Hello;
use bartizan_wire::answer::{CommandLink, HelloLink, LinkFault, Said};
use bartizan_wire::resp::{
    Argv, Frame, Limits, Protocol, ProtocolError, ReplyDecoder, RequestDecoder,
};

use bartizan_wire::trial::TrialLink;

use crate::rand::mix;

/// What an end of a connection keeps, on seeds that talk bytes.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Of the Sentinel that opened it.
    pub(crate) near: Option<Box<Near>>,
    /// Of the process that was called.
    pub(crate) far: Option<Box<Far>>,
    /// What they speak.
    pub(crate) protocol: Protocol,
    /// It is subscribed: in RESP2 no command is carried out any more.
    pub(crate) is_subscribed: bool,
}

/// The protocol side of a link that a Sentinel opened.
#[derive(Debug)]
pub(crate) enum Near {
    /// Calls, and the greeting until it is sent.
    Calls(CommandLink, Vec<u8>),
    /// The subscription, and the greeting until it is sent.
    Hellos(HelloLink, Vec<u8>),
    /// What asks for rights, and the greeting until it is sent.
    Trial(TrialLink, Vec<u8>),
}

/// What a Sentinel reads from a link.
#[derive(Debug)]
pub(crate) enum Read {
    /// The answer to a call.
    Answer(CallId, Answer),
    /// The subscription stands.
    Subscribed(Talk),
    /// Something on the channel.
    Heard(Option<Hello>),
}

impl Near {
    pub(crate) fn new(kind: LinkKind, greeting: &Greeting) -> Self {
        let mut bytes = Vec::new();
        match kind {
            LinkKind::Command => {
                let mut link = CommandLink::new();
                link.greet(greeting, &mut bytes);
                Self::Calls(link, bytes)
            }
            LinkKind::PubSub => {
                let mut link = HelloLink::new();
                link.greet(greeting, &mut bytes);
                Self::Hellos(link, bytes)
            }
            LinkKind::Trial => {
                let mut link = TrialLink::new();
                link.greet(greeting, &mut bytes);
                Self::Trial(link, bytes)
            }
        }
    }

    /// What is said first.
    pub(crate) fn take_greeting(&mut self) -> Vec<u8> {
        match self {
            Self::Calls(_, bytes) | Self::Hellos(_, bytes) | Self::Trial(_, bytes) => {
                std::mem::take(bytes)
            }
        }
    }

    /// Takes bytes. What was read before a fault is good.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> (Vec<Read>, Option<LinkFault>) {
        let (mut answers, mut said, mut fault) = (Vec::new(), Vec::new(), None);
        for piece in pieces(bytes) {
            let taken = match self {
                Self::Calls(link, _) => link.receive(piece, &mut answers),
                Self::Hellos(link, _) => link.receive(piece, &mut said),
                Self::Trial(link, _) => link.receive(piece, &mut said),
            };
            fault = fault.or_else(|| taken.err());
        }
        let answers = answers
            .into_iter()
            .map(|(call, answer)| Read::Answer(call, answer));
        let said = said.into_iter().map(|said| match said {
            Said::Subscribed(talk) => Read::Subscribed(talk),
            Said::Heard(hello) => Read::Heard(hello),
            Said::Answer(call, answer) => Read::Answer(call, answer),
        });
        (answers.chain(said).collect(), fault)
    }
}

/// The protocol side of a connection that a process accepted.
#[derive(Debug)]
pub(crate) struct Far {
    decoder: RequestDecoder,
    /// Requests so far.
    requests: u64,
    /// What a server queues between MULTI and EXEC.
    transaction: Option<redis::Transaction>,
}

impl Far {
    pub(crate) fn new() -> Self {
        Self {
            decoder: RequestDecoder::new(Limits::CLIENT),
            requests: 0,
            transaction: None,
        }
    }

    /// The next number for a request, by which its reply finds its place in line.
    const fn next(&mut self) -> CallId {
        self.requests += 1;
        CallId::new(self.requests)
    }

    /// The requests in these bytes.
    fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Argv>, ProtocolError> {
        let mut requests = Vec::new();
        for piece in pieces(bytes) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (used, request) = self.decoder.decode(rest)?;
                rest = rest.get(used..).unwrap_or_default();
                requests.extend(request);
            }
        }
        Ok(requests)
    }
}

/// TCP keeps no boundaries: the bytes in two pieces.
fn pieces(bytes: &[u8]) -> [&[u8]; 2] {
    let draw = bytes
        .iter()
        .rev()
        .take(16)
        .fold(bytes.len() as u64, |sum, byte| mix(sum ^ u64::from(*byte)));
    let at = usize::try_from(draw).unwrap_or(0) % (bytes.len() + 1);
    let (first, second) = bytes.split_at(at);
    [first, second]
}

/// The address in a reply to `GET-MASTER-ADDR-BY-NAME`, as an application reads it.
pub(crate) fn read_addr(bytes: &[u8]) -> Option<Addr> {
    let (_, frame) = ReplyDecoder::new(Limits::LINK).decode(bytes).ok()?;
    let Some(Frame::Array(words)) = frame else {
        return None;
    };
    let [Frame::Bulk(host), Frame::Bulk(port)] = words.as_slice() else {
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(Addr::new(
        Host::parse(&text(host)?)?,
        text(port)?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::run::play;

    #[test]
    fn a_failover_goes_through_bytes_as_it_does_without() {
        let plan = "seed 3\nfault 20000 crash 30000 1 r0\n";
        for bytes in [0, 1] {
            let mut plan = Plan::parse(plan).unwrap();
            plan.params.bytes = bytes;
            let outcome = play(&plan, false);
            assert_eq!(outcome.violation, None);
            assert_eq!(outcome.stats.failovers, 1);
        }
    }

    #[test]
    fn requests_are_found_wherever_their_bytes_are_cut() {
        let mut bytes = Vec::new();
        for n in 0..200 {
            let word = "x".repeat(n);
            bartizan_wire::resp::command(&["PING", &word], &mut bytes);
            let found = Far::new().receive(&bytes).unwrap();
            assert_eq!(found.len(), n + 1);
        }
    }
}
