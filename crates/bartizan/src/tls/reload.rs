//! Certificates that are renewed: the files are looked at now and then, and read again when they
//! have changed. Connections that stand keep what they began with.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bartizan_conf::TlsOptions;
use bartizan_core::notify::event::Level;

use super::material::{Material, TlsError};
use super::{Tls, trust};
use crate::log::Log;

/// How often the files are looked at. A change is taken over when it was the same twice, since a
/// certificate and its key are not replaced in one moment.
const PERIOD: Duration = Duration::from_secs(2);

/// What tells that a file is another one: device, inode, size, time of change.
pub(super) type Print = Vec<Option<(u64, u64, u64, i64, i64)>>;

/// Takes over new files for as long as the process lives. A file that cannot be used changes
/// nothing, and is told once.
pub(crate) async fn watch(tls: Rc<Tls>, log: Log) {
    let mut loaded = tls.began_with.clone();
    let mut seen = loaded.clone();
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(now) = look(&tls.options).await else {
            return;
        };
        let is_settled = now == seen;
        seen = now;
        if !is_settled || seen == loaded {
            continue;
        }
        loaded.clone_from(&seen);
        let options = tls.options.clone();
        let read = tokio::task::spawn_blocking(move || Material::load(&options));
        match read.await {
            Ok(Ok((material, _))) => {
                tls.material.replace(material);
                log.write(
                    Level::Notice,
                    "TLS certificates have changed on disk and are in use from now on",
                );
            }
            Ok(Err(error)) => refuse(&log, &error),
            // The process ends.
            Err(_) => return,
        }
    }
}

fn refuse(log: &Log, error: &TlsError) {
    log.warning(format!(
        "TLS certificates have changed on disk and cannot be used, the old ones stay in use: \
         {error}"
    ));
}

/// The same, away from the loop: a disk may hang.
async fn look(options: &TlsOptions) -> Option<Print> {
    let options = options.clone();
    let print = move || fingerprint(&options);
    tokio::task::spawn_blocking(print).await.ok()
}

/// The present state of all files.
pub(super) fn fingerprint(options: &TlsOptions) -> Print {
    let files = [
        &options.own.cert_file,
        &options.own.key_file,
        &options.client.cert_file,
        &options.client.key_file,
        &options.ca_file,
    ];
    let mut print: Print = files
        .into_iter()
        .flatten()
        .map(|file| stat(Path::new(file)))
        .collect();
    if let Some(dir) = &options.ca_dir {
        print.extend(
            trust::hashed_files(Path::new(dir))
                .iter()
                .map(|file| stat(file)),
        );
    }
    print
}

fn stat(path: &Path) -> Option<(u64, u64, u64, i64, i64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((
        found.dev(),
        found.ino(),
        found.size(),
        found.mtime(),
        found.mtime_nsec(),
    ))
}
