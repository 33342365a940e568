//! What we reach out to: links to servers and peers, and the resolver.

pub(crate) mod link;
pub(crate) mod resolve;
pub(crate) mod stream;
