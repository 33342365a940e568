//! How we learn.

pub(crate) mod cadence;
pub(crate) mod crash;
pub(crate) mod down;
pub(crate) mod hello;
pub(crate) mod info;
pub(crate) mod kin;
pub(crate) mod link;
pub(crate) mod ping;
pub(crate) mod pulpit;
mod socket;
pub(crate) mod state;
pub(crate) mod trial;
