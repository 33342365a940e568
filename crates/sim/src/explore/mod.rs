//! A bounded model check of the election and the switch: three Sentinels, one master and two
//! replicas, and everything that can happen to them, tried one by one.
//!
//! The Sentinels are the real core. From a moment at which the master has just died (or two
//! operators are about to speak), a [`world::World`] branches over every next thing: which
//! message arrives, whether a write is done or fails, whose clock goes on, who crashes. Each
//! Sentinel has a clock of its own, so a slow network, a slow disk and a slow process are all in
//! there. Within the [`choice::Budget`] of a [`scenario::Scenario`] nothing is left out; the
//! properties are checked in every world, and the ends are followed until the fleet has settled.
//! `docs/model-check.md` tells what was covered and what was not.
//!
//! Stateright would explore the same space, but it wants each state to be compared and hashed
//! whole; the core is neither, and its clocks, link and call ids would make equal states differ.
//! Here a Sentinel is known by the hash of its normalised `Debug` text ([`digest`]), kept once
//! ([`arena`]), and each of its steps is computed once for all the worlds that share it.

pub mod arena;
pub mod choice;
pub mod digest;
pub mod history;
pub mod model;
pub mod node;
pub mod scenario;
pub mod search;
pub mod seen;
pub mod settle;
pub mod watch;
pub mod word;
pub mod world;
