//! Who may come in, and what they may do then (spec §13): users, their passwords and permissions,
//! as `user` lines, an `aclfile` or `ACL SETUSER` say it; and the log of what was refused.

pub(super) mod answer;
mod commands;
mod error;
mod file;
mod limits;
mod log;
mod selector;
mod user;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bartizan_conf::{AclPubsub, UserLine};
use bartizan_wire::request::Spec;

pub(crate) use self::error::{RuleError, UserError};
pub(super) use self::log::{Reason, Refusals};
use self::user::User;

/// Who a connection is before it says otherwise.
pub(crate) const DEFAULT_USER: &str = "default";

/// All users.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    users: BTreeMap<Rc<str>, User>,
    new_user_channels: NewUserChannels,
    requirepass: Option<String>,
}

/// What a user may hear who names no channel (`acl-pubsub-default`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewUserChannels {
    /// `allchannels`
    All,
    /// `resetchannels`
    None,
}

impl From<AclPubsub> for NewUserChannels {
    fn from(said: AclPubsub) -> Self {
        match said {
            AclPubsub::AllChannels => Self::All,
            AclPubsub::ResetChannels => Self::None,
        }
    }
}

/// A request, as far as permissions are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The command.
    pub(super) spec: &'static Spec,
    /// All its words.
    pub(super) argv: &'a [Vec<u8>],
}

/// Where somebody speaks or listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel<'a> {
    /// On the channel of this name.
    Named(&'a [u8]),
    /// On all channels that fit this pattern.
    Pattern(&'a [u8]),
}

/// What is not permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// The command.
    Command,
    /// The command is, this channel is not.
    Channel(Vec<u8>),
}

impl<'a> Wanted<'a> {
    /// The channels that the request is about.
    fn channels(&self) -> impl Iterator<Item = Channel<'a>> + use<'a> {
        let words = self.argv.get(1..).unwrap_or_default();
        let (kind, count): (fn(&'a [u8]) -> Channel<'a>, usize) = match self.spec.name {
            "publish" => (Channel::Named, 1),
            "subscribe" => (Channel::Named, words.len()),
            "psubscribe" => (Channel::Pattern, words.len()),
            _ => (Channel::Named, 0),
        };
        words.iter().take(count).map(move |word| kind(word))
    }
}

impl Users {
    /// The users that `user` lines describe.
    ///
    /// A password in `requirepass` holds even beside a `user default` line that says `nopass`,
    /// which a rewrite leaves behind: the stricter of the two is what the operator meant.
    ///
    /// # Errors
    /// The user, and what is wrong with it.
    pub(crate) fn new(
        requirepass: Option<&str>,
        lines: &[UserLine],
        new_user_channels: NewUserChannels,
    ) -> Result<Self, (String, UserError)> {
        let mut users = Self::empty(requirepass, new_user_channels);
        for line in lines {
            let mut user = if line.name == DEFAULT_USER {
                User::reset(new_user_channels)
            } else {
                User::fresh(new_user_channels)
            };
            check_name(line.name.as_bytes())
                .and_then(|_| user.apply_all(&line.rules, new_user_channels))
                .map_err(|error| (line.name.clone(), error))?;
            users.users.insert(Rc::from(line.name.as_str()), user);
        }
        users.apply_requirepass();
        Ok(users)
    }

    /// Only the default user, who may do everything.
    fn empty(requirepass: Option<&str>, new_user_channels: NewUserChannels) -> Self {
        let default = (Rc::from(DEFAULT_USER), User::allowed_everything());
        Self {
            users: BTreeMap::from([default]),
            new_user_channels,
            requirepass: requirepass
                .filter(|password| !password.is_empty())
                .map(str::to_owned),
        }
    }

    fn apply_requirepass(&mut self) {
        if let (Some(password), Some(user)) = (&self.requirepass, self.users.get_mut(DEFAULT_USER))
            && user.needs_no_password()
        {
            user.require(password.as_bytes());
        }
    }

    /// The default user may come in without a password.
    pub(crate) fn is_open(&self) -> bool {
        let default = self.users.get(DEFAULT_USER);
        default.is_some_and(|user| user.needs_no_password() && user.is_enabled())
    }

