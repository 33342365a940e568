//! `+…` and `-…`: the commands that a selector allows.

use bartizan_wire::request::{self, CATEGORIES, Spec};

use super::error::RuleError;
use super::limits;

/// Which commands may be given: rules in order, the last that fits decides. None fits: denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commands(Vec<Rule>);

/// One `+…` or `-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    verdict: Verdict,
    about: About,
}

/// What a rule says of the commands that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// `+`
    Allow,
    /// `-`
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// `@all`
    All,
    /// A category, without its `@`.
    Category(&'static str),
    /// A command with all its subcommands, or one subcommand (`client|setname`).
    Command(&'static str),
    /// A command with this first argument, in any case (`ping|hello`).
    FirstArgument(&'static str, String),
}

impl Commands {
    /// `-@all`
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// `+@all`
    pub(super) fn all() -> Self {
        let mut commands = Self::none();
        commands.push(Verdict::Allow, About::All);
        commands
    }

    /// Adds a rule: `word` is what follows the `+` or `-`.
    ///
    /// # Errors
    /// When it names no command and no category.
    pub(super) fn add(&mut self, verdict: Verdict, word: &str) -> Result<(), RuleError> {
        let about = about(verdict, word)?;
        self.push(verdict, about);
        if self.0.len() > limits::RULES {
            return Err(RuleError::TooMany);
        }
        Ok(())
    }

    /// Whether the command may be given with these words, the command's own among them.
    pub(super) fn allow(&self, spec: &Spec, argv: &[Vec<u8>]) -> bool {
        let argument = argv.get(1).map_or(&[][..], Vec::as_slice);
        self.decide(spec, argument) == Verdict::Allow
    }

    /// Drops the rules that decide nothing.
    pub(super) fn simplify(&mut self) {
        let mut at = 0;
        while at < self.0.len() {
            let mut without = self.clone();
            without.0.remove(at);
            if without.decides_like(self) {
                *self = without;
            } else {
                at += 1;
            }
        }
    }

    /// The rules as words, from `+@all` or `-@all` on.
    pub(super) fn words(&self) -> Vec<String> {
        let begins = self.0.first().is_some_and(|rule| rule.about == About::All);
        let mut words: Vec<String> = (!begins).then(|| "-@all".to_owned()).into_iter().collect();
        words.extend(self.0.iter().map(Rule::word));
        words
    }

    fn push(&mut self, verdict: Verdict, about: About) {
        if about == About::All {
            self.0.clear();
            if verdict == Verdict::Deny {
                return;
            }
        }
        self.0.retain(|rule| rule.about != about);
        self.0.push(Rule { verdict, about });
    }

    fn decide(&self, spec: &Spec, argument: &[u8]) -> Verdict {
        let fits = |rule: &&Rule| rule.about.fits(spec, argument);
        let last = self.0.iter().rev().find(fits);
        last.map_or(Verdict::Deny, |rule| rule.verdict)
    }

    /// Whether both say the same of every command. Only arguments that a rule names can matter.
    fn decides_like(&self, other: &Self) -> bool {
        let arguments = other.0.iter().filter_map(|rule| match &rule.about {
            About::FirstArgument(_, argument) => Some(argument.as_bytes()),
            About::All | About::Category(_) | About::Command(_) => None,
        });
        let arguments: Vec<&[u8]> = core::iter::once(&[][..]).chain(arguments).collect();
        request::table().all(|spec| {
            arguments
                .iter()
                .all(|argument| self.decide(spec, argument) == other.decide(spec, argument))
        })
    }
}

impl Rule {
    fn word(&self) -> String {
        let mark = match self.verdict {
            Verdict::Allow => '+',
            Verdict::Deny => '-',
        };
        match &self.about {
            About::All => format!("{mark}@all"),
            About::Category(name) => format!("{mark}@{name}"),
            About::Command(name) => format!("{mark}{name}"),
            About::FirstArgument(name, argument) => format!("{mark}{name}|{argument}"),
        }
    }
}

impl About {
    fn fits(&self, spec: &Spec, first: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Category(name) => spec
                .categories
                .iter()
                .any(|category| category.strip_prefix('@') == Some(name)),
            Self::Command(name) => {
                spec.name == *name
                    || spec
                        .subcommand()
                        .is_some_and(|(container, _)| container == *name)
            }
            Self::FirstArgument(name, argument) => {
                spec.name == *name && first.eq_ignore_ascii_case(argument.as_bytes())
            }
        }
    }
}

/// What follows a `+` or `-`.
fn about(verdict: Verdict, word: &str) -> Result<About, RuleError> {
    if let Some(wanted) = word.strip_prefix('@') {
        if wanted.eq_ignore_ascii_case("all") {
            return Ok(About::All);
        }
        let known = CATEGORIES
            .iter()
            .find(|name| name.eq_ignore_ascii_case(wanted));
        return known
            .map(|name| About::Category(name))
            .ok_or(RuleError::Unknown);
    }
    if let Some(spec) = request::by_any_name(word.as_bytes()) {
        return Ok(About::Command(spec.name));
    }
    match word.rsplit_once('|') {
        Some((command, argument)) if verdict == Verdict::Allow => first_argument(command, argument),
        _ => Err(RuleError::Unknown),
    }
}

/// `+command|argument` where the command has no such subcommand.
fn first_argument(command: &str, argument: &str) -> Result<About, RuleError> {
    let spec = request::by_any_name(command.as_bytes()).ok_or(RuleError::Unknown)?;
    let is_container = request::table()
        .filter_map(Spec::subcommand)
        .any(|(container, _)| container == spec.name);
    if argument.is_empty() || argument.contains(blank) {
        Err(RuleError::Syntax)
    } else if spec.subcommand().is_some() {
        Err(RuleError::ArgumentOfSubcommand)
    } else if is_container {
        Err(RuleError::Unknown)
    } else {
        Ok(About::FirstArgument(spec.name, argument.to_owned()))
    }
}

/// What would end a word of a `user` line.
pub(super) fn blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r' | '\0')
}
