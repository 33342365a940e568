//! A build without TLS (feature `tls` off): directives that ask for it are refused at start, since
//! to run in the clear where TLS was asked for would be worse than not to run.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use bartizan_conf::{TlsOptions, TlsUserField};
use tokio::net::TcpStream;

use crate::log::Log;

/// TLS was asked for.
#[derive(Debug, thiserror::Error)]
#[error("tls-port or tls-replication is set, but this Bartizan is built without TLS")]
pub(crate) struct TlsError;

/// There is none.
#[derive(Debug)]
pub(crate) struct Tls(Infallible);

/// There is none.
#[derive(Debug)]
pub(crate) struct TlsStream(Infallible);

impl Tls {
    pub(crate) fn load(options: &TlsOptions) -> Result<(Option<Rc<Self>>, Vec<String>), TlsError> {
        if options.is_wanted() {
            return Err(TlsError);
        }
        Ok((None, Vec::new()))
    }

    pub(crate) fn is_for_links(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn accept(&self, _: TcpStream) -> io::Result<TlsStream> {
        match self.0 {}
    }

    pub(crate) fn connect(&self, _: TcpStream, _: IpAddr) -> io::Result<TlsStream> {
        match self.0 {}
    }
}

impl TlsStream {
    pub(crate) const fn tcp(&self) -> &TcpStream {
        match self.0 {}
    }

    pub(crate) async fn handshake(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn users(&self, _: TlsUserField) -> Vec<String> {
        match self.0 {}
    }

    pub(crate) fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn try_flush(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) const fn has_more(&self) -> bool {
        match self.0 {}
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self.0 {}
    }
}

pub(crate) async fn watch(tls: Rc<Tls>, _: Log) {
    match tls.0 {}
}

pub(crate) fn explain(error: &io::Error) -> String {
    crate::disk::reason(error)
}
