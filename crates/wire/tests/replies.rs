//! What clients hear, byte for byte, in both dialects.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use bartizan_core::provide::reply::Reply;
use bartizan_wire::reply::{
    Subscription, encode, frame, message, pmessage, subscriber_pong, subscription,
};
use bartizan_wire::resp::{Frame, Protocol, encode_frame};

use support::show;

fn check(reply: &Reply, resp2: &str, resp3: &str) {
    for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
        let mut out = Vec::new();
        encode(reply, protocol, &mut out);
        let mut framed = Vec::new();
        encode_frame(&frame(reply), protocol, &mut framed);
        assert_eq!(show(&framed), show(&out));
        assert_eq!(show(&out), expected.escape_default().to_string());
    }
}

fn same(reply: &Reply, bytes: &str) {
    check(reply, bytes, bytes);
}

#[test]
fn simple_replies_are_alike_in_both_dialects() {
    same(&Reply::OK, "+OK\r\n");
    same(
        &Reply::NO_SUCH_MASTER,
        "-ERR No such master with that name\r\n",
    );
    same(&Reply::Integer(-3), ":-3\r\n");
    same(&Reply::bulk("a\r\nb"), "$4\r\na\r\nb\r\n");
    same(&Reply::bulk(""), "$0\r\n\r\n");
    same(
        &Reply::Array(vec![Reply::Integer(1), Reply::bulk("*"), Reply::Integer(0)]),
        "*3\r\n:1\r\n$1\r\n*\r\n:0\r\n",
    );
    same(&Reply::Array(vec![]), "*0\r\n");
}

#[test]
fn nothing_and_maps_differ() {
    check(&Reply::Null, "$-1\r\n", "_\r\n");
    check(&Reply::NullArray, "*-1\r\n", "_\r\n");
    let map = Reply::Map(vec![
        ("name".into(), Reply::bulk("m1")),
        ("argv".into(), Reply::Array(vec![Reply::bulk("x")])),
    ]);
    let fields = "$4\r\nname\r\n$2\r\nm1\r\n$4\r\nargv\r\n*1\r\n$1\r\nx\r\n";
    check(&map, &format!("*4\r\n{fields}"), &format!("%2\r\n{fields}"));
    check(&Reply::Map(vec![]), "*0\r\n", "%0\r\n");
}

#[test]
fn line_ends_inside_errors_and_statuses_forge_no_second_reply() {
    same(&Reply::error("ERR a\r\n+OK"), "-ERR a  +OK\r\n");
    same(&Reply::Status("a\nb".into()), "+a b\r\n");
}

#[test]
fn messages_are_arrays_or_pushes() {
    for (protocol, kind) in [(Protocol::Resp2, '*'), (Protocol::Resp3, '>')] {
        let mut out = Vec::new();
        message(b"+sdown", b"master m1", protocol, &mut out);
        pmessage(b"*", b"+sdown", b"x", protocol, &mut out);
        let expected = format!(
            "{kind}3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$9\r\nmaster m1\r\n\
             {kind}4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\n+sdown\r\n$1\r\nx\r\n"
        );
        assert_eq!(show(&out), expected.escape_default().to_string());
    }
}

#[test]
fn subscriptions_are_confirmed_one_by_one() {
    let confirm = |what, name, count, protocol| {
        let mut out = Vec::new();
        subscription(what, name, count, protocol, &mut out);
        String::from_utf8(out).unwrap()
    };
    let (two, three) = (Protocol::Resp2, Protocol::Resp3);
    assert_eq!(
        confirm(Subscription::Subscribe, Some(b"a"), 1, two),
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    );
    assert_eq!(
        confirm(Subscription::PSubscribe, Some(b"x*"), 2, three),
        ">3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:2\r\n"
    );
    assert_eq!(
        confirm(Subscription::Unsubscribe, None, 0, two),
        "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    );
    assert_eq!(
        confirm(Subscription::PUnsubscribe, None, 0, three),
        ">3\r\n$12\r\npunsubscribe\r\n_\r\n:0\r\n"
    );
}

#[test]
fn a_subscribers_ping_is_answered_with_an_array() {
    let mut out = Vec::new();
    subscriber_pong(b"", &mut out);
    subscriber_pong(b"x", &mut out);
    assert_eq!(
        show(&out),
        "*2\\r\\n$4\\r\\npong\\r\\n$0\\r\\n\\r\\n*2\\r\\n$4\\r\\npong\\r\\n$1\\r\\nx\\r\\n"
    );
}

#[test]
fn richer_values_fall_back_to_what_resp2_can_say() {
    let two = |frame: &Frame| {
        let mut out = Vec::new();
        encode_frame(frame, Protocol::Resp2, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(two(&Frame::Set(vec![Frame::simple("a")])), "*1\r\n+a\r\n");
    assert_eq!(two(&Frame::Bool(true)), ":1\r\n");
    assert_eq!(two(&Frame::Double(1.5)), "$3\r\n1.5\r\n");
    assert_eq!(two(&Frame::BigNumber(b"12".to_vec())), "$2\r\n12\r\n");
    let verbatim = Frame::Verbatim {
        format: *b"txt",
        text: b"abc".to_vec(),
    };
    assert_eq!(two(&verbatim), "$3\r\nabc\r\n");
}
