//! `invite`.

use serde_json::json;
use tower_multiserver::{
    Address, FromSection as _, Identity, MultiAddress, PublicKey, Section, Seed,
    config::{Config, check_dial, is_known, proves_keys},
    net::HostPort,
    ssb,
};

use crate::{
    cli,
    failure::{Failure, root},
    input, print,
    report::Report,
    settings,
};

/// Prints an address with a new key in it.
pub(crate) fn run(args: &cli::Invite, report: Report) -> Result<(), Failure> {
    let mut config = match &args.config {
        Some(file) => settings::read(file)?,
        None => Config::default(),
    };
    if let Some(file) = &args.key {
        config.key_file = Some(file.clone());
    }
    if config.key_file.is_none() {
        let reason = "an invite needs --key FILE, or `key-file` in the configuration";
        return Err(Failure::usage(reason));
    }
    let (host, _) = settings::identity(&config)?;
    let seed = Seed::generate()?;
    let guest = Identity::from_seed(&seed).public_key();

    let mut addresses: Option<MultiAddress> = None;
    for address in reached_at(args, &config)? {
        let invite = invited(&address, host.public_key(), &seed)?;
        match &mut addresses {
            Some(all) => all.push(invite),
            None => addresses = Some(invite.into()),
        }
    }
    let reason = "no ADDRESS to invite to, nor `listen` in the configuration";
    let addresses = addresses.ok_or_else(|| Failure::usage(reason))?;
    tell(&ssb::to_text(&addresses, args.format)?, guest, report)
}

/// Where the server is.
fn reached_at(args: &cli::Invite, config: &Config) -> Result<Vec<Address>, Failure> {
    let mut addresses = Vec::new();
    for argument in &args.addresses {
        addresses.extend(input::addresses(argument)?);
    }
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    let seeded = |address: &&Address| address.sections().iter().any(takes_seed);
    for address in config.listen.iter().filter(seeded) {
        let (transport, transforms) = address.sections().split_first().expect("never empty");
        match config.external.get(transport.name()) {
            Some(external) => addresses.extend(external.iter().map(|section| {
                let mut address = Address::new(section.clone());
                transforms
                    .iter()
                    .for_each(|section| address.push(section.clone()));
                address
            })),
            None => addresses.push(address.clone()),
        }
    }
    Ok(addresses)
}

/// The address for who has `seed`.
fn invited(address: &Address, host: PublicKey, seed: &Seed) -> Result<Address, Failure> {
    let refuse = |reason: &str| {
        let address = address.redacted();
        Err(Failure::usage(format!(
            "no invite to `{address}`: {reason}"
        )))
    };
    let (transport, transforms) = address.sections().split_first().expect("never empty");
    if is_anywhere(transport) {
        return refuse("it does not say where; name an address that others can dial");
    }
    if !transforms.iter().any(takes_seed) {
        return refuse("it asks for no key, or takes no seed of one");
    }
    let mut invite = Address::new(transport.clone());
    for section in transforms {
        invite.push(match takes_seed(section) {
            true => {
                let own = Section::new(section.name()).arg(host);
                if section.args().is_some() && *section != own {
                    return refuse("it has another key than that of the server");
                }
                own.arg(&*seed.to_base64())
            }
            false => section.clone(),
        });
    }
    match check_dial(&invite) {
        // Another program may understand what this one does not.
        Err(error) if is_known(transport) => refuse(&root(&error)),
        _ => Ok(invite),
    }
}

/// Whether the key of a guest can stand in it.
fn takes_seed(section: &Section) -> bool {
    proves_keys(section) && section.name() != "mtls"
}

/// Whether it is something to listen on only.
fn is_anywhere(transport: &Section) -> bool {
    let is_wildcard = |host: &str| {
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        ip.is_ok_and(|ip| ip.is_unspecified())
    };
    match transport.name() {
        "net" => HostPort::from_section(transport)
            .is_ok_and(|at| at.port() == 0 || is_wildcard(at.host())),
        "ws" | "wss" => tower_multiserver::ws::ListenUrl::from_section(transport)
            .is_ok_and(|at| at.port() == 0 || is_wildcard(at.host())),
        "hyperdht" => transport.args().is_none_or(str::is_empty),
        _ => false,
    }
}

fn tell(addresses: &str, guest: PublicKey, report: Report) -> Result<(), Failure> {
    if report.is_json() {
        let invite = json!({ "event": "invite", "address": addresses, "guest": guest.to_string() });
        return print(&format!("{invite}\n"));
    }
    let id = guest.to_ssb_id();
    report.note(&format!(
        "whoever has this address is {id}, to be let in with --allow"
    ));
    print(&format!("{addresses}\n"))
}
