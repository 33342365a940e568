//! What people are told.

pub mod event;
