//! `Selector`: one set of permissions. A user has one of its own and may have more in parentheses.

use bartizan_wire::glob;

use super::commands::{Commands, Verdict, blank};
use super::error::RuleError;
use super::{Channel, Denial, NewUserChannels, Wanted, limits};

/// Commands, and the keys and channels that they may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    commands: Commands,
    keys: Keys,
    channels: Channels,
}

/// A Sentinel has no keys; they are kept for whoever lists and saves the users.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    All,
    Matching(Vec<KeyPattern>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    /// `%R~`, `%W~`, or `~` for both.
    mark: &'static str,
    pattern: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Channels {
    All,
    Matching(Vec<String>),
}

impl Selector {
    /// Allows nothing, except perhaps to hear everything.
    pub(super) fn fresh(channels: NewUserChannels) -> Self {
        Self {
            commands: Commands::none(),
            keys: Keys::Matching(Vec::new()),
            channels: match channels {
                NewUserChannels::All => Channels::All,
                NewUserChannels::None => Channels::Matching(Vec::new()),
            },
        }
    }

    /// Allows everything.
    pub(super) fn everything() -> Self {
        Self {
            commands: Commands::all(),
            keys: Keys::All,
            channels: Channels::All,
        }
    }

    /// A selector in parentheses, `rules` being what is between them.
    ///
    /// # Errors
    /// When one of them is none.
    pub(super) fn parse(rules: &str, channels: NewUserChannels) -> Result<Self, RuleError> {
        let mut selector = Self::fresh(channels);
        for rule in rules.split(blank).filter(|rule| !rule.is_empty()) {
            selector.apply(rule)?;
        }
        selector.simplify();
        Ok(selector)
    }

    /// Applies one rule.
    ///
    /// # Errors
    /// When it is none, or says nothing new where that is a mistake.
    pub(super) fn apply(&mut self, rule: &str) -> Result<(), RuleError> {
        let mut letters = rule.chars();
        let mark = letters.next();
        let rest = letters.as_str();
        match rule.to_ascii_lowercase().as_str() {
            "allcommands" => self.commands = Commands::all(),
            "nocommands" => self.commands = Commands::none(),
            "allkeys" | "~*" => self.keys = Keys::All,
            "resetkeys" => self.keys = Keys::Matching(Vec::new()),
            "allchannels" | "&*" => self.channels = Channels::All,
            "resetchannels" => self.channels = Channels::Matching(Vec::new()),
            _ => match mark {
                Some('+') => self.commands.add(Verdict::Allow, rest)?,
                Some('-') => self.commands.add(Verdict::Deny, rest)?,
                Some('~') => self.add_key("~", rest)?,
                Some('%') => {
                    let (mark, pattern) = key_rule(rest)?;
                    self.add_key(mark, pattern)?;
                }
                Some('&') => self.add_channel(rest)?,
                _ => return Err(RuleError::Syntax),
            },
        }
        Ok(())
    }

    /// Drops the rules that decide nothing.
    pub(super) fn simplify(&mut self) {
        self.commands.simplify();
    }

    /// Whether it allows all that a request needs.
    ///
    /// # Errors
    /// What it does not allow.
    pub(super) fn permit(&self, wanted: &Wanted<'_>) -> Result<(), Denial> {
        if !self.commands.allow(wanted.spec, wanted.argv) {
            return Err(Denial::Command);
        }
        match wanted.channels().find(|channel| !self.hears(*channel)) {
            None => Ok(()),
            Some(Channel::Named(name) | Channel::Pattern(name)) => {
                Err(Denial::Channel(name.to_vec()))
            }
        }
    }

    /// Whether it allows to speak or listen on a channel of this very name, or to listen to a
    /// pattern: only to one that was granted word by word, since a wider one would hear more.
    pub(super) fn hears(&self, channel: Channel<'_>) -> bool {
        let Channels::Matching(granted) = &self.channels else {
            return true;
        };
        granted.iter().any(|granted| match channel {
            Channel::Named(name) => glob::matches(granted.as_bytes(), name),
            Channel::Pattern(pattern) => granted.as_bytes() == pattern,
        })
    }

    /// The rules for commands, as `ACL GETUSER` shows them.
    pub(super) fn commands(&self) -> String {
        self.commands.words().join(" ")
    }

    /// The patterns of keys, as `ACL GETUSER` shows them.
    pub(super) fn keys(&self) -> String {
        match &self.keys {
            Keys::All => "~*".to_owned(),
            Keys::Matching(patterns) => {
                let words: Vec<_> = patterns
                    .iter()
                    .map(|KeyPattern { mark, pattern }| format!("{mark}{pattern}"))
                    .collect();
                words.join(" ")
            }
        }
    }

    /// The patterns of channels, as `ACL GETUSER` shows them.
    pub(super) fn channels(&self) -> String {
        match &self.channels {
            Channels::All => "&*".to_owned(),
            Channels::Matching(patterns) => {
                let words: Vec<_> = patterns.iter().map(|word| format!("&{word}")).collect();
                words.join(" ")
            }
        }
    }

    /// All rules as words of a `user` line.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.keys().split(' ').map(str::to_owned).collect();
        if matches!(self.channels, Channels::Matching(_)) {
            words.push("resetchannels".to_owned());
        }
        words.extend(self.channels().split(' ').map(str::to_owned));
        words.retain(|word| !word.is_empty());
        words.extend(self.commands.words());
        words
    }

    fn add_key(&mut self, mark: &'static str, pattern: &str) -> Result<(), RuleError> {
        check_pattern(pattern)?;
        let Keys::Matching(patterns) = &mut self.keys else {
            return Err(RuleError::KeysBeyondAll);
        };
        if let Some(known) = patterns.iter_mut().find(|known| known.pattern == pattern) {
            if known.mark != mark {
                // To read and to write, each granted for itself, are both.
                known.mark = "~";
            }
            return Ok(());
        }
        if patterns.len() >= limits::RULES {
            return Err(RuleError::TooMany);
        }
        let pattern = pattern.to_owned();
        patterns.push(KeyPattern { mark, pattern });
        Ok(())
    }

    fn add_channel(&mut self, pattern: &str) -> Result<(), RuleError> {
        check_pattern(pattern)?;
        let Channels::Matching(patterns) = &mut self.channels else {
            return Err(RuleError::ChannelsBeyondAll);
        };
        if patterns.iter().any(|known| known == pattern) {
            return Ok(());
        }
        if patterns.len() >= limits::RULES {
            return Err(RuleError::TooMany);
        }
        patterns.push(pattern.to_owned());
        Ok(())
    }
}

/// What follows a `%`: what may be done with the keys, and the pattern behind the `~`.
fn key_rule(rest: &str) -> Result<(&'static str, &str), RuleError> {
    // Redis takes the pattern without its `~` for an empty one.
    let (access, pattern) = rest.split_once('~').unwrap_or((rest, ""));
    match access.to_ascii_uppercase().as_str() {
        "R" => Ok(("%R~", pattern)),
        "W" => Ok(("%W~", pattern)),
        "RW" | "WR" => Ok(("~", pattern)),
        _ => Err(RuleError::Syntax),
    }
}

fn check_pattern(pattern: &str) -> Result<(), RuleError> {
    if pattern.contains(blank) {
        return Err(RuleError::Syntax);
    }
    if pattern.len() > limits::BYTES {
        return Err(RuleError::TooLong);
    }
    Ok(())
}
