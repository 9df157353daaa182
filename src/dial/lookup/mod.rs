//! Names in the place of addresses: `lookup:NAME`.
//!
//! A look-up is a tower service from a [`Name`] to an [`Answer`], the addresses of whoever is called so: the look-up says
//! which protocols a peer speaks. There are a [`Table`] of one's own and the TXT records of the domain name system
//! (`Dns`, feature `dns`); [`CacheLayer`] keeps the answers of any of them for as long as they hold. [`LookupLayer`] puts
//! one above a dialer.
//!
//! | address | what it stands for |
//! |---|---|
//! | `lookup:NAME` | all addresses under that name |
//! | `lookup:KEY` | all addresses under that public key, in base64, that prove it |
//! | `lookup:NAME~shs:KEY` | all addresses under that name that prove that key |
//!
//! # What an answer cannot do
//!
//! A look-up can be wrong, or lie. The stacks of the dialer alone decide which protocols are spoken. Where a key is
//! written, as in `lookup:KEY` or `lookup:NAME~shs:KEY`, of the answer only those addresses are taken that prove that very
//! key: which hold `shs:KEY`, `noise:KEY` or `mtls:PEERID` ([`proven_by`](LookupLayer::proven_by) adds to these). Any
//! other section that is written behind the name must stand in an address just so, and in this order. So an answer can
//! talk nobody out of the encryption or the peer's identity that was written down. Where *no* key is written, whoever
//! gives the answer says who the peer is: with DNS that is anybody on the way to the server.
//!
//! An answer cannot name another look-up, and 16 of its addresses count. At most 4 names of a list are looked up, all at
//! once, in 5 seconds. They are looked up before anything is dialed, and not at all in a list that begins with an onion
//! address, since the look-up would tell somebody whom we dial ([`mix_onion`](LookupLayer::mix_onion) allows it).
//!
//! # Example
//!
//! ```
//! use tower::Layer as _;
//! use tower_multiserver::{MultiServer, dial::{FallbackLayer, lookup::{LookupLayer, Table}}, net::Net};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver::Error> {
//! let multi = MultiServer::new().stack(Net::new());
//! let server = multi.listen("net:127.0.0.1:0").await?;
//! let (_, there) = &server.all_addresses()[0];
//!
//! let table = Table::new().with("bob".parse()?, there.clone().into());
//! let dialer = LookupLayer::new(table).layer(multi);
//! let connection = dialer.dial("lookup:bob").await?;
//! assert_eq!(connection.info().address(), there);
//! # Ok(())
//! # }
//! ```

mod cache;
mod demand;
#[cfg(feature = "dns")]
mod dns;
#[cfg(all(feature = "dns", any(test, fuzzing)))]
#[doc(hidden)]
pub mod fuzzing;
mod name;
mod service;
mod table;

pub use cache::{Cache, CacheLayer};
#[cfg(feature = "dns")]
#[cfg_attr(docsrs, doc(cfg(feature = "dns")))]
pub use dns::Dns;
pub use name::{Answer, Name};
pub use service::{Lookup, LookupError, LookupLayer};
pub use table::{Nobody, Table};
