//! The log: Redis's line format, to standard output or a file (spec §1.7).
//!
//! Lines are written by a thread of their own, so that a full pipe or a slow disk never stops
//! the loop. There is one producer and the line is part of what tools parse, which is why no
//! logging framework stands between.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use bartizan_core::notify::event::{Level, Threshold};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::crew;
use crate::syslog::Syslog;

/// Lines that may wait for the writer; beyond it they are counted and left out.
const WAITING_LINES: usize = 8192;
/// How long the end of the process waits for the last lines to be written.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// The level above every line: nothing is logged.
const NOTHING: u8 = 4;

/// How a line is laid out (`log-format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// `<pid>:X <time> <mark> <text>`
    #[default]
    Legacy,
    /// `pid=… role=sentinel timestamp="…" level=… message="…"`
    Logfmt,
}

/// How the time is written (`log-timestamp-format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// `22 Nov 2026 21:10:05.123`
    #[default]
    Legacy,
    /// `2026-11-22T21:10:05.123+00:00`
    Iso8601,
    /// Milliseconds since 1970.
    Milliseconds,
}

/// Where and how lines are written.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The file; `None` for standard output.
    pub(crate) file: Option<PathBuf>,
    /// The layout.
    pub(crate) format: Format,
    /// The layout of the time.
    pub(crate) time: TimeFormat,
    /// The system's log, which has every line as well.
    pub(crate) syslog: Option<Syslog>,
}

/// A handle to the log; clones write to the same place.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    threshold: Arc<AtomicU8>,
    lost: Arc<AtomicU64>,
    lines: SyncSender<Message>,
}

#[derive(Debug)]
enum Message {
    Line(Line),
    Flush(SyncSender<()>),
}

#[derive(Debug)]
struct Line {
    at: Timestamp,
    from: Speaker,
    text: String,
}

/// Who speaks: the Sentinel at some level, or its signal handler, whose lines have a form of
/// their own (spec §1.6).
#[derive(Clone, Copy, Debug)]
enum Speaker {
    Sentinel(Level),
    SignalHandler,
}

impl Log {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(settings: Settings, threshold: Threshold) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING_LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        crew::start("log", move || write_lines(&settings, &waiting, &counter))?;
        let log = Self {
            threshold: Arc::new(AtomicU8::new(NOTHING)),
            lost,
            lines,
        };
        log.set_threshold(threshold);
        Ok(log)
    }

    /// Changes which lines are written, from the next one on.
    pub(crate) fn set_threshold(&self, threshold: Threshold) {
        let floor = match threshold {
            Threshold::From(level) => rank(level),
            Threshold::Nothing => NOTHING,
        };
        self.threshold.store(floor, Ordering::Relaxed);
    }

    /// Writes one line, if its level is wanted.
    pub(crate) fn write(&self, level: Level, text: impl Into<String>) {
        if rank(level) < self.threshold.load(Ordering::Relaxed) {
            return;
        }
        self.send(Line {
            at: Timestamp::now(),
            from: Speaker::Sentinel(level),
            text: text.into(),
        });
    }

    /// A line of the signal handler, written at every level but `nothing`.
    pub(crate) fn signal(&self, text: &str) {
        if self.threshold.load(Ordering::Relaxed) < NOTHING {
            let text = text.to_owned();
            self.send(Line {
                at: Timestamp::now(),
                from: Speaker::SignalHandler,
                text,
            });
        }
    }

    fn send(&self, line: Line) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A line of level notice.
    pub(crate) fn notice(&self, text: impl Into<String>) {
        self.write(Level::Notice, text);
    }

    /// A line of level warning.
    pub(crate) fn warning(&self, text: impl Into<String>) {
        self.write(Level::Warning, text);
    }

    /// Waits until all lines so far are written, but not for ever: a pipe that nobody reads
    /// must not keep the process from ending.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_PATIENCE);
        }
    }
}

const fn rank(level: Level) -> u8 {
    match level {
        Level::Debug => 0,
        Level::Verbose => 1,
        Level::Notice => 2,
        Level::Warning => 3,
    }
}

fn write_lines(settings: &Settings, waiting: &Receiver<Message>, lost: &AtomicU64) {
    let zone = TimeZone::system();
    let pid = std::process::id();
    while let Ok(first) = waiting.recv() {
        let mut text = String::new();
        let mut flushed = Vec::new();
        for message in std::iter::once(first).chain(waiting.try_iter()) {
            match message {
                Message::Line(line) => line.write(settings, pid, &zone, &mut text),
                Message::Flush(done) => flushed.push(done),
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text_of_it = format!("{lost} log lines were left out: the log cannot keep up");
            let from = Speaker::Sentinel(Level::Warning);
            Line {
                at: Timestamp::now(),
                from,
                text: text_of_it,
            }
            .write(settings, pid, &zone, &mut text);
        }
        // There is nobody left to tell when the log itself cannot be written.
        let _ = emit(settings, text.as_bytes());
        for done in flushed {
            let _ = done.send(());
        }
    }
}

/// Opens the file anew for each batch, so that a rotation that renames it just works.
fn emit(settings: &Settings, text: &[u8]) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    match &settings.file {
        Some(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(text),
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(text)?;
            out.flush()
        }
    }
}

impl Line {
    /// Adds it to our own log's text, and sends it to the system's.
    fn write(&self, settings: &Settings, pid: u32, zone: &TimeZone, out: &mut String) {
        self.render(settings, pid, zone, out);
        if let Some(syslog) = &settings.syslog {
            let level = match self.from {
                Speaker::Sentinel(level) => level,
                Speaker::SignalHandler => Level::Warning,
            };
            let local = self.at.to_zoned(zone.clone());
            let time = local.strftime("%b %e %H:%M:%S").to_string();
            syslog.send(level, &time, pid, &one_line(&self.text));
        }
    }

