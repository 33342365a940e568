//! The model driven by hand: one sentinel, scripted servers and peers, every event looked at.

mod bench;
mod command;
mod election;
mod failover;
mod fake;
mod hazard;
mod hello;
mod random;
mod timing;
