//! The layer that puts addresses in the place of names.

use std::{
    collections::HashSet,
    error, fmt,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_multiserver_core::{Address, BoxError, Error, FromSection as _, MultiAddress, within};
use tower_service::Service;

use super::{
    Answer, Name,
    demand::{Demand, Proofs},
};
use crate::dial::{
    Attempts,
    choice::{has_seed, is_onion},
};

/// Layer that puts the addresses which the look-up `L` knows in the place of `lookup:NAME`, over a dialer of address lists.
///
/// See the [module](crate::dial::lookup) for what it takes from an answer.
#[derive(Clone, Debug)]
pub struct LookupLayer<L> {
    lookup: L,
    proofs: Proofs,
    mix_onion: bool,
}

/// The service that [`LookupLayer`] makes of the dialer below it.
#[derive(Clone, Debug)]
pub struct Lookup<L, D> {
    layer: LookupLayer<L>,
    dialer: D,
}

/// Why a name led nowhere: the source of an error of kind [`Unsupported`](crate::ErrorKind::Unsupported), which stands
/// among the [`Attempts`] if there were others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupError {
    /// Nothing is known under the name.
    Unknown,
    /// Of what is known nothing proves the key, or holds the sections, that are written down.
    Unproven,
    /// A seed is written behind the name. It belongs to one address, and is given to no other.
    Seed,
    /// The list begins with an onion address, and the look-up would tell somebody whom we dial.
    Onion,
    /// Too many names stand before it.
    TooMany,
}

/// The name of the section.
const LOOKUP: &str = "lookup";

/// For all names of a list. A dial has twice that, and a resolver that does not answer in this time will not.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many names of one list are looked up. A list may come from outside, and each is a query to others.
const MAX_NAMES: usize = 4;

/// How many addresses of one answer count: as many as a policy dials.
const MAX_ADDRESSES: usize = 16;

impl<L> LookupLayer<L> {
    /// Asks `lookup`, a service from [`Name`] to [`Answer`].
    pub fn new(lookup: L) -> Self {
        Self {
            lookup,
            proofs: ["shs", "noise", "mtls"].map(str::to_owned).to_vec(),
            mix_onion: false,
        }
    }

    /// Says that a section of this name proves the key that is its first argument, as `shs`, `noise` and `mtls` do.
    #[must_use]
    pub fn proven_by(mut self, section: impl Into<String>) -> Self {
        self.proofs.push(section.into());
        self
    }

    /// Looks names up in a list that begins with an onion address too: where the look-up tells nobody, such as a table.
    #[must_use]
    pub fn mix_onion(mut self) -> Self {
        self.mix_onion = true;
        self
    }
}

impl<L: Clone, D> Layer<D> for LookupLayer<L> {
    type Service = Lookup<L, D>;

    fn layer(&self, dialer: D) -> Lookup<L, D> {
        Lookup {
            layer: self.clone(),
            dialer,
        }
    }
}

impl<L, D> Lookup<L, D>
where
    L: Service<Name, Response = Answer, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync,
    D: Service<MultiAddress, Error: Into<BoxError>, Future: Send> + Clone + Send,
{
    /// Looks all names up, then dials. Drop the future to give up: nothing stays behind.
    ///
    /// # Errors
    ///
    /// Those of the dialer and of the look-ups, as one. If all names led nowhere, and there was nothing else, one of kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported) or what befell the look-up.
    pub fn dial<A>(
        &self,
        addresses: A,
    ) -> impl Future<Output = Result<D::Response, Error>> + Send + use<L, D, A>
    where
        A: TryInto<MultiAddress, Error: Into<Error>>,
    {
        let Self { layer, dialer } = self.clone();
        let addresses = addresses.try_into().map_err(Into::into);
        async move {
            let mut attempts = Attempts::default();
            let Some(found) = layer.resolve(addresses?, &mut attempts).await else {
                return Err(attempts.into_error());
            };
            let first = found.iter().next().cloned();
            let dialed = dialer.oneshot(found).await;
            dialed.map_err(|error| {
                let error = Error::from(error.into());
                match first {
                    Some(first) if !attempts.is_empty() => {
                        attempts.absorb(&first, error);
                        attempts.into_error()
                    }
                    _ => error,
                }
            })
        }
    }
}

