//! `COMMAND DOCS`: `docs.txt` as frames.

use bartizan_core::provide::reply::Reply;

use super::args::words;
use super::describe::{containers_and_commands, listed_by_name};
use super::{Request, Spec, subcommands};
use crate::resp::{Argv, Frame};

const TEXT: &str = include_str!("docs.txt");

/// `COMMAND DOCS [name …]`; unknown names are left out.
pub(super) fn docs(argv: &Argv) -> Result<Request, Reply> {
    let names = words(argv, 2);
    let specs: Vec<&Spec> = if names.is_empty() {
        containers_and_commands().collect()
    } else {
        names
            .iter()
            .filter_map(|name| listed_by_name(name))
            .collect()
    };
    let docs = specs.into_iter().map(documented).collect();
    Ok(Request::Answered(Frame::Map(docs)))
}

/// A command's name and its documentation, with that of its subcommands.
fn documented(spec: &'static Spec) -> (Frame, Frame) {
    let lines: Vec<&str> = lines_about(spec.name).collect();
    let mut fields: Vec<(Frame, Frame)> = lines.iter().filter_map(|line| field(line)).collect();
    let history = values(&lines, "history").map(|what| Frame::Array(halves(what)));
    push_list(&mut fields, "history", Frame::Set, history.collect());
    push_list(&mut fields, "arguments", Frame::Array, arguments(&lines, 1));
    let subcommands: Vec<_> = subcommands(spec)
        .filter(|spec| spec.listed)
        .map(documented)
        .collect();
    if !subcommands.is_empty() {
        fields.push((Frame::bulk("subcommands"), Frame::Map(subcommands)));
    }
    (Frame::bulk(spec.name), Frame::Map(fields))
}

/// The indented lines below a command's name.
fn lines_about(name: &str) -> impl Iterator<Item = &'static str> {
    TEXT.lines()
        .skip_while(move |line| *line != name)
        .skip(1)
        .take_while(|line| line.starts_with(' '))
}

/// A line that is a field of its own.
fn field(line: &str) -> Option<(Frame, Frame)> {
    let (name, value) = line.strip_prefix("  ")?.split_once(' ')?;
    let value = match name {
        "doc_flags" => flags(value),
        "" | "history" | "arg" => return None,
        _ => Frame::bulk(value),
    };
    Some((Frame::bulk(name), value))
}

fn values<'a>(lines: &'a [&'a str], name: &'a str) -> impl Iterator<Item = &'a str> {
    lines
        .iter()
        .filter_map(move |line| line.trim_start().strip_prefix(name)?.strip_prefix(' '))
}

/// A version and what changed in it.
fn halves(text: &str) -> Vec<Frame> {
    text.splitn(2, ' ').map(Frame::bulk).collect()
}

fn flags(words: &str) -> Frame {
    Frame::Set(words.split(',').map(Frame::simple).collect())
}

fn push_list(
    fields: &mut Vec<(Frame, Frame)>,
    name: &str,
    kind: fn(Vec<Frame>) -> Frame,
    items: Vec<Frame>,
) {
    if !items.is_empty() {
        fields.push((Frame::bulk(name), kind(items)));
    }
}

/// The arguments at this depth, up to the first line that lies less deep, each with those that
/// are nested in it.
fn arguments(lines: &[&str], depth: usize) -> Vec<Frame> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let inside = line.len() - line.trim_start().len();
        if inside < 2 * depth {
            break;
        }
        let argument = line.trim_start().strip_prefix("arg ");
        if let Some(argument) = argument.filter(|_| inside == 2 * depth) {
            let nested = lines.get(at + 1..).unwrap_or_default();
            found.push(described(argument, arguments(nested, depth + 1)));
        }
    }
    found
}

fn described(argument: &str, nested: Vec<Frame>) -> Frame {
    let mut words = argument.split(' ');
    let mut fields: Vec<(Frame, Frame)> = ["name", "type"]
        .into_iter()
        .zip(&mut words)
        .map(|(name, value)| (Frame::bulk(name), Frame::bulk(value)))
        .collect();
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        let value = match (name, value) {
            ("flags", value) => flags(value),
            (_, "\"\"") => Frame::bulk(""),
            (_, value) => Frame::bulk(value),
        };
        fields.push((Frame::bulk(name), value));
    }
    push_list(&mut fields, "arguments", Frame::Array, nested);
    Frame::Map(fields)
}
