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
//! # Dialing
//!
//! A dial brings up the link with the kernel's sockets, so that it needs no search and reaches devices that do not want to
//! be found. A process that has no such sockets, in a network namespace of its own or a sandbox, leaves it to BlueZ, which
//! looks for a device that it does not know.
//!
//! BlueZ holds one connection of a service to a device, whoever dialed it. A second dial meanwhile is
//! [`ResourceBusy`](std::io::ErrorKind::ResourceBusy), and leaves the first as it is.
//!
//! BlueZ forgets a device that it cannot reach, and all that it knows of it, unless they are paired to stay. The other side
//! may then refuse the silent pairing of the next dial (`JustWorksRepairing` in BlueZ's main.conf), until it has forgotten
//! this machine too: `bluetoothctl remove` there helps, or pairing the two beforehand.
//!
//! BlueZ asks a device what it offers once on a link, and remembers that it has heard of no such service as long as the
//! link is up, though the device may have begun to offer it. A dial then waits for the end of the link, which comes some
//! four seconds after its last use, and asks again. A link that is in use for other things, such as headphones, is not
//! ours to end: after eight seconds the dial says that BlueZ remembers no such service. `bluetoothctl disconnect` helps.
//!
//! # Errors of a dial
//!
//! They are of kind [`Io`](ErrorKind::Io), with an [`io::Error`] as the source, whose own source is what BlueZ said:
//!
//! | [`io::ErrorKind`] | |
//! |---|---|
//! | `NotFound` | the device offers no such service |
//! | `HostUnreachable` | the device does not answer: it is off or out of reach |
//! | `ResourceBusy` | there is a connection to the device, or BlueZ or another dial is busy with it |
//! | `ConnectionRefused`, `ConnectionReset` | the device refused or gave up; also where it has kept a pairing that this machine has forgotten |
//! | `ConnectionAborted` | BlueZ gave up, or the link ended meanwhile |
//! | `PermissionDenied` | the user may not talk to BlueZ, or the device has forgotten that it was paired |
//! | `TimedOut` | the device or BlueZ took too long, by their own clocks |
//! | `AddrInUse` | another program has the service |
//!
//! BlueZ has these names for its failures since 5.62; what an older one says is of kind `Other`. Without the daemon or an
//! adapter that is on, it is [`Unavailable`](ErrorKind::Unavailable) instead.
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
mod dial;
mod discover;
mod error;
mod link;
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
    dial::Dial,
    error::failed,
    registration::{Registration, Registry},
};
use super::{
    Adapter, BluetoothIo, ChannelNumber, Device, DeviceAddress, NAME, device_address::Peer,
};

/// The Bluetooth transport for both ends, by the service that devices offer.
///
/// Its connections hold the facts [`Device`] and [`Adapter`], with the names that BlueZ knows.
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

/// How long a dial may take unless set: where BlueZ has to look for a device that takes 10 seconds (the length of an inquiry,
/// Bluetooth Core, volume 3, part C, appendix A), to page it up to 5, an old link may take 8 to end, and then come the
/// service discovery and the handshakes above.
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
        let from = adapter.address().await.map_err(failed)?.into();
        let dial = Dial {
            adapter: adapter.clone(),
            from,
            to,
        };
        let (io, device) = registration.connect(dial).await?;
        let adapter = Adapter {
            address: from,
            name: Some(adapter.name().to_owned()),
        };
        let device = Device {
            address: to,
            name: daemon::name(&device).await,
        };
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
        let io = BluetoothIo::new(stream).keeping(self.registration.clone());
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
