//! The configuration: what the file says, and what the arguments say before it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use tower_multiserver::{
    Identity, MultiServer,
    config::{CertificateFiles, Config, Trust},
};

use crate::{
    cli::{Certificate, Setup, Way, hide_secrets},
    failure::Failure,
    input,
    pipe::Channel,
};

/// More than a configuration has, little enough to hold.
const MAX_LEN: u64 = 1024 * 1024;

/// What `--config` and the other arguments say.
///
/// Who writes an address down here wants it, also where it proves nothing, unless the file says otherwise.
pub(crate) fn load(setup: &Setup) -> Result<Config, Failure> {
    let mut config = match &setup.config {
        Some(file) => read(file)?,
        None => Config::default(),
    };
    if let Some(file) = &setup.key {
        config.key_file = Some(file.clone());
    }
    if let Some(argument) = &setup.app_key {
        config.app_key = Some(input::app_key(argument)?);
    }
    lead(&mut config, &setup.way)?;
    bootstrap(&mut config, setup);
    config.plain.get_or_insert(true);
    Ok(config)
}

#[cfg(feature = "hyperswarm")]
fn bootstrap(config: &mut Config, setup: &Setup) {
    if !setup.bootstrap.is_empty() {
        config.bootstrap = setup.bootstrap.clone();
    }
}

#[cfg(not(feature = "hyperswarm"))]
fn bootstrap(_: &mut Config, _: &Setup) {}

/// What the arguments say of the way to a peer goes before what the file says.
pub(crate) fn lead(config: &mut Config, way: &Way) -> Result<(), Failure> {
    if let Some(file) = &way.ca {
        config.trust = Some(Trust::Roots(file.clone()));
    } else if !way.pins.is_empty() {
        config.trust = Some(Trust::Pins(way.pins.clone()));
    }
    if !way.proxies.is_empty() {
        let proxies = way.proxies.iter().map(|argument| input::proxy(argument));
        config.proxies = proxies.collect::<Result<_, _>>()?;
    }
    Ok(())
}

/// What the arguments say of the certificate goes before what the file says.
pub(crate) fn certify(config: &mut Config, certificate: &Certificate) {
    if let (Some(chain), Some(key)) = (&certificate.certificate, &certificate.certificate_key) {
        let (chain, key) = (chain.clone(), key.clone());
        config.certificate = Some(CertificateFiles { chain, key });
    }
}

/// The configuration in a file.
pub(crate) fn read(file: &Path) -> Result<Config, Failure> {
    let text = read_text(file).map_err(|error| {
        let what = format!("cannot read the configuration `{}`", file.display());
        Failure::io(&what, &error).of_usage()
    })?;
    let mut config: Config =
        toml::from_str(&text).map_err(|error| not_understood(file, &text, &error))?;
    config.resolve_paths(file.parent().unwrap_or(Path::new("")));
    Ok(config)
}

fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?
        .take(MAX_LEN + 1)
        .read_to_string(&mut text)?;
    match text.len() as u64 > MAX_LEN {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(text),
    }
}

/// Says where it is. The error's own text quotes the line, which can hold a secret.
fn not_understood(file: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let message = hide_secrets(error.message()).replace('\n', " ");
    let file = file.display();
    Failure::usage(format!(
        "the configuration `{file}`, line {line}, column {column}: {message}"
    ))
}

/// Our key, and whether it was made for this run.
pub(crate) fn identity(config: &Config) -> Result<(Identity, bool), Failure> {
    let identity = config.identity().map_err(of_usage)?;
    Ok((identity, config.key_file.is_none()))
}

/// The server that the configuration says.
pub(crate) fn server(config: &Config, identity: &Identity) -> Result<MultiServer, Failure> {
    config.multi_server_as(identity).map_err(of_usage)
}

/// The same, which reaches somebody by `channel` too, if there is one.
pub(crate) fn server_with(
    config: &Config,
    identity: &Identity,
    channel: Option<Channel>,
) -> Result<MultiServer, Failure> {
    let Some(channel) = channel else {
        return server(config, identity);
    };
    let channel = match config.dial_timeout {
        Some(timeout) => channel.dial_timeout(timeout),
        None => channel,
    };
    let server = config.multi_server_with(identity, "channel", channel);
    server.map_err(of_usage)
}

/// Whatever is wrong with it, something else has to be written.
fn of_usage(error: tower_multiserver::Error) -> Failure {
    Failure::from(error).of_usage()
}
