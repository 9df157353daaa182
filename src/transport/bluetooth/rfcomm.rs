//! By channel number, with the kernel's sockets alone.

use std::{
    future::{Ready, ready},
    io,
    task::{Context, Poll},
    time::Duration,
};

use bluer::rfcomm;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tower_multiserver_core::{
    Accept, Address, Bound, Connection, DIAL_TIMEOUT, Error, HeldClose, Listen, Listener, Scope,
    within,
};
use tower_service::Service;

use super::{
    Adapter, BACKLOG, BluetoothIo, Device, DeviceAddress, NAME,
    closing::{connected, is_closing},
    device_address::Peer,
    error::socket_failed,
};

/// The Bluetooth transport for both ends, by channel number.
///
/// Its connections hold the facts [`Device`] and [`Adapter`], without names.
#[derive(Clone, Debug)]
pub struct Bluetooth {
    dial_timeout: Duration,
    channel: ChannelNumber,
    adapter: DeviceAddress,
}

/// The number of an RFCOMM channel: 1 to 30 (ETSI TS 07.10 with the Bluetooth SIG's RFCOMM, 5.4). 10 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelNumber(u8);

impl ChannelNumber {
    /// `None` when there is no such channel.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            1..=30 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The one on which JavaScript's SSB applications listen.
impl Default for ChannelNumber {
    fn default() -> Self {
        Self(10)
    }
}

/// A bound [`Bluetooth`].
#[derive(Debug)]
pub struct BluetoothListener(rfcomm::Listener);

/// A Bluetooth connection before any handshake.
#[derive(Debug)]
pub struct BluetoothSocket {
    stream: rfcomm::Stream,
    peer: DeviceAddress,
}

/// A connection that ends is in the way for milliseconds, so a dial tries again after so long, so many times. A refusal that
/// is meant, and a second connection to a channel, which there cannot be, are told the same, and come to light a quarter of
/// a second later.
const CLOSING_PAUSE: Duration = Duration::from_millis(50);
const ATTEMPTS: usize = 6;

impl Bluetooth {
    /// A transport that dials and listens on channel 10.
    pub fn new() -> Self {
        Self {
            dial_timeout: DIAL_TIMEOUT,
            channel: ChannelNumber::default(),
            adapter: DeviceAddress::ANY,
        }
    }

    /// Sets how long a dial may take, handshakes above included. [`DIAL_TIMEOUT`] unless set.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.dial_timeout = timeout;
        self
    }

    /// Sets the channel for dialing and listening. It is no part of an address, so peers must know it otherwise.
    #[must_use]
    pub fn channel(mut self, channel: ChannelNumber) -> Self {
        self.channel = channel;
        self
    }

    /// Dials through the adapter with this address. The kernel chooses one unless set.
    #[must_use]
    pub fn adapter(mut self, adapter: DeviceAddress) -> Self {
        self.adapter = adapter;
        self
    }

    async fn connect(self, to: DeviceAddress) -> io::Result<Connection<BluetoothIo>> {
        let mut retries = 1..ATTEMPTS;
        let stream = loop {
            match self.attempt(to).await {
                Err(error) if is_closing(error.kind()) && retries.next().is_some() => {
                    sleep(CLOSING_PAUSE).await;
                }
                stream => break stream?,
            }
        };
        connection(stream, to)
    }

    async fn attempt(&self, to: DeviceAddress) -> io::Result<rfcomm::Stream> {
        let socket = rfcomm::Socket::new()?;
        if self.adapter != DeviceAddress::ANY {
            socket.bind(rfcomm::SocketAddr::new(self.adapter.into(), 0))?;
        }
        let at = rfcomm::SocketAddr::new(to.into(), self.channel.0);
        let stream = socket.connect(at).await?;
        let there = &stream;
        let info = || there.as_ref().conn_info().map(drop);
        connected(info, || async move { there.peek(&mut [0]).await }).await?;
        Ok(stream)
    }

    fn open(self, at: DeviceAddress) -> io::Result<Bound<BluetoothListener>> {
        let socket = rfcomm::Socket::new()?;
        socket.bind(rfcomm::SocketAddr::new(at.into(), self.channel.0))?;
        let listener = BluetoothListener(socket.listen(BACKLOG.into())?);
        // Nobody but BlueZ's daemon knows the addresses of all adapters.
        let known = (at != DeviceAddress::ANY).then(|| (Scope::Local, at.section()));
        Ok(Bound::new(listener, known))
    }
}

impl Default for Bluetooth {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Address> for Bluetooth {
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
            let connect = async { this.connect(to).await.map_err(socket_failed) };
            let connection = within(deadline, connect).await;
            let connection = connection.map_err(|e| e.at(|| Address::new(to.section())))?;
            Ok(connection.with_deadline(deadline))
        })
    }
}

impl Service<Listen> for Bluetooth {
    type Response = Bound<BluetoothListener>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Listen(address): Listen) -> Self::Future {
        let at = address.finish::<DeviceAddress>(NAME);
        let this = self.clone();
        // A socket belongs to the runtime in which the future is awaited.
        Box::pin(async move {
            let at = at?;
            let bound = this.open(at).map_err(socket_failed);
            bound.map_err(|error| error.at(|| Address::new(at.section())))
        })
    }
}

impl Service<Accept<BluetoothSocket>> for Bluetooth {
    type Response = Connection<BluetoothIo>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Accept { raw, deadline }: Accept<BluetoothSocket>) -> Self::Future {
        ready(match connection(raw.stream, raw.peer) {
            Ok(connection) => Ok(connection.with_deadline(deadline)),
            Err(error) => Err(socket_failed(error).at(|| Address::new(raw.peer.section()))),
        })
    }
}

fn connection(stream: rfcomm::Stream, peer: DeviceAddress) -> io::Result<Connection<BluetoothIo>> {
    let local = stream.as_ref().local_addr()?;
    let adapter = Adapter {
        address: local.addr.into(),
        name: None,
    };
    let device = Device {
        address: peer,
        name: None,
    };
    Ok(Connection::new(BluetoothIo::new(stream), peer.section())
        .with(HeldClose)
        .with(device)
        .with(adapter)
        .with(Scope::Local))
}

impl Listener for BluetoothListener {
    type Raw = BluetoothSocket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<BluetoothSocket>>> {
        self.0.poll_accept(cx).map(|accepted| {
            Some(accepted.map(|(stream, at)| BluetoothSocket {
                stream,
                peer: at.addr.into(),
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_thirty_channels_and_ours_is_the_tenth() {
        assert_eq!(ChannelNumber::default().get(), 10);
        for number in 0..=u8::MAX {
            let exists = (1..=30).contains(&number);
            assert_eq!(ChannelNumber::new(number).is_some(), exists, "{number}");
        }
    }
}
