//! What clients hear: replies and Pub/Sub messages, in RESP2 or RESP3.

use bartizan_core::provide::reply::Reply;

use crate::pack::unpack;
use crate::resp::{Frame, Protocol, bulk, encode_frame, length, line, map_header};

/// Appends a reply of the core.
pub fn encode(reply: &Reply, protocol: Protocol, out: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) => line(b'+', text.as_bytes(), out),
        Reply::Error(text) => line(b'-', text.as_bytes(), out),
        Reply::Integer(n) => encode_frame(&Frame::Integer(*n), protocol, out),
        Reply::Bulk(text) => bulk(text.as_bytes(), out),
        Reply::Packed(text) => bulk(unpack(text).as_bytes(), out),
        Reply::NullArray => encode_frame(&Frame::NullArray, protocol, out),
        Reply::Null => encode_frame(&Frame::Null, protocol, out),
        Reply::Array(items) => {
            length(b'*', items.len(), out);
            for item in items {
                encode(item, protocol, out);
            }
        }
        Reply::Map(pairs) => {
            map_header(pairs.len(), protocol, out);
            for (name, value) in pairs {
                bulk(name.as_bytes(), out);
                encode(value, protocol, out);
            }
        }
    }
}

/// A reply as a frame, to be put into a larger one.
pub fn frame(reply: &Reply) -> Frame {
    match reply {
        Reply::Status(text) => Frame::simple(text),
        Reply::Error(text) => Frame::Error(text.as_bytes().to_vec()),
        Reply::Integer(n) => Frame::Integer(*n),
        Reply::Bulk(text) => Frame::bulk(text),
        Reply::Packed(text) => Frame::bulk(&unpack(text)),
        Reply::NullArray => Frame::NullArray,
        Reply::Null => Frame::Null,
        Reply::Array(items) => Frame::Array(items.iter().map(frame).collect()),
        Reply::Map(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (Frame::bulk(name), frame(value)));
            Frame::Map(pairs.collect())
        }
    }
}

/// Which subscription was changed; its confirmation carries the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// `subscribe`
    Subscribe,
    /// `psubscribe`
    PSubscribe,
    /// `unsubscribe`
    Unsubscribe,
    /// `punsubscribe`
    PUnsubscribe,
}

/// Appends the confirmation of one (un)subscription. `name` is `None` when there was nothing to
/// unsubscribe from; `count` is what the client is subscribed to afterwards, patterns included.
pub fn subscription(
    what: Subscription,
    name: Option<&[u8]>,
    count: usize,
    protocol: Protocol,
    out: &mut Vec<u8>,
) {
    let word = match what {
        Subscription::Subscribe => "subscribe",
        Subscription::PSubscribe => "psubscribe",
        Subscription::Unsubscribe => "unsubscribe",
        Subscription::PUnsubscribe => "punsubscribe",
    };
    let name = name.map_or(Frame::Null, |name| Frame::Bulk(name.to_vec()));
    let count = Frame::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    encode_frame(
        &Frame::Push(vec![Frame::bulk(word), name, count]),
        protocol,
        out,
    );
}

/// Appends a message to a subscriber of its channel.
pub fn message(channel: &[u8], payload: &[u8], protocol: Protocol, out: &mut Vec<u8>) {
    let words = [b"message", channel, payload];
    encode_frame(&push(&words), protocol, out);
}

/// Appends a message to a subscriber of a pattern.
pub fn pmessage(
    pattern: &[u8],
    channel: &[u8],
    payload: &[u8],
    protocol: Protocol,
    out: &mut Vec<u8>,
) {
    encode_frame(
        &push(&[b"pmessage", pattern, channel, payload]),
        protocol,
        out,
    );
}

/// Appends the reply to `PING` of a RESP2 subscriber.
pub fn subscriber_pong(message: &[u8], out: &mut Vec<u8>) {
    encode_frame(&push(&[b"pong", message]), Protocol::Resp2, out);
}

fn push(words: &[&[u8]]) -> Frame {
    Frame::Push(
        words
            .iter()
            .map(|word| Frame::Bulk(word.to_vec()))
            .collect(),
    )
}
