//! OpenSSL's names of versions and cipher suites, as operators write them, mapped to what rustls
//! has.
//!
//! rustls has three suites of TLS 1.3 and six of TLS 1.2, all of them good. A list such as
//! `DEFAULT:!MEDIUM` or `ECDHE+AESGCM:!aNULL` is read as OpenSSL reads it, over these.

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite as suite;

use super::material::TlsError;

/// A suite with the words by which OpenSSL's lists name it: its own name, IANA's, and the groups
/// that it is in.
struct Row {
    suite: SupportedCipherSuite,
    words: &'static [&'static str],
}

/// The suites of TLS 1.2, best first.
static TLS12: [Row; 6] = [
    row(
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        &[
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "aECDSA",
            "ECDSA",
            "AES256",
            "AES",
            "AESGCM",
            "SHA384",
        ],
    ),
    row(
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        &[
            "ECDHE-RSA-AES256-GCM-SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "aRSA",
            "AES256",
            "AES",
            "AESGCM",
            "SHA384",
        ],
    ),
    row(
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        &[
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "aECDSA",
            "ECDSA",
            "CHACHA20",
        ],
    ),
    row(
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        &[
            "ECDHE-RSA-CHACHA20-POLY1305",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "aRSA",
            "CHACHA20",
        ],
    ),
    row(
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        &[
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "aECDSA",
            "ECDSA",
            "AES128",
            "AES",
            "AESGCM",
            "SHA256",
        ],
    ),
    row(
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        &[
            "ECDHE-RSA-AES128-GCM-SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "aRSA",
            "AES128",
            "AES",
            "AESGCM",
            "SHA256",
        ],
    ),
];

/// Groups that all six are in.
const EVERYWHERE: &[&str] = &[
    "DEFAULT", "ALL", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "TLSv1.2", "FIPS",
];

/// Groups of OpenSSL in which none of the six is. To name one is right and adds nothing.
const ELSEWHERE: &[&str] = &[
    "MEDIUM",
    "LOW",
    "EXP",
    "EXPORT",
    "NULL",
    "eNULL",
    "aNULL",
    "COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "RSA",
    "kRSA",
    "DH",
    "DHE",
    "EDH",
    "kDHE",
    "kEDH",
    "ADH",
    "AECDH",
    "DSS",
    "aDSS",
    "PSK",
    "kPSK",
    "aPSK",
    "kECDHEPSK",
    "kDHEPSK",
    "kRSAPSK",
    "SRP",
    "kSRP",
    "aSRP",
    "SSLv3",
    "TLSv1",
    "TLSv1.0",
    "AESCCM",
    "AESCCM8",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "ARIAGCM",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "3DES",
    "DES",
    "RC4",
    "RC2",
    "IDEA",
    "SEED",
    "MD5",
    "SHA1",
    "SHA",
    "CBC",
    "GOST",
    "kGOST",
    "aGOST",
    "aGOST01",
    "GOST94",
];

/// The suites of TLS 1.3 with their one name, best first.
static TLS13: [Row; 3] = [
    row(suite::TLS13_AES_256_GCM_SHA384, &["TLS_AES_256_GCM_SHA384"]),
    row(
        suite::TLS13_CHACHA20_POLY1305_SHA256,
        &["TLS_CHACHA20_POLY1305_SHA256"],
    ),
    row(suite::TLS13_AES_128_GCM_SHA256, &["TLS_AES_128_GCM_SHA256"]),
];

const fn row(suite: SupportedCipherSuite, words: &'static [&'static str]) -> Row {
    Row { suite, words }
}

/// Versions of TLS that may be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) tls12: bool,
    pub(super) tls13: bool,
}