impl<L> LookupLayer<L>
where
    L: Service<Name, Response = Answer, Error: Into<BoxError>> + Clone,
{
    /// The addresses to dial, each once; `None` if there are none.
    async fn resolve(
        &self,
        addresses: MultiAddress,
        attempts: &mut Attempts,
    ) -> Option<MultiAddress> {
        let deadline = Instant::now().checked_add(TIMEOUT);
        let first = addresses.iter().next();
        let is_onion = !self.mix_onion && first.is_some_and(is_onion);
        let mut names = 0_usize;
        let resolved = addresses.into_iter().map(|address| {
            let is_name = address.transport().name() == LOOKUP;
            names = names.saturating_add(is_name.into());
            let forbidden = match names {
                _ if is_onion => Some(LookupError::Onion),
                names if names > MAX_NAMES => Some(LookupError::TooMany),
                _ => None,
            };
            async move {
                let found = match (is_name, forbidden) {
                    (false, _) => return (None, Ok(vec![address])),
                    (true, Some(why)) => Err(Error::unsupported(why)),
                    (true, None) => within(deadline, self.ask(&address)).await,
                };
                let found = found.map_err(|error| error.at(|| address.clone()));
                (Some(address), found)
            }
        });
        let mut all: Option<MultiAddress> = None;
        let mut seen = HashSet::new();
        for (name, found) in join_all(resolved).await {
            match (name, found) {
                (Some(name), Err(error)) => {
                    tracing::debug!(?name, error = &error as &dyn error::Error, "leads nowhere");
                    attempts.push(&name, error);
                }
                (_, found) => {
                    for address in found.into_iter().flatten() {
                        if !seen.insert(address.clone()) {
                            continue;
                        }
                        match &mut all {
                            Some(all) => all.push(address),
                            None => all = Some(address.into()),
                        }
                    }
                }
            }
        }
        all
    }

    async fn ask(&self, address: &Address) -> Result<Vec<Address>, Error> {
        if has_seed(address) {
            return Err(Error::unsupported(LookupError::Seed));
        }
        let (name, rest) = (address.transport(), address.transforms());
        let name = Name::from_section(name).map_err(Error::unsupported)?;
        let demand = Demand::new(&name, rest);
        let answer = self.lookup.clone().oneshot(name).await;
        let answer = answer.map_err(|error| Error::from(error.into()))?;
        let Some(addresses) = answer.addresses else {
            return Err(Error::unsupported(LookupError::Unknown));
        };
        let taken = addresses.into_iter().filter(|address| {
            address.transport().name() != LOOKUP && demand.is_met(address, &self.proofs)
        });
        let taken: Vec<_> = taken.take(MAX_ADDRESSES).collect();
        match taken.is_empty() {
            true => Err(Error::unsupported(LookupError::Unproven)),
            false => Ok(taken),
        }
    }
}

impl<L, D> Service<MultiAddress> for Lookup<L, D>
where
    L: Service<Name, Response = Answer, Error: Into<BoxError>, Future: Send>,
    L: Clone + Send + Sync + 'static,
    D: Service<MultiAddress, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    type Response = D::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<D::Response, Error>>;

    // What is dialed is not known before the look-up, and each dial waits for the dialer below by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, addresses: MultiAddress) -> Self::Future {
        Box::pin(self.dial(addresses))
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "nothing is known under this name",
            Self::Unproven => "nothing that is known under this name proves what is written here",
            Self::Seed => "a seed cannot stand behind a name",
            Self::Onion => "not looked up, since the list begins with an onion address",
            Self::TooMany => "not looked up, since too many names stand before it",
        })
    }
}

impl error::Error for LookupError {}
