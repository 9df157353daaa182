//! With the cryptography of aws-lc-rs.

use rustls::{NamedGroup, crypto::aws_lc_rs, version::TLS13};
use tower_multiserver_core::{Role, Transform};
use tower_multiserver_mtls::{MtlsLayer, Provider};

use crate::{raw, support::*};

#[tokio::test]
async fn each_meets_each() {
    for near in [Provider::RING, Provider::AWS_LC_RS] {
        for far in [Provider::RING, Provider::AWS_LC_RS] {
            let bob = identity();
            let (client, server) = meet(
                MtlsLayer::new(identity()).provider(near),
                MtlsLayer::new(bob.clone()).provider(far),
                to(&bob),
            )
            .await;
            client.unwrap();
            server.unwrap();
        }
    }
}

#[tokio::test]
async fn keys_are_exchanged_in_the_post_quantum_way_where_both_know_it() {
    let (alice, bob) = (identity(), identity());
    for (provider, expected) in [
        (Provider::RING, NamedGroup::X25519),
        (Provider::AWS_LC_RS, NamedGroup::X25519MLKEM768),
    ] {
        let (near, far) = tokio::io::duplex(10_000);
        let own = raw::honest(&bob);
        let (config, _) = raw::server_of(aws_lc_rs::default_provider(), &[&TLS13], own);
        let client = MtlsLayer::new(alice.clone()).provider(provider);
        let (client, server) = tokio::join!(
            client.upgrade(pipe(near), to(&bob)),
            raw::accept(config, far),
        );
        client.unwrap();
        let server = server.unwrap();
        let group = server.get_ref().1.negotiated_key_exchange_group();
        assert_eq!(group.unwrap().name(), expected);

        let (near, far) = tokio::io::duplex(10_000);
        let own = Some(raw::honest(&alice));
        let config = raw::client_of(aws_lc_rs::default_provider(), &[&TLS13], own);
        let server = MtlsLayer::new(bob.clone()).provider(provider);
        let (client, server) = tokio::join!(
            raw::connect(config, near),
            server.upgrade(pipe(far), Role::Accept),
        );
        server.unwrap();
        let client = client.unwrap();
        let group = client.get_ref().1.negotiated_key_exchange_group();
        assert_eq!(group.unwrap().name(), expected);
    }
}
