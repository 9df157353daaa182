//! Under which other addresses a listener is reached: a reverse proxy, a tunnel, a hidden service.

use tower_multiserver_core::{Connection, HalfClose, HeldClose, Io, Scope, Section};

use super::Linger;

/// Whole transport sections for the public scope, in place of a listener's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct External(Vec<Section>);

impl External {
    pub(crate) fn new(sections: impl IntoIterator<Item = Section>) -> Self {
        Self(sections.into_iter().collect())
    }

    /// The scope of a connection that seems to come from `real`: whoever forwards connections to us makes strangers look
    /// like neighbours.
    pub(crate) fn scope(&self, real: Scope) -> Scope {
        match self.0.is_empty() {
            true => real,
            false => Scope::Public,
        }
    }

    /// A connection that was accepted at `section`. Tor ends both directions with one, whichever side of it begins, and
    /// what is on its way in the other one is lost.
    pub(crate) fn connection<S: Io>(&self, io: S, section: Section) -> Connection<Linger<S>> {
        match self.0.iter().any(|section| section.name() == "onion") {
            true => Connection::new(Linger::holding(io), section).with(HeldClose),
            false => Connection::new(Linger::new(io), section).with(HalfClose),
        }
    }

    /// What to advertise, given the listener's own sections.
    pub(crate) fn advertised(&self, own: Vec<(Scope, Section)>) -> Vec<(Scope, Section)> {
        let own = own
            .into_iter()
            .filter(|(scope, _)| self.0.is_empty() || *scope != Scope::Public);
        let external = self.0.iter().cloned();
        own.chain(external.map(|section| (Scope::Public, section)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_by_tor_cannot_end_one_direction() {
        let (io, _peer) = tokio::io::duplex(1);
        let onion = External::new([Section::new("net"), Section::new("onion")]);
        let connection = onion.connection(io, Section::new("net"));
        assert!(!connection.info().has_half_close());
        for external in [External::default(), External::new([Section::new("net")])] {
            let (io, _peer) = tokio::io::duplex(1);
            let connection = external.connection(io, Section::new("net"));
            assert!(connection.info().has_half_close());
        }
    }

    #[test]
    fn an_external_section_replaces_the_public_ones_and_makes_peers_public() {
        let own = vec![
            (Scope::Local, Section::new("net").arg("10.0.0.1").arg(1)),
            (Scope::Public, Section::new("net").arg("203.0.113.9").arg(1)),
        ];
        let onion = Section::new("onion").arg("x.onion").arg(1);
        let external = External::new([onion.clone()]);
        let advertised = external.advertised(own.clone());
        assert_eq!(advertised, [own[0].clone(), (Scope::Public, onion)]);
        assert_eq!(external.scope(Scope::Device), Scope::Public);

        assert_eq!(External::default().advertised(own.clone()), own);
        assert_eq!(External::default().scope(Scope::Device), Scope::Device);
    }
}
