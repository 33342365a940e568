//! RESP bytes to Sentinel types and back: the only crate that knows what is on the wire.
//!
//! Nothing here reads a socket or a clock. Bytes come in as slices, in fragments of any size, and
//! types of `bartizan-core` come out; what is sent is appended to a `Vec<u8>` of the caller.
//! All input is hostile: it is bounded by [`resp::Limits`], memory is reserved only for bytes
//! that have arrived, and nothing panics or recurses deeper than the limits say.
//!
//! | module | direction |
//! |---|---|
//! | [`resp`] | bytes ⇄ requests and frames |
//! | [`call`], [`answer`] | links that we open: core calls out, core answers in |
//! | [`info`], [`hello`] | texts inside them |
//! | [`request`], [`reply`] | clients that connect to us: requests in, replies out |
//! | [`unpack`] | INFO texts that are kept for long |
//! | [`glob`] | Redis's patterns |

pub mod answer;
pub mod call;
pub use bartizan_core::glob;
pub mod hello;
pub mod info;
mod pack;
pub mod reply;
pub mod request;
pub mod resp;
pub mod trial;

pub use pack::unpack;
