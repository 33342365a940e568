use super::*;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;

/// Signed by `V1_CA` as X.509 version 1, both until the next century.
const V1: &str = include_str!("../../../tests/fixtures/tls/v1.crt");
const V1_CA: &str = include_str!("../../../tests/fixtures/tls/v1-ca.crt");

struct Ca {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str) -> CertificateParams {
    // Without any alternative name, as most fleets make them.
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn ca(name: &str) -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let der = params.self_signed(&key).unwrap().der().clone();
    Ca {
        der,
        issuer: Issuer::new(params, key),
    }
}

impl Ca {
    fn sign(&self, params: &CertificateParams) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().clone()
    }
}

fn pem(text: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
}

fn verifier(trusted: &[&CertificateDer<'static>]) -> Verifier {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trusted = trusted.iter().map(|der| (*der).clone()).collect();
    Verifier::new(trusted, Demand::Required, &provider).unwrap()
}

/// What both sides say of a certificate: as a server's, as a client's.
fn judged(verifier: &Verifier, shown: &CertificateDer<'static>) -> (bool, bool) {
    let now = UnixTime::now();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let server = verifier.verify_server_cert(shown, &[], &name, &[], now);
    let client = verifier.verify_client_cert(shown, &[], now);
    (server.is_ok(), client.is_ok())
}

#[test]
fn certificates_are_accepted_as_openssl_accepts_them() {
    let (ours, theirs) = (ca("ours"), ca("theirs"));
    let trusting = verifier(&[&ours.der]);
    let mut marked_as_ca = params("leaf that may sign");
    marked_as_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut for_clients = params("client only");
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut for_clients_ca = marked_as_ca.clone();
    for_clients_ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut past = params("past");
    past.not_before = rcgen::date_time_ymd(2001, 1, 1);
    past.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let mut past_ca = marked_as_ca.clone();
    (past_ca.not_before, past_ca.not_after) = (past.not_before, past.not_after);
    let table = [
        ("no name at all", ours.sign(&params("a")), (true, true)),
        ("somebody else's", theirs.sign(&params("a")), (false, false)),
        ("the CA itself", ours.der.clone(), (true, true)),
        ("another CA", theirs.der.clone(), (false, false)),
        ("marked as a CA", ours.sign(&marked_as_ca), (true, true)),
        (
            "so, somebody else's",
            theirs.sign(&marked_as_ca),
            (false, false),
        ),
        ("for clients", ours.sign(&for_clients), (false, true)),
        (
            "so, marked as a CA",
            ours.sign(&for_clients_ca),
            (false, true),
        ),
        ("out of date", ours.sign(&past), (false, false)),
        ("so, marked as a CA", ours.sign(&past_ca), (false, false)),
        (
            "no certificate",
            CertificateDer::from(vec![1, 2, 3]),
            (false, false),
        ),
    ];
    for (what, shown, wanted) in table {
        assert_eq!(judged(&trusting, &shown), wanted, "{what}");
    }
}

#[test]
fn nobody_is_good_where_nobody_is_trusted() {
    let somebody = ca("somebody");
    let trusting = verifier(&[]);
    assert_eq!(judged(&trusting, &somebody.der), (false, false));
    assert_eq!(
        judged(&trusting, &somebody.sign(&params("a"))),
        (false, false)
    );
    assert_eq!(judged(&trusting, &pem(V1)), (false, false));
}

#[test]
fn a_name_of_another_ca_does_not_help() {
    let (ours, forged) = (ca("one name"), ca("one name"));
    let trusting = verifier(&[&ours.der]);
    let mut marked_as_ca = params("leaf that may sign");
    marked_as_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(
        judged(&trusting, &forged.sign(&marked_as_ca)),
        (false, false)
    );
    assert_eq!(
        judged(&trusting, &forged.sign(&params("a"))),
        (false, false)
    );
    assert_eq!(judged(&trusting, &forged.der), (false, false));
}

#[test]
fn version_1_is_good_when_signed_by_a_trusted_one_and_untouched() {
    let (shown, issuer) = (pem(V1), pem(V1_CA));
    let trusting = verifier(&[&issuer]);
    assert_eq!(judged(&trusting, &shown), (true, true));
    let other = verifier(&[&ca("v1 test CA").der]);
    assert_eq!(judged(&other, &shown), (false, false));
    // One bit anywhere, and it is no longer what was signed.
    for at in (0..shown.len()).step_by(7) {
        let mut bytes = shown.to_vec();
        bytes[at] ^= 1;
        let changed = CertificateDer::from(bytes);
        assert_eq!(judged(&trusting, &changed), (false, false), "byte {at}");
    }
    let much_later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(6_000_000_000));
    assert!(
        trusting
            .verify_client_cert(&shown, &[], much_later)
            .is_err()
    );
}
