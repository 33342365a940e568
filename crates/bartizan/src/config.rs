//! The configuration, read and understood: the file, standard input, the command line, the users.

use std::io::Read;
use std::path::{Path, PathBuf};

use bartizan_conf::{AclPubsub, ConfError, Loaded, ServerOptions, Source, UserLine};
use nix::unistd::{AccessFlags, access};

use crate::cli::Sources;
use crate::diagnostic;
use crate::disk::reason;
use crate::files::Files;
use crate::server::access::{Access, NewUserChannels, random_id};

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
    pub(crate) access: Access,
    /// What was read from standard input.
    pub(crate) input: Vec<u8>,
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
        &format!("Error in user declaration '{0}': {1}", .user, .why),
        "a user line is a name and rules, as in `user peer on >password -@all +ping`"
    ))]
    User {
        /// The name and the rule.
        user: String,
        /// What is wrong with it.
        why: String,
    },
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
    let text = read_file(&path).map_err(|error| unreadable(reason(&error)))?;
    let input = if sources.stdin {
        read_bounded(std::io::stdin()).map_err(ConfigError::StandardInput)?
    } else {
        Vec::new()
    };
    let mut extra = input.clone();
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
    refuse_what_is_not_built(&loaded.server)?;
    let access = users(&loaded.server)?;
    Ok(Config {
        path,
        loaded,
        access,
        input,
    })
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    read_bounded(std::fs::File::open(path)?)
}

fn read_bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(LARGEST_FILE).read_to_end(&mut text)?;
    Ok(text)
}

/// To run in the clear where TLS was asked for would be worse than not to run.
fn refuse_what_is_not_built(server: &ServerOptions) -> Result<(), ConfigError> {
    let value = |name: &str| server.tls.get(name).map_or("", String::as_str);
    let help = "TLS is not built yet: take the tls- lines out, or stay with redis-sentinel";
    let port = value("tls-port");
    if !matches!(port, "" | "0") {
        let what = format!("tls-port {port} is set, but this Bartizan cannot speak TLS");
        return Err(ConfigError::Unsupported { what, help });
    }
    if value("tls-replication").eq_ignore_ascii_case("yes") {
        let what = "tls-replication is on, but this Bartizan cannot speak TLS".to_owned();
        return Err(ConfigError::Unsupported { what, help });
    }
    Ok(())
}

fn users(server: &ServerOptions) -> Result<Access, ConfigError> {
    let from_file = match server.aclfile.as_deref() {
        None | Some("") => None,
        Some(_) if !server.users.is_empty() => {
            return Err(ConfigError::Unsupported {
                what: "Configuring Redis with users defined in redis.conf and at the same setting \
                       an ACL file path is invalid. This setup is very likely to lead to \
                       configuration errors and security holes, please define either an ACL file \
                       or declare users directly in your redis.conf, but not both."
                    .to_owned(),
                help: "keep the aclfile line or the user lines",
            });
        }
        Some(file) => Some(acl_file(Path::new(file))?),
    };
    let lines = from_file.as_deref().unwrap_or(&server.users);
    let channels = match server.acl_pubsub_default {
        AclPubsub::AllChannels => NewUserChannels::All,
        AclPubsub::ResetChannels => NewUserChannels::None,
    };
    Access::new(server.requirepass.as_deref(), lines, channels).map_err(|(user, why)| {
        ConfigError::User {
            user,
            why: why.to_string(),
        }
    })
}

/// The `user` lines of an `aclfile`: words apart by spaces, without quotes.
fn acl_file(path: &Path) -> Result<Vec<UserLine>, ConfigError> {
    let text = read_file(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        why: reason(&error),
    })?;
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("user"), Some(name)) => Ok(UserLine {
                    name: name.to_owned(),
                    rules: words.map(str::to_owned).collect(),
                }),
                _ => Err(ConfigError::User {
                    user: line.to_owned(),
                    why: format!(
                        "a line of {} has to begin with `user <name>`",
                        path.display()
                    ),
                }),
            }
        })
        .collect()
}
