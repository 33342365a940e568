//! What people can ask.

pub(crate) mod change;
pub mod command;
pub(crate) mod instance;
pub mod options;
pub mod query;
pub mod reply;
pub(crate) mod set;
pub(crate) mod switchover;
