//! What servers send: every type of RESP2 and RESP3, limits, hostile input.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::Instant;

use bartizan_wire::resp::{Frame, Limits, Protocol, ReplyDecoder, encode_frame};

use support::{Dice, frames, show};

fn check(input: &[u8], expected: Frame) {
    for split in 1..=input.len() {
        let found = frames(input, &[split, input.len()]);
        assert_eq!(
            found.as_deref(),
            Ok(&[expected.clone()][..]),
            "{} at {split}",
            show(input)
        );
    }
    assert_eq!(frames(input, &[1]), Ok(vec![expected]));
}

fn fails(input: &[u8]) -> String {
    let whole = frames(input, &[usize::MAX]);
    assert_eq!(frames(input, &[1]), whole, "{}", show(input));
    whole.unwrap_err()
}

#[test]
fn every_type_is_read_in_any_pieces() {
    let array = |items: &[Frame]| Frame::Array(items.to_vec());
    check(b"+OK\r\n", Frame::simple("OK"));
    check(b"+\r\n", Frame::simple(""));
    check(b"-ERR no\r\n", Frame::Error(b"ERR no".to_vec()));
    check(b":-42\r\n", Frame::Integer(-42));
    check(b"$5\r\na\r\nbc\r\n", Frame::bulk("a\r\nbc"));
    check(b"$0\r\n\r\n", Frame::bulk(""));
    check(b"$-1\r\n", Frame::Null);
    check(b"*-1\r\n", Frame::NullArray);
    check(b"_\r\n", Frame::Null);
    check(b"*0\r\n", array(&[]));
    check(
        b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
        array(&[Frame::Integer(1), array(&[Frame::bulk("x")])]),
    );
    check(
        b"%1\r\n+a\r\n:1\r\n",
        Frame::Map(vec![(Frame::simple("a"), Frame::Integer(1))]),
    );
    check(b"%0\r\n", Frame::Map(vec![]));
    check(b"~1\r\n:1\r\n", Frame::Set(vec![Frame::Integer(1)]));
    check(b">1\r\n:1\r\n", Frame::Push(vec![Frame::Integer(1)]));
    check(b"#t\r\n", Frame::Bool(true));
    check(b"#f\r\n", Frame::Bool(false));
    check(b",1.5\r\n", Frame::Double(1.5));
    check(b",-inf\r\n", Frame::Double(f64::NEG_INFINITY));
    check(
        b"(12345678901234567890\r\n",
        Frame::BigNumber(b"12345678901234567890".to_vec()),
    );
    check(
        b"=7\r\ntxt:abc\r\n",
        Frame::Verbatim {
            format: *b"txt",
            text: b"abc".to_vec(),
        },
    );
    check(b"!6\r\nERR no\r\n", Frame::Error(b"ERR no".to_vec()));
}

#[test]
fn attributes_are_dropped_wherever_they_are() {
    check(b"|1\r\n+ttl\r\n*1\r\n:3\r\n+OK\r\n", Frame::simple("OK"));
    check(b"|0\r\n+OK\r\n", Frame::simple("OK"));
    check(
        b"*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
        Frame::Array(vec![Frame::Integer(1), Frame::Integer(2)]),
    );
}

#[test]
fn replies_that_make_no_sense_are_refused() {
    for input in [
        &b"x\r\n"[..],
        b"\r\n",
        b"+OK\n",
        b":\r\n",
        b":1x\r\n",
        b":01\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"$1\r\nabc",
        b"*x\r\n",
        b"*-2\r\n",
        b"*?\r\n",
        b"%-1\r\n",
        b"#x\r\n",
        b",x\r\n",
        b"_x\r\n",
        b"=3\r\nabc\r\n",
        b"=4\r\nabcd\r\n",
        b"!-1\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
    ] {
        assert!(
            fails(input).starts_with("malformed reply"),
            "{}",
            show(input)
        );
    }
}

#[test]
fn announced_sizes_beyond_the_limits_are_refused_at_once() {
    for input in [
        &b"$4194305\r\n"[..],
        b"$9223372036854775807\r\n",
        b"*65537\r\n",
        b"%32769\r\n",
        b"*9223372036854775807\r\n",
        b"%9223372036854775807\r\n",
        b"*40000\r\n*40000\r\n",
        b"=9223372036854775807\r\n",
    ] {
        assert!(
            fails(input).starts_with("reply too large"),
            "{}",
            show(input)
        );
    }
}

