//! The configuration, read and understood: the file, standard input, the command line, the users.

use std::io::Read;
use std::path::{Path, PathBuf};

use bartizan_conf::{ConfError, Loaded, ServerOptions, Source};
use nix::unistd::{AccessFlags, access};

use crate::cli::Sources;
use crate::diagnostic;
use crate::disk::{self, reason};
use crate::files::Files;
use crate::random::random_id;
use crate::server::acl::{RuleError, UserError, Users};

/// More than any file that makes sense.
const LARGEST_FILE: u64 = 64 << 20;

/// What a Sentinel starts from.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file, absolute.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) loaded: Loaded,
    /// Who may do what.
    pub(crate) users: Users,
    /// What was read from standard input, if it was.
    pub(crate) input: Option<Vec<u8>>,
}

/// Why there is nothing to start from. Each is told with the words that tools know first.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// No file was named.
    #[error(
        "{}",
        diagnostic::of_start(
            "Sentinel needs config file on disk to save state. Exiting...",
            "name a file first, as in `bartizan sentinel.conf`; `bartizan --help` shows one"
        )
    )]
    NoFile,
    /// It cannot be read.
    #[error("{}", diagnostic::of_start(
        &format!("Fatal error, can't open config file '{}': {why}", path.display()),
        "the file has to exist and be readable by the user that runs this; \
         `bartizan --help` shows a first one"
    ))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The operating system's words.
        why: String,
    },
    /// It cannot be written.
    #[error("{}", diagnostic::of_start(
        &format!("Sentinel config file {} is not writable: {why}. Exiting...", path.display()),
        "what is learnt is saved in it: give it and its directory to the user that runs this"
    ))]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// The operating system's words.
        why: String,
    },
    /// Standard input could not be read.
    #[error("cannot read the configuration from standard input: {0}")]
    StandardInput(std::io::Error),
    /// A line of it cannot be used.
    #[error("{}", diagnostic::of_line(.0))]
    Line(#[from] Box<ConfError>),
    /// It asks for something that would be unsafe to leave out.
    #[error("{}", diagnostic::of_start(what, help))]
    Unsupported {
        /// What.
        what: String,
        /// What to do instead.
        help: &'static str,
    },
    /// A user cannot be made.
    #[error("{}", diagnostic::of_start(
        &user_line(user, why),
        "a user line is a name and rules, as in `user peer on >password -@all +ping`"
    ))]
    User {
        /// Their name.
        user: String,
        /// What is wrong with them.
        why: UserError,
    },
    /// The file of users is not right.
    #[error("{}", diagnostic::of_start(
        &format!("The aclfile cannot be used: {0}", .0),
        "a line of the file is `user`, a name and rules, as in `user peer on >password +ping`"
    ))]
    AclFile(String),
    /// The operating system gave no random bytes for an id.
    #[error("cannot make an id: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Reads everything that the command line names.
///
/// # Errors
/// The first thing that prevents a start, ready to be shown.
pub(crate) fn read(sources: &Sources) -> Result<Config, ConfigError> {
    let file = sources.file.as_deref().ok_or(ConfigError::NoFile)?;
    // Before `dir` is applied, so that the file stays the one that was named.
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let unreadable = |why| ConfigError::Unreadable {
        path: path.clone(),
        why,
    };
    let text = disk::read(&path, LARGEST_FILE).map_err(|error| unreadable(reason(&error)))?;
    let input = sources
        .stdin
        .then(|| read_bounded(std::io::stdin()).map_err(ConfigError::StandardInput))
        .transpose()?;
    let mut extra = input.clone().unwrap_or_default();
    if !extra.is_empty() && !extra.ends_with(b"\n") {
        extra.push(b'\n');
    }
    extra.extend_from_slice(&sources.overrides);
    let shown = path.display().to_string();
    let source = Source {
        path: &shown,
        text: &text,
        extra: &extra,
    };
    let loaded = bartizan_conf::load(&source, random_id()?, &mut Files).map_err(Box::new)?;
    access(&path, AccessFlags::W_OK).map_err(|error| ConfigError::Unwritable {
        path: path.clone(),
        why: error.desc().to_owned(),
    })?;
    let users = users(&loaded.server)?;
    Ok(Config {
        path,
        loaded,
        users,
        input,
    })
}

fn read_bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(LARGEST_FILE).read_to_end(&mut text)?;
    Ok(text)
}

fn users(server: &ServerOptions) -> Result<Users, ConfigError> {
    let requirepass = server.requirepass.as_deref();
    let channels = server.acl_pubsub_default.into();
    match server.aclfile.as_deref() {
        None | Some("") => Users::new(requirepass, &server.users, channels)
            .map_err(|(user, why)| ConfigError::User { user, why }),
        Some(_) if !server.users.is_empty() => Err(ConfigError::Unsupported {
            what: "There are user lines and an aclfile: users are kept in one place only."
                .to_owned(),
            help: "keep the aclfile line or the user lines",
        }),
        Some(file) => {
            let text = disk::read(Path::new(file), LARGEST_FILE).map_err(|error| {
                let why = reason(&error);
                ConfigError::AclFile(format!("{file}: {why}"))
            })?;
            Users::from_file(file, &text, requirepass, channels).map_err(ConfigError::AclFile)
        }
    }
}

/// What Redis says of a user line, which depends on what is wrong with it.
fn user_line(user: &str, why: &UserError) -> String {
    match why {
        UserError::Name => "Spaces not allowed in ACL usernames".to_owned(),
        UserError::Rule {
            rule,
            error: error @ RuleError::Unknown,
        } => format!("Error loading ACL rule '{rule}' for the user named '{user}': {error}"),
        UserError::Rule { error, .. } => format!("Error in user declaration '{user}': {error}"),
        UserError::Parenthesis(_) | UserError::TooManyUsers => {
            format!("Error in user declaration '{user}': {why}")
        }
    }
}
