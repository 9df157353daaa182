//! All addresses, staggered.

use std::time::Duration;

use tower_layer::Layer;

use super::{Alternatives, DEFAULT_ATTEMPTS, alternatives::Policy, choice::Choice};

/// Layer that makes a dialer of address lists out of a dialer of addresses: it dials them side by side, in their order,
/// each with a head start, as RFC 8305 does for the families of IP.
///
/// When one fails, for whatever reason, the next starts at once. The first whose *whole* handshake ends wins, and the
/// others are dropped with their sockets. Only one at a time gets as far as to say who we are ([`turn`](crate::turn)), so
/// that of the peers at the other ends one learns it as a rule, and the next only when it has failed. A peer that falls
/// silent in the middle of its turn is given up when another waits.
///
/// Whoever can delay packets can decide who wins, so let every address of a list prove the peer's key.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_multiserver::Error> {
/// use tower::Layer as _;
/// use tower_multiserver::{MultiServer, dial::RaceLayer, net::Net};
///
/// let multi = MultiServer::new().stack(Net::new());
/// let server = multi.listen("net:127.0.0.1:0").await?;
/// let (_, there) = &server.all_addresses()[0];
///
/// let dialer = RaceLayer::new().layer(multi);
/// let connection = dialer.dial(format!("net:127.0.0.1:1;{there}")).await?;
/// assert_eq!(connection.info().address(), there);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RaceLayer {
    policy: Policy,
}

/// The service that [`RaceLayer`] makes of the dialer below it.
pub type Race<D> = Alternatives<D>;

/// The Connection Attempt Delay of RFC 8305, section 5.
const DELAY: Duration = Duration::from_millis(250);

/// Less than this "MUST NOT be used" (RFC 8305, section 5).
const MIN_DELAY: Duration = Duration::from_millis(10);

/// More sockets at once than a peer has protocols would only be a burden.
const AT_ONCE: usize = 8;

/// A few round trips and the server's decision; and of the [`DIAL_TIMEOUT`](crate::DIAL_TIMEOUT) enough is left for two
/// others.
const PATIENCE: Duration = Duration::from_secs(3);

impl RaceLayer {
    /// Neither mixes onion addresses with others nor takes an address with a seed.
    pub fn new() -> Self {
        Self {
            policy: Policy {
                choice: Choice::default(),
                attempts: DEFAULT_ATTEMPTS,
                at_once: AT_ONCE,
                delay: DELAY,
                patience: PATIENCE,
                timeout: None,
                goes_on: |_| true,
            },
        }
    }

    /// Sets the head start of each address before the next: 250 ms unless set, and never less than 10 ms.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.policy.delay = delay.max(MIN_DELAY);
        self
    }

    /// Sets how many may be under way at once: 8 unless set, and at least 1.
    #[must_use]
    pub fn at_once(mut self, attempts: usize) -> Self {
        self.policy.at_once = attempts.max(1);
        self
    }

    /// Sets after which time in its turn an attempt is given up when another one waits for its own: 3 s unless set. A
    /// server that asks a person whether to let us in needs more.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.policy.patience = patience;
        self
    }
}

super::settings!(RaceLayer);

impl<D> Layer<D> for RaceLayer {
    type Service = Race<D>;

    fn layer(&self, dialer: D) -> Race<D> {
        Alternatives::new(dialer, self.policy)
    }
}
