//! `User`: who may come in with which password, and what they may do then.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::{RuleError, UserError, shown};
use super::selector::Selector;
use super::{Channel, Denial, NewUserChannels, Wanted, limits};

/// A SHA-256 digest.
pub(super) type Hash = [u8; 32];

/// One user.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct User {
    enabled: bool,
    payload: Payload,
    passwords: Passwords,
    root: Selector,
    selectors: Vec<Selector>,
}

/// What opens the door.
#[derive(Clone, PartialEq, Eq)]
enum Passwords {
    /// `nopass`: every password.
    Any,
    /// Only these; perhaps none.
    Of(BTreeSet<Hash>),
}

/// `sanitize-payload`, `skip-sanitize-payload`, or neither: only shown, since a Sentinel takes no
/// payload that could be sanitized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    Unsaid,
    Sanitize,
    Skip,
}

impl core::fmt::Debug for User {
    /// Without the passwords.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("User")
            .field("enabled", &self.enabled)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl User {
    /// A new one, who cannot come in and may do nothing.
    pub(super) fn fresh(channels: NewUserChannels) -> Self {
        Self {
            enabled: false,
            payload: Payload::Unsaid,
            passwords: Passwords::Of(BTreeSet::new()),
            root: Selector::fresh(channels),
            selectors: Vec::new(),
        }
    }

    /// One who comes in without a password and may do everything.
    pub(super) fn allowed_everything() -> Self {
        Self {
            enabled: true,
            payload: Payload::Unsaid,
            passwords: Passwords::Any,
            root: Selector::everything(),
            selectors: Vec::new(),
        }
    }

    /// `reset`: as new, and said to be sanitized.
    pub(super) fn reset(channels: NewUserChannels) -> Self {
        Self {
            payload: Payload::Sanitize,
            ..Self::fresh(channels)
        }
    }

    /// Applies rules in order, all or none.
    ///
    /// # Errors
    /// The first that cannot be applied.
    pub(super) fn apply_all(
        &mut self,
        rules: &[impl AsRef<[u8]>],
        channels: NewUserChannels,
    ) -> Result<(), UserError> {
        let rules = merged(rules)?;
        let mut changed = self.clone();
        for rule in &rules {
            changed
                .apply(rule, channels)
                .map_err(|error| UserError::Rule {
                    rule: shown(rule),
                    error,
                })?;
        }
        changed.simplify();
        *self = changed;
        Ok(())
    }

    /// Applies one rule; a selector with its parentheses is one.
    ///
    /// # Errors
    /// Why it cannot be applied; the user is as before then.
    pub(super) fn apply(
        &mut self,
        rule: &[u8],
        channels: NewUserChannels,
    ) -> Result<(), RuleError> {
        match rule {
            [] => return Ok(()),
            [b'>', password @ ..] => return self.add_password(hash(password)),
            [b'#', digits @ ..] => return self.add_password(unhex(digits)?),
            [b'<', password @ ..] => return self.remove_password(&hash(password)),
            [b'!', digits @ ..] => return self.remove_password(&unhex(digits)?),
            _ => {}
        }
        let rule = core::str::from_utf8(rule).map_err(|_| RuleError::Syntax)?;
        match rule.to_ascii_lowercase().as_str() {
            "on" => self.enabled = true,
            "off" => self.enabled = false,
            "nopass" => self.passwords = Passwords::Any,
            "resetpass" => self.passwords = Passwords::Of(BTreeSet::new()),
            "sanitize-payload" => self.payload = Payload::Sanitize,
            "skip-sanitize-payload" => self.payload = Payload::Skip,
            "clearselectors" => self.selectors.clear(),
            "reset" => *self = Self::reset(channels),
            _ => match between_parentheses(rule) {
                Some(inside) => self.add_selector(inside, channels)?,
                None => self.root.apply(rule)?,
            },
        }
        Ok(())
    }

    /// Drops the rules that decide nothing.
    pub(super) fn simplify(&mut self) {
        self.root.simplify();
    }

    /// May not come in without a password, but with this one too.
    pub(super) fn require(&mut self, password: &[u8]) {
        self.passwords = Passwords::Of(BTreeSet::from([hash(password)]));
    }

    /// Whether they may come in with that password. Takes as long for a wrong one as for a right.
    pub(super) fn admits(&self, password: &[u8]) -> bool {
        let given = hash(password);
        let fits = match &self.passwords {
            Passwords::Any => true,
            Passwords::Of(known) => known
                .iter()
                .fold(subtle::Choice::from(0), |found, known| {
                    found | known.ct_eq(&given)
                })
                .into(),
        };
        self.enabled && fits
    }

    /// `on`
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// `nopass`
    pub(super) fn needs_no_password(&self) -> bool {
        self.passwords == Passwords::Any
    }

    /// Whether one of the selectors allows all that a request needs.
    ///
    /// # Errors
    /// What they do not allow, from the selector that came furthest.
    pub(super) fn permit(&self, wanted: &Wanted<'_>) -> Result<(), Denial> {
        let mut furthest = Denial::Command;
        for selector in self.all_selectors() {
            match selector.permit(wanted) {
                Ok(()) => return Ok(()),
                Err(denial @ Denial::Channel(_)) => furthest = denial,
                Err(Denial::Command) => {}
            }
        }
        Err(furthest)
    }

    /// Whether one of the selectors allows to listen there.
    pub(super) fn hears(&self, channel: Channel<'_>) -> bool {
        self.all_selectors().any(|selector| selector.hears(channel))
    }

    /// `on` or `off`, and the others, in the order of `ACL GETUSER`.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.needs_no_password() {
            flags.push("nopass");
        }
        match self.payload {
            Payload::Unsaid => {}
            Payload::Sanitize => flags.push("sanitize-payload"),
            Payload::Skip => flags.push("skip-sanitize-payload"),
        }
        flags
    }

    /// The passwords' hashes in hex.
    pub(super) fn hashes(&self) -> Vec<String> {
        match &self.passwords {
            Passwords::Any => Vec::new(),
            Passwords::Of(hashes) => hashes.iter().map(hex).collect(),
        }
    }

    /// The permissions outside of parentheses.
    pub(super) fn root(&self) -> &Selector {
        &self.root
    }

    /// The permissions in parentheses.
    pub(super) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// The rules that make this user, as words of a `user` line.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.flags().into_iter().map(str::to_owned).collect();
        words.extend(self.hashes().iter().map(|hash| format!("#{hash}")));
        words.extend(self.root.words());
        for selector in &self.selectors {
            let text = format!("({})", selector.words().join(" "));
            words.extend(text.split(' ').map(str::to_owned));
        }
        words
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        core::iter::once(&self.root).chain(&self.selectors)
    }

    fn add_selector(&mut self, rules: &str, channels: NewUserChannels) -> Result<(), RuleError> {
        if rules.len() > limits::BYTES {
            return Err(RuleError::TooLong);
        }
        if self.selectors.len() >= limits::SELECTORS {
            return Err(RuleError::TooMany);
        }
        self.selectors.push(Selector::parse(rules, channels)?);
        Ok(())
    }

    fn add_password(&mut self, password: Hash) -> Result<(), RuleError> {
        match &mut self.passwords {
            Passwords::Any => self.passwords = Passwords::Of(BTreeSet::from([password])),
            Passwords::Of(known) if known.len() < limits::PASSWORDS => {
                known.insert(password);
            }
            Passwords::Of(_) => return Err(RuleError::TooMany),
        }
        Ok(())
    }

    fn remove_password(&mut self, password: &Hash) -> Result<(), RuleError> {
        let known = match &mut self.passwords {
            Passwords::Of(known) => known.remove(password),
            Passwords::Any => false,
        };
        known.then_some(()).ok_or(RuleError::NoSuchPassword)
    }
}

