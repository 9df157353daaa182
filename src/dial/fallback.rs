//! The next address when one fails.

use std::time::Duration;

use tower_layer::Layer;
use tower_multiserver_core::Error;

use super::{
    Alternatives, DEFAULT_ATTEMPTS, alternatives::Policy, attempts::is_of_the_way, choice::Choice,
};

/// Layer that makes a dialer of address lists out of a dialer of addresses: it tries the next address when one fails.
///
/// It goes on when the way to an address is closed: errors of kind [`Io`](crate::ErrorKind::Io),
/// [`Timeout`](crate::ErrorKind::Timeout), [`Proxy`](crate::ErrorKind::Proxy),
/// [`Unavailable`](crate::ErrorKind::Unavailable), [`Overloaded`](crate::ErrorKind::Overloaded),
/// [`Closed`](crate::ErrorKind::Closed), and of course [`Unsupported`](crate::ErrorKind::Unsupported). It stops at an
/// answer: a wrong key or certificate, a refusal, a broken handshake. So nobody who stands in the way can move us on by
/// answering, say from `wss` to an address that proves less; somebody who only silences an address can, so let every
/// address of a list prove the peer's key. A captive portal or a middlebox that answers in the peer's place stops it too.
///
/// Each attempt has the time that its transport gives it ([`DIAL_TIMEOUT`](crate::DIAL_TIMEOUT) unless set).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_multiserver::Error> {
/// use tower::Layer as _;
/// use tower_multiserver::{MultiServer, dial::FallbackLayer, net::Net};
///
/// let multi = MultiServer::new().stack(Net::new());
/// let server = multi.listen("net:127.0.0.1:0").await?;
/// let (_, there) = &server.all_addresses()[0];
///
/// let dialer = FallbackLayer::new().layer(multi);
/// let connection = dialer.dial(format!("net:127.0.0.1:1;{there}")).await?;
/// assert_eq!(connection.info().address(), there);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FallbackLayer {
    policy: Policy,
}

/// The service that [`FallbackLayer`] makes of the dialer below it.
pub type Fallback<D> = Alternatives<D>;

impl FallbackLayer {
    /// Neither mixes onion addresses with others nor takes an address with a seed.
    pub fn new() -> Self {
        Self {
            policy: Policy {
                choice: Choice::default(),
                attempts: DEFAULT_ATTEMPTS,
                at_once: 1,
                delay: Duration::ZERO,
                // Nobody waits.
                patience: Duration::ZERO,
                timeout: None,
                goes_on: |error| is_of_the_way(error.kind()),
            },
        }
    }

    /// Sets after which errors the next address is tried. An address that is not understood is passed over in any case.
    #[must_use]
    pub fn goes_on_after(mut self, errors: fn(&Error) -> bool) -> Self {
        self.policy.goes_on = errors;
        self
    }
}

super::settings!(FallbackLayer);

impl<D> Layer<D> for FallbackLayer {
    type Service = Fallback<D>;

    fn layer(&self, dialer: D) -> Fallback<D> {
        Alternatives::new(dialer, self.policy)
    }
}
