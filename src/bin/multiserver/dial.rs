//! Which of several addresses is dialed, and where names lead.

use tower::{Layer as _, util::BoxCloneSyncService};
use tower_multiserver::{
    Address, Connection, Error, FromSection as _, KeyArgs, MultiAddress, MultiServer, Section,
    config::{check_dial, proves_keys},
    dial::{
        FallbackLayer, RaceLayer,
        lookup::{CacheLayer, Dns, LookupError, LookupLayer, Name},
    },
};
use tower_service::Service;

use crate::cli::Policy;

/// Whom to dial, and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    dialer: BoxCloneSyncService<MultiAddress, Connection, Error>,
    addresses: MultiAddress,
}

const LOOKUP: &str = "lookup";

impl Target {
    /// What `policy` says.
    pub(crate) fn new(
        server: MultiServer,
        addresses: MultiAddress,
        policy: &Policy,
    ) -> Result<Self, Error> {
        // An invite says as whom to dial, and nothing else. In other lists a seed may be somebody else's idea.
        let is_invite = addresses.iter().all(has_seed);
        let dialer = match (policy.fallback, policy.race, is_invite) {
            (true, _, false) => BoxCloneSyncService::new(FallbackLayer::new().layer(server)),
            (true, _, true) => {
                BoxCloneSyncService::new(FallbackLayer::new().allow_seeds().layer(server))
            }
            (_, true, false) => BoxCloneSyncService::new(RaceLayer::new().layer(server)),
            (_, true, true) => {
                BoxCloneSyncService::new(RaceLayer::new().allow_seeds().layer(server))
            }
            _ => BoxCloneSyncService::new(server),
        };
        let dialer = match addresses.iter().any(is_name) {
            true => {
                let dns = match policy.dns {
                    Some(server) => Dns::servers([server])?,
                    None => Dns::system()?,
                };
                let lookup = LookupLayer::new(CacheLayer::new().layer(dns));
                BoxCloneSyncService::new(lookup.layer(dialer))
            }
            false => dialer,
        };
        Ok(Self { dialer, addresses })
    }

    pub(crate) async fn dial(&self) -> Result<Connection, Error> {
        // Always ready: what is dialed is not known before.
        self.dialer.clone().call(self.addresses.clone()).await
    }

    /// Whether one of the addresses is understood, or why the first is not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_all(&self.addresses)
    }
}

/// Whether one of the addresses is understood, or why the first is not.
pub(crate) fn check_all(addresses: &MultiAddress) -> Result<(), Error> {
    let mut checks = addresses.iter().map(check);
    let first = checks.next().expect("a list of addresses is never empty");
    match first.is_err() && checks.any(|check| check.is_ok()) {
        true => Ok(()),
        false => first,
    }
}

/// Whether the address could be dialed, where a name leads to such.
pub(crate) fn check(address: &Address) -> Result<(), Error> {
    if !is_name(address) {
        return check_dial(address);
    }
    let (name, transforms) = (address.transport(), address.transforms());
    domain(name)?;
    if has_seed(address) {
        return Err(Error::unsupported(LookupError::Seed));
    }
    // What is written behind a name must stand in the addresses to which it leads, whatever their transport.
    let mut led = Address::new(Section::new("net").arg("localhost").arg(1));
    transforms
        .iter()
        .for_each(|section| led.push(section.clone()));
    check_dial(&led)
}

/// Under which domain the addresses of a name stand.
pub(crate) fn domain(section: &Section) -> Result<String, Error> {
    let name = Name::from_section(section).map_err(Error::unsupported)?;
    match name.text() {
        Some(name) => Ok(format!("_multiserver.{name}")),
        None => Err(Error::unsupported(
            "names are looked up in DNS, and no keys",
        )),
    }
}

fn is_name(address: &Address) -> bool {
    address.transport().name() == LOOKUP
}

fn has_seed(address: &Address) -> bool {
    let mut keyed = address
        .sections()
        .iter()
        .filter(|section| proves_keys(section));
    keyed.any(|section| KeyArgs::from_section(section).is_ok_and(|args| args.seed.is_some()))
}
