//! Certificates for tests: a CA, and what it signs, as files.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::path::{Path, PathBuf};

/// A CA with one certificate that servers, sentinels and clients share, in a directory.
pub struct Pki {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// Makes `ca.crt`, `own.crt` and `own.key` in `dir`, which has to exist.
    pub fn make(dir: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        replace(&dir.join("ca.crt"), &certificate.pem());
        let pki = Self {
            dir: dir.to_owned(),
            issuer: Issuer::new(params, key),
        };
        pki.renew("own");
        pki
    }

    /// Puts a new key and a new certificate of this CA in place of those of `name`.
    pub fn renew(&self, name: &str) {
        let key = KeyPair::generate().expect("a key");
        replace(&self.dir.join(format!("{name}.key")), &key.serialize_pem());
        self.certify(name, &key);
    }

    /// Makes `<name>.crt` for a key.
    pub fn certify(&self, name: &str, key: &KeyPair) {
        // No alternative name: nobody looks at names in a Redis fleet.
        let certificate = named(name).signed_by(key, &self.issuer);
        let text = certificate.expect("a certificate").pem();
        replace(&self.dir.join(format!("{name}.crt")), &text);
    }

    /// Makes `<file>.crt` and `<file>.key` for whoever has this common name and these URIs.
    pub fn issue(&self, file: &str, name: &str, uris: &[&str]) {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name);
        let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("a URI"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        replace(&self.dir.join(format!("{file}.key")), &key.serialize_pem());
        replace(&self.dir.join(format!("{file}.crt")), &certificate.pem());
    }

    /// A file of this directory.
    pub fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// The lines that redis-server and a sentinel need for TLS both ways.
    pub fn lines(&self, tls_port: u16) -> Vec<String> {
        vec![
            format!("tls-port {tls_port}"),
            format!("tls-cert-file {}", self.file("own.crt")),
            format!("tls-key-file {}", self.file("own.key")),
            format!("tls-ca-cert-file {}", self.file("ca.crt")),
            "tls-replication yes".to_owned(),
        ]
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// As whoever renews certificates does it: in one step.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("the file is written");
    std::fs::rename(&new, path).expect("the file is renamed");
}
