use super::*;

/// One key in every form; the password of the sealed ones is `sesam`.
const PLAIN: &str = include_str!("../../../tests/fixtures/tls/ec.pem");
const SEC1: &str = include_str!("../../../tests/fixtures/tls/ec.sec1.pem");
const SEALED: [(&str, &str); 6] = [
    (
        "PKCS#8, AES",
        include_str!("../../../tests/fixtures/tls/ec.pkcs8-aes.pem"),
    ),
    (
        "PKCS#8, scrypt",
        include_str!("../../../tests/fixtures/tls/ec.pkcs8-scrypt.pem"),
    ),
    (
        "PKCS#8, 3DES",
        include_str!("../../../tests/fixtures/tls/ec.pkcs8-des3.pem"),
    ),
    (
        "older, AES-256",
        include_str!("../../../tests/fixtures/tls/ec.traditional-aes256.pem"),
    ),
    (
        "older, AES-128",
        include_str!("../../../tests/fixtures/tls/ec.traditional-aes128.pem"),
    ),
    (
        "older, 3DES",
        include_str!("../../../tests/fixtures/tls/ec.traditional-des3.pem"),
    ),
];

fn public(key: PrivateKeyDer<'static>) -> Vec<u8> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(key).unwrap();
    key.public_key().unwrap().as_ref().to_vec()
}

#[test]
fn a_key_is_the_same_in_every_form_that_openssl_writes() {
    let wanted = public(read(PLAIN, None).unwrap());
    assert_eq!(public(read(SEC1, None).unwrap()), wanted);
    for (form, text) in SEALED {
        let key = read(text, Some("sesam")).unwrap_or_else(|why| panic!("{form}: {why}"));
        assert_eq!(public(key), wanted, "{form}");
        let dos = text.replace('\n', "\r\n");
        assert_eq!(public(read(&dos, Some("sesam")).unwrap()), wanted, "{form}");
    }
    // A password that is not needed does no harm, as with OpenSSL.
    assert_eq!(public(read(PLAIN, Some("sesam")).unwrap()), wanted);
}

#[test]
fn a_wrong_password_gives_no_key_and_a_missing_one_is_named() {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    for (form, text) in SEALED {
        assert_eq!(read(text, None), Err(KeyError::NoPassword), "{form}");
        // The older form has no check of its own: one wrong password of 256 passes the padding.
        let usable = read(text, Some("wrong"))
            .is_ok_and(|key| provider.key_provider.load_private_key(key).is_ok());
        assert!(!usable, "{form}");
    }
}

#[test]
fn what_is_no_key_is_named() {
    let table = [
        ("", KeyError::None),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            KeyError::None,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n",
            KeyError::Malformed,
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,zz\n\n\
             AAAA\n-----END RSA PRIVATE KEY-----\n",
            KeyError::Malformed,
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
             DEK-Info: IDEA-CBC,0011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            KeyError::Unknown("write it again with AES-256"),
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
             DEK-Info: AES-256-CBC,0011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            KeyError::Malformed,
        ),
    ];
    for (text, wanted) in table {
        assert_eq!(read(text, Some("sesam")), Err(wanted), "{text}");
    }
}
