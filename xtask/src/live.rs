//! Real servers on loopback: the end-to-end harness's own client, ports, processes and recorder.
//!
//! They are included by path rather than through a crate, so that xtask depends on no other
//! crate of the workspace and builds in seconds.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the end-to-end tests use more of these files than the demo does"
)]

#[path = "../../crates/bartizan/tests/harness/events.rs"]
pub mod events;
#[path = "../../crates/bartizan/tests/harness/ports.rs"]
pub mod ports;
#[path = "../../crates/bartizan/tests/harness/process.rs"]
pub mod process;
#[path = "../../crates/bartizan/tests/harness/resp.rs"]
pub mod resp;
