//! The `aclfile`: one `user` line each, words apart by single spaces, no quotes and no comments.

use std::collections::BTreeSet;

use super::error::{RuleError, UserError, shown};
use super::user::{User, merged};
use super::{NewUserChannels, Users, check_name, limits};

/// How every complaint about a file ends.
const NOTHING_CHANGED: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

impl Users {
    /// The users that the text of a file at `path` describes. All of it has to be right.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the words of Redis.
    pub(crate) fn from_file(
        path: &str,
        text: &[u8],
        requirepass: Option<&str>,
        channels: NewUserChannels,
    ) -> Result<Self, String> {
        let mut users = Self::empty(requirepass, channels);
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        let mut errors = String::new();
        for (line, number) in text.split(|byte| *byte == b'\n').zip(1_usize..) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let (b"user", [name, rules @ ..]) = (
                words.first().copied().unwrap_or_default(),
                words.get(1..).unwrap_or_default(),
            ) else {
                errors.push_str(&format!(
                    "{path}:{number} should start with user keyword followed by the username. "
                ));
                continue;
            };
            if !seen.insert(name) {
                let name = String::from_utf8_lossy(name);
                errors.push_str(&format!(
                    "WARNING: Duplicate user '{name}' found on line {number}. "
                ));
                continue;
            }
            match read_user(name, rules, channels) {
                Ok((name, user)) if users.users.len() <= limits::USERS => {
                    users.users.insert(name.into(), user);
                }
                Ok(_) => errors.push_str(&format!("{path}:{number}: too many users. ")),
                Err(complaints) => {
                    for complaint in complaints {
                        errors.push_str(&format!("{path}:{number}: {complaint}. "));
                    }
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors + NOTHING_CHANGED);
        }
        users.apply_requirepass();
        Ok(users)
    }

    /// What [`Self::from_file`] reads as the same users.
    pub(crate) fn to_file(&self) -> String {
        let line = |text: String| text + "\n";
        self.texts().into_iter().map(line).collect()
    }

    /// Reads the file's text again, for whoever keeps the rest.
    ///
    /// # Errors
    /// As for [`Self::from_file`].
    pub(crate) fn reread(&self, path: &str, text: &[u8]) -> Result<Self, String> {
        let requirepass = self.requirepass.as_deref();
        Self::from_file(path, text, requirepass, self.new_user_channels)
    }
}

/// One user of a file, or all that is wrong with its line.
fn read_user<'a>(
    name: &'a [u8],
    rules: &[&[u8]],
    channels: NewUserChannels,
) -> Result<(&'a str, User), Vec<String>> {
    let alone = |error: UserError| vec![error.to_string().trim_end_matches('.').to_owned()];
    let name = check_name(name).map_err(alone)?;
    let rules = merged(rules).map_err(alone)?;
    let mut user = User::fresh(channels);
    let mut complaints = Vec::new();
    for rule in &rules {
        match user.apply(rule, channels) {
            Ok(()) => {}
            Err(error @ RuleError::Unknown) => complaints.push(format!(
                "Error in applying operation '{}': {error}",
                shown(rule)
            )),
            Err(error) => complaints.push(error.to_string()),
        }
    }
    if complaints.is_empty() {
        user.simplify();
        Ok((name, user))
    } else {
        Err(complaints)
    }
}
