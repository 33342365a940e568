//! What people can ask.

pub mod command;
pub mod options;
pub mod query;
pub mod reply;
