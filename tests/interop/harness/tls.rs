//! An authority of our own, and a certificate for this machine: the files that both sides are given.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tower_multiserver::wss::{Certificate, Trust, Wss};

/// PEM files.
pub(crate) struct Files {
    pub(crate) authority: PathBuf,
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// The files, made once and kept: one process at a time, and the others find them there.
pub(crate) fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-tls");
        fs::create_dir_all(&place).expect("a directory");
        let guard = File::create(place.join("lock")).expect("a lock");
        guard.lock().expect("a lock");
        let files = Files {
            authority: place.join("authority.pem"),
            chain: place.join("chain.pem"),
            key: place.join("key.pem"),
        };
        let made = place.join("made");
        if !made.exists() {
            make(&files);
            File::create(made).expect("written");
        }
        files
    })
}

fn make(files: &Files) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = "an authority of the interop tests";
    params.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("a certificate");

    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(names).expect("names");
    let certificate = certificate.signed_by(&key, &authority);
    for (path, text) in [
        (&files.authority, authority.pem()),
        (&files.chain, certificate.expect("a certificate").pem()),
        (&files.key, key.serialize_pem()),
    ] {
        fs::write(path, text).expect("written");
    }
}

/// The settings of our side: known by the certificate, and trusting the authority alone.
pub(crate) fn settle(wss: Wss) -> Wss {
    let files = files();
    let certificate = Certificate::from_files(&files.chain, &files.key).expect("a pair");
    let authority = fs::read(&files.authority).expect("an authority");
    let trust = Trust::roots(authority).expect("an authority");
    wss.certificate(certificate).trust(trust)
}