/// Reads `tls-protocols`; what is no longer spoken is told to `notices`.
pub(super) fn versions(
    protocols: Option<&str>,
    notices: &mut Vec<String>,
) -> Result<Versions, TlsError> {
    let Some(protocols) = protocols else {
        return Ok(Versions {
            tls12: true,
            tls13: true,
        });
    };
    let mut versions = Versions::default();
    for word in protocols.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.tls12 = true,
            "tlsv1.3" => versions.tls13 = true,
            "tlsv1" | "tlsv1.1" => notices.push(format!(
                "tls-protocols: {word} is no longer safe and is not spoken here"
            )),
            _ => {
                return Err(TlsError::new(format!(
                    "tls-protocols: there is no {word}; TLSv1.2 and TLSv1.3 are spoken here"
                )));
            }
        }
    }
    if versions == Versions::default() {
        return Err(TlsError::new(
            "tls-protocols leaves no version to speak: add TLSv1.2 or TLSv1.3",
        ));
    }
    Ok(versions)
}

/// Reads `tls-ciphers`: suites of TLS 1.2 in the order of the list; an empty list is OpenSSL's
/// default. Names that say nothing here are told to `notices`.
pub(super) fn tls12(
    list: Option<&str>,
    notices: &mut Vec<String>,
) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut banned: Vec<usize> = Vec::new();
    let separators = [':', ',', ';', ' '];
    let given = list.unwrap_or_default();
    for word in given.split(separators) {
        // `@STRENGTH` sorts and `@SECLEVEL=` sets a floor; what is here is sorted and above it.
        let word = word.split('@').next().unwrap_or_default();
        if word.is_empty() {
            continue;
        }
        let (act, name) = match word.split_at_checked(1) {
            Some((act @ ("!" | "-" | "+"), name)) => (act, name),
            _ => ("", word),
        };
        let matching = matching(name);
        match act {
            "!" => {
                chosen.retain(|at| !matching.contains(at));
                banned.extend(matching);
            }
            "-" => chosen.retain(|at| !matching.contains(at)),
            "+" => {
                let (moved, kept): (Vec<usize>, _) =
                    chosen.into_iter().partition(|at| matching.contains(at));
                chosen = kept;
                chosen.extend(moved);
            }
            _ => {
                if matching.is_empty() && !is_known(name) {
                    notices.push(format!("tls-ciphers: {name} is not available here"));
                }
                let new = matching
                    .into_iter()
                    .filter(|at| !chosen.contains(at) && !banned.contains(at))
                    .collect::<Vec<_>>();
                chosen.extend(new);
            }
        }
    }
    if given.trim().is_empty() {
        return Ok(TLS12.iter().map(|row| row.suite).collect());
    }
    if chosen.is_empty() {
        return Err(TlsError::new(format!(
            "tls-ciphers leaves no suite to speak: {given}"
        )));
    }
    let suite = |at: usize| TLS12.get(at).map(|row| row.suite);
    Ok(chosen.into_iter().filter_map(suite).collect())
}

/// Reads `tls-ciphersuites`: suites of TLS 1.3 in the order of the list.
pub(super) fn tls13(
    list: Option<&str>,
    notices: &mut Vec<String>,
) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let given = list.unwrap_or_default();
    if given.is_empty() {
        return Ok(TLS13.iter().map(|row| row.suite).collect());
    }
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for name in given.split(':').map(str::trim) {
        match TLS13.iter().find(|row| names(row, name)) {
            Some(row) if !chosen.contains(&row.suite) => chosen.push(row.suite),
            Some(_) => {}
            None => notices.push(format!("tls-ciphersuites: {name} is not available here")),
        }
    }
    if chosen.is_empty() {
        return Err(TlsError::new(format!(
            "tls-ciphersuites leaves no suite to speak: {given}"
        )));
    }
    Ok(chosen)
}

/// The suites of TLS 1.2 that every part of `a+b` names.
fn matching(name: &str) -> Vec<usize> {
    let all = |row: &Row| {
        name.split('+')
            .all(|part| EVERYWHERE.contains(&part) || names(row, part))
    };
    let rows = TLS12.iter().enumerate();
    rows.filter(|(_, row)| all(row)).map(|(at, _)| at).collect()
}

fn names(row: &Row, word: &str) -> bool {
    row.words.contains(&word)
}

