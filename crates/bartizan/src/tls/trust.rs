//! Whom we trust: the certificates of `tls-ca-cert-file` and `tls-ca-cert-dir`.

use std::fs;
use std::path::{Path, PathBuf};

use bartizan_conf::TlsOptions;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::material::{LARGEST_FILE, TlsError, read};
use super::pem::sections;

/// Files of a directory that are looked at.
const MOST_FILES: usize = 8192;

/// The trusted certificates.
///
/// # Errors
/// When the file cannot be read. A directory may be empty, or missing, as for OpenSSL, which
/// looks into it at each handshake; that is told to `notices`.
pub(super) fn load(
    options: &TlsOptions,
    notices: &mut Vec<String>,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut trusted = Vec::new();
    if let Some(file) = &options.ca_file {
        let failed =
            |why: String| TlsError::new(format!("tls-ca-cert-file {file} cannot be used: {why}"));
        trusted = certificates(&read(Path::new(file)).map_err(failed)?);
        if trusted.is_empty() {
            return Err(failed("there is no certificate in it".to_owned()));
        }
    }
    if let Some(dir) = &options.ca_dir {
        let files = hashed_files(Path::new(dir));
        let before = trusted.len();
        for file in &files {
            // One bad file among many is not worth a start that fails.
            match read(file) {
                Ok(text) => trusted.extend(certificates(&text)),
                Err(why) => notices.push(format!(
                    "tls-ca-cert-dir: {} cannot be read: {why}",
                    file.display()
                )),
            }
        }
        if trusted.len() == before {
            notices.push(format!(
                "tls-ca-cert-dir: no certificate with a hashed name in {dir}; make the names with \
                 `openssl rehash {dir}`"
            ));
        }
    }
    Ok(trusted)
}

/// The files of a directory that OpenSSL would look into: eight hex digits, a dot, a number.
pub(super) fn hashed_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .take(MOST_FILES)
        .map(|entry| entry.path())
        .filter(|path| is_hashed(path))
        .collect();
    files.sort();
    files
}

fn is_hashed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split_once('.'))
        .is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// The certificates of a PEM file, in order; what is none is skipped.
pub(super) fn certificates(text: &str) -> Vec<CertificateDer<'static>> {
    debug_assert!(text.len() <= LARGEST_FILE, "files are read up to a bound");
    sections(text)
        .into_iter()
        .filter(|section| matches!(section.label, "CERTIFICATE" | "X509 CERTIFICATE"))
        .filter_map(|section| {
            let text = section.text.replace("X509 CERTIFICATE", "CERTIFICATE");
            CertificateDer::from_pem_slice(text.as_bytes()).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_count_in_a_directory() {
        for (name, wanted) in [
            ("5ed36f99.0", true),
            ("5ED36F99.12", true),
            ("ca.crt", false),
            ("5ed36f99.r0", false),
            ("5ed36f9.0", false),
            ("5ed36f99.", false),
        ] {
            assert_eq!(is_hashed(Path::new(name)), wanted, "{name}");
        }
    }
}
