//! Our one registration of the service, and which connection is whose.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use crate::lock::lock;
use bluer::{
    ErrorKind as Kind, Session, Uuid,
    rfcomm::{ConnectRequest, Profile, ProfileHandle, ReqError, Role, Stream},
};
use futures_util::StreamExt as _;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};
use tower_multiserver_core::Error;

use super::{
    daemon,
    error::{NO_SUCH_PROFILE, failed},
};
use crate::transport::bluetooth::{BACKLOG, ChannelNumber, DeviceAddress, SERVICE};

/// The registration that a transport and its clones share, as long as anybody needs it.
#[derive(Default)]
pub(super) struct Registry(AsyncMutex<Weak<Registration>>);

/// The service is ours. Dropping it gives it back.
pub(super) struct Registration {
    session: Session,
    offered: bool,
    routes: Arc<Routes>,
    /// What hands on connections, and the calls of dials, which BlueZ goes on with though the dial is given up.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Routes {
    dials: Mutex<HashMap<DeviceAddress, Waiting>>,
    inbound: Mutex<Option<mpsc::Sender<ConnectRequest>>>,
}

/// Who waits for the connection to a device that is dialed; nobody any more once it is there, while BlueZ finishes.
type Waiting = Option<oneshot::Sender<ConnectRequest>>;

/// A registration that was dropped, by us a moment ago perhaps, is taken back a little later, and nobody tells when. So
/// BlueZ is asked again after so long, so many times: for a second in all, where it takes milliseconds.
const PAUSE: Duration = Duration::from_millis(20);
const ATTEMPTS: usize = 50;

impl Registry {
    pub(super) async fn for_dialing(&self) -> Result<Arc<Registration>, Error> {
        let mut current = self.0.lock().await;
        if let Some(registration) = current.upgrade() {
            return Ok(registration);
        }
        let client = Profile {
            role: Some(Role::Client),
            ..service()
        };
        Registration::open(&mut current, client, None).await
    }

    pub(super) async fn for_listening(
        &self,
        channel: ChannelNumber,
    ) -> Result<(Arc<Registration>, mpsc::Receiver<ConnectRequest>), Error> {
        let mut current = self.0.lock().await;
        let (sender, inbound) = mpsc::channel(BACKLOG.into());
        if let Some(registration) = current.upgrade() {
            // Of a listener that is gone there may be connections.
            registration.listen_again(sender)?;
            return Ok((registration, inbound));
        }
        // Without a role, it serves for dialing too.
        let both = Profile {
            name: Some("multiserver".into()),
            channel: Some(channel.get().into()),
            ..service()
        };
        let registration = Registration::open(&mut current, both, Some(sender)).await?;
        Ok((registration, inbound))
    }
}

/// Who proves a key needs no consent of BlueZ's.
fn service() -> Profile {
    Profile {
        uuid: Uuid::from_u128(SERVICE),
        require_authentication: Some(false),
        require_authorization: Some(false),
        ..Profile::default()
    }
}

impl Registration {
    async fn open(
        current: &mut Weak<Self>,
        profile: Profile,
        inbound: Option<mpsc::Sender<ConnectRequest>>,
    ) -> Result<Arc<Self>, Error> {
        let session = daemon::session().await?;
        let offered = inbound.is_some();
        let handle = register(&session, profile).await?;
        let routes = Arc::new(Routes {
            inbound: Mutex::new(inbound),
            ..Routes::default()
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(hand_on(handle, routes.clone()));
        let registration = Arc::new(Self {
            session,
            offered,
            routes,
            tasks: Mutex::new(tasks),
        });
        *current = Arc::downgrade(&registration);
        Ok(registration)
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    fn listen_again(&self, sender: mpsc::Sender<ConnectRequest>) -> io::Result<()> {
        let mut inbound = lock(&self.routes.inbound);
        let in_use = |reason| Err(io::Error::new(io::ErrorKind::AddrInUse, reason));
        match &*inbound {
            _ if !self.offered => in_use("the service is in use for dialing alone"),
            Some(other) if !other.is_closed() => in_use("the service has a listener"),
            _ => {
                *inbound = Some(sender);
                Ok(())
            }
        }
    }

    /// Connects to the service of a device. When it is given up, what BlueZ brings of it still is refused.
    pub(super) async fn connect(&self, device: bluer::Device) -> Result<Stream, Error> {
        let (sender, request) = oneshot::channel();
        let address = DeviceAddress::from(device.address());
        match lock(&self.routes.dials).entry(address) {
            Entry::Vacant(vacant) => vacant.insert(Some(sender)),
            Entry::Occupied(_) => {
                let reason = "another dial to the device is under way";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason).into());
            }
        };
        let routes = self.routes.clone();
        let (done, outcome) = oneshot::channel();
        {
            let mut tasks = lock(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let connected = connect_profile(&device).await;
                // What comes from there now was not dialed.
                lock(&routes.dials).remove(&address);
                let _ = done.send(connected);
            });
        }
        let stream = match request.await {
            Ok(request) => Some(request.accept().map_err(failed)?),
            Err(_) => None,
        };
        let ended = || Error::from(io::Error::from(io::ErrorKind::NotConnected));
        outcome.await.map_err(|_| ended())?.map_err(failed)?;
        stream.ok_or_else(ended)
    }
}

async fn register(session: &Session, profile: Profile) -> Result<ProfileHandle, Error> {
    let mut retries = 1..ATTEMPTS;
    loop {
        match session.register_profile(profile.clone()).await {
            Err(error) if matches!(error.kind, Kind::NotPermitted | Kind::AlreadyExists) => {
                if retries.next().is_none() {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, error).into());
                }
                sleep(PAUSE).await;
            }
            result => return result.map_err(failed),
        }
    }
}

async fn connect_profile(device: &bluer::Device) -> bluer::Result<()> {
    let service = Uuid::from_u128(SERVICE);
    match device.connect_profile(&service).await {
        // What a device offers is asked of it only on a connection. Whatever else that tries may fail.
        Err(error) if error.message.contains(NO_SUCH_PROFILE) => {
            let _ = device.connect().await;
            device.connect_profile(&service).await
        }
        result => result,
    }
}

/// Hands each connection to who dialed the device or, if nobody did, to the listener.
async fn hand_on(mut requests: ProfileHandle, routes: Arc<Routes>) {
    while let Some(request) = requests.next().await {
        let from = DeviceAddress::from(request.device());
        let dial = lock(&routes.dials).get_mut(&from).and_then(Option::take);
        let refused = match dial {
            Some(dial) => dial.send(request).err(),
            None => match &*lock(&routes.inbound) {
                Some(inbound) => inbound.try_send(request).err().map(|e| e.into_inner()),
                None => Some(request),
            },
        };
        if let Some(request) = refused {
            request.reject(ReqError::Rejected);
        }
    }
}
