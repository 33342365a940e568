//! Types to text: the rewrite (spec §2.2, §2.3).

use bartizan_core::model::durable::{Durable, MasterState};

use crate::directive::sentinel::{self, Row, Scope};
use crate::directive::server;
use crate::document::{Document, OURS, Statement};
use crate::load::server_line;
use crate::token;
use crate::{LogLevel, ServerOptions};

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
    let about_masters = |name: &String| name.eq_ignore_ascii_case("sentinel");
    for Statement { words } in statements {
        // Most lines of a large file, and nothing that a server's option could be found in.
        if words.first().is_some_and(about_masters) {
            continue;
        }
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
fn write_server(document: &mut Document, said: &ServerOptions, server: &ServerOptions) {
    for row in server::ROWS.iter().filter(|row| row.name != "dir") {
        let lines = row.lines(server);
        if row.lines(said) != lines {
            write_changed(document, said, row.name, &lines);
        }
    }
    for (name, lines) in &server.inert {
        if said.inert.get(name) != Some(lines) {
            write_changed(document, said, name, lines);
        }
    }
    // The first flush of Redis says who may come in, and tools look for it. Where a password
    // says so already the line would take it back (spec §2.2).
    let nobody = server.users.is_empty() && server.requirepass.is_none();
    if nobody && server.aclfile.is_none() {
        document.emit("user", "user default on nopass ~* &* +@all".to_owned());
    }
}

fn write_changed(document: &mut Document, said: &ServerOptions, name: &str, lines: &[Vec<String>]) {
    let is_name = |line: &Vec<String>| line.first().is_some_and(|n| n.eq_ignore_ascii_case(name));
    let elsewhere = said.included.iter().any(is_name);
    document.process(name);
    for line in lines {
        let line = join(name, line, token::quote);
        if elsewhere {
            // In place it might stand above the `include` line, which would win.
            document.append(line);
        } else {
            document.emit(name, line);
        }
    }
}

/// Writes options and state of the core in the order of §2.3: what is said once up to the first
/// directive of a master, then each master, then the rest.
fn write_sentinel(document: &mut Document, durable: &Durable) {
    let is_master = |row: &&Row| matches!(row.scope, Scope::Master(_));
    let first = sentinel::ROWS
        .iter()
        .position(|row| is_master(&row))
        .unwrap_or_default();
    let (before, rest) = sentinel::ROWS.split_at(first);
    before
        .iter()
        .for_each(|row| write_global(document, row, durable));
    for master in &durable.masters {
        rest.iter()
            .for_each(|row| write_master(document, row, master, durable));
    }
    rest.iter()
        .for_each(|row| write_global(document, row, durable));
}

fn write_global(document: &mut Document, row: &Row, durable: &Durable) {
    let key = format!("sentinel {}", row.name);
    let lines = match &row.scope {
        Scope::Global(lines) => lines(durable),
        Scope::Kept(lines, is_default) if document.has(&key) || !is_default(durable) => {
            lines(durable)
        }
        Scope::Kept(..) | Scope::Master(_) => Vec::new(),
    };
    write_lines(document, row, &key, &lines);
}

fn write_master(document: &mut Document, row: &Row, master: &MasterState, durable: &Durable) {
    if let Scope::Master(lines) = &row.scope {
        let key = format!("sentinel {}", row.name);
        write_lines(document, row, &key, &lines(master, &durable.periods));
    }
}

fn write_lines(document: &mut Document, row: &Row, key: &str, lines: &[Vec<String>]) {
    // Also where there is nothing to write: old lines of this kind are out of date.
    document.process(key);
    let quote = if row.name == "announce-ip" {
        token::quote_always
    } else {
        token::quote
    };
    for line in lines {
        let line = join(key, line, quote);
        let line = if row.name == "known-fork" {
            format!("{OURS}{line}")
        } else {
            line
        };
        document.emit(key, line);
    }
}

fn join(key: &str, values: &[String], quote: fn(&str) -> String) -> String {
    let mut line = key.to_owned();
    for value in values {
        line.push(' ');
        line.push_str(&quote(value));
    }
    line
}
