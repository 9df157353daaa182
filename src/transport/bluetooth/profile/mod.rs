//! By service, with BlueZ's daemon: it finds the channel, and the devices around.
//!
//! Needs `bluetoothd` on the system's bus, and the right to talk to it (on Debian the group `bluetooth`).
//!
//! BlueZ gives a service to one program at a time. A [`BluetoothProfile`] and its clones have it together, from the first
//! listen or dial to the end of the last listener, dial and connection; another program's meanwhile fails with
//! [`AddrInUse`](std::io::ErrorKind::AddrInUse). So clone one value rather than make a second. A value that has begun to
//! dial without listening offers nothing to others, and can listen only after its connections have ended: listen first.
//!
//! BlueZ is asked for neither pairing nor consent; devices may insist on pairing all the same. It does not say whether a
//! connection is a dial's or came in, so what comes from a device that is being dialed counts as dialed: two devices that
//! dial each other at the same moment may both fail, and can try again. A listener does not notice that the daemon was
//! started anew, and hears of no more peers then.
//!
//! # Example
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_multiserver::Error> {
//! use std::time::Duration;
//! use tower_multiserver::{Address, StackExt, bluetooth::profile::BluetoothProfile};
//!
//! let bluetooth = BluetoothProfile::new();
//! for device in bluetooth.discover(Duration::from_secs(15)).await? {
//!     println!("{:?}", device.name);
//!     let _peer = bluetooth.dial(Address::new(device.address.section())).await?;
//! }
//! # Ok(())
//! # }
//! ```

mod daemon;
mod discover;
mod error;
mod registration;

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bluer::rfcomm::ConnectRequest;
use futures_util::future::BoxFuture;
use tokio::{sync::mpsc, time::Instant};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, Error, ErrorKind, HeldClose, Listen, Listener, Scope,
    within,
};
use tower_service::Service;

use self::{
    error::failed,
    registration::{Registration, Registry},
};
use super::{
    Adapter, BluetoothIo, ChannelNumber, Device, DeviceAddress, NAME, device_address::Peer,
};

/// The Bluetooth transport for both ends, by the service that devices offer.
///
/// Its connections hold the facts [`Device`] and [`Adapter`], with the names that BlueZ knows. A device that BlueZ has
/// never seen is looked for before it is dialed.
#[derive(Clone)]
pub struct BluetoothProfile {
    dial_timeout: Duration,
    channel: ChannelNumber,
    adapter: DeviceAddress,
    registry: Arc<Registry>,
}

/// A bound [`BluetoothProfile`].
pub struct ProfileListener {
    at: DeviceAddress,
    inbound: mpsc::Receiver<ConnectRequest>,
    registration: Arc<Registration>,
}

/// A connection that BlueZ offers, before any handshake.
pub struct ProfileSocket {
    request: ConnectRequest,
    at: DeviceAddress,
    registration: Arc<Registration>,
}

/// How long a dial may take unless set: to look for a device takes 10 seconds (the length of an inquiry, Bluetooth Core,
/// volume 3, part C, appendix A), to page it up to 5, and then come the service discovery and the handshakes above.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