/// Puts together the words of selectors, which have spaces inside: from one that begins with `(`
/// to one that ends with `)`.
///
/// # Errors
/// When the end is missing.
pub(super) fn merged(rules: &[impl AsRef<[u8]>]) -> Result<Vec<Vec<u8>>, UserError> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open = None;
    for rule in rules.iter().map(AsRef::as_ref) {
        match merged.last_mut().filter(|_| open.is_some()) {
            Some(selector) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
            }
            None => {
                open = rule.starts_with(b"(").then_some(rule);
                merged.push(rule.to_vec());
            }
        }
        open = open.filter(|_| !rule.ends_with(b")"));
    }
    match open {
        Some(first) => Err(UserError::Parenthesis(shown(first))),
        None => Ok(merged),
    }
}

fn between_parentheses(rule: &str) -> Option<&str> {
    rule.strip_prefix('(')?.strip_suffix(')')
}

fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

fn unhex(text: &[u8]) -> Result<Hash, RuleError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let mut hash = [0; 32];
    if text.len() != hash.len() * 2 {
        return Err(RuleError::BadHash);
    }
    for (slot, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *slot = pair
            .iter()
            .try_fold(0, |sum, byte| Ok(sum * 16 + digit(*byte)?))?;
    }
    Ok(hash)
}

fn hex(bytes: &Hash) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
