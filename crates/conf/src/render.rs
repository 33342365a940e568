//! Types to text: the rewrite (spec §2.2, §2.3).

use std::borrow::Cow;
use std::sync::Arc;

use bartizan_core::model::durable::{Durable, SharedState};
use bartizan_core::provide::options::Periods;

use crate::directive::sentinel::{self, Row, Scope};
use crate::directive::{Key, inert, server};
use crate::document::{Document, Known, Statement};
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
    let new = Rewriter::default().render(current, durable, server);
    Arc::unwrap_or_clone(new.text)
}

/// A file's new text.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// All of it. It may hold passwords.
    pub text: Arc<Vec<u8>>,
    /// Of how many masters the state is another than it was at the last time.
    pub changed: usize,
}

/// Writes the same file again and again, as [`render`] does. What is as it was at the last time is
/// neither made nor read again: of a thousand masters, few change between two writes.
#[derive(Default)]
pub struct Rewriter {
    /// The text that was made last.
    known: Known,
    /// What it says of each master, in their order.
    masters: Vec<MasterLines>,
    /// What decided which lines were left out.
    periods: Periods,
}

/// The lines about one master, in their order.
struct MasterLines {
    state: SharedState,
    /// All in one, without anything between them.
    text: Box<str>,
    /// What each is about, and where it ends.
    ends: Box<[(&'static Row, usize)]>,
}

impl Rewriter {
    /// See [`render`].
    pub fn render(
        &mut self,
        current: &[u8],
        durable: &Durable,
        server: &ServerOptions,
    ) -> Rewritten {
        let changed = self.renew(durable);
        let (mut document, statements) = Document::parse(current, &self.known);
        let server = &ServerOptions {
            loglevel: LogLevel::of(durable.options.log_threshold),
            ..server.clone()
        };
        write_server(&mut document, &said(&statements, server), server);
        self.write_sentinel(&mut document, durable);
        let known = document.finish();
        self.known = known;
        Rewritten {
            text: Arc::clone(&self.known.text),
            changed,
        }
    }

    /// Makes the lines about masters that have changed; how many have.
    fn renew(&mut self, durable: &Durable) -> usize {
        let mut old = core::mem::take(&mut self.masters);
        if self.periods != durable.periods {
            self.periods.clone_from(&durable.periods);
            old.clear();
        }
        let mut old = old.into_iter().peekable();
        let (mut changed, mut scratch) = (0_usize, String::new());
        let lines = |master: &SharedState| {
            while old.next_if(|old| old.state.name < master.name).is_some() {}
            old.next_if(|old| old.state.name == master.name)
                .filter(|old| old.state == *master)
                .unwrap_or_else(|| {
                    changed = changed.saturating_add(1);
                    MasterLines::of(master, &durable.periods, &mut scratch)
                })
        };
        self.masters = durable.masters.iter().map(lines).collect();
        changed
    }

    /// Writes options and state of the core in the order of §2.3: what is said once up to the
    /// first directive of a master, then each master, then the rest.
    fn write_sentinel<'a>(&'a self, document: &mut Document<'a>, durable: &Durable) {
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
        for (row, line) in self.masters.iter().flat_map(MasterLines::iter) {
            write_line(document, row, line.as_bytes().into());
        }
        rest.iter()
            .for_each(|row| write_global(document, row, durable));
    }
}

impl MasterLines {
    fn of(state: &SharedState, periods: &Periods, scratch: &mut String) -> Self {
        scratch.clear();
        let mut ends = Vec::new();
        for row in sentinel::ROWS {
            if let Scope::Master(lines) = &row.scope {
                for line in lines(state, periods) {
                    write_text(row, &line, scratch);
                    ends.push((row, scratch.len()));
                }
            }
        }
        Self {
            state: state.clone(),
            text: scratch.as_str().into(),
            ends: ends.into(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&'static Row, &str)> {
        let mut began = 0;
        self.ends.iter().map(move |(row, end)| {
            let line = self.text.get(began..*end).unwrap_or_default();
            began = *end;
            (*row, line)
        })
    }
}

const fn is_master(row: &&Row) -> bool {
    matches!(row.scope, Scope::Master(_))
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
        document.process(Key::Process("user"));
        document.emit(
            Key::Process("user"),
            b"user default on nopass ~* &* +@all".as_slice().into(),
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
        let mut text = String::with_capacity(LINE_BYTES);
        join(key, line, token::quote, &mut text);
        let line = text.into_bytes().into();
        if elsewhere {
            // In place it might stand above the `include` line, which would win.
            document.append(key, line);
        } else {
            document.emit(key, line);
        }
    }
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
    for line in &lines {
        let mut text = String::with_capacity(LINE_BYTES);
        write_text(row, line, &mut text);
        write_line(document, row, text.into_bytes().into());
    }
}

fn write_line<'a>(document: &mut Document<'a>, row: &Row, line: Cow<'a, [u8]>) {
    let key = Key::Sentinel(row.name);
    if sentinel::OURS.contains(&row.name) {
        document.emit_ours(key, line);
    } else {
        document.emit(key, line);
    }
}

/// Appends a line of a row.
fn write_text(row: &Row, line: &[String], text: &mut String) {
    let quote = if row.name == "announce-ip" {
        token::quote_always
    } else {
        token::quote
    };
    join(Key::Sentinel(row.name), line, quote, text);
}

fn join(key: Key, values: &[String], quote: fn(&str) -> Cow<'_, str>, text: &mut String) {
    key.write(text);
    for value in values {
        text.push(' ');
        text.push_str(&quote(value));
    }
}
