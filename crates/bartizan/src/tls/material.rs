//! From the directives and the files that they name to what rustls works with.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bartizan_conf::{TlsAuthClients, TlsOptions, TlsPair};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, StoresServerSessions};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::sessions::Sessions;
use super::verifier::{Demand, Verifier};
use super::{ciphers, keys, trust};
use crate::disk::reason;

/// More than any certificate, key or bundle of CAs that makes sense.
pub(super) const LARGEST_FILE: usize = 4 << 20;

/// What prevents TLS, in words for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsError(String);

impl TlsError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// All that a handshake needs, read from the files together.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Material {
    /// Reads everything. With it, what an operator should know.
    pub(super) fn load(options: &TlsOptions) -> Result<(Self, Vec<String>), TlsError> {
        let mut notices = Vec::new();
        let pair = |pair: &TlsPair| pair.cert_file.is_some() && pair.key_file.is_some();
        let needs_trust = options.replication || options.auth_clients != TlsAuthClients::No;
        if options.own.cert_file.is_none() {
            return Err(TlsError::new("No tls-cert-file configured!"));
        }
        if options.own.key_file.is_none() {
            return Err(TlsError::new("No tls-key-file configured!"));
        }
        if needs_trust && options.ca_file.is_none() && options.ca_dir.is_none() {
            return Err(TlsError::new(
                "tls-ca-cert-file or tls-ca-cert-dir has to say whom to trust: with \
                 tls-replication, and unless tls-auth-clients is no, others show certificates",
            ));
        }
        tell_what_is_unused(options, &mut notices);
        let versions = ciphers::versions(options.protocols.as_deref(), &mut notices)?;
        let mut cipher_suites = ciphers::tls13(options.ciphersuites.as_deref(), &mut notices)?;
        cipher_suites.extend(ciphers::tls12(options.ciphers.as_deref(), &mut notices)?);
        let provider = Arc::new(CryptoProvider {
            cipher_suites,
            ..aws_lc_rs::default_provider()
        });
        let mut spoken: Vec<&'static SupportedProtocolVersion> = Vec::new();
        spoken.extend(versions.tls13.then_some(&TLS13));
        spoken.extend(versions.tls12.then_some(&TLS12));
        let own = identity(&options.own, &provider)?;
        let on_links = if pair(&options.client) {
            identity(&options.client, &provider)?
        } else {
            Arc::clone(&own)
        };
        let trusted = trust::load(options, &mut notices)?;
        let demand = match options.auth_clients {
            TlsAuthClients::Optional => Demand::Optional,
            TlsAuthClients::Yes | TlsAuthClients::No => Demand::Required,
        };
        let verifier = Arc::new(Verifier::new(trusted, demand, &provider)?);
        let server = server(options, &provider, &spoken, own, &verifier)?;
        let client = client(&provider, &spoken, on_links, verifier)?;
        let material = Self {
            server: Arc::new(server),
            client: Arc::new(client),
        };
        Ok((material, notices))
    }
}

fn server(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    own: Arc<CertifiedKey>,
    verifier: &Arc<Verifier>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::new(format!("TLS cannot be set up: {error}")))?;
    let builder = match options.auth_clients {
        TlsAuthClients::No => builder.with_no_client_auth(),
        TlsAuthClients::Yes | TlsAuthClients::Optional => {
            builder.with_client_cert_verifier(Arc::<Verifier>::clone(verifier))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.ignore_client_order = options.prefer_server_ciphers;
    let size = usize::try_from(options.session_cache_size).unwrap_or(usize::MAX);
    let timeout = Duration::from_secs(u64::from(options.session_cache_timeout_secs));
    let storage: Arc<dyn StoresServerSessions> = if options.session_caching && size > 0 {
        Arc::new(Sessions::new(size, timeout))
    } else {
        Arc::new(NoServerSessionStorage {})
    };
    config.session_storage = storage;
    config.send_tls13_tickets = usize::from(options.session_caching);
    Ok(config)
}

/// Links are few and live long: nothing is resumed, and each certificate is looked at each time.
fn client(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    own: Arc<CertifiedKey>,
    verifier: Arc<Verifier>,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::new(format!("TLS cannot be set up: {error}")))?;
    let resolver = Arc::new(SingleCertAndKey::from(own));
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// A certificate with its key. The two are compared here because rustls would refuse to look at
/// a certificate of version 1.
fn identity(pair: &TlsPair, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let file = pair.cert_file.as_deref().unwrap_or_default();
    let failed =
        |why: String| TlsError::new(format!("The certificate {file} cannot be used: {why}"));
    let chain = trust::certificates(&read(Path::new(file)).map_err(failed)?);
    let first = chain
        .first()
        .ok_or_else(|| failed("there is no certificate in it".to_owned()))?;
    let certificate = Certificate::from_der(first).map_err(|error| failed(error.to_string()))?;

    let file = pair.key_file.as_deref().unwrap_or_default();
    let failed = |why: String| TlsError::new(format!("The key {file} cannot be used: {why}"));
    let text = read(Path::new(file)).map_err(failed)?;
    let der = keys::read(&text, pair.key_pass.as_deref()).map_err(|why| failed(why.to_string()))?;
    let key = provider
        .key_provider
        .load_private_key(der)
        .map_err(|error| failed(error.to_string()))?;
    let expected = certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der();
    if let (Some(public), Ok(expected)) = (key.public_key(), expected)
        && public.as_ref() != expected
    {
        return Err(failed("it is not the key of the certificate".to_owned()));
    }
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// Reads a file of a size that makes sense, as text.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| reason(&error))?;
    let limit = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| reason(&error))?;
    // What is around the sections may be in any encoding.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tell_what_is_unused(options: &TlsOptions, notices: &mut Vec<String>) {
    if options.dh_params_file.is_some() {
        notices.push("tls-dh-params-file is not used: no suite here needs it".to_owned());
    }
    if options.client.cert_file.is_some() != options.client.key_file.is_some() {
        notices.push(
            "tls-client-cert-file and tls-client-key-file have to be set both: links show \
             tls-cert-file"
                .to_owned(),
        );
    }
}
