//! One connection over TLS, read and written like a plain one: nothing waits inside.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use bartizan_conf::TlsUserField;
use rustls::{AlertDescription, CertificateError, Connection, Error, InvalidMessage};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::users;

/// Reads of the socket in one turn that may bring nothing to read: tickets, new keys. A peer that
/// sends nothing else must not hold up the others.
const EMPTY_READS: usize = 16;

/// A connection over TLS.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: RefCell<Box<Connection>>,
    /// The session may hold more to read than was asked for, and the socket will not say so.
    has_more: Cell<bool>,
    /// Whoever holds it may calculate: one handshake at a time, so that the loop goes on.
    turns: Rc<Semaphore>,
}

/// The socket, as rustls wants to have it.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TLS over {:?}", self.tcp)
    }
}

impl TlsStream {
    /// A connection whose handshake is still to come. `turns` has one permit, which is held for
    /// each step of it.
    pub(super) fn new(tcp: TcpStream, session: Connection, turns: Rc<Semaphore>) -> Self {
        Self {
            tcp,
            session: RefCell::new(Box::new(session)),
            has_more: Cell::new(true),
            turns,
        }
    }

    /// The socket beneath.
    pub(crate) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Shakes hands. The caller sets the deadline.
    ///
    /// # Errors
    /// What [`explain`] puts into words.
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        loop {
            let flushed = match self.try_flush() {
                Ok(()) => true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(error) => return Err(error),
            };
            if !flushed {
                self.tcp.writable().await?;
                continue;
            }
            if !self.session.borrow().is_handshaking() {
                return Ok(());
            }
            self.tcp.readable().await?;
            let turn = self.turns.acquire().await.map_err(io::Error::other)?;
            let read = self.pull(&mut self.session.borrow_mut());
            match read {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // The turn ends when everybody else had one.
            tokio::task::yield_now().await;
            drop(turn);
        }
    }

    /// The users that the other end may be by its certificate, which was found good.
    pub(crate) fn users(&self, field: TlsUserField) -> Vec<String> {
        let session = self.session.borrow();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        shown.map_or_else(Vec::new, |certificate| users::named(certificate, field))
    }

    /// Reads what is there.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        for _ in 0..EMPTY_READS {
            match session.reader().read(buffer) {
                Ok(read) => {
                    self.has_more.set(read == buffer.len());
                    return Ok(read);
                }
                // Closed without the words for it, as Redis does: RESP shows what is missing.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            self.has_more.set(false);
            self.pull(&mut session)?;
        }
        // The socket may have more, and has not been found empty: it is ready still.
        Err(ErrorKind::WouldBlock.into())
    }

    /// Writes what the socket takes, and a little that waits in the session: see
    /// [`TlsStream::try_flush`].
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_flush()?;
        let written = self.session.borrow_mut().writer().write(bytes)?;
        match self.try_flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ if written == 0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(written),
        }
    }

    /// Writes what waits in the session. Only when this succeeds has the socket got everything.
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            if session.write_tls(&mut Socket(&self.tcp))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Whether there may be something to read of which the socket knows nothing.
    pub(crate) const fn has_more(&self) -> bool {
        self.has_more.get()
    }

    /// Waits until there may be something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.has_more.get() {
            return Ok(());
        }
        self.tcp.readable().await
    }

    /// Reads from the socket into the session; 0 at its end.
    fn pull(&self, session: &mut Connection) -> io::Result<usize> {
        let read = session.read_tls(&mut Socket(&self.tcp))?;
        let processed = session.process_new_packets();
        // An answer, or the reason for which it ends: if the socket does not take it now, the
        // next write or nobody does.
        while session.wants_write()
            && session
                .write_tls(&mut Socket(&self.tcp))
                .is_ok_and(|n| n > 0)
        {}
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(read)
    }
}

/// Why a connection over TLS failed, in words that say what to do.
pub(crate) fn explain(error: &io::Error) -> String {
    let Some(inner) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        return match error.kind() {
            ErrorKind::UnexpectedEof => "the other side hung up during the handshake".to_owned(),
            _ => crate::disk::reason(error),
        };
    };
    match inner {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the other side does not speak TLS, but plain text".to_owned()
        }
        Error::NoCertificatesPresented => {
            "it has shown no certificate, and tls-auth-clients wants one".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "its certificate is not signed by a CA of ours (tls-ca-cert-file, \
             tls-ca-cert-dir)"
            .to_owned(),
        Error::InvalidCertificate(why) => format!("its certificate is not good: {why}"),
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
        ) => format!("the other side does not accept our certificate ({inner})"),
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => format!("the other side refuses the handshake ({inner})"),
        _ => inner.to_string(),
    }
}
