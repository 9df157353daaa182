//! A found peer: its address, and the way to it.

use tower::ServiceExt as _;
use tower_multiserver_core::{Address, BoxError, Connection, Error, PublicKey, Section};
use tower_service::Service;

use super::names::key_section;

/// The address of a found peer.
pub(crate) fn at(rendezvous: &Address, key: &PublicKey) -> Address {
    let mut address = Address::new(key_section(key));
    for section in rendezvous.transforms() {
        let takes_key = ["shs", "noise"].contains(&section.name());
        let has_none = section.args().is_none_or(str::is_empty);
        address.push(match takes_key && has_none {
            true => Section::new(section.name()).arg(key),
            false => section.clone(),
        });
    }
    address
}

pub(super) async fn dial<S, I>(stack: S, address: Address) -> Result<Connection<I>, Error>
where
    S: Service<Address, Response = Connection<I>, Error: Into<BoxError>>,
{
    stack
        .oneshot(address)
        .await
        .map_err(|error| Error::from(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_that_of_the_peer_and_a_given_one_stays() {
        let key = PublicKey::from_bytes([7; 32]);
        let hex = "07".repeat(32);
        for (rendezvous, expected) in [
            ("dht:chat", format!("hyperdht:{hex}")),
            ("dht:chat~shs", format!("hyperdht:{hex}~shs:{key}")),
            (
                "dht:chat~noise:~gzip",
                format!("hyperdht:{hex}~noise:{key}~gzip"),
            ),
            ("dht:chat~shs:other", format!("hyperdht:{hex}~shs:other")),
        ] {
            let address = at(&rendezvous.parse().unwrap(), &key);
            assert_eq!(address.to_string(), expected);
        }
    }
}
