//! Who may do what: users, passwords and rules (spec §13), as `user` lines and `requirepass` say.
//!
//! A rule that is not understood is an error, never ignored: a file must not grant more than it
//! says.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bartizan_conf::UserLine;
use bartizan_wire::glob;
use bartizan_wire::request::{self, Spec};
use bartizan_wire::resp::Argv;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The name of the user that a connection is before it says otherwise.
pub(crate) const DEFAULT_USER: &str = "default";

/// The categories of a data server. Those without a command of ours are known all the same, since
/// a `user` line may have been written for both.
const CATEGORIES: &[&str] = &[
    "@keyspace",
    "@read",
    "@write",
    "@set",
    "@sortedset",
    "@list",
    "@hash",
    "@string",
    "@bitmap",
    "@hyperloglog",
    "@geo",
    "@stream",
    "@pubsub",
    "@admin",
    "@fast",
    "@slow",
    "@blocking",
    "@dangerous",
    "@connection",
    "@transaction",
    "@scripting",
];

/// No subcommand needs more words than this.
const MOST_WORDS: usize = 8;

/// A SHA-256 digest.
type Hash = [u8; 32];

/// All users.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    users: BTreeMap<Rc<str>, User>,
}

/// What one user may do.
#[derive(Clone, Debug)]
pub(crate) struct User {
    enabled: bool,
    no_password: bool,
    passwords: BTreeSet<Hash>,
    commands: Vec<CommandRule>,
    channels: Channels,
}

/// One `+…` or `-…`; the last that fits a command decides.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandRule {
    verdict: Verdict,
    about: About,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// `@all`
    All,
    /// A category with its `@`.
    Category(String),
    /// A command with all its subcommands, or one subcommand (`client|setname`).
    Command(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Channels {
    All,
    Matching(Vec<Vec<u8>>),
}

/// Why a rule is refused; the words of Redis where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    /// It is no rule.
    #[error("Syntax error")]
    Syntax,
    /// A category that does not exist.
    #[error("Unknown command or category name in ACL")]
    UnknownCategory,
    /// `#…` or `!…` with something that is no SHA-256 in lower-case hex.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    /// `(…)`: a second set of permissions.
    #[error("selectors are not supported by Bartizan")]
    Selector,
    /// `<…` or `!…` for a password that the user does not have.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
}

impl Access {
    /// The users that a file describes. Channels of a user who names none are those of
    /// `acl-pubsub-default`.
    ///
    /// A password in `requirepass` holds even beside a `user default` line that says `nopass`,
    /// which a rewrite leaves behind: the stricter of the two is what the operator meant.
    ///
    /// # Errors
    /// The user and the rule that cannot be used.
    pub(crate) fn new(
        requirepass: Option<&str>,
        lines: &[UserLine],
        new_user_channels: NewUserChannels,
    ) -> Result<Self, (String, RuleError)> {
        let mut users = BTreeMap::new();
        users.insert(Rc::from(DEFAULT_USER), User::allowed_everything());
        let mut access = Self { users };
        for line in lines {
            let mut user = User::fresh(new_user_channels);
            for rule in &line.rules {
                user.apply(rule)
                    .map_err(|error| (format!("{} {rule}", line.name), error))?;
            }
            access.users.insert(Rc::from(line.name.as_str()), user);
        }
        if let (Some(password), Some(user)) = (requirepass, access.users.get_mut(DEFAULT_USER))
            && !password.is_empty()
            && user.no_password
        {
            user.no_password = false;
            user.passwords.insert(hash(password.as_bytes()));
        }
        Ok(access)
    }

    /// The default user may come in without a password.
    pub(crate) fn is_open(&self) -> bool {
        self.users
            .get(DEFAULT_USER)
            .is_some_and(|user| user.no_password && user.enabled)
    }

    /// The default user needs no password (though it may be off).
    pub(crate) fn default_has_no_password(&self) -> bool {
        self.users
            .get(DEFAULT_USER)
            .is_some_and(|user| user.no_password)
    }

