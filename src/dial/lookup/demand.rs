//! What an address must hold to be taken from an answer.

use tower_multiserver_core::{Address, PublicKey, Section};

use super::Name;

/// What was written down beside a name.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    key: Option<PublicKey>,
    sections: Vec<Section>,
}

/// The names of the sections whose first argument is a key that the peer proves, in base64 or as a peer id.
pub(super) type Proofs = Vec<String>;

impl Demand {
    pub(super) fn new(name: &Name, sections: &[Section]) -> Self {
        Self {
            key: name.key(),
            sections: sections.to_vec(),
        }
    }

    /// Whether `address` is as safe as what was written down.
    pub(super) fn is_met(&self, address: &Address, proofs: &Proofs) -> bool {
        let transforms = address.transforms();
        let proves = |key| {
            transforms
                .iter()
                .any(|section| proven(section, proofs) == Some(key))
        };
        if !self.key.is_none_or(proves) {
            return false;
        }
        let mut transforms = transforms.iter();
        self.sections.iter().all(|wanted| {
            let fits = |have: &Section| match proven(wanted, proofs) {
                Some(key) => proven(have, proofs) == Some(key),
                None => have == wanted,
            };
            transforms.any(fits)
        })
    }
}

/// The key that the peer must prove by this section.
fn proven(section: &Section, proofs: &Proofs) -> Option<PublicKey> {
    if !proofs.iter().any(|name| name == section.name()) {
        return None;
    }
    let args = section.args()?;
    let key = args.split_once(':').map_or(args, |(key, _)| key);
    // No text is both, and a layer takes only what it writes itself.
    key.parse().ok().or_else(|| of_peer_id(key))
}

#[cfg(feature = "mtls")]
fn of_peer_id(text: &str) -> Option<PublicKey> {
    let id: tower_multiserver_core::PeerId = text.parse().ok()?;
    Some(id.public_key())
}

#[cfg(not(feature = "mtls"))]
fn of_peer_id(_: &str) -> Option<PublicKey> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "rIX/DH1qX+drw5c++CnBmQrto+ZA3Lx3XsN9N/fu8oI=";
    const EVE: &str = "+y42DK+BGzqvU00EWMKiyj4fITskSm+Drxq1Dt2s3Yw=";

    /// Whether what stands for `written` may be dialed at `found`; B and E are keys.
    fn is_met(written: &str, found: &str) -> bool {
        let address = |text: &str| -> Address {
            let text = text.replace('B', BOB).replace('E', EVE);
            text.parse().unwrap()
        };
        let written = address(written);
        let name = written.transport().args().unwrap().parse().unwrap();
        let proofs = ["shs", "noise", "mtls"].map(str::to_owned).to_vec();
        Demand::new(&name, written.transforms()).is_met(&address(found), &proofs)
    }

    #[test]
    fn a_key_that_is_written_must_be_proven_by_whichever_protocol() {
        for written in ["lookup:bob~shs:B", "lookup:bob~noise:B", "lookup:B"] {
            for found in [
                "net:h:1~shs:B",
                "net:h:1~noise:B",
                "net:h:1~gzip~shs:B~zstd",
            ] {
                assert!(is_met(written, found), "{written} {found}");
            }
            for found in [
                "net:h:1",
                "net:h:1~noauth",
                "net:h:1~shs:E",
                "net:h:1~noauth:B",
                "net:h:1~plain:B",
                "net:h:1~shs:E~plain:B",
                "net:h:1~shs:E:B",
                "net:h:1~shs",
                "shs:B",
                "shs:B~noauth",
            ] {
                assert!(!is_met(written, found), "{written} {found}");
            }
        }
    }

    #[test]
    fn any_other_section_must_stand_there_in_its_order() {
        assert!(is_met("lookup:bob~noauth", "net:h:1~noauth"));
        assert!(!is_met("lookup:bob~noauth", "net:h:1~shs:B"));
        assert!(is_met("lookup:bob~shs:B~gzip", "net:h:1~noise:B~gzip"));
        assert!(!is_met("lookup:bob~shs:B~gzip", "net:h:1~gzip~shs:B"));
        assert!(!is_met("lookup:bob~shs:B~shs:B", "net:h:1~shs:B"));
        // No key, so nothing that could be proven by another protocol.
        assert!(!is_met("lookup:bob~shs", "net:h:1~shs:B"));
    }

    #[test]
    fn a_bare_name_demands_nothing() {
        assert!(is_met("lookup:bob", "net:h:1"));
    }

    #[test]
    fn a_key_and_another_one_are_never_both_proven() {
        assert!(!is_met("lookup:B~shs:E", "net:h:1~shs:B"));
        assert!(!is_met("lookup:B~shs:E", "net:h:1~shs:E"));
        assert!(is_met("lookup:B~shs:E", "net:h:1~shs:E~noise:B"));
    }

    #[cfg(feature = "mtls")]
    #[test]
    fn a_peer_id_is_the_key_that_it_stands_for() {
        let id = |key: &str| {
            let key: PublicKey = key.parse().unwrap();
            tower_multiserver_core::PeerId::from(key).to_string()
        };
        let (bob, eve) = (id(BOB), id(EVE));
        for written in [
            "lookup:B",
            "lookup:bob~noise:B",
            &format!("lookup:bob~mtls:{bob}"),
        ] {
            assert!(is_met(written, &format!("net:h:1~knock:{bob}~mtls:{bob}")));
            assert!(!is_met(written, &format!("net:h:1~knock:{bob}~mtls:{eve}")));
            assert!(!is_met(written, &format!("net:h:1~knock:{bob}")));
            assert!(!is_met(written, "net:h:1~mtls"));
        }
        let written = format!("lookup:bob~knock:{bob}~mtls:{bob}");
        assert!(is_met(&written, &format!("net:h:1~knock:{bob}~mtls:{bob}")));
        assert!(!is_met(&written, &format!("net:h:1~mtls:{bob}")));
    }
}