/// Whether every part of `a+b` is a group that OpenSSL knows.
fn is_known(name: &str) -> bool {
    name.split('+').all(|part| {
        EVERYWHERE.contains(&part)
            || ELSEWHERE.contains(&part)
            || TLS12.iter().any(|row| names(row, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls12_of(list: &str) -> (Result<Vec<&'static str>, String>, Vec<String>) {
        let mut notices = Vec::new();
        let found = tls12(Some(list), &mut notices);
        let name = |suite: SupportedCipherSuite| {
            let row = TLS12.iter().find(|row| row.suite == suite);
            row.unwrap().words[0]
        };
        let names = found.map(|suites| suites.into_iter().map(name).collect());
        (names.map_err(|error| error.to_string()), notices)
    }

    const ALL: &[&str] = &[
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ];

    #[test]
    fn lists_are_read_as_openssl_reads_them() {
        let table: &[(&str, &[&str])] = &[
            ("", ALL),
            ("DEFAULT:!MEDIUM", ALL),
            ("HIGH:!aNULL:!MD5:!RC4:@STRENGTH", ALL),
            ("DEFAULT@SECLEVEL=1", ALL),
            ("ECDHE-RSA-AES128-GCM-SHA256", &ALL[5..]),
            (
                "ECDHE+AESGCM:!aECDSA",
                &["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"],
            ),
            (
                "CHACHA20+aRSA,AES128+aRSA",
                &["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"],
            ),
            ("ALL:-AESGCM:-aECDSA", &["ECDHE-RSA-CHACHA20-POLY1305"]),
            (
                "aRSA:+AES256:!CHACHA20",
                &["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"],
            ),
            ("!AESGCM:ALL:!ECDSA", &["ECDHE-RSA-CHACHA20-POLY1305"]),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", &ALL[5..]),
        ];
        for (list, wanted) in table {
            let (found, notices) = tls12_of(list);
            assert_eq!(found.unwrap(), *wanted, "{list}");
            assert_eq!(notices, Vec::<String>::new(), "{list}");
        }
    }

    #[test]
    fn a_suite_that_is_not_there_is_told_and_nothing_left_is_an_error() {
        let (found, notices) = tls12_of("AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256");
        assert_eq!(found.unwrap(), &ALL[5..]);
        assert_eq!(notices, ["tls-ciphers: AES128-SHA is not available here"]);
        let (found, _) = tls12_of("nonsense");
        assert_eq!(
            found.unwrap_err(),
            "tls-ciphers leaves no suite to speak: nonsense"
        );
        let (found, _) = tls12_of("kRSA");
        assert_eq!(
            found.unwrap_err(),
            "tls-ciphers leaves no suite to speak: kRSA"
        );
    }

    #[test]
    fn suites_of_tls_1_3_keep_the_order_of_the_list() {
        let mut notices = Vec::new();
        let list = "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_256_GCM_SHA384";
        let found = tls13(Some(list), &mut notices).unwrap();
        assert_eq!(found, [TLS13[2].suite, TLS13[0].suite]);
        assert_eq!(
            notices,
            ["tls-ciphersuites: TLS_AES_128_CCM_SHA256 is not available here"]
        );
        assert_eq!(
            tls13(Some("x"), &mut notices).unwrap_err().to_string(),
            "tls-ciphersuites leaves no suite to speak: x"
        );
    }

    #[test]
    fn old_versions_are_accepted_with_a_notice_unless_nothing_else_is_left() {
        let mut notices = Vec::new();
        let found = versions(Some("tlsv1 TLSv1.1 TLSv1.2"), &mut notices).unwrap();
        assert_eq!(
            found,
            Versions {
                tls12: true,
                tls13: false
            }
        );
        assert_eq!(notices.len(), 2);
        assert!(versions(Some("TLSv1.1"), &mut notices).is_err());
        assert!(versions(Some("SSLv3"), &mut notices).is_err());
        let default = versions(None, &mut notices).unwrap();
        assert!(default.tls12 && default.tls13);
    }
}
