//! Why a user or a rule is refused, in the words of Redis where it has some.

/// What is wrong with one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    /// It is no rule.
    #[error("Syntax error")]
    Syntax,
    /// A command or a category that a Sentinel does not have.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// `+command|subcommand|argument`
    #[error("Allowing first-arg of a subcommand is not supported")]
    ArgumentOfSubcommand,
    /// A pattern for keys where all are granted.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not \
         have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    KeysBeyondAll,
    /// A pattern for channels where all are granted.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does \
         not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    ChannelsBeyondAll,
    /// `#…` or `!…` with something that is no SHA-256 in lower-case hex.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
         characters"
    )]
    BadHash,
    /// `<…` or `!…` for a password that the user does not have.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// One more than is kept of its kind.
    #[error("This user has too many passwords, patterns, selectors or rules")]
    TooMany,
    /// Longer than is kept.
    #[error("The rule is too long")]
    TooLong,
}

/// Why a user cannot be made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserError {
    /// The name has a space or a NUL in it, or is no text.
    #[error("Usernames can't contain spaces or null characters")]
    Name,
    /// `(` without `)`.
    #[error("Unmatched parenthesis in acl selector starting at '{0}'.")]
    Parenthesis(String),
    /// One of the rules.
    #[error("Error in ACL SETUSER modifier '{rule}': {error}")]
    Rule {
        /// The rule, as it may be shown.
        rule: String,
        /// What is wrong with it.
        error: RuleError,
    },
    /// One more than are kept.
    #[error("Too many users")]
    TooManyUsers,
}

/// A rule as it may be repeated in an error: without a password, and cut where it is long.
pub(super) fn shown(rule: &[u8]) -> String {
    match rule {
        [mark @ (b'>' | b'<' | b'#' | b'!'), ..] => format!("{}(redacted)", char::from(*mark)),
        _ => {
            let text = rule.split(|b| *b == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text.get(..128).unwrap_or(text)).into_owned()
        }
    }
}