impl BluetoothProfile {
    /// A transport that dials, and offers the service on channel 10 where it listens.
    pub fn new() -> Self {
        Self {
            dial_timeout: DIAL_TIMEOUT,
            channel: ChannelNumber::default(),
            adapter: DeviceAddress::ANY,
            registry: Arc::default(),
        }
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Sets the channel for listening. Peers that look for the service learn it.
    #[must_use]
    pub fn channel(mut self, channel: ChannelNumber) -> Self {
        self.channel = channel;
        self
    }

    /// Dials and discovers through the adapter with this address. The first that is on unless set.
    #[must_use]
    pub fn adapter(mut self, adapter: DeviceAddress) -> Self {
        self.adapter = adapter;
        self
    }

    /// The devices around that offer the service, after looking for them for `time`. Those that BlueZ knew from before are
    /// among them, wherever they are now; of devices that it has never talked to, only those that announce the service.
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Of kind [`Unavailable`](ErrorKind::Unavailable) when there is no daemon, or no adapter that is on.
    pub async fn discover(&self, time: Duration) -> Result<Vec<Device>, Error> {
        discover::services(self.adapter, time).await
    }

    async fn connect(self, to: DeviceAddress) -> Result<Connection<BluetoothIo>, Error> {
        let registration = self.registry.for_dialing().await?;
        let adapter = daemon::adapter(registration.session(), self.adapter).await?;
        let device = discover::device(&adapter, to).await?;
        let stream = registration.connect(device.clone()).await?;
        let adapter = Adapter {
            address: adapter.address().await.map_err(failed)?.into(),
            name: Some(adapter.name().to_owned()),
        };
        let device = Device {
            address: to,
            name: daemon::name(&device).await,
        };
        let io = BluetoothIo::new(stream, Some(registration));
        Ok(connection(io, device).with(adapter))
    }

    async fn open(self, at: DeviceAddress) -> Result<Bound<ProfileListener>, Error> {
        let registering = self.registry.for_listening(self.channel);
        let (registration, inbound) = registering.await?;
        // After it, so that two listeners are told apart from one without an adapter.
        let adapters = daemon::addresses(registration.session(), at).await?;
        let listener = ProfileListener {
            at,
            inbound,
            registration,
        };
        let advertised = adapters.into_iter().map(|at| (Scope::Local, at.section()));
        Ok(Bound::new(listener, advertised))
    }
}

impl Default for BluetoothProfile {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for BluetoothProfile {
    type Response = Connection<BluetoothIo>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let deadline = Instant::now().checked_add(self.dial_timeout);
        let to = address.finish::<Peer>(NAME);
        let this = self.clone();
        Box::pin(async move {
            let Peer(to) = to?;
            let connection = within(deadline, this.connect(to)).await;
            let connection = connection.map_err(|e| e.at(|| Address::new(to.section())))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl Service<Listen> for BluetoothProfile {
    type Response = Bound<ProfileListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = address.finish::<DeviceAddress>(NAME);
        let this = self.clone();
        Box::pin(async move {
            let at = at?;
            let bound = this.open(at).await;
            bound.map_err(|error| error.at(|| Address::new(at.section())))
        })
    }
}

impl Service<Accept<ProfileSocket>> for BluetoothProfile {
    type Response = Connection<BluetoothIo>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<ProfileSocket>) -> Self::Future {
        Box::pin(async move {
            let peer = DeviceAddress::from(raw.request.device());
            let connection = within(deadline, raw.accept(peer)).await;
            let connection = connection.map_err(|e| e.at(|| Address::new(peer.section())))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl ProfileSocket {
    async fn accept(self, peer: DeviceAddress) -> Result<Connection<BluetoothIo>, Error> {
        let stream = self.request.accept().map_err(failed)?;
        let local = stream.as_ref().local_addr().ok().map(|at| at.addr);
        let io = BluetoothIo::new(stream, Some(self.registration.clone()));
        let (device, adapter) = daemon::ends(self.registration.session(), peer, local).await;
        let through = adapter.as_ref().map(|adapter| adapter.address);
        // BlueZ offers a service on all adapters.
        if self.at != DeviceAddress::ANY && through != Some(self.at) {
            let reason = "it came in by an adapter that is not listened at";
            return Err(Error::new(ErrorKind::Unauthorized, reason));
        }
        let connection = connection(io, device);
        Ok(match adapter {
            Some(adapter) => connection.with(adapter),
            None => connection,
        })
    }
}

fn connection(io: BluetoothIo, device: Device) -> Connection<BluetoothIo> {
    Connection::new(io, device.address.section())
        .with(HeldClose)
        .with(device)
        .with(Scope::Local)
}

impl Listener for ProfileListener {
    type Raw = ProfileSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<ProfileSocket>>> {
        self.inbound.poll_recv(cx).map(|request| {
            request.map(|request| {
                Ok(ProfileSocket {
                    request,
                    at: self.at,
                    registration: self.registration.clone(),
                })
            })
        })
    }
}

impl fmt::Debug for BluetoothProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BluetoothProfile")
            .field("dial_timeout", &self.dial_timeout)
            .field("channel", &self.channel)
            .field("adapter", &self.adapter)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProfileListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileListener")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProfileSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileSocket")
            .field("request", &self.request)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