    /// The default user needs no password (though it may be off).
    pub(crate) fn default_has_no_password(&self) -> bool {
        let default = self.users.get(DEFAULT_USER);
        default.is_some_and(User::needs_no_password)
    }

    /// The default user does not take the password of `requirepass`: a `user default` line says
    /// otherwise, and wins.
    pub(crate) fn overrule_requirepass(&self) -> bool {
        match (&self.requirepass, self.users.get(DEFAULT_USER)) {
            (Some(password), Some(user)) => !user.admits(password.as_bytes()),
            _ => false,
        }
    }

    /// The user of that name, if the password is theirs.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Rc<str>> {
        let name = core::str::from_utf8(name).ok()?;
        let (name, user) = self.users.get_key_value(name)?;
        user.admits(password).then(|| Rc::clone(name))
    }

    /// The user of that name who has shown it in a certificate: no password is asked.
    pub(crate) fn certified(&self, name: &str) -> Option<Rc<str>> {
        let (name, user) = self.users.get_key_value(name)?;
        user.is_enabled().then(|| Rc::clone(name))
    }

    /// Whether this user may make this request.
    ///
    /// # Errors
    /// What of it they may not.
    pub(super) fn permit(&self, user: &str, wanted: &Wanted<'_>) -> Result<(), Denial> {
        if wanted.spec.no_auth {
            return Ok(());
        }
        self.users
            .get(user)
            .map_or(Err(Denial::Command), |user| user.permit(wanted))
    }

    /// Whether this user may listen there.
    pub(super) fn hears(&self, user: &str, channel: Channel<'_>) -> bool {
        self.users.get(user).is_some_and(|user| user.hears(channel))
    }

    /// The user of that name.
    pub(super) fn find(&self, name: &[u8]) -> Option<&User> {
        self.users.get(core::str::from_utf8(name).ok()?)
    }

    /// Makes a user or changes one: applies all rules or none.
    ///
    /// # Errors
    /// What is wrong with the name or a rule.
    pub(super) fn set(&mut self, name: &[u8], rules: &[Vec<u8>]) -> Result<(), UserError> {
        let name = check_name(name)?;
        let known = self.users.get(name).cloned();
        if known.is_none() && self.users.len() >= limits::USERS {
            return Err(UserError::TooManyUsers);
        }
        let mut user = known.unwrap_or_else(|| User::fresh(self.new_user_channels));
        user.apply_all(rules, self.new_user_channels)?;
        self.users.insert(Rc::from(name), user);
        Ok(())
    }

    /// Deletes a user; whether there was one. The default user is never deleted.
    pub(super) fn delete(&mut self, name: &[u8]) -> bool {
        let name = core::str::from_utf8(name).unwrap_or(DEFAULT_USER);
        name != DEFAULT_USER && self.users.remove(name).is_some()
    }

    /// Those whose user is not the same in `newer`, by name.
    pub(super) fn is_same_in(&self, newer: &Self, name: &str) -> bool {
        self.users.get(name) == newer.users.get(name)
    }

    /// The users' names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(AsRef::as_ref)
    }

    /// Each user as a `user` line, in order, with hashed passwords.
    pub(crate) fn lines(&self) -> Vec<UserLine> {
        let line = |(name, user): (&Rc<str>, &User)| UserLine {
            name: name.as_ref().to_owned(),
            rules: user.words(),
        };
        self.users.iter().map(line).collect()
    }

    /// The same as text, for `ACL LIST` and the `aclfile`.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |line: UserLine| format!("user {} {}", line.name, line.rules.join(" "));
        self.lines().into_iter().map(text).collect()
    }
}

/// The users as the next write of the configuration file has to say them; the thread that writes
/// looks here. Empty while they are kept in an `aclfile`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster(Arc<Mutex<Vec<UserLine>>>);

impl Roster {
    /// What is to be written now.
    pub(crate) fn lines(&self) -> Vec<UserLine> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Has this written from now on.
    pub(crate) fn set(&self, lines: Vec<UserLine>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lines;
    }
}

fn check_name(name: &[u8]) -> Result<&str, UserError> {
    let text = core::str::from_utf8(name).map_err(|_| UserError::Name)?;
    if text.contains(commands::blank) || text.len() > limits::BYTES {
        return Err(UserError::Name);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
