//! What is printed: events of the sentinels in plain words, with the event's own name beside it.

use super::DOWN_AFTER_MS;
use super::cast::Cast;
use super::writer::Writer;
use crate::live::events::Event;
use crate::live::resp::{self, Value};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Instant;

/// Tells what happens since the master was killed.
pub(super) struct Story {
    /// The moment of the kill.
    zero: Instant,
    old: usize,
    /// How many events were told or passed over.
    told: usize,
    told_lost: bool,
    told_back: bool,
    /// Sentinels' ids and names.
    ids: BTreeMap<String, String>,
    switched: BTreeSet<u16>,
    ended: bool,
    colour: bool,
}

impl Story {
    pub(super) fn begin(cast: &Cast, writer: &Writer, old: usize) -> Self {
        let ids = cast.sentinels.iter().filter_map(|sentinel| {
            let id = resp::ask(sentinel.port, &["SENTINEL", "MYID"])?;
            Some((id.text()?.to_owned(), sentinel.name.clone()))
        });
        Self {
            zero: Instant::now(),
            old,
            told: cast.events.all().len(),
            told_lost: writer.diary().lost.is_some(),
            told_back: false,
            ids: ids.collect(),
            switched: BTreeSet::new(),
            ended: false,
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    pub(super) fn tell_kill(&self, cast: &Cast) {
        let name = cast
            .servers
            .get(self.old)
            .map_or("", |server| server.name.as_str());
        println!("\n  seconds  who         what");
        self.line(self.zero, "you", &format!("kill -9 {name}, the master"), "");
    }

    /// Prints what is new, in the order of time.
    pub(super) fn tell_news(&mut self, cast: &Cast, writer: &Writer) {
        let events = cast.events.all();
        let mut lines: Vec<(Instant, String, String, String)> = Vec::new();
        for event in events.get(self.told..).unwrap_or_default() {
            if event.kind == "+switch-master" {
                self.switched.insert(event.port);
            }
            self.ended |= event.kind == "+failover-end";
            if let Some(words) = self.in_words(cast, event) {
                lines.push((
                    event.at,
                    cast.name_of(event.port),
                    words,
                    event.kind.clone(),
                ));
            }
        }
        self.told = events.len();
        let diary = writer.diary();
        if let (false, Some((at, why))) = (self.told_lost, &diary.lost) {
            self.told_lost = true;
            lines.push((
                *at,
                "writer".into(),
                format!("a write failed: {why}"),
                String::new(),
            ));
        }
        if let (false, Some((at, port))) = (self.told_back, &diary.back) {
            self.told_back = true;
            let words = format!("a write is acknowledged again, by {}", cast.name_of(*port));
            lines.push((*at, "writer".into(), words, String::new()));
        }
        lines.sort_by_key(|(at, ..)| *at);
        for (at, who, what, kind) in lines {
            self.line(at, &who, &what, &kind);
        }
    }

    /// How many sentinels have told their clients of the new master.
    pub(super) fn switched(&self) -> usize {
        self.switched.len()
    }

    /// Whether the leader has said that the failover is over.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn tell_outcome(&self, cast: &Cast, writer: &Writer, new: usize) -> Result<()> {
        let server = cast.servers.get(new).context("the new master")?;
        let diary = writer.diary();
        let gap = diary.gap().context("the writer came back")?;
        let missing = writer.missing_on(server.port)?;
        let acknowledged = writer.acknowledged();
        println!(
            "\n{}",
            self.bold(&format!("{} is the master now.", server.name))
        );
        println!(
            "The writer had no master for {} ms, of which {DOWN_AFTER_MS} ms are down-after: the\n\
             silence after which a server counts as down. Of {acknowledged} acknowledged writes\n\
             {missing} are not on the new master{}",
            gap.as_millis(),
            if missing == 0 {
                "."
            } else {
                ": Redis acknowledges before its replicas have a write,\n\
                 and no Sentinel can change that (min-replicas-to-write limits it)."
            }
        );
        Ok(())
    }

    pub(super) fn tell_return(&self, cast: &Cast, old: usize) {
        let name = cast
            .servers
            .get(old)
            .map_or("", |server| server.name.as_str());
        println!("\nNow {name} is started again, still believing that it is a master.\n");
        println!("  seconds  who         what");
        self.line(Instant::now(), name, "is back, with its old file", "");
    }

    pub(super) fn tell_end(&self, cast: &Cast, old: usize, new: usize) {
        let name = |index: usize| cast.servers.get(index).map_or("", |s| s.name.as_str());
        let words = format!("follows {}, link up", name(new));
        self.line(Instant::now(), name(old), &words, "");
        println!("\n{}", self.bold("At the end"));
        for server in &cast.servers {
            let role = resp::ask(server.port, &["ROLE"]);
            let items = role.as_ref().and_then(Value::items).unwrap_or_default();
            let master = items.get(2).and_then(|value| match value {
                Value::Int(port) => u16::try_from(*port).ok(),
                _ => None,
            });
            match (items.first().and_then(Value::text), master) {
                (Some("slave"), Some(port)) => {
                    println!("  {:<11} replica of {}", server.name, cast.name_of(port));
                }
                (Some(role), _) => println!("  {:<11} {role}", server.name),
                (None, _) => println!("  {:<11} does not answer", server.name),
            }
        }
        for sentinel in &cast.sentinels {
            let port = super::cast::master_port(sentinel.port).unwrap_or(0);
            println!(
                "  {:<11} says the master is {}",
                sentinel.name,
                cast.name_of(port)
            );
        }
    }

    /// An event in plain words; `None` for those that add nothing to the story.
    fn in_words(&self, cast: &Cast, event: &Event) -> Option<String> {
        let subject = self.subject(cast, &event.payload);
        let words: Vec<&str> = event.payload.split(' ').collect();
        let text = match event.kind.as_str() {
            "+sdown" if words.first() == Some(&"slave") => {
                format!("lists {subject} as a replica that is down")
            }
            "+sdown" => format!("hears nothing from {subject}: down, as I see it"),
            "-sdown" => format!("hears from {subject} again"),
            "+odown" => {
                let (agree, needed) = words.last()?.split_once('/')?;
                format!("{agree} agree, {needed} are needed: {subject} is down")
            }
            "-odown" => format!("no longer agreed: {subject} is not down"),
            "+try-failover" => "stands for election".to_owned(),
            "+vote-for-leader" => {
                let [leader, epoch] = words.as_slice() else {
                    return None;
                };
                let leader = self.ids.get(*leader)?;
                let own = *leader == cast.name_of(event.port);
                let whom = if own { "itself" } else { leader };
                format!("votes for {whom} in epoch {epoch}")
            }
            "+elected-leader" => "has a majority of the votes and leads".to_owned(),
            "-failover-abort-not-elected" => "was not elected".to_owned(),
            "-failover-abort-no-good-slave" => "finds no replica to promote".to_owned(),
            "+selected-slave" => format!("chooses {subject}"),
            "+promoted-slave" => format!("{subject} says that it is a master"),
            "+slave-reconf-sent" => format!("tells {subject} whom to follow"),
            "+slave-reconf-done" => format!("{subject} follows the new master"),
            "+failover-end" => "is done".to_owned(),
            "+config-update-from" => format!("hears of a newer configuration from {subject}"),
            "+switch-master" => {
                let port = words.last()?.parse().ok()?;
                format!("tells its clients: the master is {}", cast.name_of(port))
            }
            "+convert-to-slave" => format!("tells {subject} that it is a replica now"),
            "+fix-slave-config" => format!("tells {subject} whom to follow"),
            "+tilt" => "its own clock jumped or it was stopped: it only watches now".to_owned(),
            _ => return None,
        };
        Some(text)
    }

    /// Whom an event is about: the name of the server or sentinel at the start of its payload.
    fn subject(&self, cast: &Cast, payload: &str) -> String {
        let words: Vec<&str> = payload.split(' ').collect();
        let port = words.get(3).and_then(|word| word.parse().ok());
        port.map_or_else(|| payload.to_owned(), |port| cast.name_of(port))
    }

    fn line(&self, at: Instant, who: &str, what: &str, kind: &str) {
        let seconds = at.saturating_duration_since(self.zero).as_secs_f64();
        let paint = |code: &str, text: String| {
            if self.colour {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text
            }
        };
        let code = match who {
            "you" => "31",
            "writer" => "33",
            _ => "36",
        };
        let name = paint(code, format!("{who:<11}"));
        let kind = paint("2", kind.to_owned());
        println!("  {seconds:>7.3}  {name} {what:<52} {kind}");
    }

    fn bold(&self, text: &str) -> String {
        if self.colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
