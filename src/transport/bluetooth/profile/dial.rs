//! A dial: to reach the device, and then its service.

use std::{pin::pin, sync::Arc, time::Duration};

use bluer::{Uuid, rfcomm::ReqError};
use futures_util::StreamExt as _;
use tokio::{sync::oneshot, time::sleep};
use tower_multiserver_core::Error;

use super::{
    discover,
    error::{failed, forgotten, io_kind, is_unheard_of, no_new_connection, remembered},
    link::{self, Link},
    registration::Routes,
};
use crate::{
    lock::lock,
    transport::bluetooth::{BluetoothIo, DeviceAddress, SERVICE, closing::is_closing},
};

/// A dial of the device `to` through `adapter`, whose address is `from`.
pub(super) struct Dial {
    pub(super) adapter: bluer::Adapter,
    pub(super) from: DeviceAddress,
    pub(super) to: DeviceAddress,
}

/// The connection, and the device as BlueZ has it.
pub(super) type Dialed = (BluetoothIo, bluer::Device);

/// Who dials, as long as it waits.
type Asked = oneshot::Sender<Result<Dialed, Error>>;

/// The pauses before a dial is tried again. Those of a channel number's dial are shorter: here BlueZ may be asking the
/// device what it offers, which it does by itself after the first connection over a link, and refuses other work for it.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

enum Failure {
    /// BlueZ has heard of no such service, and did not ask the device again, which may offer it by now.
    FromMemory(Error),
    Told(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl Dial {
    /// Runs until there is a connection, a failure, or nobody who waits; in the last case until BlueZ is done too.
    pub(super) async fn run(self, routes: Arc<Routes>, mut asked: Asked) {
        let outcome = self.attempts(&routes, &mut asked).await;
        // What comes from there now was not dialed.
        lock(&routes.dials).remove(&self.to);
        if let Some(outcome) = outcome {
            let _ = asked.send(outcome);
        }
    }

    async fn attempts(&self, routes: &Routes, asked: &mut Asked) -> Option<Result<Dialed, Error>> {
        let mut pauses = PAUSES.into_iter();
        let mut has_waited = false;
        loop {
            match self.attempt(routes, asked).await? {
                Ok(dialed) => return Some(Ok(dialed)),
                Err(Failure::FromMemory(error)) if has_waited => {
                    return Some(Err(remembered(error)));
                }
                Err(Failure::FromMemory(_)) => {
                    has_waited = true;
                    waited_for(asked, link::ended(&self.adapter, self.to)).await?;
                }
                Err(Failure::Told(error)) => match pauses.next() {
                    Some(pause) if io_kind(&error).is_some_and(is_closing) => {
                        waited_for(asked, sleep(pause)).await?;
                    }
                    _ => return Some(Err(error)),
                },
            }
        }
    }

    async fn attempt(&self, routes: &Routes, asked: &mut Asked) -> Option<Result<Dialed, Failure>> {
        let (device, _link) = match waited_for(asked, self.reach()).await? {
            Ok(reached) => reached,
            Err(error) => return Some(Err(error.into())),
        };
        let io = self.connect(&device, routes, asked).await;
        Some(io.map(|io| (io, device)))
    }

    /// The device, with a link to it unless this process can make none.
    async fn reach(&self) -> Result<(bluer::Device, Option<Link>), Error> {
        let device = self.adapter.device(self.to.into()).map_err(failed)?;
        // Nor is it where BlueZ does not know the device.
        if device.is_connected().await.unwrap_or(false) {
            return Ok((device, None));
        }
        let link = link::raise(self.from, self.to).await?;
        match link {
            Some(_) => discover::heard_of(&self.adapter, self.to).await?,
            None => discover::looked_for(&self.adapter, self.to).await?,
        }
        Ok((device, link))
    }

    /// Connects to the service of the device. It is for BlueZ to end it, though nobody waits any more: what it brings then
    /// is refused.
    async fn connect(
        &self,
        device: &bluer::Device,
        routes: &Routes,
        asked: &Asked,
    ) -> Result<BluetoothIo, Failure> {
        let (sender, request) = oneshot::channel();
        lock(&routes.dials).insert(self.to, Some(sender));
        let call = async {
            let called = connect_profile(device).await;
            // It brings the connection before it says so.
            lock(&routes.dials).insert(self.to, None);
            called
        };
        let accept = async {
            let request = request.await.ok()?;
            if asked.is_closed() {
                request.reject(ReqError::Rejected);
                return None;
            }
            Some(request.accept().map(BluetoothIo::new).map_err(failed))
        };
        let (called, accepted) = tokio::join!(call, accept);
        called?;
        Ok(accepted.unwrap_or_else(|| Err(no_new_connection()))?)
    }
}

async fn connect_profile(device: &bluer::Device) -> Result<(), Failure> {
    let service = Uuid::from_u128(SERVICE);
    // Set once BlueZ has asked what the device offers, until the end of the link.
    let has_asked = device.is_services_resolved().await.unwrap_or(false);
    // They end when BlueZ forgets the device, and then it may never answer.
    let mut events = pin!(device.events().await.map_err(failed)?);
    let is_forgotten = async { while events.next().await.is_some() {} };
    let called = tokio::select! {
        biased;
        called = device.connect_profile(&service) => called,
        () = is_forgotten => return Err(forgotten().into()),
    };
    called.map_err(|error| match has_asked && is_unheard_of(&error) {
        true => Failure::FromMemory(failed(error)),
        false => Failure::Told(failed(error)),
    })
}

/// `None` when nobody waits for the dial any more.
async fn waited_for<T>(asked: &mut Asked, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = asked.closed() => None,
        done = work => Some(done),
    }
}
