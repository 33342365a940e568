//! Text to types: the file, its includes and the command line (spec §1.3, §1.4).

use std::collections::BTreeSet;
use std::sync::Arc;

use bartizan_core::ids::RunId;
use bartizan_core::model::durable::Durable;

use crate::directive::sentinel::Phase;
use crate::directive::{inert, sentinel, server};
use crate::draft::Draft;
use crate::line::{Fault, Kind, Line, Place};
use crate::suggest;
use crate::token;
use crate::{ConfError, ServerOptions, UserLine, Warning, World};

/// The text to load.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file's path, as shown to people.
    pub path: &'a str,
    /// What is in the file.
    pub text: &'a [u8],
    /// Lines from the command line, appended after the file (see [`lines_from_args`](crate::lines_from_args)).
    pub extra: &'a [u8],
}

/// What a file says.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Options and state of the core, with the default periods; masters in order of their names.
    pub durable: Durable,
    /// The file had no `myid`: the id in `durable` is the caller's, and has to be written
    /// before it is told to anyone (spec §1.5).
    pub fresh: bool,
    /// Everything that is not about masters.
    pub server: ServerOptions,
    /// What loads, but maybe not as meant.
    pub warnings: Vec<Warning>,
}

/// Loads a file. `fresh_id` becomes our id when the file has none.
///
/// A master that an included file and the main file both define is one master: the main file is
/// the one that rewrites go to, so its lines count (spec §17). A `sentinel` option on the command
/// line counts more than the same in the file, but a master's address is the file's.
///
/// # Errors
/// The first line that cannot be used, in the order in which Redis looks at them (spec §1.4).
pub fn load(
    source: &Source<'_>,
    fresh_id: RunId,
    world: &mut dyn World,
) -> Result<Loaded, ConfError> {
    let newlines = source.text.iter().filter(|b| **b == b'\n').count();
    let mut reader = Reader {
        world,
        server: ServerOptions::default(),
        names: BTreeSet::new(),
        depth: 0,
        files: 0,
        queue: Vec::new(),
        warnings: Vec::new(),
    };
    reader.read(source.text, Kind::Main, &Arc::from(source.path), 0)?;
    reader.read(
        source.extra,
        Kind::Extra,
        &Arc::from(COMMAND_LINE),
        newlines + 1,
    )?;
    let Reader {
        world,
        server,
        queue,
        mut warnings,
        ..
    } = reader;

    let (mut durable, fresh, more) = apply(queue, fresh_id, world)?;
    durable.options.log_threshold = server.loglevel.threshold();
    warnings.extend(more);
    warnings.extend(open_door(&server, source.path, source.text));
    Ok(Loaded {
        durable,
        fresh,
        server,
        warnings,
    })
}

/// What stands for a path where there is no file.
const COMMAND_LINE: &str = "command line";
/// Files within files; more is taken for a circle.
const DEEPEST_INCLUDE: usize = 16;
/// Included files in all.
const MOST_INCLUDES: usize = 1000;

