//! Policies of a dial: what to do with several addresses, and where they come from.
//!
//! [`MultiServer`](crate::MultiServer) dials the first address that it understands, and that one only. These layers over
//! it, or over any dialer of one address, do more:
//!
//! | layer | what it does with a list |
//! |---|---|
//! | [`FallbackLayer`] | tries the next address when the way to one is closed |
//! | [`RaceLayer`] | starts them one after the other, and takes the first that is connected |
//! | [`LookupLayer`](lookup::LookupLayer) | puts the addresses that a look-up knows in the place of `lookup:NAME`, for the layer below |
//!
//! # What the first two never do unless asked by name
//!
//! - **Mix onion addresses with others** (`mix_onion`). Who dials a peer through Tor does not want to be seen dialing it
//!   without. The first address of the list that a stack understands decides: after an `onion:` address only `onion:`
//!   addresses are dialed, after another one only others.
//! - **Take an address with a seed** (`allow_seeds`), such as `shs:KEY:SEED`. Its seed is a key to dial with instead of
//!   our own, which somebody who gives us a list has no business to choose.
//!
//! # Errors
//!
//! The one error of a dial lists every address that was tried or left out: its source is [`Attempts`], unless there was
//! only one.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver::Error> {
//! use tower::{ServiceBuilder, ServiceExt as _};
//! use tower_multiserver::{
//!     Identity, MultiAddress, MultiServer, RemoteKey, Scope,
//!     dial::{RaceLayer, lookup::{LookupLayer, Table}},
//!     net::Net, shs::ShsLayer, ws::Ws,
//! };
//!
//! let bob = Identity::generate()?;
//! let shs = ShsLayer::new(bob.clone());
//! let multi = MultiServer::new()
//!     .stack(ServiceBuilder::new().layer(shs.clone()).service(Net::new()))
//!     .stack(ServiceBuilder::new().layer(shs).service(Ws::new()));
//! let mut server = multi.listen("net:127.0.0.1:0~shs;ws://127.0.0.1:0~shs").await?;
//! let addresses = server.addresses(Scope::Device).expect("both are on this machine");
//!
//! let mut dialer = ServiceBuilder::new()
//!     .layer(LookupLayer::new(Table::new().with(bob.public_key().into(), addresses)))
//!     .layer(RaceLayer::new())
//!     .service(multi);
//! let who: MultiAddress = format!("lookup:{}", bob.public_key()).parse()?;
//! let (dialed, _) = tokio::join!(dialer.ready().await?.oneshot(who), server.next());
//! assert_eq!(dialed?.info().get(), Some(&RemoteKey(bob.public_key())));
//! # Ok(())
//! # }
//! ```

mod alternatives;
mod attempts;
mod choice;
mod fallback;
pub mod lookup;
mod race;

pub use alternatives::Alternatives;
pub use attempts::Attempts;
pub use choice::NotTried;
pub use fallback::{Fallback, FallbackLayer};
pub use race::{Race, RaceLayer};

/// A list from outside may have any length; more ways to one peer than this nobody needs.
const DEFAULT_ATTEMPTS: usize = 16;

/// What both policies let a user set.
macro_rules! settings {
    ($layer:ty) => {
        impl $layer {
            /// Dials onion addresses and others out of one list.
            #[must_use]
            pub fn mix_onion(mut self) -> Self {
                self.policy.choice.mix_onion = true;
                self
            }

            /// Takes addresses with a seed too.
            #[must_use]
            pub fn allow_seeds(mut self) -> Self {
                self.policy.choice.allow_seeds = true;
                self
            }

            /// Sets how many addresses of one list are dialed at most: 16 unless set. Those that are not understood do
            /// not count.
            #[must_use]
            pub fn max_attempts(mut self, attempts: usize) -> Self {
                self.policy.attempts = attempts;
                self
            }

            /// Sets how long the whole may take. Unless set, only each attempt has a limit, that of its transport.
            #[must_use]
            pub fn timeout(mut self, timeout: ::std::time::Duration) -> Self {
                self.policy.timeout = Some(timeout);
                self
            }
        }

        impl Default for $layer {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}
use settings;
