//! The Sentinel state machine. It decides and does nothing else: no clock, no sockets, no files,
//! no async, no dependencies. The same code runs in the product and in the simulator.

pub mod addr;
pub(crate) mod ctx;
pub(crate) mod failover;
pub mod fencing;
pub mod glob;
pub mod ids;
pub mod input;
pub mod limits;
pub mod model;
pub(crate) mod monitor;
pub mod mutant;
pub mod notify;
pub mod output;
pub mod permission;
pub mod provide;
pub mod report;
pub mod rescue;
pub mod rng;
pub mod sentinel;
pub mod time;