/// Reads lines: applies those about the process, queues those about masters.
struct Reader<'w> {
    world: &'w mut dyn World,
    server: ServerOptions,
    /// The users and the renamed commands of each file. Twice in one file is a mistake; a second
    /// file overrides, as the main file does after a rewrite.
    names: BTreeSet<(Arc<str>, &'static str, Option<String>)>,
    /// How many files within files we are in.
    depth: usize,
    /// Included files so far.
    files: usize,
    queue: Vec<Line>,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    fn read(
        &mut self,
        text: &[u8],
        kind: Kind,
        file: &Arc<str>,
        lines_before: usize,
    ) -> Result<(), ConfError> {
        // A mark that some editors put in front of a file.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (number, raw) in (1..).zip(text.split(|b| *b == b'\n')) {
            let redis_number = lines_before + number;
            let place = Place {
                kind,
                file: Arc::clone(file),
                number,
                redis_number,
            };
            if let Some(line) = Line::read(raw, place)? {
                self.take(line)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, line: Line) -> Result<(), ConfError> {
        let name = line.name();
        if let Some(row) = server::find(&name) {
            check_text(&line)?;
            let args = line.arguments(1);
            self.apply_server(row, &line, &args)
                .map_err(|fault| line.error(fault, 1))?;
            self.note_included(&line);
            return Ok(());
        }
        match name.as_str() {
            // A bare `sentinel` is what `--sentinel` looks like among the lines.
            "sentinel" if line.words.len() == 1 => Ok(()),
            "sentinel" => {
                check_text(&line)?;
                self.queue.push(line);
                Ok(())
            }
            "include" => self.include(&line),
            name => {
                let args = line.arguments(1);
                inert_line(&mut self.server, name, &args).map_err(|fault| line.error(fault, 1))?;
                self.note_included(&line);
                Ok(())
            }
        }
    }

    fn apply_server(&mut self, row: &server::Row, line: &Line, args: &[&str]) -> Result<(), Fault> {
        let name = args.first().map(|arg| (*arg).to_owned());
        let file = Arc::clone(&line.place.file);
        if self.names.insert((file, row.name, name)) {
            forget(&mut self.server, row, args);
        }
        row.load(&mut self.server, args)?;
        if let (true, Some(dir)) = (row.name == "dir", args.first()) {
            self.world.enter_dir(dir).map_err(|reason| {
                Fault::at(0, reason, "the directory has to exist and be ours to enter")
            })?;
        }
        Ok(())
    }

    fn include(&mut self, line: &Line) -> Result<(), ConfError> {
        let args = line.arguments(1);
        let &[pattern] = args.as_slice() else {
            let help = "one file, or a pattern such as /etc/bartizan/*.conf";
            return Err(line.error(Fault::line("wrong number of arguments", help), 1));
        };
        let cannot = |reason: &str| {
            let message = format!("Fatal error, can't open config file '{pattern}': {reason}");
            line.error(
                Fault::at(0, message, "a path relative to the working directory"),
                1,
            )
        };
        if self.depth >= DEEPEST_INCLUDE {
            return Err(cannot("too many files within files"));
        }
        let files = self
            .world
            .include(pattern)
            .map_err(|reason| cannot(&reason))?;
        for file in files {
            self.files += 1;
            if self.files > MOST_INCLUDES {
                return Err(cannot("too many files"));
            }
            self.depth += 1;
            self.read(
                &file.text,
                Kind::Included,
                &Arc::from(file.path.as_str()),
                0,
            )?;
            self.depth -= 1;
        }
        Ok(())
    }

    /// Remembers what an included file says, so that the main file need not repeat it.
    fn note_included(&mut self, line: &Line) {
        if line.place.kind == Kind::Included {
            self.server
                .included
                .push(line.arguments(0).into_iter().map(str::to_owned).collect());
        }
    }
}

/// Takes one line that is about the process and has been read before (a rewrite compares with
/// what the file says). Lines that cannot be used change nothing.
pub(crate) fn server_line(server: &mut ServerOptions, words: &[&str]) {
    if let Some((name, args)) = words.split_first() {
        let name = name.to_ascii_lowercase();
        let _ = match server::find(&name) {
            Some(row) => {
                forget(server, row, args);
                row.load(server, args)
            }
            None => inert_line(server, &name, args),
        };
    }
}

/// Takes back what another file says about the user or command that a line names.
fn forget(server: &mut ServerOptions, row: &server::Row, args: &[&str]) {
    let name = args.first().copied().unwrap_or_default();
    match row.name {
        "user" => server.users.retain(|user| user.name != name),
        "rename-command" => {
            server.renamed_commands.remove(&name.to_ascii_uppercase());
        }
        _ => {}
    }
}

fn inert_line(server: &mut ServerOptions, name: &str, args: &[&str]) -> Result<(), Fault> {
    let bad = "Bad directive or wrong number of arguments";
    let Some((name, values)) = inert::find(name) else {
        return Err(Fault {
            help: suggest::directive(name),
            ..Fault::line(bad, "")
        });
    };
    let right = match values {
        inert::Values::One => args.len() == 1,
        inert::Values::Exactly(n) => args.len() == n,
        inert::Values::Some => !args.is_empty(),
    };
    if !right {
        let message = if args.is_empty() && values == inert::Values::Some {
            bad
        } else {
            ARITY
        };
        return Err(Fault::line(
            message,
            "a Sentinel does not use this directive: it can go",
        ));
    }
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let lines = server.inert.entry(name.to_owned()).or_default();
    if values == inert::Values::Some {
        lines.retain(|line| *line != args);
    } else {
        lines.clear();
    }
    lines.push(args);
    Ok(())
}

const ARITY: &str = "wrong number of arguments";

/// Applies the `sentinel` lines in their three groups (spec §1.4). Where the same thing is said
/// twice, the last one counts: files that are included first, then ours, then the command line;
/// for the address of a master ours is last, since it knows of failovers.
fn apply(
    mut queue: Vec<Line>,
    fresh_id: RunId,
    world: &dyn World,
) -> Result<(Durable, bool, Vec<Warning>), ConfError> {
    let rank = |line: &Line| {
        let row = line
            .words
            .get(1)
            .and_then(|word| sentinel::find(&word.text));
        let phase = row.map_or(Phase::Rest, |row| row.phase);
        let kind = match (phase, line.place.kind) {
            (Phase::Monitors, Kind::Main) => 2,
            (Phase::Monitors, Kind::Extra) => 1,
            (_, Kind::Included) => 0,
            (_, Kind::Main) => 1,
            (_, Kind::Extra) => 2,
        };
        (phase, kind)
    };
    queue.sort_by_key(rank);
    let start = Place {
        kind: Kind::Main,
        file: Arc::from(""),
        number: 0,
        redis_number: 0,
    };
    let mut draft = Draft::new(world, start);
    for line in queue {
        draft.place = line.place.clone();
        let args = line.arguments(2);
        let row = line
            .words
            .get(1)
            .and_then(|word| sentinel::find(&word.text));
        let result = match row {
            Some(row) => row.apply(&mut draft, &args),
            None => Err(suggest::statement(&line)),
        };
        // Arguments begin after `sentinel NAME`.
        result.map_err(|fault| line.error(fault, 2))?;
    }
    Ok(draft.finish(fresh_id))
}

/// Values that we keep as text have to be text.
fn check_text(line: &Line) -> Result<(), ConfError> {
    if line.is_exact() {
        return Ok(());
    }
    let word = line.words.iter().skip(1).position(|word| !word.exact);
    let help = "save the file as UTF-8, and write no \\x80 to \\xff in quotes that are not UTF-8";
    let fault = Fault {
        argument: word,
        ..Fault::line("the line is not UTF-8 text", help)
    };
    Err(line.error(fault, 1))
}

/// A password that protects nothing: `requirepass` beside a default user without password, which
/// is what the first rewrite of a file without password leaves behind (spec §2.2).
fn open_door(server: &ServerOptions, path: &str, text: &[u8]) -> Option<Warning> {
    server.requirepass.as_ref()?;
    let is_open = |user: &&UserLine| {
        user.name == "default"
            && user
                .rules
                .iter()
                .any(|rule| rule.eq_ignore_ascii_case("nopass"))
    };
    server.users.iter().find(is_open)?;
    let is_password = |line: &[u8]| {
        let name = token::trim(line).get(.."requirepass".len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"requirepass"))
    };
    let line = text
        .split(|b| *b == b'\n')
        .position(is_password)
        .map_or(1, |at| at + 1);
    let message = "requirepass has no effect, since the line `user default … nopass` lets \
                   everyone in; take that line away";
    Some(Warning {
        file: Arc::from(path),
        line,
        message: message.to_owned(),
    })
}
