//! TLS, both ways (spec §14): clients and peers that come to `tls-port`, and with
//! `tls-replication yes` every link that goes out.
//!
//! rustls speaks it. What is here is what a Sentinel adds: OpenSSL's words in the file
//! ([`ciphers`]), its forms of keys ([`keys`]), whom it trusts ([`verifier`]), and files that are
//! picked up again when they change ([`reload`]).

mod ciphers;
mod keys;
mod material;
mod pem;
mod reload;
mod session;
mod sessions;
mod trust;
mod users;
mod verifier;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bartizan_conf::TlsOptions;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use self::material::Material;
pub(crate) use self::material::TlsError;
pub(crate) use self::reload::watch;
pub(crate) use self::session::{TlsStream, explain};

/// What is spoken over TLS, and with what. Connections keep what they began with when the files
/// change; new ones take the new.
#[derive(Debug)]
pub(crate) struct Tls {
    options: TlsOptions,
    began_with: reload::Print,
    material: RefCell<Material>,
    incoming: Rc<Semaphore>,
    outgoing: Rc<Semaphore>,
}

impl Tls {
    /// Reads the files; `None` when nothing is to be spoken over TLS. With it, what an operator
    /// should know.
    ///
    /// # Errors
    /// What prevents it.
    pub(crate) fn load(options: &TlsOptions) -> Result<(Option<Rc<Self>>, Vec<String>), TlsError> {
        if !options.is_wanted() {
            return Ok((None, Vec::new()));
        }
        // Before they are read, so that a change meanwhile is seen.
        let began_with = reload::fingerprint(options);
        let (material, notices) = Material::load(options)?;
        let tls = Self {
            options: options.clone(),
            began_with,
            material: RefCell::new(material),
            incoming: Rc::new(Semaphore::new(1)),
            outgoing: Rc::new(Semaphore::new(1)),
        };
        Ok((Some(Rc::new(tls)), notices))
    }

    /// Whether links that go out are to be over TLS.
    pub(crate) fn is_for_links(&self) -> bool {
        self.options.replication
    }

    /// A client's connection. Its handshake is still to come.
    ///
    /// # Errors
    /// Never with files that could be loaded.
    pub(crate) fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream> {
        let config = Arc::clone(&self.material.borrow().server);
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let turns = Rc::clone(&self.incoming);
        Ok(TlsStream::new(tcp, Connection::Server(session), turns))
    }

    /// A link of ours to `ip`. Its handshake is still to come.
    ///
    /// # Errors
    /// Never with files that could be loaded.
    pub(crate) fn connect(&self, tcp: TcpStream, ip: IpAddr) -> io::Result<TlsStream> {
        let config = Arc::clone(&self.material.borrow().client);
        let name = ServerName::IpAddress(ip.into());
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let turns = Rc::clone(&self.outgoing);
        Ok(TlsStream::new(tcp, Connection::Client(session), turns))
    }
}
