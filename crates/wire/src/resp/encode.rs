//! Writing RESP: commands of ours, and frames to clients.

use std::io::Write as _;

use super::frame::{Frame, Protocol};

/// Appends a command: an array of bulk strings.
pub fn command<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    length(b'*', words.len(), out);
    for word in words {
        bulk(word.as_ref(), out);
    }
}

/// Appends `frame` as `protocol` can say it: in RESP2 maps, sets and pushes become flat arrays,
/// booleans integers, doubles and the like bulk strings.
pub fn encode_frame(frame: &Frame, protocol: Protocol, out: &mut Vec<u8>) {
    let three = protocol == Protocol::Resp3;
    match frame {
        Frame::Simple(text) => line(b'+', text, out),
        Frame::Error(text) => line(b'-', text, out),
        Frame::Integer(n) => line(b':', n.to_string().as_bytes(), out),
        Frame::Bulk(bytes) => bulk(bytes, out),
        Frame::Null => out.extend_from_slice(if three { b"_\r\n" } else { b"$-1\r\n" }),
        Frame::NullArray => out.extend_from_slice(if three { b"_\r\n" } else { b"*-1\r\n" }),
        Frame::Array(items) => list(b'*', items, protocol, out),
        Frame::Set(items) => list(if three { b'~' } else { b'*' }, items, protocol, out),
        Frame::Push(items) => list(if three { b'>' } else { b'*' }, items, protocol, out),
        Frame::Map(pairs) => {
            map_header(pairs.len(), protocol, out);
            for (key, value) in pairs {
                encode_frame(key, protocol, out);
                encode_frame(value, protocol, out);
            }
        }
        Frame::Bool(true) => out.extend_from_slice(if three { b"#t\r\n" } else { b":1\r\n" }),
        Frame::Bool(false) => out.extend_from_slice(if three { b"#f\r\n" } else { b":0\r\n" }),
        Frame::Double(n) if three => line(b',', n.to_string().as_bytes(), out),
        Frame::Double(n) => bulk(n.to_string().as_bytes(), out),
        Frame::Verbatim { format, text } if three => {
            length(b'=', text.len() + 4, out);
            out.extend_from_slice(format);
            out.push(b':');
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Frame::Verbatim { text, .. } => bulk(text, out),
        Frame::BigNumber(digits) if three => line(b'(', digits, out),
        Frame::BigNumber(digits) => bulk(digits, out),
    }
}

fn list(kind: u8, items: &[Frame], protocol: Protocol, out: &mut Vec<u8>) {
    length(kind, items.len(), out);
    for item in items {
        encode_frame(item, protocol, out);
    }
}

/// The header of a map of `pairs` pairs: `%n`, or in RESP2 an array of twice as many.
pub(crate) fn map_header(pairs: usize, protocol: Protocol, out: &mut Vec<u8>) {
    match protocol {
        Protocol::Resp2 => length(b'*', pairs.saturating_mul(2), out),
        Protocol::Resp3 => length(b'%', pairs, out),
    }
}

/// A bulk string.
pub(crate) fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    length(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// `kind`, a length, CRLF.
pub(crate) fn length(kind: u8, n: usize, out: &mut Vec<u8>) {
    out.push(kind);
    // A write to memory cannot fail.
    let _ = write!(out, "{n}\r\n");
}

/// `kind`, a text, CRLF. Line ends inside the text would forge a second reply, so they become
/// spaces, as Redis does it.
pub(crate) fn line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(
        text.iter()
            .map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}
