//! What a certificate says of itself.

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};

/// What a certificate is shown for, by the extension that may restrict it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Server,
    Client,
}

/// Whether it is valid now.
pub(super) fn in_date(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
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

/// Whether it may sign others.
pub(super) fn is_ca(certificate: &Certificate) -> bool {
    let found = certificate
        .tbs_certificate()
        .get_extension::<BasicConstraints>();
    matches!(found, Ok(Some((_, constraints))) if constraints.ca)
}

/// Whether the extended key usage, if there is one, names the purpose.
pub(super) fn may_be(certificate: &Certificate, purpose: Purpose) -> bool {
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
