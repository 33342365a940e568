//! The Redis protocol, RESP2 and RESP3: resumable decoders, limits, encoders.

mod encode;
mod frame;
mod inline;
mod limits;
mod number;
mod reply;
mod request;

pub(crate) use encode::{bulk, length, line, map_header};
pub use encode::{command, encode_frame};
pub use frame::{Frame, Protocol};
pub use limits::{Limits, Role};
pub use number::parse_integer;
pub use reply::{ReplyDecoder, ReplyError};
pub use request::{Argv, ProtocolError, RequestDecoder};
