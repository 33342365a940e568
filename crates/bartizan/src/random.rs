//! What is drawn from the operating system's randomness.

use bartizan_core::ids::RunId;

/// A name for one process, 40 lower-case hex characters.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(crate) fn random_id() -> Result<RunId, getrandom::Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)?;
    Ok(RunId::from_random(bytes))
}
