//! Whole fleets of the real core on a virtual clock, in one thread, from one seed.
//!
//! A [`plan::Plan`] is data made from a seed: sizes, options and a list of timed faults. A
//! [`world::World`] plays it: Sentinels, model Redis servers, model clients and a network of
//! TCP-like connections share one heap of events. Everything that enters or leaves a Sentinel
//! passes the [`checks`], which know the invariants and nothing of the core's inside.
//! `docs/simulation.md` tells how to reproduce and shrink what they find.

pub mod checks;
pub mod client;
pub mod clock;
mod codec;
pub mod disk;
pub mod election;
pub mod explore;
pub mod fault;
pub mod groups;
pub mod host;
pub mod hunt;
pub mod msg;
pub mod nemesis;
pub mod net;
mod operator;
pub mod params;
pub mod pause;
mod people;
pub mod plan;
pub mod rand;
mod repair;
pub mod replication;
pub mod run;
mod salvage;
pub mod sched;
pub mod server;
mod serving;
pub mod settle;
pub mod shrink;
pub mod stats;
pub mod switchover;
mod timers;
pub mod trace;
pub mod upstream;
pub mod world;
