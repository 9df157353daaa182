//! What `wss` is made of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tower_multiserver_core::{Error, ErrorKind};

use super::{Config, Invalid, parts::Parts};
use crate::wss::{self, Pin, Wss};

/// The PEM files by which a server is known at `wss` addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateFiles {
    /// The certificates, the server's own first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Whose certificates a client accepts, in place of those that the platform trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Trust {
    /// Those that an authority in this PEM file has signed.
    Roots(PathBuf),
    /// Those of these keys.
    Pins(Vec<Pin>),
}

impl Config {
    pub(super) fn resolve_tls_paths(&mut self, directory: &Path) {
        let certificate = self.certificate.iter_mut();
        let mut files: Vec<_> = certificate
            .flat_map(|files| [&mut files.chain, &mut files.key])
            .collect();
        if let Some(Trust::Roots(file)) = &mut self.trust {
            files.push(file);
        }
        for file in files {
            *file = directory.join(&*file);
        }
    }
}

/// Blocks while files are read.
pub(super) fn wss(parts: &Parts) -> Result<Wss, Error> {
    let mut wss = Wss::over(parts.ws("wss"));
    if let Some(files) = &parts.config.certificate {
        let certificate = wss::Certificate::from_files(&files.chain, &files.key);
        let invalid = |error| Invalid::caused_by("certificate", error);
        wss = wss.certificate(certificate.map_err(invalid)?);
    }
    Ok(match &parts.config.trust {
        Some(Trust::Roots(file)) => wss.trust(roots(file)?),
        Some(Trust::Pins(pins)) => wss.trust(wss::Trust::pinned(pins.iter().copied())),
        None => wss,
    })
}

fn roots(file: &Path) -> Result<wss::Trust, Error> {
    let pem =
        fs::read(file).map_err(|error| Invalid::error(ErrorKind::Io, "trust.roots", error))?;
    wss::Trust::roots(pem).map_err(|error| Invalid::caused_by("trust.roots", error))
}
