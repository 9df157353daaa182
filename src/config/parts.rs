//! What the layers of a configured server are made of.

use std::time::Duration;

use tower_multiserver_core::{AppKey, DIAL_TIMEOUT, Identity, Section};

use super::{Config, allow::Guests, hyper::Hyper};

/// What the protocols are made of.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) identity: Identity,
    pub(super) guests: Guests,
    pub(super) hyper: Hyper,
}

impl Parts {
    pub(super) fn dial_timeout(&self) -> Duration {
        self.config.dial_timeout.unwrap_or(DIAL_TIMEOUT)
    }

    pub(super) fn external(&self, transport: &str) -> Vec<Section> {
        let sections = self.config.external.get(transport);
        sections.cloned().unwrap_or_default()
    }

    /// What `ws` and `wss` have in common.
    #[cfg(feature = "ws")]
    pub(super) fn ws(&self, transport: &str) -> crate::ws::Ws {
        let ws = crate::ws::Ws::new()
            .dial_timeout(self.dial_timeout())
            .external(self.external(transport));
        match self.config.user_timeout {
            Some(timeout) => ws.user_timeout(timeout),
            None => ws,
        }
    }

    pub(super) fn app_key(&self) -> AppKey {
        self.config.app_key.clone().unwrap_or(AppKey::SSB)
    }
}
