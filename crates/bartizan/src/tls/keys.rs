//! Private keys in every form that OpenSSL writes: PKCS#8, PKCS#1 and SEC1, in the clear or under
//! a password, the older encrypted form (`Proc-Type: 4,ENCRYPTED`) among them.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::pem::{Section, sections};

/// Why there is no key. Never says anything of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    #[error("there is no private key in it")]
    None,
    #[error("the private key in it cannot be read")]
    Malformed,
    #[error("the private key in it is encrypted, and no password is configured")]
    NoPassword,
    #[error("the password of the private key is wrong")]
    WrongPassword,
    #[error("the private key in it is encrypted in a way that is not known here: {0}")]
    Unknown(&'static str),
}

/// Reads the first private key of a PEM file.
pub(super) fn read(text: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, KeyError> {
    let section = sections(text)
        .into_iter()
        .find(|section| section.label.ends_with("PRIVATE KEY"))
        .ok_or(KeyError::None)?;
    let password = password.map(str::as_bytes);
    if section.label == "ENCRYPTED PRIVATE KEY" {
        return read_pkcs8(section.text, password.ok_or(KeyError::NoPassword)?);
    }
    match encryption(section.text) {
        Some(info) => read_traditional(&section, info, password.ok_or(KeyError::NoPassword)?),
        None => parse(section.text),
    }
}

fn parse(section: &str) -> Result<PrivateKeyDer<'static>, KeyError> {
    PrivateKeyDer::from_pem_slice(section.as_bytes()).map_err(|_| KeyError::Malformed)
}

/// PKCS#8's own encryption.
fn read_pkcs8(section: &str, password: &[u8]) -> Result<PrivateKeyDer<'static>, KeyError> {
    let (_, document) =
        pkcs8::SecretDocument::from_pem(section).map_err(|_| KeyError::Malformed)?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|_| KeyError::Unknown("use AES with PBKDF2 or scrypt"))?;
    let key = encrypted
        .decrypt(password)
        .map_err(|_| KeyError::WrongPassword)?;
    Ok(PrivateKeyDer::Pkcs8(key.as_bytes().to_vec().into()))
}

/// The value of the `DEK-Info` line, if there is one.
fn encryption(section: &str) -> Option<&str> {
    section
        .lines()
        .find_map(|line| line.strip_prefix("DEK-Info:"))
        .map(str::trim)
}

/// The older form: a cipher in CBC mode, its key made from the password and the first bytes of
/// the initialisation vector by MD5.
fn read_traditional(
    section: &Section<'_>,
    info: &str,
    password: &[u8],
) -> Result<PrivateKeyDer<'static>, KeyError> {
    let (cipher, vector) = info.split_once(',').ok_or(KeyError::Malformed)?;
    let vector = unhex(vector.trim()).ok_or(KeyError::Malformed)?;
    // Without its header lines it is PEM like any other, and what it holds is not looked into.
    let bare: Vec<&str> = section
        .text
        .lines()
        .filter(|line| !line.contains(':'))
        .collect();
    let sealed = parse(&bare.join("\n"))?;
    let data = sealed.secret_der();
    let salt = vector.get(..8).ok_or(KeyError::Malformed)?;
    let key = |length: usize| derive(password, salt, length);
    let opened = match cipher.trim() {
        "AES-128-CBC" => open::<cbc::Decryptor<aes::Aes128>>(&key(16), &vector, data),
        "AES-192-CBC" => open::<cbc::Decryptor<aes::Aes192>>(&key(24), &vector, data),
        "AES-256-CBC" => open::<cbc::Decryptor<aes::Aes256>>(&key(32), &vector, data),
        "DES-EDE3-CBC" => open::<cbc::Decryptor<des::TdesEde3>>(&key(24), &vector, data),
        "DES-CBC" => open::<cbc::Decryptor<des::Des>>(&key(8), &vector, data),
        _ => return Err(KeyError::Unknown("write it again with AES-256")),
    }?;
    Ok(match sealed {
        PrivateKeyDer::Pkcs1(_) => PrivateKeyDer::Pkcs1(opened.into()),
        PrivateKeyDer::Sec1(_) => PrivateKeyDer::Sec1(opened.into()),
        _ => PrivateKeyDer::Pkcs8(opened.into()),
    })
}

fn open<C: KeyIvInit + BlockModeDecrypt>(
    key: &[u8],
    vector: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let cipher = C::new_from_slices(key, vector).map_err(|_| KeyError::Malformed)?;
    let mut data = data.to_vec();
    let opened = cipher
        .decrypt_padded::<Pkcs7>(&mut data)
        .map_err(|_| KeyError::WrongPassword)?;
    Ok(opened.to_vec())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round, as its documentation describes it: each
/// block is the digest of the one before, the password and the salt.
fn derive(password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut key: Vec<u8> = Vec::with_capacity(length.saturating_add(16));
    let mut block = Vec::new();
    while key.len() < length {
        let mut digest = Md5::new();
        digest.update(&block);
        digest.update(password);
        digest.update(salt);
        block = digest.finalize().to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(length);
    key
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests;
