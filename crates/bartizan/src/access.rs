//! How a command of ours gets into a server or a Sentinel: the words that `bartizan rescue replay`
//! and `bartizan drain` share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use bartizan_conf::{TlsOptions, TlsPair};
use bartizan_core::provide::options::{Credentials, Secret};
use clap::Args;

use crate::rescue::conn::{Conn, Patience, Way};
use crate::tls::Tls;

/// Who we are there, and over what.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The user.
    #[arg(long)]
    user: Option<String>,
    /// The password; better --pass-file, or the environment's REDISCLI_AUTH.
    #[arg(long, conflicts_with = "pass_file")]
    pass: Option<String>,
    /// A file with the password.
    #[arg(long, value_name = "FILE")]
    pass_file: Option<PathBuf>,
    /// Connect over TLS.
    #[arg(long)]
    tls: bool,
    /// Whom to trust.
    #[arg(long, value_name = "FILE", requires = "tls")]
    cacert: Option<String>,
    /// Who we are.
    #[arg(long, value_name = "FILE", requires = "tls")]
    cert: Option<String>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "tls")]
    key_file: Option<String>,
}

impl Access {
    /// The user and password, wherever they stand.
    ///
    /// # Errors
    /// When a file cannot be read, or a user has no password.
    pub(crate) fn login(&self) -> anyhow::Result<Option<Credentials>> {
        let user = self.user.as_deref().map(Arc::from);
        if let Some(file) = &self.pass_file {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let password = Secret::new(text.lines().next().unwrap_or_default());
            return Ok(Some(Credentials { user, password }));
        }
        let of_environment = || std::env::var("REDISCLI_AUTH").ok();
        match self.pass.clone().or_else(of_environment) {
            None if user.is_some() => {
                bail!("--user needs a password: --pass-file, --pass or REDISCLI_AUTH")
            }
            password => Ok(password.map(|password| Credentials {
                user,
                password: Secret::new(&password),
            })),
        }
    }

    /// What TLS needs, if that is asked for.
    ///
    /// # Errors
    /// When certificates or keys cannot be used.
    pub(crate) fn tls(&self) -> anyhow::Result<Option<Rc<Tls>>> {
        if !self.tls {
            return Ok(None);
        }
        let options = TlsOptions {
            replication: true,
            ca_file: self.cacert.clone(),
            own: TlsPair {
                cert_file: self.cert.clone(),
                key_file: self.key_file.clone(),
                key_pass: None,
            },
            ..TlsOptions::default()
        };
        Ok(Tls::load(&options)?.0)
    }
}

/// A connection to the first address of `to`, `HOST:PORT`, that takes one.
///
/// # Errors
/// When there is none, or the login is refused.
pub(crate) async fn connect(
    to: &str,
    way: &Way,
    login: Option<&Credentials>,
    patience: Patience,
) -> anyhow::Result<Conn> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host(to)
        .await
        .with_context(|| format!("{to} is no HOST:PORT that can be reached"))?
        .collect();
    let mut last = None;
    for addr in found {
        match Conn::open(addr, way, patience).await {
            Ok(mut conn) => {
                if let Some(login) = login {
                    conn.authenticate(login).await?;
                }
                return Ok(conn);
            }
            Err(trouble) => last = Some(trouble),
        }
    }
    Err(last.map_or_else(|| anyhow!("no address"), Into::into))
        .with_context(|| format!("cannot connect to {to}"))
}