    /// The user of that name, if the password is theirs. Takes as long for a wrong password as
    /// for a right one.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Rc<str>> {
        let given = hash(password);
        let name = std::str::from_utf8(name).ok()?;
        let (name, user) = self.users.get_key_value(name)?;
        let matching = user
            .passwords
            .iter()
            .fold(subtle::Choice::from(0), |found, known| {
                found | known.ct_eq(&given)
            });
        (user.enabled && (user.no_password || bool::from(matching))).then(|| Rc::clone(name))
    }

    /// Whether this user may give this command.
    pub(crate) fn permits(&self, user: &str, spec: &Spec) -> bool {
        self.users
            .get(user)
            .is_some_and(|user| user.permits(spec.name, spec.categories))
    }

    /// Whether this user may speak or listen on a channel of this very name.
    pub(crate) fn permits_channel(&self, user: &str, channel: &[u8]) -> bool {
        self.users
            .get(user)
            .is_some_and(|user| match &user.channels {
                Channels::All => true,
                Channels::Matching(patterns) => patterns
                    .iter()
                    .any(|pattern| glob::matches(pattern, channel)),
            })
    }

    /// Whether this user may listen to a pattern: only to one that was granted word by word,
    /// since a wider one would hear more than was granted.
    pub(crate) fn permits_pattern(&self, user: &str, pattern: &[u8]) -> bool {
        self.users
            .get(user)
            .is_some_and(|user| match &user.channels {
                Channels::All => true,
                Channels::Matching(patterns) => patterns.iter().any(|granted| granted == pattern),
            })
    }

    /// The users' names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(AsRef::as_ref)
    }

    /// Each user as a `user` line, in order, with hashed passwords.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.users
            .iter()
            .map(|(name, user)| format!("user {name} {}", user.rules().join(" ")))
            .collect()
    }
}

/// What a user may hear who names no channel (`acl-pubsub-default`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewUserChannels {
    /// `allchannels`
    All,
    /// `resetchannels`
    None,
}

impl User {
    fn fresh(channels: NewUserChannels) -> Self {
        Self {
            enabled: false,
            no_password: false,
            passwords: BTreeSet::new(),
            commands: Vec::new(),
            channels: match channels {
                NewUserChannels::All => Channels::All,
                NewUserChannels::None => Channels::Matching(Vec::new()),
            },
        }
    }

    fn allowed_everything() -> Self {
        Self {
            enabled: true,
            no_password: true,
            passwords: BTreeSet::new(),
            commands: vec![CommandRule {
                verdict: Verdict::Allow,
                about: About::All,
            }],
            channels: Channels::All,
        }
    }

