//! Signatures: of the handshake, and of one certificate by another. rustls has all that is needed,
//! but looks at no certificate of version 1.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// The signature of a handshake of TLS 1.2.
pub(super) fn of_tls12(
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

/// The signature of a handshake of TLS 1.3.
pub(super) fn of_tls13(
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

/// Whether a certificate is signed by the key of another.
pub(super) fn of_certificate(
    issuer: &Certificate,
    shown: &Certificate,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
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
    algorithms.all.iter().any(|candidate| {
        candidate.public_key_alg_id().as_ref() == key_algorithm
            && candidate.signature_alg_id().as_ref() == algorithm
            && candidate.verify_signature(key, &message, signature).is_ok()
    })
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

/// An algorithm as rustls compares it: without the head of its sequence.
fn inner(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    // One byte of tag and, for anything this short, one of length.
    (der.len() < 128).then(|| der.get(2..).unwrap_or_default().to_vec())
}
