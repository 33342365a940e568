//! What we know.

pub mod branches;
pub mod configuration;
pub mod durable;
pub(crate) mod gate;
pub(crate) mod master;
pub(crate) mod memory;
pub(crate) mod peer;
pub(crate) mod server;