    fn apply(&mut self, rule: &str) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_str() {
            "on" => self.enabled = true,
            "off" => self.enabled = false,
            "nopass" => {
                self.no_password = true;
                self.passwords.clear();
            }
            "resetpass" => {
                self.no_password = false;
                self.passwords.clear();
            }
            "allcommands" => self.command_rule(Verdict::Allow, About::All),
            "nocommands" => self.command_rule(Verdict::Deny, About::All),
            "allchannels" => self.channels = Channels::All,
            "resetchannels" => self.channels = Channels::Matching(Vec::new()),
            "reset" => *self = Self::fresh(NewUserChannels::None),
            // A Sentinel has no keys, and nothing that could be sanitized.
            "allkeys"
            | "resetkeys"
            | "sanitize-payload"
            | "skip-sanitize-payload"
            | "clearselectors" => {}
            _ => return self.apply_marked(rule),
        }
        Ok(())
    }

    /// A rule whose first character says what it is.
    fn apply_marked(&mut self, rule: &str) -> Result<(), RuleError> {
        let mut chars = rule.chars();
        let mark = chars.next();
        let rest = chars.as_str();
        match mark {
            Some('>') => self.add_password(hash(rest.as_bytes())),
            Some('#') => self.add_password(unhex(rest)?),
            Some('<') => return self.remove_password(hash(rest.as_bytes())),
            Some('!') => return self.remove_password(unhex(rest)?),
            Some('~' | '%') => {}
            Some('&') if rest == "*" => self.channels = Channels::All,
            Some('&') => match &mut self.channels {
                Channels::All => {}
                Channels::Matching(patterns) => patterns.push(rest.as_bytes().to_vec()),
            },
            Some('+') => {
                let about = about(rest)?;
                self.command_rule(Verdict::Allow, about);
            }
            Some('-') => {
                let about = about(rest)?;
                self.command_rule(Verdict::Deny, about);
            }
            Some('(') => return Err(RuleError::Selector),
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// Adds a rule for commands. One about all of them settles every earlier one.
    fn command_rule(&mut self, verdict: Verdict, about: About) {
        if about == About::All {
            self.commands.clear();
        }
        self.commands.push(CommandRule { verdict, about });
    }

    fn add_password(&mut self, password: Hash) {
        self.no_password = false;
        self.passwords.insert(password);
    }

    fn remove_password(&mut self, password: Hash) -> Result<(), RuleError> {
        if self.passwords.remove(&password) {
            Ok(())
        } else {
            Err(RuleError::NoSuchPassword)
        }
    }

    fn permits(&self, command: &str, categories: &[&str]) -> bool {
        let last = self
            .commands
            .iter()
            .rev()
            .find(|rule| rule.about.fits(command, categories));
        last.is_some_and(|rule| rule.verdict == Verdict::Allow)
    }

    /// The rules that make this user, as words of a `user` line.
    fn rules(&self) -> Vec<String> {
        let mut words = vec![if self.enabled { "on" } else { "off" }.to_owned()];
        if self.no_password {
            words.push("nopass".to_owned());
        }
        words.extend(self.passwords.iter().map(|hash| format!("#{}", hex(hash))));
        words.push("~*".to_owned());
        match &self.channels {
            Channels::All => words.push("&*".to_owned()),
            Channels::Matching(patterns) => {
                words.push("resetchannels".to_owned());
                words.extend(
                    patterns
                        .iter()
                        .map(|pattern| format!("&{}", String::from_utf8_lossy(pattern))),
                );
            }
        }
        if self
            .commands
            .first()
            .is_none_or(|rule| rule.about != About::All)
        {
            words.push("-@all".to_owned());
        }
        words.extend(self.commands.iter().map(|CommandRule { verdict, about }| {
            let mark = if *verdict == Verdict::Allow { '+' } else { '-' };
            match about {
                About::All => format!("{mark}@all"),
                About::Category(name) | About::Command(name) => format!("{mark}{name}"),
            }
        }));
        words
    }
}

impl About {
    fn fits(&self, command: &str, categories: &[&str]) -> bool {
        match self {
            Self::All => true,
            Self::Category(name) => categories.contains(&name.as_str()),
            Self::Command(name) => {
                command == name
                    || command
                        .split_once('|')
                        .is_some_and(|(container, _)| container == name)
            }
        }
    }
}

/// What follows a `+` or `-`. Commands that a Sentinel does not have are taken as they are: to
/// grant or deny them changes nothing, and the line may be shared with data servers.
fn about(word: &str) -> Result<About, RuleError> {
    let word = word.to_ascii_lowercase();
    if word == "@all" {
        return Ok(About::All);
    }
    if word.starts_with('@') {
        return if CATEGORIES.contains(&word.as_str()) {
            Ok(About::Category(word))
        } else {
            Err(RuleError::UnknownCategory)
        };
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'|' | b'-' | b'_' | b'.');
    if word.is_empty() || !word.bytes().all(plain) {
        return Err(RuleError::Syntax);
    }
    Ok(About::Command(canonical(&word).map_or(word, str::to_owned)))
}

/// The name in the command table of what may be another name of the same subcommand, so that a
/// rule about either holds for both.
fn canonical(word: &str) -> Option<&'static str> {
    let (container, sub) = word.split_once('|')?;
    (2..=MOST_WORDS).find_map(|count| {
        let mut argv: Argv = vec![container.into(), sub.into()];
        argv.resize(count, Vec::new());
        request::find(&argv).ok().map(|spec| spec.name)
    })
}

fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

fn unhex(text: &str) -> Result<Hash, RuleError> {
    let bytes = text.as_bytes();
    let lower = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    if bytes.len() != 64 || !bytes.iter().all(lower) {
        return Err(RuleError::BadHash);
    }
    let mut hash = [0; 32];
    for (slot, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        let digits = std::str::from_utf8(pair).map_err(|_| RuleError::BadHash)?;
        *slot = u8::from_str_radix(digits, 16).map_err(|_| RuleError::BadHash)?;
    }
    Ok(hash)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name for one process, 40 lower-case hex characters.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(crate) fn random_id() -> Result<bartizan_core::ids::RunId, getrandom::Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)?;
    Ok(bartizan_core::ids::RunId::from_random(bytes))
}

#[cfg(test)]
mod tests;
