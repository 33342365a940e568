//! Types to text: the rewrite (spec §2.2, §2.3).

use std::borrow::Cow;

use bartizan_core::model::durable::{Durable, MasterState};

use crate::directive::sentinel::{self, Row, Scope};
use crate::directive::{Key, inert, server};
use crate::document::{Document, Statement};
use crate::load::server_line;
use crate::token;
use crate::{LogLevel, ServerOptions};

/// Room for most lines.
const LINE_BYTES: usize = 96;

/// The new text of the file whose text is `current` (empty if it is gone).
///
/// Comments, order and lines whose value did not change are kept; state replaces the old lines
/// of its kind, and what finds no old line is appended. `dir` is never written: a relative one
/// would be entered twice.
///
/// What is written loads as the same values, provided that hosts that are names come with
/// `resolve-hostnames yes`, and that epochs are within [`bartizan_core::limits`].
pub fn render(current: &[u8], durable: &Durable, server: &ServerOptions) -> Vec<u8> {
    let (mut document, statements) = Document::parse(current);
    let server = &ServerOptions {
        loglevel: LogLevel::of(durable.options.log_threshold),
        ..server.clone()
    };
    write_server(&mut document, &said(&statements, server), server);
    write_sentinel(&mut document, durable);
    document.into_text()
}

/// What the file says about the process now, with the files that it includes.
fn said(statements: &[Statement], server: &ServerOptions) -> ServerOptions {
    let mut said = ServerOptions::default();
    let mut included = false;
    for Statement { words } in statements {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let includes = words
            .first()
            .is_some_and(|name| name.eq_ignore_ascii_case("include"));
        if includes && !included {
            included = true;
            said.included.clone_from(&server.included);
            for line in &server.included {
                let line: Vec<&str> = line.iter().map(String::as_str).collect();
                server_line(&mut said, &line);
            }
        }
        server_line(&mut said, &words);
    }
    said
}

/// Writes what differs from what the file says: values changed at run time, or given on the
/// command line (spec §1.1).
fn write_server(document: &mut Document<'_>, said: &ServerOptions, server: &ServerOptions) {
    for row in server::ROWS.iter().filter(|row| row.name != "dir") {
        let lines = row.lines(server);
        if row.lines(said) != lines {
            write_changed(document, said, Key::Process(row.name), &lines);
        }
    }
    for (name, lines) in &server.inert {
        if said.inert.get(name) != Some(lines)
            && let Some((name, _)) = inert::find(name)
        {
            write_changed(document, said, Key::Process(name), lines);
        }
    }
    // The first flush of Redis says who may come in, and tools look for it. Where a password
    // says so already the line would take it back (spec §2.2).
    let nobody = server.users.is_empty() && server.requirepass.is_none();
    if nobody && server.aclfile.is_none() {
        document.emit(
            Key::Process("user"),
            "user default on nopass ~* &* +@all".to_owned(),
        );
    }
}

fn write_changed(
    document: &mut Document<'_>,
    said: &ServerOptions,
    key: Key,
    lines: &[Vec<String>],
) {
    let is_same = |line: &Vec<String>| {
        let second = line.get(1).map(String::as_str);
        line.first().and_then(|name| Key::of(name, second)) == Some(key)
    };
    let elsewhere = said.included.iter().any(is_same);
    document.process(key);
    for line in lines {
        let line = join(key, line, token::quote);
        if elsewhere {
            // In place it might stand above the `include` line, which would win.
            document.append(line);
        } else {
            document.emit(key, line);
        }
    }
}

/// Writes options and state of the core in the order of §2.3: what is said once up to the first
/// directive of a master, then each master, then the rest.
fn write_sentinel(document: &mut Document<'_>, durable: &Durable) {
    let is_master = |row: &&Row| matches!(row.scope, Scope::Master(_));
    let first = sentinel::ROWS
        .iter()
        .position(|row| is_master(&row))
        .unwrap_or_default();
    let (before, rest) = sentinel::ROWS.split_at(first);
    before
        .iter()
        .for_each(|row| write_global(document, row, durable));
    for row in rest.iter().filter(is_master) {
        // Also where there is nothing to write: old lines of this kind are out of date.
        document.process(Key::Sentinel(row.name));
    }
    for master in &durable.masters {
        rest.iter()
            .for_each(|row| write_master(document, row, master, durable));
    }
    rest.iter()
        .for_each(|row| write_global(document, row, durable));
}

fn write_global(document: &mut Document<'_>, row: &Row, durable: &Durable) {
    let key = Key::Sentinel(row.name);
    let lines = match &row.scope {
        Scope::Global(lines) => lines(durable),
        Scope::Kept(lines, is_default) if document.has(key) || !is_default(durable) => {
            lines(durable)
        }
        Scope::Kept(..) | Scope::Master(_) => Vec::new(),
    };
    document.process(key);
    write_lines(document, row, &lines);
}

fn write_master(document: &mut Document<'_>, row: &Row, master: &MasterState, durable: &Durable) {
    if let Scope::Master(lines) = &row.scope {
        write_lines(document, row, &lines(master, &durable.periods));
    }
}

fn write_lines(document: &mut Document<'_>, row: &Row, lines: &[Vec<String>]) {
    let key = Key::Sentinel(row.name);
    let quote = if row.name == "announce-ip" {
        token::quote_always
    } else {
        token::quote
    };
    for line in lines {
        let line = join(key, line, quote);
        if sentinel::OURS.contains(&row.name) {
            document.emit_ours(key, line);
        } else {
            document.emit(key, line);
        }
    }
}

fn join(key: Key, values: &[String], quote: fn(&str) -> Cow<'_, str>) -> String {
    let mut line = String::with_capacity(LINE_BYTES);
    key.write(&mut line);
    for value in values {
        line.push(' ');
        line.push_str(&quote(value));
    }
    line
}
