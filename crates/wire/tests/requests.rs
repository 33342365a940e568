//! What clients send: framing, limits and the words of protocol errors (spec §3.1), all of them
//! compared with a redis-sentinel 7.0.15.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::Instant;

use bartizan_wire::resp::{Limits, ProtocolError, RequestDecoder, command};

use support::{Dice, argv, requests, show};

/// Decodes `input` whole and at every split point; all have to agree.
fn check(input: &[u8], expected: Result<Vec<&str>, &str>) {
    let expected = expected
        .map(|lines| lines.into_iter().map(argv).collect::<Vec<_>>())
        .map_err(|error| format!("Protocol error: {error}"));
    for split in 1..=input.len().max(1) {
        let found = requests(input, &[split, input.len()]);
        assert_eq!(found, expected, "{} split at {split}", show(input));
    }
    assert_eq!(
        requests(input, &[1]),
        expected,
        "{} byte by byte",
        show(input)
    );
}

#[test]
fn requests_are_read_in_both_forms_and_in_any_pieces() {
    check(b"PING\r\n", Ok(vec!["PING"]));
    check(b"PING\n", Ok(vec!["PING"]));
    check(b" \t PING  a \r\nPING b\r\n", Ok(vec!["PING a", "PING b"]));
    check(b"*1\r\n$4\r\nPING\r\n", Ok(vec!["PING"]));
    check(
        b"*2\r\n$4\r\nPING\r\n$3\r\nabc\r\n*1\r\n$4\r\nROLE\r\nPING\r\n",
        Ok(vec!["PING abc", "ROLE", "PING"]),
    );
    check(b"*2\r\n$4\r\nPING\r\n$0\r\n\r\n", Ok(vec!["PING "]));
    check(b"$4\r\nPING\r\n", Ok(vec!["$4", "PING"]));
}

#[test]
fn empty_requests_are_skipped() {
    check(b"\r\n\n\nPING\r\n", Ok(vec!["PING"]));
    check(b"*0\r\nPING\r\n", Ok(vec!["PING"]));
    check(b"*-1\r\nPING\r\n", Ok(vec!["PING"]));
    check(b"   \r\n", Ok(vec![]));
}

#[test]
fn what_follows_a_word_is_not_looked_at() {
    check(b"*1\r\n$4\r\nPINGxxPING\r\n", Ok(vec!["PING", "PING"]));
}

