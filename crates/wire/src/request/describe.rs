//! `COMMAND …`, answered from the table.

use bartizan_core::provide::reply::Reply;

use super::args::{is, syntax_error, word, words};
use super::{Request, Spec, by_name, lookup, subcommands, table};
use crate::glob;
use crate::resp::{Argv, Frame};

type Parsed = Result<Request, Reply>;

fn answered(frame: Frame) -> Parsed {
    Ok(Request::Answered(frame))
}

fn listed() -> impl Iterator<Item = &'static Spec> {
    table().filter(|spec| spec.listed)
}

pub(super) fn containers_and_commands() -> impl Iterator<Item = &'static Spec> {
    listed().filter(|spec| spec.subcommand().is_none())
}

/// The row of a full name that COMMAND tells of.
pub(super) fn listed_by_name(name: &[u8]) -> Option<&'static Spec> {
    by_name(name).filter(|spec| spec.listed)
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
            .map(|name| listed_by_name(name).map_or(Frame::Null, entry))
            .collect()
    };
    answered(Frame::Array(entries))
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
    let names = listed()
        .filter(|spec| fits(spec))
        .map(|spec| Frame::bulk(spec.name));
    answered(Frame::Array(names.collect()))
}

/// No command of a Sentinel has keys, whatever is behind it.
pub(super) fn get_keys(argv: &Argv) -> Parsed {
    let inner: Argv = words(argv, 2).to_vec();
    Err(Reply::error(match lookup(&inner) {
        Ok(_) => "ERR The command has no key arguments",
        Err(_) => "ERR Invalid command specified",
    }))
}

/// The ten elements that `COMMAND INFO` tells of a command.
fn entry(spec: &'static Spec) -> Frame {
    let statuses =
        |words: &[&str]| Frame::Set(words.iter().map(|word| Frame::simple(word)).collect());
    let nothing = || Frame::Set(Vec::new());
    let tips = spec.tips.iter().map(|tip| Frame::bulk(tip)).collect();
    let subcommands: Vec<Frame> = subcommands(spec)
        .filter(|spec| spec.listed)
        .map(entry)
        .collect();
    Frame::Array(vec![
        Frame::bulk(spec.name),
        Frame::Integer(spec.arity.into()),
        statuses(spec.flags),
        Frame::Integer(0),
        Frame::Integer(0),
        Frame::Integer(0),
        statuses(spec.categories),
        Frame::Set(tips),
        nothing(),
        if subcommands.is_empty() {
            nothing()
        } else {
            Frame::Array(subcommands)
        },
    ])
}
