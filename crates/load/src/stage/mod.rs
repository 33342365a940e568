//! The played servers: real sockets around a small model of what a Redis server is.

mod command;
pub mod player;
pub mod scene;
mod server;
mod sockets;
mod world;