#[test]
fn protocol_errors_have_the_words_of_redis() {
    for (input, error) in [
        (&b"*1\r\n+PING\r\n"[..], "expected '$', got '+'"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*2\r\n$4\r\nPING\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*1x\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*1\n$4\nPING\n\r\n", "invalid multibulk length"),
        (b"*9999999999999999999\r\n", "invalid multibulk length"),
        (b"*1025\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$4 \r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$1048577\r\n", "invalid bulk length"),
        (b"PING \"a\r\n", "unbalanced quotes in request"),
        (b"PING \"a\"b\r\n", "unbalanced quotes in request"),
    ] {
        check(input, Err(error));
    }
}

#[test]
fn endless_lines_are_refused() {
    for (start, error) in [
        ("", "too big inline request"),
        ("*", "too big mbulk count string"),
        ("*1\r\n$", "too big bulk count string"),
    ] {
        let input = format!("{start}{}", "1".repeat((64 << 10) + 1));
        for sizes in [&[1400][..], &[1 << 20]] {
            let found = requests(input.as_bytes(), sizes);
            assert_eq!(found, Err(format!("Protocol error: {error}")));
        }
    }
}

#[test]
fn http_is_not_answered() {
    for input in [
        "POST / HTTP/1.1\r\n",
        "Host: x\r\n",
        "host: x\r\n",
        "*1\r\n$4\r\npost\r\n",
    ] {
        let mut decoder = RequestDecoder::new(Limits::CLIENT);
        let error = decoder.decode(input.as_bytes()).unwrap_err();
        assert_eq!(error, ProtocolError::CrossProtocol);
        assert_eq!(error.reply(), None);
    }
    let mut decoder = RequestDecoder::new(Limits::CLIENT);
    assert!(
        decoder
            .decode(b"GET / HTTP/1.1\r\nHost: x\r\n")
            .unwrap()
            .1
            .is_some()
    );
}

#[test]
fn strangers_get_less_room_until_they_have_authenticated() {
    let error = |input: &[u8]| {
        let error = RequestDecoder::new(Limits::UNAUTHENTICATED)
            .decode(input)
            .unwrap_err();
        String::from_utf8(error.reply().unwrap()).unwrap()
    };
    assert_eq!(
        error(b"*11\r\n"),
        "-ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    let long = b"*10\r\n$16385\r\n";
    assert_eq!(
        error(long),
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
    let mut decoder = RequestDecoder::new(Limits::UNAUTHENTICATED);
    assert_eq!(decoder.decode(b"*10\r\n$16384\r\n"), Ok((13, None)));
    let mut decoder = RequestDecoder::new(Limits::UNAUTHENTICATED);
    decoder.set_limits(Limits::CLIENT);
    assert_eq!(decoder.decode(long), Ok((13, None)));
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut decoder = RequestDecoder::new(Limits::CLIENT);
    let error = decoder.decode(b"*x\r\n").unwrap_err();
    assert_eq!(decoder.decode(b"PING\r\n"), Err(error));
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn memory_is_taken_only_for_what_has_arrived() {
    let mut decoder = RequestDecoder::new(Limits::CLIENT);
    assert_eq!(decoder.decode(b"*1024\r\n$1048576\r\nabc").unwrap().1, None);
    assert_eq!(decoder.buffered(), 3);
}

#[test]
fn a_request_as_a_whole_is_bounded() {
    let mut input = b"*1024\r\n".to_vec();
    for _ in 0..4 {
        input.extend_from_slice(b"$1048576\r\n");
        input.resize(input.len() + (1 << 20), b'x');
        input.extend_from_slice(b"\r\n");
    }
    let mut decoder = RequestDecoder::new(Limits::CLIENT);
    assert_eq!(decoder.decode(&input), Ok((input.len(), None)));
    let error = decoder.decode(b"$1\r\n").unwrap_err();
    assert_eq!(error.to_string(), "Protocol error: invalid bulk length");
}

#[test]
fn long_words_in_small_pieces_take_linear_time() {
    let word = vec![b'x'; 1 << 20];
    let mut input = Vec::new();
    command(&[b"PING", word.as_slice()], &mut input);
    let start = Instant::now();
    let found = requests(&input, &[7]).unwrap();
    assert_eq!(found, [vec![b"PING".to_vec(), word]]);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn any_words_come_back_as_they_were_sent_in_any_pieces() {
    let mut dice = Dice(0x5eed);
    let every: Vec<u8> = (0..=255).collect();
    for _ in 0..500 {
        let mut input = Vec::new();
        let mut sent = Vec::new();
        for _ in 0..1 + dice.roll(4) {
            let words: Vec<Vec<u8>> = (0..1 + dice.roll(5))
                .map(|_| {
                    let length = dice.roll(40);
                    dice.bytes(length, &every)
                })
                .collect();
            command(&words, &mut input);
            sent.push(words);
        }
        let sizes: Vec<usize> = (0..5).map(|_| 1 + dice.roll(20)).collect();
        assert_eq!(requests(&input, &sizes).as_ref(), Ok(&sent));
    }
}

#[test]
fn noise_never_panics_and_pieces_never_matter() {
    let mut dice = Dice(0xbad);
    for _ in 0..20_000 {
        let length = dice.roll(60);
        let input = dice.bytes(length, b"*$+-:0123\r\n\r\n\"'\\x aPING\x00\xff");
        let whole = requests(&input, &[usize::MAX]);
        assert_eq!(requests(&input, &[1]), whole, "{}", show(&input));
        let size = 1 + dice.roll(9);
        assert_eq!(requests(&input, &[size]), whole, "{}", show(&input));
    }
}
