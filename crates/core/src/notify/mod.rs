//! What people are told.

pub mod event;
pub(crate) mod script;