#[test]
fn deep_nesting_is_refused_quickly() {
    let input = b"*1\r\n".repeat(100_000);
    let start = Instant::now();
    assert_eq!(fails(&input), "reply too large: depth");
    assert!(start.elapsed().as_secs() < 2);
    let mut deepest = b"*1\r\n".repeat(16);
    deepest.extend_from_slice(b":1\r\n");
    assert!(frames(&deepest, &[1]).is_ok());
}

#[test]
fn a_reply_as_a_whole_is_bounded() {
    let mut decoder = ReplyDecoder::new(Limits::LINK);
    let bulk = [
        b"$4000000\r\n".to_vec(),
        vec![b'x'; 4_000_000],
        b"\r\n".to_vec(),
    ]
    .concat();
    decoder.decode(b"*100\r\n").unwrap();
    let refused = (0..100).position(|_| decoder.decode(&bulk).is_err());
    assert_eq!(refused, Some(4), "after 16 MB");
}

#[test]
fn endless_attributes_are_refused() {
    let input = b"|1\r\n+a\r\n+b\r\n".repeat(100_000);
    assert_eq!(fails(&input), "reply too large: number of items");
}

#[test]
fn endless_lines_are_refused() {
    let input = [b"+".to_vec(), vec![b'x'; 1 << 20]].concat();
    assert_eq!(fails(&input), "reply too large: line");
}

#[test]
fn large_replies_in_small_pieces_take_linear_time() {
    let input = [
        b"$4000000\r\n".to_vec(),
        vec![b'x'; 4_000_000],
        b"\r\n".to_vec(),
    ]
    .concat();
    let start = Instant::now();
    assert_eq!(frames(&input, &[100]).unwrap().len(), 1);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut decoder = ReplyDecoder::new(Limits::LINK);
    assert!(decoder.decode(b"x\r\n").is_err());
    assert!(decoder.decode(b"+OK\r\n").is_err());
}

fn random_frame(dice: &mut Dice, depth: usize) -> Frame {
    let text = |dice: &mut Dice| {
        let length = dice.roll(12);
        dice.bytes(length, b"abc d:$*")
    };
    let list = |dice: &mut Dice| {
        (0..dice.roll(4))
            .map(|_| random_frame(dice, depth + 1))
            .collect::<Vec<_>>()
    };
    match dice.roll(if depth < 5 { 14 } else { 10 }) {
        0 => Frame::Simple(text(dice)),
        1 => Frame::Error(text(dice)),
        2 => Frame::Integer(i64::try_from(dice.roll(1000)).unwrap() - 500),
        3 | 4 => Frame::Bulk(dice.bytes(30, b"\r\n$*x\xff\x00")),
        5 => Frame::Null,
        6 => Frame::Bool(dice.roll(2) == 0),
        7 => Frame::Double(f64::from(u32::try_from(dice.roll(100)).unwrap()) / 4.0),
        8 => Frame::Verbatim {
            format: *b"txt",
            text: text(dice),
        },
        9 => Frame::BigNumber(b"-12345678901234567890".to_vec()),
        10 => Frame::Array(list(dice)),
        11 => Frame::Set(list(dice)),
        12 => Frame::Push(list(dice)),
        _ => Frame::Map(
            (0..dice.roll(4))
                .map(|_| (random_frame(dice, depth + 1), random_frame(dice, depth + 1)))
                .collect(),
        ),
    }
}

#[test]
fn what_is_written_reads_back_in_any_pieces() {
    let mut dice = Dice(0xf00d);
    for _ in 0..2000 {
        let sent: Vec<Frame> = (0..1 + dice.roll(3))
            .map(|_| random_frame(&mut dice, 0))
            .collect();
        let mut input = Vec::new();
        for frame in &sent {
            encode_frame(frame, Protocol::Resp3, &mut input);
        }
        let sizes: Vec<usize> = (0..5).map(|_| 1 + dice.roll(30)).collect();
        assert_eq!(frames(&input, &sizes).as_ref(), Ok(&sent));
    }
}

#[test]
fn noise_never_panics_and_pieces_never_matter() {
    let mut dice = Dice(0xcafe);
    for _ in 0..20_000 {
        let length = dice.roll(60);
        let input = dice.bytes(length, b"*$+-:%~>|#_,=!(0123\r\n\r\ntfx\xff");
        let whole = frames(&input, &[usize::MAX]);
        assert_eq!(frames(&input, &[1]), whole, "{}", show(&input));
        let size = 1 + dice.roll(9);
        assert_eq!(frames(&input, &[size]), whole, "{}", show(&input));
    }
}
