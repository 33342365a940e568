//! Whose certificate is good: what OpenSSL accepts in a Redis fleet, which is more than rustls
//! does by itself.
//!
//! No name is compared: the address of a server is what its peers said, so only the chain counts
//! (spec §14). Besides, fleets have certificates that webpki refuses by principle: a self-signed
//! CA that is the server's certificate as well, one marked as a CA, X.509 version 1. They are
//! good when they are in date and are themselves trusted, or signed by one who is.

mod facts;
mod signature;

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode;

use self::facts::{Purpose, in_date, is_ca, may_be};
use super::material::TlsError;

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    Required,
    Optional,
}

/// The verifier, for both sides.
#[derive(Debug)]
pub(super) struct Verifier {
    trusted: Vec<(CertificateDer<'static>, Certificate)>,
    /// None when nobody is trusted.
    chains: Option<Chains>,
    algorithms: WebPkiSupportedAlgorithms,
    demand: Demand,
}

/// webpki's verifiers.
#[derive(Debug)]
struct Chains {
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Verifier {
    /// Trusts whoever these certificates have signed, and them themselves; nobody, when there
    /// are none.
    ///
    /// # Errors
    /// When there are some and none of them can be used.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        demand: Demand,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let given = certificates.len();
        let mut roots = RootCertStore::empty();
        let mut trusted = Vec::new();
        for der in certificates {
            if let Ok(parsed) = Certificate::from_der(&der)
                && roots.add(der.clone()).is_ok()
            {
                trusted.push((der, parsed));
            }
        }
        if trusted.is_empty() && given > 0 {
            return Err(TlsError::new(
                "tls-ca-cert-file and tls-ca-cert-dir have no certificate that can be used",
            ));
        }
        Ok(Self {
            trusted,
            chains: Chains::new(roots, provider),
            algorithms: provider.signature_verification_algorithms,
            demand,
        })
    }

    /// Whether a certificate is good: as we judge it, or else webpki as `by_chain` asks it.
    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        purpose: Purpose,
        now: UnixTime,
        by_chain: impl FnOnce(&Chains) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match (self.judge(shown, purpose, now), &self.chains) {
            (Some(judged), _) => judged,
            (None, Some(chains)) => by_chain(chains),
            (None, None) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    /// The certificates that webpki does not judge. `None` for all others.
    fn judge(
        &self,
        der: &CertificateDer<'_>,
        purpose: Purpose,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        let shown = Certificate::from_der(der).ok()?;
        if self.trusted.iter().any(|(trusted, _)| trusted == der) {
            return Some(in_date(&shown, now));
        }
        let is_ours = shown.tbs_certificate().version() == Version::V1 || is_ca(&shown);
        is_ours.then(|| {
            in_date(&shown, now)?;
            if !may_be(&shown, purpose) {
                return Err(CertificateError::InvalidPurpose.into());
            }
            let issuer = shown.tbs_certificate().issuer();
            let mut issuers = self.trusted.iter().map(|(_, trusted)| trusted);
            let signed = issuers.any(|trusted| {
                trusted.tbs_certificate().subject() == issuer
                    && in_date(trusted, now).is_ok()
                    && signature::of_certificate(trusted, &shown, &self.algorithms)
            });
            if signed {
                Ok(())
            } else {
                Err(CertificateError::UnknownIssuer.into())
            }
        })
    }
}

impl Chains {
    fn new(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Option<Self> {
        let roots = Arc::new(roots);
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
                .build();
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
        // Without roots, and only then, there are none.
        Some(Self {
            servers: servers.ok()?,
            clients: clients.ok()?,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, Purpose::Server, now, |chains| {
            let verified = chains.servers.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
            match verified {
                // The name is looked at last: all else was found good.
                Ok(_)
                | Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                )) => Ok(()),
                Err(other) => Err(other),
            }
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::of_tls12(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::of_tls13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Signatures are the same on both sides.
impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.demand == Demand::Required
    }

    /// None, as Redis: a client shows what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, Purpose::Client, now, |chains| {
            let clients = &chains.clients;
            clients
                .verify_client_cert(end_entity, intermediates, now)
                .map(|_| ())
        })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}

#[cfg(test)]
mod tests;
