//! Whose certificate is good: what OpenSSL accepts in a Redis fleet, which is more than rustls
//! does by itself.
//!
//! No name is compared: the address of a server is what its peers said, so only the chain counts
//! (spec §14). Besides, fleets have certificates that webpki refuses by principle: a self-signed
//! CA that is the server's certificate as well, one marked as a CA, X.509 version 1. They are
//! good when they are in date and are themselves trusted, or signed by one who is.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::material::TlsError;

/// What a certificate is shown for, by the extension that may restrict it.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Server,
    Client,
}

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
                    && self.has_signed(trusted, &shown)
            });
            if signed {
                Ok(())
            } else {
                Err(CertificateError::UnknownIssuer.into())
            }
        })
    }

    fn has_signed(&self, issuer: &Certificate, shown: &Certificate) -> bool {
        let key = issuer.tbs_certificate().subject_public_key_info();
        let Ok(message) = shown.tbs_certificate().to_der() else {
            return false;
        };
        let (Some(key_algorithm), Some(algorithm)) =
            (inner(&key.algorithm), inner(shown.signature_algorithm()))
        else {
            return false;
        };
        let key = key.subject_public_key.raw_bytes();
        let signature = shown.signature().raw_bytes();
        self.algorithms.all.iter().any(|candidate| {
            candidate.public_key_alg_id().as_ref() == key_algorithm
                && candidate.signature_alg_id().as_ref() == algorithm
                && candidate.verify_signature(key, &message, signature).is_ok()
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

/// An algorithm as rustls compares it: without the head of its sequence.
fn inner(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    // One byte of tag and, for anything this short, one of length.
    (der.len() < 128).then(|| der.get(2..).unwrap_or_default().to_vec())
}

fn in_date(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.tbs_certificate().validity();
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        Err(CertificateError::NotValidYet.into())
    } else if now > validity.not_after.to_unix_duration().as_secs() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

fn is_ca(certificate: &Certificate) -> bool {
    let found = certificate
        .tbs_certificate()
        .get_extension::<BasicConstraints>();
    matches!(found, Ok(Some((_, constraints))) if constraints.ca)
}

/// Whether the extended key usage, if there is one, names the purpose.
fn may_be(certificate: &Certificate, purpose: Purpose) -> bool {
    const ANY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
    const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
    const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
    let wanted = match purpose {
        Purpose::Server => SERVER,
        Purpose::Client => CLIENT,
    };
    match certificate
        .tbs_certificate()
        .get_extension::<ExtendedKeyUsage>()
    {
        Ok(None) => true,
        Ok(Some((_, usage))) => usage.0.contains(&wanted) || usage.0.contains(&ANY),
        Err(_) => false,
    }
}

/// A signature of the handshake, by a certificate that webpki cannot parse.
fn verify_by_key(
    message: &[u8],
    der: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let bad = || Error::from(CertificateError::BadSignature);
    let shown = Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let key = shown.tbs_certificate().subject_public_key_info();
    let key_algorithm = inner(&key.algorithm).ok_or_else(bad)?;
    let key = key.subject_public_key.raw_bytes();
    let mut of_scheme = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| *scheme == dss.scheme)
        .flat_map(|(_, candidates)| candidates.iter());
    of_scheme
        .any(|candidate| {
            candidate.public_key_alg_id().as_ref() == key_algorithm
                && candidate
                    .verify_signature(key, message, dss.signature())
                    .is_ok()
        })
        .then(HandshakeSignatureValid::assertion)
        .ok_or_else(bad)
}

fn is_version_1(der: &CertificateDer<'_>) -> bool {
    Certificate::from_der(der).is_ok_and(|shown| shown.tbs_certificate().version() == Version::V1)
}

fn signature12(
    message: &[u8],
    der: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    if is_version_1(der) {
        verify_by_key(message, der, dss, algorithms)
    } else {
        verify_tls12_signature(message, der, dss, algorithms)
    }
}

fn signature13(
    message: &[u8],
    der: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    if is_version_1(der) {
        let key = Certificate::from_der(der)
            .and_then(|shown| shown.tbs_certificate().subject_public_key_info().to_der())
            .map_err(|_| CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(key);
        verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    } else {
        verify_tls13_signature(message, der, dss, algorithms)
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
        if let Some(judged) = self.judge(end_entity, Purpose::Server, now) {
            return judged.map(|()| ServerCertVerified::assertion());
        }
        let Some(chains) = &self.chains else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let verified = chains.servers.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last: all else was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature12(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

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
        if let Some(judged) = self.judge(end_entity, Purpose::Client, now) {
            return judged.map(|()| ClientCertVerified::assertion());
        }
        let Some(chains) = &self.chains else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let clients = &chains.clients;
        clients.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature12(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
