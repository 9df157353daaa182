//! Stands in for Hyperswarm where the feature is missing.

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use tower_multiserver_core::{Address, Connection, Error, Identity, PublicKey, Section};

use super::Config;

/// No node.
pub(super) struct Hyper;

impl Hyper {
    pub(super) fn new(_: &Config, _: &Identity) -> Result<Self, Error> {
        Ok(Self)
    }

    pub(super) fn ask_guests(&self) {}

    pub(super) fn find<D>(
        &self,
        _: D,
        _: Address,
    ) -> BoxFuture<'static, Result<Connection, Error>> {
        Box::pin(async { Err(Error::unsupported("its transport is not known")) })
    }
}

pub(super) fn is_topic(_: &Section) -> bool {
    false
}

pub(super) fn as_read(
    address: &Address,
    _: impl Fn(&Section) -> Option<PublicKey>,
) -> Result<Cow<'_, Address>, Error> {
    Ok(Cow::Borrowed(address))
}
