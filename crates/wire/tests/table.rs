//! What is answered from the command table alone: COMMAND, HELP, ACL CAT (spec §3.1, §3.4).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use bartizan_wire::request::{CATEGORIES, Request, by_name, table};
use bartizan_wire::resp::Frame;

use support::parse;

fn refused(line: &str, error: &str) {
    assert_eq!(parse(line), Err(format!("-{error}\r\n")), "{line}");
}

fn answered(line: &str) -> Frame {
    match parse(line) {
        Ok(Request::Answered(frame)) => frame,
        other => panic!("{line}: {other:?}"),
    }
}

fn strings(frame: Frame) -> Vec<String> {
    let Frame::Array(items) = frame else {
        panic!("{frame:?}")
    };
    items
        .into_iter()
        .map(|item| match item {
            Frame::Bulk(text) | Frame::Simple(text) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_table_has_the_commands_of_a_sentinel() {
    assert_eq!(answered("command count"), Frame::Integer(15));
    let names = strings(answered("command list"));
    assert_eq!(names.len(), 72, "those of 7.0");
    for unlisted in ["quit", "reset", "client|setinfo"] {
        assert!(by_name(unlisted.as_bytes()).is_some() && !names.contains(&unlisted.to_owned()));
    }
    for (at, spec) in table().enumerate() {
        let twin = by_name(spec.name.to_uppercase().as_bytes()).unwrap();
        assert!(core::ptr::eq(spec, twin), "{} is there twice", spec.name);
        if let Some((container, _)) = spec.subcommand() {
            assert!(table().position(|spec| spec.name == container).unwrap() < at);
        }
        for category in spec.categories {
            assert!(CATEGORIES.contains(&category.strip_prefix('@').unwrap()));
        }
        assert!(spec.categories.contains(&"@fast") != spec.categories.contains(&"@slow"));
    }
}

#[test]
fn what_is_open_to_strangers_and_subscribers_is_known() {
    let of = |fits: fn(&bartizan_wire::request::Spec) -> bool| -> Vec<&str> {
        table()
            .filter(|spec| fits(spec))
            .map(|spec| spec.name)
            .collect()
    };
    assert_eq!(of(|spec| spec.no_auth), ["auth", "hello", "quit", "reset"]);
    assert_eq!(
        of(|spec| spec.while_subscribed),
        [
            "ping",
            "psubscribe",
            "punsubscribe",
            "quit",
            "reset",
            "subscribe",
            "unsubscribe"
        ]
    );
}

#[test]
fn command_list_can_be_filtered() {
    let count = |line: &str| strings(answered(line)).len();
    assert_eq!(count("command list filterby module x"), 0);
    assert_eq!(count("command list filterby ACLCAT admin"), 38);
    assert_eq!(count("command list filterby aclcat nope"), 0);
    assert_eq!(count("command list filterby pattern s*"), 24);
    refused("command list filterby x", "ERR syntax error");
    refused("command list filterby x y", "ERR syntax error");
    refused("command list a b c", "ERR syntax error");
}

#[test]
fn command_info_describes_and_says_null_for_the_unknown() {
    let Frame::Array(entries) = answered("command info nope ping sentinel") else {
        panic!()
    };
    assert_eq!(entries[0], Frame::Null);
    let Frame::Array(ping) = &entries[1] else {
        panic!()
    };
    assert_eq!(ping.len(), 10);
    assert_eq!(
        ping[..3],
        [
            Frame::bulk("ping"),
            Frame::Integer(-1),
            Frame::Set(vec![Frame::simple("fast")]),
        ]
    );
    let Frame::Array(sentinel) = &entries[2] else {
        panic!()
    };
    assert_eq!(sentinel[1], Frame::Integer(-2));
    assert_eq!(
        sentinel[6],
        Frame::Set(
            ["@admin", "@slow", "@dangerous"]
                .map(Frame::simple)
                .to_vec()
        )
    );
    let Frame::Array(subcommands) = &sentinel[9] else {
        panic!()
    };
    assert_eq!(subcommands.len(), 21);
    let Frame::Array(all) = answered("command") else {
        panic!()
    };
    assert_eq!(all.len(), 15);
}

#[test]
fn command_docs_leaves_the_unknown_out() {
    let Frame::Map(docs) = answered("command docs ping nope") else {
        panic!()
    };
    assert_eq!(docs.len(), 1);
    assert_eq!(docs[0].0, Frame::bulk("ping"));
    let Frame::Map(docs) = answered("command docs") else {
        panic!()
    };
    assert_eq!(docs.len(), 15);
}

#[test]
fn keys_are_found_in_no_command() {
    refused("command getkeys get x", "ERR Invalid command specified");
    refused(
        "command getkeys ping x",
        "ERR The command has no key arguments",
    );
}

#[test]
fn acl_cat_lists_the_categories_and_their_commands() {
    assert_eq!(strings(answered("acl cat")), CATEGORIES);
    let connection = strings(answered("acl cat CONNECTION"));
    assert_eq!(connection.len(), 27, "those of 7.0");
    assert_eq!(strings(answered("acl cat keyspace")), [""; 0]);
}

#[test]
fn help_names_every_subcommand() {
    for container in ["sentinel", "client", "acl", "command"] {
        let lines = strings(answered(&format!("{container} help")));
        let upper = container.to_uppercase();
        let call = format!("{upper} <subcommand> [<arg> [value] [opt] ...]");
        assert!(lines[0].starts_with(&call), "{}", lines[0]);
        assert_eq!(lines[lines.len() - 2], "HELP");
        assert!(lines[lines.len() - 1].starts_with("    "));
        for spec in table().filter(|spec| spec.subcommand().is_some_and(|(of, _)| of == container))
        {
            let sub = spec.subcommand().unwrap().1.to_uppercase();
            let named = lines
                .iter()
                .any(|line| line.split(' ').next() == Some(&sub));
            assert!(named || sub == "SLAVES", "{container} {sub}");
        }
    }
}

#[test]
fn every_command_is_documented_with_its_arguments() {
    let Frame::Map(docs) = answered("command docs client|kill sentinel|monitor") else {
        panic!("docs are a map");
    };
    let fields = |at: usize| match &docs[at].1 {
        Frame::Map(fields) => fields.clone(),
        other => panic!("{other:?}"),
    };
    let names: Vec<Frame> = fields(0).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "summary",
        "since",
        "group",
        "complexity",
        "history",
        "arguments",
    ];
    assert_eq!(names, expected.map(Frame::bulk));
    let (_, arguments) = fields(1).pop().unwrap();
    let Frame::Array(arguments) = arguments else {
        panic!("{arguments:?}");
    };
    assert_eq!(arguments.len(), 4, "name, ip, port, quorum");
    for spec in table()
        .filter(|spec| !["quit", "reset", "client|setinfo", "sentinel|drain"].contains(&spec.name))
    {
        let Frame::Map(one) = answered(&format!("command docs {}", spec.name)) else {
            panic!("docs are a map");
        };
        assert_eq!(one.len(), 1, "{}", spec.name);
        assert!(format!("{one:?}").len() > 100, "{}", spec.name);
    }
}
