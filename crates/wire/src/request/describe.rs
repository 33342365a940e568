//! `COMMAND …`, answered from the table.

use bartizan_core::provide::reply::Reply;

use super::args::{is, syntax_error, word, words};
use super::{Request, Spec, by_name, find, subcommands, table};
use crate::glob;
use crate::resp::{Argv, Frame};

type Parsed = Result<Request, Reply>;

fn answered(frame: Frame) -> Parsed {
    Ok(Request::Answered(frame))
}

fn containers_and_commands() -> impl Iterator<Item = &'static Spec> {
    table().filter(|spec| spec.subcommand().is_none())
}

pub(super) fn count(_: &Argv) -> Parsed {
    let count = containers_and_commands().count();
    answered(Frame::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// `COMMAND` and `COMMAND INFO [name …]`
pub(super) fn info(argv: &Argv) -> Parsed {
    let names = words(argv, 2);
    let entries = if names.is_empty() {
        containers_and_commands().map(entry).collect()
    } else {
        names
            .iter()
            .map(|name| by_name(name).map_or(Frame::Null, entry))
            .collect()
    };
    answered(Frame::Array(entries))
}

/// `COMMAND DOCS [name …]`; unknown names are left out.
pub(super) fn docs(argv: &Argv) -> Parsed {
    let names = words(argv, 2);
    let specs: Vec<&Spec> = if names.is_empty() {
        containers_and_commands().collect()
    } else {
        names.iter().filter_map(|name| by_name(name)).collect()
    };
    answered(Frame::Map(specs.into_iter().map(documented).collect()))
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob]`
pub(super) fn list(argv: &Argv) -> Parsed {
    let wanted = word(argv, 4);
    let category = |spec: &Spec| {
        spec.categories.iter().any(|name| {
            name.strip_prefix('@')
                .is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(wanted))
        })
    };
    let pattern = |spec: &Spec| glob::matches_ignoring_case(wanted, spec.name.as_bytes());
    let fits: &dyn Fn(&Spec) -> bool = match argv.len() {
        2 => &|_| true,
        5 if !is(argv, 2, "filterby") => return Err(syntax_error()),
        5 if is(argv, 3, "module") => &|_| false,
        5 if is(argv, 3, "aclcat") => &category,
        5 if is(argv, 3, "pattern") => &pattern,
        _ => return Err(syntax_error()),
    };
    let names = table()
        .filter(|spec| fits(spec))
        .map(|spec| Frame::bulk(spec.name));
    answered(Frame::Array(names.collect()))
}

/// No command of a Sentinel has keys.
pub(super) fn get_keys(argv: &Argv) -> Parsed {
    let inner: Argv = words(argv, 2).to_vec();
    Err(Reply::error(match find(&inner) {
        Ok(_) => "ERR The command has no key arguments",
        Err(_) => "ERR Invalid command specified",
    }))
}

/// The ten elements that `COMMAND INFO` tells of a command.
fn entry(spec: &'static Spec) -> Frame {
    let statuses =
        |words: &[&str]| Frame::Set(words.iter().map(|word| Frame::simple(word)).collect());
    let nothing = || Frame::Set(Vec::new());
    let subcommands: Vec<Frame> = subcommands(spec).map(entry).collect();
    Frame::Array(vec![
        Frame::bulk(spec.name),
        Frame::Integer(spec.arity.into()),
        statuses(spec.flags),
        Frame::Integer(0),
        Frame::Integer(0),
        Frame::Integer(0),
        statuses(spec.categories),
        nothing(),
        nothing(),
        if subcommands.is_empty() {
            nothing()
        } else {
            Frame::Array(subcommands)
        },
    ])
}

fn documented(spec: &'static Spec) -> (Frame, Frame) {
    let field = |name: &str, value: &str| (Frame::bulk(name), Frame::bulk(value));
    let mut fields = vec![
        field("summary", spec.summary),
        field("since", spec.since),
        field("group", group(spec)),
    ];
    let subcommands: Vec<(Frame, Frame)> = subcommands(spec).map(documented).collect();
    if !subcommands.is_empty() {
        fields.push((Frame::bulk("subcommands"), Frame::Map(subcommands)));
    }
    (Frame::bulk(spec.name), Frame::Map(fields))
}

fn group(spec: &Spec) -> &'static str {
    let container = spec
        .subcommand()
        .map_or(spec.name, |(container, _)| container);
    match container {
        "auth" | "client" | "hello" | "ping" => "connection",
        "psubscribe" | "publish" | "punsubscribe" | "subscribe" | "unsubscribe" => "pubsub",
        "sentinel" => "sentinel",
        _ => "server",
    }
}
