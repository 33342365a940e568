//! Plays thousands of Redis servers to Sentinels, and measures what the Sentinels make of it.
//!
//! `cargo xtask bench --help` says how to use it. The servers are played with real sockets on
//! 127.0.0.0/8 by a small model ([`stage`]): cheap enough that the Sentinels are the ones that
//! are measured. [`scale`] is one measurement from the start to the end.

mod ask;
pub mod client;
pub mod latency;
mod live;
mod lost;
pub mod moment;
pub mod scale;
pub mod sentinels;
pub mod stage;
pub mod stats;
pub mod troupe;
pub mod watch;