    fn render(&self, settings: &Settings, pid: u32, zone: &TimeZone, out: &mut String) {
        let time = self.time(settings.time, zone);
        let text = one_line(&self.text);
        out.push_str(&match (settings.format, self.from) {
            (Format::Legacy, Speaker::Sentinel(level)) => {
                format!("{pid}:X {time} {} {text}\n", mark(level))
            }
            (Format::Legacy, Speaker::SignalHandler) => {
                format!("{pid}:signal-handler ({}) {text}\n", self.at.as_second())
            }
            (Format::Logfmt, from) => {
                let level = match from {
                    Speaker::Sentinel(level) => level,
                    Speaker::SignalHandler => Level::Warning,
                };
                format!(
                    "pid={pid} role=sentinel timestamp=\"{time}\" level={} message=\"{}\"\n",
                    word(level),
                    text.replace('\\', "\\\\").replace('"', "\\\"")
                )
            }
        });
    }

    fn time(&self, format: TimeFormat, zone: &TimeZone) -> String {
        let local = self.at.to_zoned(zone.clone());
        match format {
            TimeFormat::Legacy => local.strftime("%d %b %Y %H:%M:%S.%3f").to_string(),
            TimeFormat::Iso8601 => local.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string(),
            TimeFormat::Milliseconds => self.at.as_millisecond().to_string(),
        }
    }
}

/// Control characters, which a peer may have sent, must not start a line of their own.
fn one_line(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect()
    } else {
        text.to_owned()
    }
}

const fn mark(level: Level) -> char {
    match level {
        Level::Debug => '.',
        Level::Verbose => '-',
        Level::Notice => '*',
        Level::Warning => '#',
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Verbose => "info",
        Level::Notice => "notice",
        Level::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(settings: &Settings, text: &str) -> String {
        let at = Timestamp::from_millisecond(1_795_381_805_123).unwrap();
        let mut out = String::new();
        Line {
            at,
            from: Speaker::Sentinel(Level::Warning),
            text: text.to_owned(),
        }
        .render(settings, 42, &TimeZone::UTC, &mut out);
        out
    }

    #[test]
    fn a_line_has_the_shape_that_tools_parse() {
        assert_eq!(
            line(&Settings::default(), "+sdown master m ::1 1"),
            "42:X 22 Nov 2026 21:10:05.123 # +sdown master m ::1 1\n"
        );
    }

    #[test]
    fn logfmt_quotes_the_message() {
        let settings = Settings {
            format: Format::Logfmt,
            ..Settings::default()
        };
        assert_eq!(
            line(&settings, "a \"b\""),
            "pid=42 role=sentinel timestamp=\"22 Nov 2026 21:10:05.123\" level=warning \
             message=\"a \\\"b\\\"\"\n"
        );
    }

    #[test]
    fn other_time_formats_are_known() {
        let iso = Settings {
            time: TimeFormat::Iso8601,
            ..Settings::default()
        };
        assert_eq!(line(&iso, "x"), "42:X 2026-11-22T21:10:05.123+00:00 # x\n");
        let ms = Settings {
            time: TimeFormat::Milliseconds,
            ..Settings::default()
        };
        assert_eq!(line(&ms, "x"), "42:X 1795381805123 # x\n");
    }

    #[test]
    fn a_message_cannot_forge_a_second_line() {
        let text = line(&Settings::default(), "a\n42:X forged");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn the_systems_log_has_every_line_with_its_facility_and_severity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let facility = bartizan_conf::SyslogFacility::Local3;
        let settings = Settings {
            file: Some(dir.path().join("s.log")),
            syslog: Some(Syslog::new(path, "watcher".to_owned(), facility)),
            ..Settings::default()
        };
        let log = Log::start(settings, Threshold::From(Level::Notice)).unwrap();
        log.write(Level::Debug, "hidden");
        log.warning("+sdown master m");
        log.notice("two\nlines");
        let hear = || {
            let mut buffer = [0; 256];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let (first, second) = (hear(), hear());
        let pid = std::process::id();
        // local3 is 19; a warning 4, a notice 5.
        assert!(first.starts_with("<156>"), "{first}");
        assert!(
            first.ends_with(&format!(" watcher[{pid}]: +sdown master m")),
            "{first}"
        );
        assert!(
            second.starts_with("<157>") && second.ends_with("two?lines"),
            "{second}"
        );
        log.flush();
    }

    #[test]
    fn a_rotated_file_is_opened_again_and_the_level_can_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.log");
        let settings = Settings {
            file: Some(path.clone()),
            ..Settings::default()
        };
        let log = Log::start(settings, Threshold::From(Level::Notice)).unwrap();
        log.notice("one");
        log.write(Level::Debug, "hidden");
        log.flush();
        std::fs::rename(&path, dir.path().join("old.log")).unwrap();
        log.set_threshold(Threshold::From(Level::Debug));
        log.write(Level::Debug, "two");
        log.set_threshold(Threshold::Nothing);
        log.warning("never");
        log.flush();
        let old = std::fs::read_to_string(dir.path().join("old.log")).unwrap();
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(old.ends_with(" * one\n"), "{old}");
        assert!(
            new.ends_with(" . two\n") && new.lines().count() == 1,
            "{new}"
        );
    }
}
