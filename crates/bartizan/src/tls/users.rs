//! Whom a client's certificate names (`tls-auth-clients-user`, Valkey 9).

use bartizan_conf::TlsUserField;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The names in a field of a certificate, in their order. Text that is not UTF-8 names nobody.
pub(super) fn named(der: &CertificateDer<'_>, field: TlsUserField) -> Vec<String> {
    if field == TlsUserField::Off {
        return Vec::new();
    }
    let Ok(shown) = Certificate::from_der(der) else {
        return Vec::new();
    };
    if field == TlsUserField::CommonName {
        return common_name(&shown).into_iter().collect();
    }
    let names = shown.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = names else {
        return Vec::new();
    };
    let uri = |name: GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    };
    names.into_iter().filter_map(uri).collect()
}

/// The first of the subject's common names.
fn common_name(shown: &Certificate) -> Option<String> {
    let subject = shown.tbs_certificate().subject();
    let mut parts = subject.iter().filter(|part| part.oid == COMMON_NAME);
    let text = parts.next()?.value.value();
    core::str::from_utf8(text).ok().map(str::to_owned)
}
