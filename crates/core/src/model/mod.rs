//! What we know.

pub mod configuration;
pub mod durable;
