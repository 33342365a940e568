//! `sentinel.conf` to typed options and state, and back.
//!
//! The only crate that knows the grammar of the file. Text in, text out: it opens no file and
//! asks no clock; what text alone cannot answer is asked of a [`World`] that the caller brings.
//!
//! - [`load()`] turns the file and the command line into a [`Loaded`] (spec §1.3, §1.4, §2.1).
//! - [`render()`] turns a [`Durable`](bartizan_core::model::durable::Durable) and the
//!   [`ServerOptions`] back into the text of the file, keeping what people wrote (spec §2.2, §2.3).
//!   [`Rewriter`] does the same again and again for less.
//! - [`lines_from_args`] turns `--name value …` into lines (spec §1.1).
//!
//! What `render` writes, `load` reads back as the same values; a property test holds that.

mod args;
mod directive;
mod document;
mod draft;
mod error;
mod line;
mod load;
mod render;
mod secret;
mod server;
mod suggest;
mod title;
mod token;
mod world;

pub use args::lines_from_args;
pub use error::{ConfError, Warning};
pub use load::{Loaded, Source, load};
pub use render::{Rewriter, Rewritten, render};
pub use server::{
    AclPubsub, LogFormat, LogLevel, LogTimestamps, ServerOptions, Supervised, SyslogFacility,
    TlsAuthClients, TlsOptions, TlsPair, TlsUserField, UserLine,
};
pub use title::{TitlePlace, TitleTemplate};
pub use world::{Included, PaperWorld, World};
