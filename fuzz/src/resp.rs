//! What clients and servers send, in RESP.

use bartizan_wire::request;
use bartizan_wire::resp::{
    Argv, Frame, Limits, Protocol, ProtocolError, ReplyDecoder, ReplyError, RequestDecoder,
    encode_frame,
};

/// What a decoder made of its input: what it gave, and how it ended.
type Decoded<T, E> = (Vec<T>, Result<(), E>);

/// Requests mean the same however they are cut into pieces; none makes the parser panic.
pub fn requests(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let limits = if first & 1 == 0 {
        Limits::CLIENT
    } else {
        Limits::UNAUTHENTICATED
    };
    let whole = read_requests(data, limits, usize::MAX);
    let pieces = read_requests(data, limits, usize::from(first >> 1) + 1);
    assert_eq!(whole, pieces);
    for argv in &whole.0 {
        assert!(argv.len() <= limits.items || limits.items < 1024);
        if let Ok(spec) = request::find(argv) {
            let _ = spec.parse(argv);
        }
    }
    if let Err(error) = &whole.1 {
        let _ = error.reply();
    }
}

fn read_requests(data: &[u8], limits: Limits, piece: usize) -> Decoded<Argv, ProtocolError> {
    let mut decoder = RequestDecoder::new(limits);
    let mut found = Vec::new();
    for piece in data.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            match decoder.decode(rest) {
                Ok((used, request)) => {
                    assert!(used > 0 && used <= rest.len());
                    rest = &rest[used..];
                    found.extend(request);
                }
                Err(error) => return (found, Err(error)),
            }
        }
        assert!(decoder.buffered() <= data.len() + 64);
    }
    (found, Ok(()))
}

/// Replies mean the same however they are cut into pieces, and what is read can be written and
/// read again.
pub fn replies(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let whole = read_replies(data, usize::MAX);
    let pieces = read_replies(data, usize::from(first) + 1);
    assert_eq!(bytes(&whole.0), bytes(&pieces.0));
    assert_eq!(whole.1, pieces.1);
    for frame in &whole.0 {
        let written = bytes(std::slice::from_ref(frame));
        let (again, end) = read_replies(&written, usize::MAX);
        assert_eq!(end, Ok(()));
        assert_eq!(bytes(&again), written);
        encode_frame(frame, Protocol::Resp2, &mut Vec::new());
    }
}

fn read_replies(data: &[u8], piece: usize) -> Decoded<Frame, ReplyError> {
    let mut decoder = ReplyDecoder::new(Limits::LINK);
    let mut found = Vec::new();
    for piece in data.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            match decoder.decode(rest) {
                Ok((used, frame)) => {
                    assert!(used > 0 && used <= rest.len());
                    rest = &rest[used..];
                    found.extend(frame);
                }
                Err(error) => return (found, Err(error)),
            }
        }
    }
    (found, Ok(()))
}

/// Frames as RESP3; a NaN is not equal to itself, but its text is.
fn bytes(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        encode_frame(frame, Protocol::Resp3, &mut out);
    }
    out
}
